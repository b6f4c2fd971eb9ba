use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use mail::{Envelope, MailboxName, QueueId, Uid, ViewName};

use crate::{
    Deletion, Delivered, Entry, Expunge, Fetched, Join, MailboxStatus, Queued, Route, Stamp, StoreError,
    Trashed, Undone, Unwanted, Usage, ViewState,
};

/// The queue and the mailboxes behind it. A handle: clones share one store.
///
/// Every method that changes something returns only when the change is durable *and* visible to a call
/// made afterwards, with two exceptions: what [`Incoming::commit`] wrote is durable at once and shows in
/// [`Store::queued`] soon after; and [`Store::delete`] does not wait for ever. A future that is dropped may or
/// may not have had its effect, never half.
pub trait Store: Clone + Send + Sync + 'static {
    /// A message while it arrives.
    type Incoming: Incoming;
    /// A view as it was when it was opened.
    type Maildrop: Maildrop;

    /// Whether a message of that many octets would find room now. Asked at MAIL, before anything is sent.
    fn admit(&self, octets: u64) -> Result<(), StoreError>;

    /// Begins a message. `expected` is what the client declared, or nothing.
    fn incoming(&self, expected: Option<u64>) -> Result<Self::Incoming, StoreError>;

    /// Messages that wait to be routed, oldest first, after `after`, `limit` at most: held ones too.
    fn queued(
        &self,
        after: Option<QueueId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Queued>, StoreError>> + Send;

    /// Returns when the queue has got a message since this was last awaited; may return for nothing.
    fn arrival(&self) -> impl Future<Output = ()> + Send;

    /// Moves queued messages into mailboxes: each route is one atomic step; one that cannot be written fails
    /// the call, and the routes before it stand.
    fn deliver(&self, routes: Vec<Route>) -> impl Future<Output = Result<Vec<Delivered>, StoreError>> + Send;

    /// Marks a queued message so that the router passes it by, or unmarks it. False when it is not queued.
    fn hold(&self, id: QueueId, held: bool) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// A snapshot of what a view lists, in the order of delivery. It holds everything that was acknowledged
    /// (delivered, deleted) before this was called, or is [`StoreError::Unavailable`] when that cannot be had
    /// within seconds; and all it lists stays readable as long as it lives.
    /// The owner's view of a mailbox that never got mail is empty; another view must have joined.
    fn open(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
    ) -> impl Future<Output = Result<Self::Maildrop, StoreError>> + Send;

    /// The same of all that a mailbox holds, whatever its views are done with; without any view the owner's.
    fn whole(&self, mailbox: &MailboxName)
    -> impl Future<Output = Result<Self::Maildrop, StoreError>> + Send;

    /// Done with these, all or nothing. On a mailbox that views have joined an entry stays as long as one of them
    /// wants it; otherwise, and of a mailbox that none has joined, [`Expunge::unwanted`] says what becomes of it.
    ///
    /// Answers within a bounded time, because a client waits. Once it is durable it is a promise: when what
    /// shows it lags behind, this returns all the same, and [`Store::open`] waits instead. When even that takes
    /// too long it is [`StoreError::Unsure`]: the deletion was begun and may yet take effect. After any other
    /// error nothing is deleted.
    fn delete(&self, groups: Vec<Expunge>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Remembers what the view's client was offered and has fetched in full. A view that has not joined has nothing
    /// to remember.
    fn seen(&self, group: Fetched) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Every view that has joined a mailbox, by name, and how it stands.
    fn views(&self, mailbox: &MailboxName)
    -> impl Future<Output = Result<Vec<ViewState>, StoreError>> + Send;

    /// Moves entries into the mailbox's trash ([`MailboxName::trash`], a mailbox of its own), whatever the views
    /// say. They keep their uids there. What is in a trash stays where it is.
    fn trash(
        &self,
        mailbox: &MailboxName,
        uids: Vec<Uid>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What is in the trash of a mailbox, by uid, above `after`, `limit` at most.
    fn trashed(
        &self,
        mailbox: &MailboxName,
        after: Uid,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Trashed>, StoreError>> + Send;

    /// When what a mailbox holds came into it, or came back, by uid: above `after`, `limit` at most. In milliseconds since
    /// 1970 by the wall clock.
    fn came(
        &self,
        mailbox: &MailboxName,
        after: Uid,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(Uid, u64)>, StoreError>> + Send;

    /// What a view was done with since `since_ms`, oldest first, as far as it is still in the mailbox or its trash.
    fn deletions(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
        since_ms: u64,
    ) -> impl Future<Output = Result<Vec<Deletion>, StoreError>> + Send;

    /// Brings entries back, each under a new uid and for this view alone (and for the releaser's, which decides of
    /// them as of any other), in one step: those that [`Store::deletions`] tells of the view, and those that are in the
    /// trash. All others are passed by. What came back is as young as what is delivered at that moment, and no
    /// deletion any more; it stays in the trash too while other views have joined, who may want it.
    fn undo(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
        uids: Vec<Uid>,
    ) -> impl Future<Output = Result<Vec<Undone>, StoreError>> + Send;

    /// Removes entries whatever the views say.
    fn purge(
        &self,
        mailbox: &MailboxName,
        uids: Vec<Uid>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The oldest entries of a mailbox that were delivered before `before_ms` (in milliseconds since 1970 by the
    /// wall clock), in the order of delivery, `limit` at most.
    ///
    /// In doubt an entry is young: one whose time is after `now_ms` was delivered under a clock that was wrong
    /// and is passed by, and none is older than one that was delivered before it.
    fn older_than(
        &self,
        mailbox: &MailboxName,
        before_ms: u64,
        now_ms: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Uid>, StoreError>> + Send;

    /// Lets a view see a mailbox; joining again changes nothing. From the first join on, only the joined
    /// views count for what [`Store::delete`] removes; the owner's counts when it has joined too.
    fn join(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
        from: Join,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The view stops counting, and what it had fetched and deleted is forgotten. `unwanted` says what becomes of
    /// entries that only it still wanted while other views are joined; without any other, all stay.
    fn leave(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
        unwanted: Unwanted,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What a mailbox holds now, and what waits in the queue for it; cheap enough for every RCPT. What
    /// [`Incoming::commit`] wrote is in it when that returns. A message that is being delivered may show in
    /// both for a moment, never in neither.
    fn usage(&self, mailbox: &MailboxName) -> Usage;

    /// Every mailbox that holds mail or has views, by name.
    fn mailboxes(&self) -> impl Future<Output = Result<Vec<MailboxStatus>, StoreError>> + Send;

    /// Ends the engine: what was acknowledged is durable already; this makes the next start quick.
    fn close(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A message while it arrives. Dropped before `commit`, it leaves nothing.
pub trait Incoming: Send + 'static {
    /// Takes the next octets of the message.
    fn write(&mut self, octets: &[u8]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Octets taken so far.
    fn octets(&self) -> u64;

    /// The octets taken so far, from the `from`-th on: as many as are at hand, and none behind the last. Whoever
    /// decides before the commit reads the message by this, chunk by chunk.
    fn reread(&mut self, from: u64) -> impl Future<Output = Result<&[u8], StoreError>> + Send;

    /// Makes the message durable. **When this returns an id, the message is ours**; on an error nothing of
    /// it will ever be seen (but see [`StoreError::Unsure`]).
    fn commit(self, envelope: Envelope) -> impl Future<Output = Result<QueueId, StoreError>> + Send;
}

/// A view as it was at one instant, numbered from 0.
pub trait Maildrop: Send + Sync + 'static {
    /// One of its messages, read from its first octet.
    type Message: Message;

    /// How many messages.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `index`-th; `None` past the last.
    fn entry(&self, index: usize) -> Option<Entry<'_>>;

    /// Whether one of them is called so: they are in the order of uids.
    fn lists(&self, uid: Uid) -> bool {
        let at = |index| self.entry(index).map(|entry| entry.uid);
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if at(middle) < Some(uid) { low = middle + 1 } else { high = middle }
        }
        at(low) == Some(uid)
    }

    /// The sum of all octets.
    fn octets(&self) -> u64;

    /// See [`Stamp`].
    fn stamp(&self) -> Stamp;

    /// What was known of the `index`-th when it was accepted: who sent it, and when it came.
    fn envelope(&self, index: usize) -> impl Future<Output = Result<Arc<Envelope>, StoreError>> + Send;

    /// Opens the `index`-th. `range` cuts what is served, in octets: a client that wants only the top need
    /// not have the rest read.
    fn message(
        &self,
        index: usize,
        range: Range<u64>,
    ) -> impl Future<Output = Result<Self::Message, StoreError>> + Send;
}

/// The octets of one message as they are served: additions, then the octets received without the cuts.
pub trait Message: Send + 'static {
    /// The next octets, at most some hundred KiB; `None` at the end. What comes is exactly what
    /// [`Entry::octets`] said, or an error.
    fn chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send;
}
