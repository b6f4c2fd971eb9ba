//! The engine in memory: the contract in the fewest lines, the model that durable engines are held
//! against, and the store of every test that needs none.

mod handles;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use mail::{Envelope, MailboxName, QueueId, Uid, ViewName};
use tokio::sync::Notify;

use crate::{
    Additions, Deletion, Delivered, Expunge, Fetched, Join, MailboxStatus, Queued, Route, RouteEntry, Runs,
    Served, Stamp, Store, StoreError, Trashed, Undone, Unwanted, Usage, ViewState,
};

use handles::{MemoryIncoming, MemoryMaildrop};

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

    /// The most octets of additions that one call of [`Store::deliver`] brought, for tests of those who call.
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
        let stored = found.entries.get(&was).filter(|_| deleted).cloned().or_else(|| trash.clone())?;
        let back = Stored { uid: now, time_ms, foreign_uidl: None, trashed_ms: 0, ..(*stored).clone() };
        found.entries.insert(now, Arc::new(back));
        found.changed = changed;
        let releaser = ViewName::releaser();
        for (_, other) in found.views.iter_mut().filter(|(name, _)| *name != view && **name != releaser) {
            other.done.insert(now);
        }
        let others = found.views.keys().any(|name| name != view);
        if let Some(trash) = self.mailboxes.get_mut(&mailbox.trash()).filter(|_| !others) {
            trash.entries.remove(&was);
            trash.changed = changed;
        }
        Some(Undone { was, now })
    }
}

/// Tells apart what two views see of one mailbox.
fn salt(view: &ViewName) -> u64 {
    let mut hasher = DefaultHasher::new();
    view.hash(&mut hasher);
    hasher.finish()
}

impl Store for MemoryStore {
    type Incoming = MemoryIncoming;
    type Maildrop = MemoryMaildrop;

    fn admit(&self, _octets: u64) -> Result<(), StoreError> {
        Ok(())
    }

    fn incoming(&self, _expected: Option<u64>) -> Result<Self::Incoming, StoreError> {
        Ok(MemoryIncoming { store: self.clone(), received: BytesMut::new() })
    }

    async fn queued(&self, after: Option<QueueId>, limit: usize) -> Result<Vec<Queued>, StoreError> {
        let from = after.map_or(0, |id| id.0 + 1);
        let state = self.lock();
        Ok(state.queue.range(QueueId(from)..).take(limit).map(|(_, (queued, _))| queued.clone()).collect())
    }

    async fn arrival(&self) {
        self.shared.arrival.notified().await;
    }

    async fn deliver(&self, routes: Vec<Route>) -> Result<Vec<Delivered>, StoreError> {
        let mut state = self.lock();
        let entries = routes.iter().flat_map(|route| &route.entries);
        let octets = entries.map(|entry| entry.additions.prelude.len()).sum();
        state.most_at_once = state.most_at_once.max(octets);
        let mut outcomes = Vec::with_capacity(routes.len());
        for route in routes {
            if !state.queue.contains_key(&route.id) {
                outcomes.push(Delivered::NotQueued);
                continue;
            }
            if state.too_large.contains(&route.id) {
                return Err(StoreError::TooLarge("for the test"));
            }
            state.change()?;
            let Some((queued, received)) = state.queue.remove(&route.id) else { continue };
            let enter = |entry| state.enter(entry, queued.id, &queued.envelope, &received);
            let uids = route.entries.into_iter().map(enter).collect();
            outcomes.push(Delivered::Entries(uids));
        }
        Ok(outcomes)
    }

    async fn hold(&self, id: QueueId, held: bool) -> Result<bool, StoreError> {
        let mut state = self.lock();
        state.change()?;
        let found = state.queue.get_mut(&id);
        let queued = found.map(|(queued, _)| queued.held = held).is_some();
        drop(state);
        self.shared.arrival.notify_one();
        Ok(queued)
    }

    async fn open(&self, mailbox: &MailboxName, view: &ViewName) -> Result<Self::Maildrop, StoreError> {
        let meanwhile = self.lock().meanwhile();
        self.deliver(Vec::from_iter(meanwhile)).await?;
        let state = self.lock();
        let found = state.mailboxes.get(mailbox);
        let joined = found.and_then(|found| found.views.get(view));
        if joined.is_none() && *view != ViewName::owner() {
            return Err(StoreError::NoView);
        }
        let sees = |uid: Uid| joined.is_none_or(|view| view.sees(uid));
        let entries = found.into_iter().flat_map(|found| found.entries.values());
        let entries = entries.filter(|entry| sees(entry.uid)).cloned().collect();
        // A view that hides nothing has the stamp of the mailbox; the model makes no more of it than that.
        let hides = joined.is_some_and(|view| !view.done.is_empty() || view.after > Uid(0));
        let salt = if hides { salt(view) } else { 0 };
        Ok(MemoryMaildrop { entries, stamp: Stamp(found.map_or(0, |found| found.changed) ^ salt) })
    }

    async fn whole(&self, mailbox: &MailboxName) -> Result<Self::Maildrop, StoreError> {
        let state = self.lock();
        let found = state.mailboxes.get(mailbox);
        let entries = found.into_iter().flat_map(|found| found.entries.values()).cloned().collect();
        Ok(MemoryMaildrop { entries, stamp: Stamp(found.map_or(0, |found| found.changed)) })
    }

