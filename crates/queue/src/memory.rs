//! The engine in memory: the contract in the fewest lines, the model that durable engines are held
//! against, and the store of every test that needs none.

mod handles;
mod store;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use mail::{Envelope, MailboxName, QueueId, Uid, ViewName};
use tokio::sync::Notify;

use crate::{
    Additions, Deletion, Queued, Route, RouteEntry, Runs, Served, StoreError, Undone, Unwanted, Usage,
};

/// The engine in memory. A handle: clones share one store, and nothing outlives the last.
#[derive(Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    arrival: Notify,
}

#[derive(Default)]
struct State {
    last_id: u64,
    changes: u64,
    queue: BTreeMap<QueueId, (Queued, Bytes)>,
    mailboxes: BTreeMap<MailboxName, Mailbox>,
    failure: Option<(u64, StoreError)>,
    /// After how many openings what is delivered, one before each.
    meanwhile: (u64, VecDeque<Route>),
    /// Messages whose routes always fail.
    too_large: BTreeSet<QueueId>,
    /// Octets of additions that came in one call.
    most_at_once: usize,
    /// What time it is; the wall clock says when this does not.
    clock_ms: Option<u64>,
}

#[derive(Default)]
struct Mailbox {
    entries: BTreeMap<Uid, Arc<Stored>>,
    views: BTreeMap<ViewName, View>,
    /// What each view was done with, and when: the owner's too when no view has joined.
    deletions: BTreeMap<ViewName, Vec<Deletion>>,
    /// What came back for whom, and is in the trash for others.
    back: BTreeSet<(ViewName, Uid)>,
    changed: u64,
}

#[derive(Clone)]
struct Stored {
    uid: Uid,
    body: u64,
    time_ms: u64,
    trashed_ms: u64,
    octets: u64,
    additions: Additions,
    foreign_uidl: Option<String>,
    envelope: Arc<Envelope>,
    received: Bytes,
}

/// What a joined view no longer sees: everything up to `after`, and `done`.
struct View {
    joined_ms: u64,
    after: Uid,
    offered: Uid,
    fetched: BTreeSet<Uid>,
    done: BTreeSet<Uid>,
}

