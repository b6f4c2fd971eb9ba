use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::time::{Duration, Instant};

use mail::{Body, Envelope, MailboxName, Protocol, QueueId, ReversePath, Trace, ViewName};
use queue::{Additions, Delivered, Incoming, Maildrop, Route, RouteEntry, Store, StoreError};
use tokio::task::JoinHandle;

use super::uidl::Uidl;

/// Messages that may be on their way to the disk at once: the sync that one waits for is that of all.
const WINDOW: usize = 512;
/// Octets that may be.
const WINDOW_OCTETS: u64 = 16 << 20;
/// How long to wait for room: an index that is behind catches up, a full disk does not.
const PATIENCE: Duration = Duration::from_secs(20);
const RETRY: Duration = Duration::from_millis(20);

/// Brings mail into a mailbox, in the order in which it is given, many at a time.
///
/// A message is first accepted without any recipient, so that no router takes it, and then delivered. What a
/// crash leaves between the two was promised to nobody: [`sweep`] removes it, and the import brings it again
/// when it is run again. A message that is delivered has its unique id in the same step, so that it is known
/// then and not brought twice.
pub struct Intake<S: Store> {
    store: S,
    mailbox: MailboxName,
    arriving: VecDeque<Arriving>,
    /// Octets of what is arriving.
    octets: u64,
    /// Accepted, and next to be delivered.
    ready: Vec<Route>,
    /// Messages that are in the mailbox.
    delivered: u64,
}

/// What is known of a message beside its octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its name for ever.
    pub uidl: Uidl,
    /// When the old server got it, in milliseconds since 1970.
    pub received_ms: u64,
    /// Who sent it.
    pub sender: ReversePath,
    /// Its last line is not ended: a CRLF is added when it is served.
    pub unterminated: bool,
}

struct Arriving {
    arrival: Arrival,
    octets: u64,
    accepted: JoinHandle<Result<QueueId, StoreError>>,
}

impl<S: Store> Intake<S> {
    /// Into a mailbox. Only one at a time may be at work on a store: it sweeps first.
    pub async fn begin(store: S, mailbox: MailboxName) -> Result<Self, StoreError> {
        sweep(&store).await?;
        Ok(Self { store, mailbox, arriving: VecDeque::new(), octets: 0, ready: Vec::new(), delivered: 0 })
    }

    /// The unique ids that are taken, each with the octets of its message: also what only a device or a member still
    /// lists, which would have two of one name.
    pub async fn known(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let joined = self.store.views(&self.mailbox).await?.into_iter().map(|state| state.view);
        let mut known = BTreeMap::new();
        for view in std::iter::once(ViewName::owner()).chain(joined) {
            let maildrop = match self.store.open(&self.mailbox, &view).await {
                Err(StoreError::NoView) => continue,
                opened => opened?,
            };
            let entries = (0..maildrop.len()).filter_map(|index| maildrop.entry(index));
            known.extend(
                entries.filter_map(|entry| Some((entry.uid, (entry.foreign_uidl?.to_owned(), entry.octets)))),
            );
        }
        Ok(known.into_values().collect())
    }