    async fn delete(&self, groups: Vec<Expunge>) -> Result<(), StoreError> {
        let mut state = self.lock();
        for group in &groups {
            let found = state.mailboxes.get(&group.mailbox);
            if found.map_or(group.view != ViewName::owner(), |found| !found.can_delete(&group.view)) {
                return Err(StoreError::NoView);
            }
        }
        state.change()?;
        let now_ms = state.now_ms();
        for Expunge { mailbox, view, uids, unwanted } in groups {
            if let Some(found) = state.mailboxes.get_mut(&mailbox) {
                let gone = found.delete(&view, &uids, now_ms);
                state.let_go(&mailbox, gone, unwanted);
            }
        }
        Ok(())
    }

    async fn seen(&self, group: Fetched) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.change()?;
        let Some(found) = state.mailboxes.get_mut(&group.mailbox) else { return Ok(()) };
        if let Some(view) = found.views.get_mut(&group.view) {
            view.offered = view.offered.max(group.offered);
            view.fetched.extend(group.uids.iter().filter(|uid| found.entries.contains_key(uid)));
        }
        Ok(())
    }

    async fn views(&self, mailbox: &MailboxName) -> Result<Vec<ViewState>, StoreError> {
        let state = self.lock();
        let Some(found) = state.mailboxes.get(mailbox) else { return Ok(Vec::new()) };
        let known = |(name, view): (&ViewName, &View)| ViewState {
            view: name.clone(),
            joined_ms: view.joined_ms,
            after: view.after,
            offered: view.offered,
            fetched: found.runs(&view.fetched),
            done: found.runs(&view.done),
        };
        Ok(found.views.iter().map(known).collect())
    }

    async fn trash(&self, mailbox: &MailboxName, uids: Vec<Uid>) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.change()?;
        state.let_go(mailbox, uids, Unwanted::ToTrash);
        Ok(())
    }

    async fn trashed(
        &self,
        mailbox: &MailboxName,
        after: Uid,
        limit: usize,
    ) -> Result<Vec<Trashed>, StoreError> {
        let state = self.lock();
        let entries =
            state.mailboxes.get(&mailbox.trash()).into_iter().flat_map(|trash| trash.entries.values());
        let trashed = |entry: &Arc<Stored>| Trashed {
            uid: entry.uid,
            octets: entry.octets,
            delivered_ms: entry.time_ms,
            trashed_ms: entry.trashed_ms,
        };
        Ok(entries.filter(|entry| entry.uid > after).take(limit).map(trashed).collect())
    }

    async fn deletions(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
        since_ms: u64,
    ) -> Result<Vec<Deletion>, StoreError> {
        let state = self.lock();
        let known = state.mailboxes.get(mailbox).and_then(|found| found.deletions.get(view));
        let known = known.into_iter().flatten().filter(|deletion| deletion.time_ms >= since_ms);
        let left = known.map(|deletion| Deletion {
            uids: deletion.uids.iter().copied().filter(|uid| state.is_somewhere(mailbox, *uid)).collect(),
            ..*deletion
        });
        Ok(left.filter(|deletion| !deletion.uids.is_empty()).collect())
    }

    async fn undo(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
        uids: Vec<Uid>,
    ) -> Result<Vec<Undone>, StoreError> {
        let mut state = self.lock();
        if !state.mailboxes.get(mailbox).map_or(*view == ViewName::owner(), |found| found.can_delete(view)) {
            return Err(StoreError::NoView);
        }
        state.change()?;
        Ok(uids.into_iter().filter_map(|uid| state.undo_one(mailbox, view, uid)).collect())
    }

    async fn purge(&self, mailbox: &MailboxName, uids: Vec<Uid>) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.change()?;
        let changed = state.changes;
        if let Some(found) = state.mailboxes.get_mut(mailbox) {
            uids.iter().for_each(|uid| drop(found.remove(*uid)));
            found.changed = changed;
        }
        Ok(())
    }

    async fn older_than(
        &self,
        mailbox: &MailboxName,
        before_ms: u64,
        now_ms: u64,
        limit: usize,
    ) -> Result<Vec<Uid>, StoreError> {
        let state = self.lock();
        let entries = state.mailboxes.get(mailbox).into_iter().flat_map(|found| found.entries.values());
        let known = entries.filter(|entry| entry.time_ms <= now_ms);
        let older = known.take_while(|entry| entry.time_ms < before_ms);
        Ok(older.take(limit).map(|entry| entry.uid).collect())
    }

    async fn join(&self, mailbox: &MailboxName, view: &ViewName, from: Join) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.change()?;
        let (changed, last, joined_ms) = (state.changes, Uid(state.last_id), state.now_ms());
        let found = state.mailboxes.entry(mailbox.clone()).or_default();
        let after = match from {
            Join::All => Uid(0),
            Join::Now => last,
            Join::After(uid) => uid,
        };
        let (fetched, done) = (BTreeSet::new(), BTreeSet::new());
        let new = View { joined_ms, after, offered: Uid(0), fetched, done };
        found.views.entry(view.clone()).or_insert(new);
        found.changed = changed;
        Ok(())
    }

    async fn leave(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
        unwanted: Unwanted,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.change()?;
        let gone = state.mailboxes.get_mut(mailbox).map_or_else(Vec::new, |found| found.leave(view));
        state.let_go(mailbox, gone, unwanted);
        Ok(())
    }

    fn usage(&self, mailbox: &MailboxName) -> Usage {
        self.lock().usage(mailbox)
    }

    async fn mailboxes(&self) -> Result<Vec<MailboxStatus>, StoreError> {
        let state = self.lock();
        let kept =
            state.mailboxes.iter().filter(|(_, found)| !found.entries.is_empty() || !found.views.is_empty());
        let status = |(name, found): (&MailboxName, &Mailbox)| MailboxStatus {
            name: name.clone(),
            usage: state.usage(name),
            views: found.views.keys().cloned().collect(),
        };
        Ok(kept.map(status).collect())
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
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