impl View {
    fn sees(&self, uid: Uid) -> bool {
        uid > self.after && !self.done.contains(&uid)
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the `nth` change from now on (1 is the next) fail with `error`, for tests of those who call.
    pub fn fail_at(&self, nth: u64, error: StoreError) {
        self.lock().failure = Some((nth, error));
    }

    /// Delivers the first of these just before the `nth` maildrop from now on (1 is the next) is opened, and one more
    /// before each that is opened after it, for tests of those who open several.
    pub fn deliver_meanwhile(&self, nth: u64, routes: Vec<Route>) {
        self.lock().meanwhile = (nth, routes.into());
    }

    /// Lets every route of this message be [`StoreError::TooLarge`], for tests of those who call.
    pub fn never_deliver(&self, id: QueueId) {
        self.lock().too_large.insert(id);
    }

    /// Lets it be that time from now on, in milliseconds since 1970, for tests of those who call.
    pub fn set_clock(&self, now_ms: u64) {
        self.lock().clock_ms = Some(now_ms);
    }

    /// The most octets of additions that one call of [`crate::Store::deliver`] brought, for tests of those who call.
    pub fn most_at_once(&self) -> usize {
        self.lock().most_at_once
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a change, and fails it when it is the one that shall fail.
    fn change(&mut self) -> Result<(), StoreError> {
        if let Some((left, error)) = &mut self.failure {
            *left -= 1;
            if *left == 0 {
                let error = error.share();
                self.failure = None;
                return Err(error);
            }
        }
        self.changes += 1;
        Ok(())
    }

    /// Counts an opening; what comes before it.
    fn meanwhile(&mut self) -> Option<Route> {
        let (left, routes) = &mut self.meanwhile;
        *left = left.saturating_sub(1);
        if *left == 0 { routes.pop_front() } else { None }
    }

    fn now_ms(&self) -> u64 {
        self.clock_ms.unwrap_or_else(wall_ms)
    }

    fn mint(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn enter(&mut self, entry: RouteEntry, body: QueueId, envelope: &Arc<Envelope>, received: &Bytes) -> Uid {
        let uid = Uid(self.mint());
        let octets = Served::new(&entry.additions, received.len() as u64).octets();
        let now_ms = self.now_ms();
        let mailbox = self.mailboxes.entry(entry.mailbox).or_default();
        let stored = Stored {
            uid,
            body: body.0,
            time_ms: now_ms,
            trashed_ms: 0,
            octets,
            additions: entry.additions,
            foreign_uidl: entry.foreign_uidl,
            envelope: envelope.clone(),
            received: received.clone(),
        };
        mailbox.entries.insert(uid, Arc::new(stored));
        mailbox.changed = self.changes;
        uid
    }
}

impl Mailbox {
    fn can_delete(&self, view: &ViewName) -> bool {
        self.views.contains_key(view) || (self.views.is_empty() && *view == ViewName::owner())
    }

    /// What becomes unwanted by it.
    fn delete(&mut self, view: &ViewName, uids: &[Uid], now_ms: u64) -> Vec<Uid> {
        let named: BTreeSet<Uid> = uids.iter().copied().collect();
        let mut uids: Vec<Uid> = named.into_iter().filter(|uid| self.entries.contains_key(uid)).collect();
        if let Some(joined) = self.views.get_mut(view) {
            uids.retain(|uid| joined.done.insert(*uid));
        }
        if !uids.is_empty() {
            let deletion = Deletion { time_ms: now_ms, uids: uids.clone() };
            self.deletions.entry(view.clone()).or_default().push(deletion);
        }
        self.unwanted(uids)
    }

    fn leave(&mut self, view: &ViewName) -> Vec<Uid> {
        let Some(left) = self.views.remove(view) else { return Vec::new() };
        self.deletions.remove(view);
        self.back.retain(|(whose, _)| whose != view);
        let waited = self.entries.keys().filter(|uid| left.sees(**uid)).copied().collect();
        if self.views.is_empty() { Vec::new() } else { self.unwanted(waited) }
    }

    /// Those that no joined view sees any more. What no view ever saw is not asked for: nobody has said that it may
    /// go.
    fn unwanted(&self, mut uids: Vec<Uid>) -> Vec<Uid> {
        uids.retain(|uid| !self.views.values().any(|view| view.sees(*uid)));
        uids
    }

    fn remove(&mut self, uid: Uid) -> Option<Arc<Stored>> {
        for view in self.views.values_mut() {
            view.done.remove(&uid);
            view.fetched.remove(&uid);
        }
        self.entries.remove(&uid)
    }

    fn runs(&self, set: &BTreeSet<Uid>) -> Arc<Runs> {
        let mut runs = Runs::default();
        for uid in set.iter().filter(|uid| self.entries.contains_key(uid)) {
            let before = self.entries.range(..uid).next_back().map(|(uid, _)| *uid);
            let after = self.entries.range(uid..).nth(1).map(|(uid, _)| *uid);
            runs.insert(*uid, before, after);
        }
        Arc::new(runs)
    }
}

impl State {
    fn let_go(&mut self, mailbox: &MailboxName, uids: Vec<Uid>, unwanted: Unwanted) {
        let (changed, trashed_ms) = (self.changes, self.now_ms());
        let Some(found) = self.mailboxes.get_mut(mailbox) else { return };
        found.changed = changed;
        let gone: Vec<_> = match unwanted {
            Unwanted::Stays => return,
            Unwanted::ToTrash if mailbox.trashed_from().is_some() => return,
            Unwanted::ToTrash | Unwanted::Goes => {
                uids.into_iter().filter_map(|uid| found.remove(uid)).collect()
            }
        };
        if unwanted == Unwanted::ToTrash {
            let trash = self.mailboxes.entry(mailbox.trash()).or_default();
            let trashed = |gone: Arc<Stored>| Arc::new(Stored { trashed_ms, ..(*gone).clone() });
            trash.entries.extend(gone.into_iter().map(|gone| (gone.uid, trashed(gone))));
            trash.changed = changed;
        }
    }

    fn is_somewhere(&self, mailbox: &MailboxName, uid: Uid) -> bool {
        let has = |name: &MailboxName| {
            self.mailboxes.get(name).is_some_and(|found| found.entries.contains_key(&uid))
        };
        has(mailbox) || has(&mailbox.trash())
    }

    fn undo_one(&mut self, mailbox: &MailboxName, view: &ViewName, was: Uid) -> Option<Undone> {
        let (now, changed, time_ms) = (Uid(self.mint()), self.changes, self.now_ms());
        let trash = self.mailboxes.get(&mailbox.trash()).and_then(|trash| trash.entries.get(&was)).cloned();
        let found = self.mailboxes.entry(mailbox.clone()).or_default();
        let deletions = found.deletions.entry(view.clone()).or_default();
        let before: usize = deletions.iter().map(|deletion| deletion.uids.len()).sum();
        deletions.iter_mut().for_each(|deletion| deletion.uids.retain(|uid| *uid != was));
        let deleted = deletions.iter().map(|deletion| deletion.uids.len()).sum::<usize>() < before;
        let others = found.views.keys().any(|name| name != view);
        let stored = match found.entries.get(&was).filter(|_| deleted) {
            Some(stored) => stored.clone(),
            None => {
                let stored = trash?;
                if others && !found.back.insert((view.clone(), was)) {
                    return None;
                }
                stored
            }
        };
        let back = Stored { uid: now, time_ms, foreign_uidl: None, trashed_ms: 0, ..(*stored).clone() };
        found.entries.insert(now, Arc::new(back));
        found.changed = changed;
        let releaser = ViewName::releaser();
        for (_, other) in found.views.iter_mut().filter(|(name, _)| *name != view && **name != releaser) {
            other.done.insert(now);
        }
        if let Some(trash) = self.mailboxes.get_mut(&mailbox.trash()).filter(|_| !others) {
            trash.entries.remove(&was);
            trash.changed = changed;
        }
        Some(Undone { was, now })
    }
}

impl State {
    fn usage(&self, name: &MailboxName) -> Usage {
        let mut usage = Usage::default();
        for entry in self.mailboxes.get(name).into_iter().flat_map(|mailbox| mailbox.entries.values()) {
            usage.messages += 1;
            usage.octets += entry.octets;
        }
        for (queued, _) in self.queue.values() {
            let copies = queued.envelope.copies();
            let copies = copies.iter().filter(|copy| copy.kept_in() == *name).count() as u64;
            usage.queued.messages += copies;
            usage.queued.octets += copies * queued.octets;
        }
        usage
    }
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