    /// The place for the next message's octets.
    pub async fn incoming(&self) -> Result<S::Incoming, StoreError> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.store.incoming(None) {
                Err(StoreError::Full(_)) if Instant::now() < until => tokio::time::sleep(RETRY).await,
                incoming => return incoming,
            }
        }
    }

    /// The message is whole. When an error is returned, what was given before and is not yet in the mailbox
    /// is not brought in.
    pub async fn accept(&mut self, incoming: S::Incoming, arrival: Arrival) -> Result<(), StoreError> {
        let octets = incoming.octets();
        let accepted = tokio::spawn(incoming.commit(envelope(&arrival)));
        self.octets += octets;
        self.arriving.push_back(Arriving { arrival, octets, accepted });
        while self.arriving.len() >= WINDOW || self.octets >= WINDOW_OCTETS {
            // The other half is on its way meanwhile.
            self.deliver(self.arriving.len().div_ceil(2)).await?;
        }
        Ok(())
    }

    /// All of it is here; how many messages were brought into the mailbox.
    pub async fn end(mut self) -> Result<u64, StoreError> {
        while !self.arriving.is_empty() {
            self.deliver(WINDOW / 2).await?;
        }
        Ok(self.delivered)
    }

    /// How many messages are in the mailbox so far.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Delivers the oldest. What is not delivered yet is always in one of the two lists, for when we are
    /// dropped meanwhile.
    async fn deliver(&mut self, most: usize) -> Result<(), StoreError> {
        let mut failed = None;
        while self.ready.len() < most && failed.is_none() {
            let Some(first) = self.arriving.front_mut() else { break };
            let accepted = (&mut first.accepted).await.unwrap_or(Err(StoreError::Unavailable));
            let Some(first) = self.arriving.pop_front() else { break };
            self.octets -= first.octets;
            match accepted {
                Ok(id) => self.ready.push(Route { id, entries: vec![self.entry(&first.arrival)] }),
                Err(error) => failed = Some(error),
            }
        }
        let outcomes = self.store.deliver(std::mem::take(&mut self.ready)).await?;
        let delivered = outcomes.iter().filter(|outcome| matches!(outcome, Delivered::Entries(_)));
        let (delivered, all) = (delivered.count(), outcomes.len());
        self.delivered += delivered as u64;
        if delivered < all {
            return Err(StoreError::Damaged("what an import had accepted is not queued any more".into()));
        }
        // What comes behind one that failed must not come before it: it is dropped, and brought again.
        failed.map_or(Ok(()), Err)
    }

    fn entry(&self, arrival: &Arrival) -> RouteEntry {
        RouteEntry {
            mailbox: self.mailbox.clone(),
            recipients: Vec::new(),
            additions: Additions { terminate: arrival.unterminated, ..Additions::default() },
            foreign_uidl: Some(arrival.uidl.as_str().to_owned()),
        }
    }
}

/// Whoever gives up half-way leaves nothing in the queue for long.
impl<S: Store> Drop for Intake<S> {
    fn drop(&mut self) {
        let arriving = std::mem::take(&mut self.arriving);
        let mut left: Vec<_> = self.ready.drain(..).map(|route| route.id).collect();
        let runtime = tokio::runtime::Handle::try_current();
        let (false, Ok(runtime)) = (arriving.is_empty() && left.is_empty(), runtime) else { return };
        let store = self.store.clone();
        runtime.spawn(async move {
            for message in arriving {
                left.extend(message.accepted.await.ok().and_then(Result::ok));
            }
            discard(&store, left).await
        });
    }
}

/// An envelope without recipients: the router leaves the message to us.
fn envelope(arrival: &Arrival) -> Envelope {
    Envelope {
        reverse_path: arrival.sender.clone(),
        recipients: Vec::new(),
        body: Body::EightBitMime,
        smtputf8: false,
        trace: Trace {
            protocol: Protocol::Local,
            peer: None,
            helo: "import".into(),
            tls: None,
            received_ms: arrival.received_ms,
        },
        cuts: Vec::new(),
        unterminated: arrival.unterminated,
        results: None,
        fields: Vec::new(),
    }
}

