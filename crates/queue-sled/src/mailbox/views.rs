use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use mail::{MailboxName, Uid, ViewName};
use queue::{MailboxStatus, Stamp, Usage};

use super::{List, Snapshot};
use crate::index::rows::MailboxRow;
use crate::index::{Effect, Index};

/// What sessions read: the totals and views of every mailbox, and the entries of those opened lately.
///
/// The applier alone changes it, right after the index; a lock is held for a look or a push, never over
/// input or output.
pub(crate) struct Mailboxes {
    state: Mutex<State>,
    /// Most entries in memory, beside the mailbox that is being opened.
    entries_max: usize,
}

struct State {
    totals: BTreeMap<MailboxName, Totals>,
    loaded: LruCache<MailboxName, Loaded>,
    entries: usize,
}

/// What is known of every mailbox.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    pub(crate) row: MailboxRow,
    pub(crate) views: BTreeMap<ViewName, Uid>,
}

/// The entries of one mailbox, and what views no longer list.
pub(crate) struct Loaded {
    list: List,
    done: HashMap<ViewName, HashSet<Uid>>,
    /// The latest snapshot of each view; its stamp says whether it still holds.
    snapshots: HashMap<ViewName, Arc<Snapshot>>,
}

impl Loaded {
    pub(crate) fn new(list: List, done: HashMap<ViewName, HashSet<Uid>>) -> Self {
        Self { list, done, snapshots: HashMap::new() }
    }

    fn snapshot(&mut self, view: &ViewName, after: Option<Uid>, stamp: Stamp) -> Arc<Snapshot> {
        if let Some(snapshot) = self.snapshots.get(view).filter(|snapshot| snapshot.stamp() == stamp) {
            return snapshot.clone();
        }
        let list = match after {
            None => self.list.clone(),
            Some(after) => {
                let done = self.done.get(view);
                self.list.filtered(|uid| uid > after && done.is_none_or(|done| !done.contains(&uid)))
            }
        };
        let snapshot = Arc::new(list.snapshot(stamp));
        self.snapshots.insert(view.clone(), snapshot.clone());
        snapshot
    }

    fn remove(&mut self, uid: Uid) {
        self.list.remove(uid);
        for done in self.done.values_mut() {
            done.remove(&uid);
        }
    }
}

/// What opening a view finds in memory.
pub(crate) enum Found {
    Snapshot(Arc<Snapshot>),
    NoView,
    /// The mailbox must be read from the index first.
    Cold(Totals),
}

impl Mailboxes {
    pub(crate) fn new(entries_max: usize) -> Self {
        let state = State { totals: BTreeMap::new(), loaded: LruCache::unbounded(), entries: 0 };
        Self { state: Mutex::new(state), entries_max }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins with what the index knows.
    pub(crate) fn begin(&self, index: &Index) {
        let known = index.mailboxes().iter();
        let totals =
            known.map(|(name, known)| (name.clone(), Totals { row: known.row, views: known.views.clone() }));
        self.lock().totals = totals.collect();
    }

    /// What it holds; what waits for it is the [`super::Backlog`]'s to say.
    pub(crate) fn usage(&self, name: &MailboxName) -> Usage {
        self.lock().totals.get(name).map_or_else(Usage::default, Totals::usage)
    }

    pub(crate) fn totals(&self, name: &MailboxName) -> Option<Totals> {
        self.lock().totals.get(name).cloned()
    }

    /// Every mailbox that holds mail or has views, by name.
    pub(crate) fn names(&self) -> Vec<MailboxName> {
        self.lock().totals.keys().cloned().collect()
    }

    pub(crate) fn all(&self) -> Vec<MailboxStatus> {
        let status = |(name, totals): (&MailboxName, &Totals)| MailboxStatus {
            name: name.clone(),
            usage: totals.usage(),
            views: totals.views.keys().cloned().collect(),
        };
        self.lock().totals.iter().map(status).collect()
    }

    /// Takes a snapshot, if what it needs is in memory.
    pub(crate) fn open(&self, name: &MailboxName, view: &ViewName) -> Found {
        let mut state = self.lock();
        let State { totals, loaded, .. } = &mut *state;
        let Some(totals) = totals.get(name) else {
            let empty = || Found::Snapshot(Arc::new(List::default().snapshot(Stamp(0))));
            return if *view == ViewName::owner() { empty() } else { Found::NoView };
        };
        let after = totals.views.get(view).copied();
        if after.is_none() && *view != ViewName::owner() {
            return Found::NoView;
        }
        match loaded.get_mut(name) {
            Some(loaded) => Found::Snapshot(loaded.snapshot(view, after, Stamp(totals.row.changed))),
            None => Found::Cold(totals.clone()),
        }
    }

    /// Keeps what was read from the index; the longest unopened go when there is too much.
    pub(crate) fn keep(&self, name: &MailboxName, loaded: Loaded) {
        let mut state = self.lock();
        state.entries += loaded.list.len();
        if let Some(before) = state.loaded.put(name.clone(), loaded) {
            state.entries -= before.list.len();
        }
        while state.entries > self.entries_max && state.loaded.len() > 1 {
            let Some((_, gone)) = state.loaded.pop_lru() else { break };
            state.entries -= gone.list.len();
        }
    }

    /// Follows the index.
    pub(crate) fn publish(&self, effects: &[Effect]) {
        let mut state = self.lock();
        for effect in effects {
            state.publish(effect);
        }
    }
}

impl State {
    fn publish(&mut self, effect: &Effect) {
        let Self { totals, loaded, entries } = self;
        match effect {
            Effect::Added(name, place, foreign) => {
                if let Some(loaded) = loaded.peek_mut(name) {
                    loaded.list.push(*place, foreign.clone());
                    *entries += 1;
                }
            }
            Effect::Removed(name, uid) => {
                if let Some(loaded) = loaded.peek_mut(name) {
                    *entries -= loaded.list.len();
                    loaded.remove(*uid);
                    *entries += loaded.list.len();
                }
            }
            Effect::Moved(name, place) => {
                if let Some(loaded) = loaded.peek_mut(name) {
                    loaded.list.replace(*place);
                }
            }
            Effect::Done(name, view, uid) => {
                if let Some(loaded) = loaded.peek_mut(name) {
                    loaded.done.entry(view.clone()).or_default().insert(*uid);
                }
            }
            Effect::Joined(name, view, after) => {
                totals.entry(name.clone()).or_default().views.insert(view.clone(), *after);
            }
            Effect::Left(name, view) => {
                if let Some(totals) = totals.get_mut(name) {
                    totals.views.remove(view);
                }
                if let Some(loaded) = loaded.peek_mut(name) {
                    loaded.done.remove(view);
                    loaded.snapshots.remove(view);
                }
            }
            Effect::Totals(name, row) => {
                let known = totals.entry(name.clone()).or_default();
                known.row = *row;
                if row.entries.rows == 0 && known.views.is_empty() {
                    totals.remove(name);
                    loaded.pop(name).iter().for_each(|gone| *entries -= gone.list.len());
                }
            }
            Effect::Queued(_) | Effect::Held(..) | Effect::Unqueued(_) => {}
        }
    }
}

impl Totals {
    fn usage(&self) -> Usage {
        Usage { messages: self.row.entries.rows, octets: self.row.octets, ..Usage::default() }
    }
}
