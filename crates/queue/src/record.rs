use std::sync::Arc;

use mail::{Cut, Envelope, MailboxName, QueueId, Uid, ViewName};
use serde::{Deserialize, Serialize};

use crate::Runs;

/// A message that waits to be routed.
#[derive(Debug, Clone)]
pub struct Queued {
    /// Its name.
    pub id: QueueId,
    /// What is known of it beside its octets.
    pub envelope: Arc<Envelope>,
    /// Octets received.
    pub octets: u64,
    /// Marked by [`crate::Store::hold`]; the router passes it by.
    pub held: bool,
}

/// Where one queued message goes: all of it happens, or nothing.
#[derive(Debug, Clone)]
pub struct Route {
    /// The message.
    pub id: QueueId,
    /// The mailboxes that get it; none is a discard. A mailbox may stand here twice.
    pub entries: Vec<RouteEntry>,
}

/// One mailbox's copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteEntry {
    /// Who gets it.
    pub mailbox: MailboxName,
    /// Which recipients of the envelope led there, by their place in it.
    pub recipients: Vec<u16>,
    /// What is served around the octets received.
    pub additions: Additions,
    /// The UIDL of another server that this entry keeps for ever; none for mail that came by our own door.
    pub foreign_uidl: Option<String>,
}

/// What makes the octets behind a uid out of the octets received. Written once at delivery, so that what a
/// client saw under a uid is what it will always see.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Additions {
    /// Header fields put on top, each with its CRLF.
    #[serde(with = "crate::octets")]
    pub prelude: Vec<u8>,
    /// Runs of the octets received that are left out, ascending and apart.
    pub cuts: Vec<Cut>,
    /// A CRLF is put at the end.
    pub terminate: bool,
}

/// What became of a [`Route`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// One uid for each entry, in the order of the route.
    Entries(Vec<Uid>),
    /// It was not queued any more: somebody else delivered it. Nothing happened.
    NotQueued,
}

/// Deletions of one view at one QUIT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expunge {
    /// In which mailbox.
    pub mailbox: MailboxName,
    /// Whose view.
    pub view: ViewName,
    /// What it no longer wants to see. A uid that is not there (any more) is no error.
    pub uids: Vec<Uid>,
    /// What becomes of an entry that no view wants any more.
    pub unwanted: Unwanted,
}

/// What becomes of an entry when the last view that wanted it is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unwanted {
    /// It stays until somebody decides: [`crate::Store::trash`] or [`crate::Store::purge`].
    Stays,
    /// It goes to the mailbox's trash; what is in a trash stays there.
    ToTrash,
    /// It goes for good.
    Goes,
}

/// What a client has got of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// In which mailbox.
    pub mailbox: MailboxName,
    /// Whose view.
    pub view: ViewName,
    /// Fetched in full. A uid that is not there (any more) is no error.
    pub uids: Vec<Uid>,
    /// The highest uid of a maildrop that it was offered.
    pub offered: Uid,
}

/// How one joined view stands. All of it only grows while the view stays joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewState {
    /// Which.
    pub view: ViewName,
    /// When it joined, in milliseconds since 1970.
    pub joined_ms: u64,
    /// It sees entries above this uid.
    pub after: Uid,
    /// The highest uid that it was offered.
    pub offered: Uid,
    /// What it has fetched in full.
    pub fetched: Arc<Runs>,
    /// What it is done with.
    pub done: Arc<Runs>,
}

impl ViewState {
    /// Whether the view still lists an entry.
    pub fn wants(&self, uid: Uid) -> bool {
        uid > self.after && !self.done.contains(uid)
    }
}

/// Something that a view was done with, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// When, in milliseconds since 1970 by the wall clock.
    pub time_ms: u64,
    /// Those of its entries that are still in the mailbox or in its trash.
    pub uids: Vec<Uid>,
}

/// An entry in a trash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trashed {
    /// What it was called in its mailbox, and is called in the trash.
    pub uid: Uid,
    /// Octets as served.
    pub octets: u64,
    /// When it was delivered, in milliseconds since 1970 by the wall clock.
    pub delivered_ms: u64,
    /// When it came here. What went by one step has the same instant.
    pub trashed_ms: u64,
}

/// An entry that came back under a new name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undone {
    /// What it was called.
    pub was: Uid,
    /// What it is called now.
    pub now: Uid,
}

/// From where on a view that joins sees the mail of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Join {
    /// All that the mailbox holds, and all that comes.
    All,
    /// What is delivered from now on.
    Now,
    /// What has a higher uid.
    After(Uid),
}

/// One message of a maildrop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its name, for ever.
    pub uid: Uid,
    /// Exactly the octets that its [`crate::Message`] yields.
    pub octets: u64,
    /// What UIDL prints instead of the uid, for mail taken over from another server.
    pub foreign_uidl: Option<&'a str>,
    /// Equal for entries of one message, whichever mailbox they are in.
    pub body: u64,
}

/// Equal stamps of one mailbox mean equal maildrops, whichever the view: what was rendered of one serves the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp(pub u64);

/// So much mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Messages.
    pub messages: u64,
    /// Their octets.
    pub octets: u64,
}

/// What one mailbox holds, and what is on its way there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Messages.
    pub messages: u64,
    /// Octets as served.
    pub octets: u64,
    /// What was accepted for it and is not delivered yet, held or not: in octets as received, for what is
    /// served around them is decided at delivery.
    pub queued: Amount,
}

impl Usage {
    /// All of it.
    pub fn total(&self) -> Amount {
        Amount { messages: self.messages + self.queued.messages, octets: self.octets + self.queued.octets }
    }
}

/// One line of the list of all mailboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxStatus {
    /// Its name.
    pub name: MailboxName,
    /// What it holds.
    pub usage: Usage,
    /// The views that have joined.
    pub views: Vec<ViewName>,
}