/// Removes what an import that was cut off has left in the queue. None may be at work.
pub async fn sweep<S: Store>(store: &S) -> Result<(), StoreError> {
    const PAGE: usize = 1024;
    let mut after = None;
    loop {
        let page = store.queued(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        let left = page.iter().filter(|queued| queued.envelope.is_import());
        discard(store, left.map(|queued| queued.id).collect()).await?;
    }
}

fn discard<S: Store>(
    store: &S,
    left: Vec<QueueId>,
) -> impl Future<Output = Result<(), StoreError>> + Send + use<S> {
    let store = store.clone();
    async move {
        let nowhere = left.into_iter().map(|id| Route { id, entries: Vec::new() });
        store.deliver(nowhere.collect()).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use queue::contract::{accept, envelope as ordinary, listed, name, view};
    use queue::{Expunge, Join, MemoryStore, Message, Unwanted};

    use super::*;

    fn arrival(text: &str) -> Arrival {
        let uidl = Uidl::parse(text).expect("a unique id");
        Arrival { uidl, received_ms: 10_000, sender: ReversePath::Null, unterminated: false }
    }

    async fn give(intake: &mut Intake<MemoryStore>, text: &str) -> Result<(), StoreError> {
        let mut incoming = intake.incoming().await?;
        incoming.write(format!("Subject: {text}\r\n\r\n").as_bytes()).await?;
        intake.accept(incoming, arrival(text)).await
    }

    async fn begin(store: &MemoryStore) -> Intake<MemoryStore> {
        Intake::begin(store.clone(), name("alice")).await.expect("begun")
    }

    async fn known(store: &MemoryStore) -> Vec<String> {
        let known = begin(store).await.known().await.expect("known");
        known.into_iter().map(|(uidl, _)| uidl).collect()
    }

    async fn queued(store: &MemoryStore) -> usize {
        store.queued(None, 10_000).await.expect("readable").len()
    }

    #[tokio::test]
    async fn mail_comes_in_order_as_it_was_and_with_its_names() {
        let store = MemoryStore::new();
        let mut intake = begin(&store).await;
        let names: Vec<String> = (0..2000).map(|number| format!("old-{number}")).collect();
        for name in &names {
            give(&mut intake, name).await.expect("given");
        }
        assert_eq!(intake.end().await.expect("ended"), 2000);
        assert_eq!((known(&store).await, queued(&store).await), (names, 0));
        let maildrop = store.open(&name("alice"), &ViewName::owner()).await.expect("opened");
        let mut message = maildrop.message(7, 0..u64::MAX).await.expect("opened");
        let octets = message.chunk().await.expect("readable").expect("some");
        assert_eq!(octets, "Subject: old-7\r\n\r\n", "nothing on top, nothing hidden");
        let envelope = maildrop.envelope(7).await.expect("known");
        assert_eq!((envelope.trace.received_ms, envelope.trace.protocol), (10_000, Protocol::Local));
    }

    /// RFC 1939 §7: what she has deleted and her phone has not must not come into the phone's list once more.
    #[tokio::test]
    async fn what_any_view_lists_is_known() {
        let (store, alice, phone) = (MemoryStore::new(), name("alice"), view("phone"));
        for joins in [&ViewName::owner(), &phone] {
            store.join(&alice, joins, Join::All).await.expect("joined");
        }
        let mut intake = begin(&store).await;
        for name in ["old-1", "old-2", "old-3"] {
            give(&mut intake, name).await.expect("given");
        }
        intake.end().await.expect("ended");
        for (by, done) in [("", 0..2), ("phone", 1..3)] {
            let uids = listed(&store, "alice", by).await[done].to_vec();
            let unwanted = Unwanted::ToTrash;
            let done = Expunge { mailbox: alice.clone(), view: view(by), uids, unwanted };
            store.delete(vec![done]).await.expect("done");
        }
        assert_eq!(known(&store).await, ["old-1", "old-3"], "the second is nobody's any more");
    }

    /// What was accepted behind a message that failed must not come into the mailbox before it.
    #[tokio::test]
    async fn a_failure_leaves_a_mailbox_that_can_be_gone_on_with() {
        let names: Vec<String> = (0..1500).map(|number| format!("old-{number}")).collect();
        for nth in [1, 3, 600, 1024, 2000] {
            let store = MemoryStore::new();
            let mut intake = begin(&store).await;
            store.fail_at(nth, StoreError::Full("for the test"));
            let mut failed = false;
            for name in &names {
                failed = give(&mut intake, name).await.is_err();
                if failed {
                    break;
                }
            }
            let failed = failed || intake.end().await.is_err();
            assert!(failed, "{nth}");
            let there = known(&store).await;
            assert_eq!(there, names[..there.len()], "{nth}");
            let mut again = begin(&store).await;
            for name in &names[there.len()..] {
                give(&mut again, name).await.expect("given");
            }
            again.end().await.expect("ended");
            assert_eq!((known(&store).await.len(), queued(&store).await), (1500, 0), "{nth}");
        }
    }

    #[tokio::test]
    async fn who_gives_up_leaves_nothing_in_the_queue() {
        let store = MemoryStore::new();
        let mut intake = begin(&store).await;
        for number in 0..100 {
            give(&mut intake, &format!("old-{number}")).await.expect("given");
        }
        drop(intake);
        for _ in 0..1000 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if queued(&store).await == 0 {
                break;
            }
        }
        assert_eq!((queued(&store).await, known(&store).await.len()), (0, 0));
    }

    #[tokio::test]
    async fn a_sweep_takes_what_was_promised_to_nobody_and_nothing_else() {
        let store = MemoryStore::new();
        let ours = accept(&store, b"ours\r\n").await;
        for _ in 0..3 {
            let incoming = store.incoming(None).expect("admitted");
            incoming.commit(ordinary(&[])).await.expect("accepted");
        }
        sweep(&store).await.expect("swept");
        let left = store.queued(None, 10).await.expect("readable");
        assert_eq!(left.iter().map(|queued| queued.id).collect::<Vec<_>>(), [ours]);
    }
}
