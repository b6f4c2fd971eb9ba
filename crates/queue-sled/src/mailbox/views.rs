use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use mail::{MailboxName, Uid, ViewName};
use queue::{MailboxStatus, Stamp, Usage, ViewState};

use super::List;
use super::snapshot::{Hidden, Snapshot};
use crate::index::member::Member;
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
    pub(crate) views: BTreeMap<ViewName, Member>,
}

/// The entries of one mailbox, and what was seen of them last.
pub(crate) struct Loaded {
    list: List,
    /// The latest snapshot of all of it: of each view that hides nothing.
    whole: Option<Arc<Snapshot>>,
    /// The latest of each view that hides something.
    parts: HashMap<ViewName, Seen>,
}

struct Seen {
    /// The change of the mailbox, and the version of the view, that it was made at.
    at: (u64, u64),
    snapshot: Arc<Snapshot>,
}

/// Stamps of views that hide something are odd, and those of mailboxes are places in the log.
fn odd_stamp() -> Stamp {
    static LAST: AtomicU64 = AtomicU64::new(0);
    Stamp(LAST.fetch_add(1, Ordering::Relaxed) << 1 | 1)
}

impl Loaded {
    pub(crate) fn new(list: List) -> Self {
        Self { list, whole: None, parts: HashMap::new() }
    }

    fn snapshot(&mut self, view: Option<&ViewName>, totals: &Totals) -> Arc<Snapshot> {
        let changed = totals.row.changed;
        let joined = view.and_then(|view| totals.views.get_key_value(view));
        let Some((view, member)) = joined else { return self.whole(Stamp(changed)) };
        let at = (changed, member.version);
        if let Some(seen) = self.parts.get(view).filter(|seen| seen.at == at) {
            return seen.snapshot.clone();
        }
        let hidden = Hidden { after: Uid(member.row.after), done: &member.done };
        let before = self.parts.get(view).filter(|seen| seen.at.1 == member.version);
        let new = Snapshot::without(&self.list, hidden, before.map(|seen| &*seen.snapshot));
        // Whoever lists the same has the same stamp, so that what was rendered of it serves all.
        let snapshot = if new.len() == self.list.len() {
            self.whole(Stamp(changed))
        } else {
            let mut others = self.parts.values().filter(|seen| seen.at.0 == changed);
            let same = others.find(|seen| seen.snapshot.lists_the_same(&new));
            same.map_or_else(|| Arc::new(new.stamped(odd_stamp())), |seen| seen.snapshot.clone())
        };
        self.parts.insert(view.clone(), Seen { at, snapshot: snapshot.clone() });
        snapshot
    }

    fn whole(&mut self, stamp: Stamp) -> Arc<Snapshot> {
        if let Some(whole) = self.whole.as_ref().filter(|whole| whole.stamp() == stamp) {
            return whole.clone();
        }
        let whole = Arc::new(Snapshot::whole(&self.list, stamp));
        self.whole = Some(whole.clone());
        whole
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
        let known = known.filter(|(_, known)| known.row.entries.rows > 0 || !known.views.is_empty());
        let totals =
            known.map(|(name, known)| (name.clone(), Totals { row: known.row, views: known.views.clone() }));
        self.lock().totals = totals.collect();
    }

    /// What it holds; what waits for it is the [`super::Backlog`]'s to say.
    pub(crate) fn usage(&self, name: &MailboxName) -> Usage {
        self.lock().totals.get(name).map_or_else(Usage::default, Totals::usage)
    }

    /// The views that have joined a mailbox, and how they stand.
    pub(crate) fn views(&self, name: &MailboxName) -> Vec<ViewState> {
        let state = self.lock();
        let views = state.totals.get(name).into_iter().flat_map(|totals| &totals.views);
        views.map(|(view, member)| member.state(view)).collect()
    }

    /// Whether a view may delete, and undo that.
    pub(crate) fn may_delete(&self, name: &MailboxName, view: &ViewName) -> bool {
        let state = self.lock();
        match state.totals.get(name).filter(|totals| !totals.views.is_empty()) {
            Some(totals) => totals.views.contains_key(view),
            None => *view == ViewName::owner(),
        }
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

    /// Takes a snapshot, if what it needs is in memory: of what a view lists, or of all that there is.
    pub(crate) fn open(&self, name: &MailboxName, view: Option<&ViewName>) -> Found {
        let by_all = |view: &ViewName| *view == ViewName::owner();
        let mut state = self.lock();
        let State { totals, loaded, .. } = &mut *state;
        let Some(totals) = totals.get(name) else {
            let empty = || Found::Snapshot(Arc::new(Snapshot::whole(&List::default(), Stamp(0))));
            return if view.is_none_or(by_all) { empty() } else { Found::NoView };
        };
        if view.is_some_and(|view| !totals.views.contains_key(view) && !by_all(view)) {
            return Found::NoView;
        }
        match loaded.get_mut(name) {
            Some(loaded) => Found::Snapshot(loaded.snapshot(view, totals)),
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
                    loaded.list.insert(*place, foreign.clone());
                    *entries += 1;
                }
            }
            Effect::Removed(name, uid) => {
                if let Some(loaded) = loaded.peek_mut(name) {
                    *entries -= loaded.list.len();
                    loaded.list.remove(*uid);
                    *entries += loaded.list.len();
                }
            }
            Effect::Moved(name, place) => {
                if let Some(loaded) = loaded.peek_mut(name) {
                    loaded.list.replace(*place);
                }
            }
            Effect::View(name, view, Some(member)) => {
                totals.entry(name.clone()).or_default().views.insert(view.clone(), member.clone());
            }
            Effect::View(name, view, None) => {
                if let Some(totals) = totals.get_mut(name) {
                    totals.views.remove(view);
                }
                if let Some(loaded) = loaded.peek_mut(name) {
                    loaded.parts.remove(view);
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

#[cfg(test)]
mod tests {
    use queue::contract::name;

    use super::*;
    use crate::index::rows::Digest;
    use crate::mailbox::Place;
    use crate::mailbox::list::AT_UID;

    fn place(uid: u64) -> Place {
        Place { uid: Uid(uid), octets: 1, record: uid, body_at: 64, slot: AT_UID }
    }

    fn totals(name_: &str, rows: u64) -> Effect {
        Effect::Totals(name(name_), MailboxRow { entries: Digest { rows, hash: 0 }, ..MailboxRow::default() })
    }

    fn keep(mailboxes: &Mailboxes, name_: &str, rows: u64) {
        mailboxes.publish(&[totals(name_, rows)]);
        let mut list = List::default();
        (1..=rows).for_each(|uid| list.insert(place(uid), None));
        mailboxes.keep(&name(name_), Loaded::new(list));
    }

    /// Which are in memory, by how many entries; what is counted of them must be that.
    fn held(mailboxes: &Mailboxes) -> Vec<(String, usize)> {
        let state = mailboxes.lock();
        let held = state.loaded.iter().map(|(name, loaded)| (name.to_string(), loaded.list.len()));
        let held: BTreeMap<_, _> = held.collect();
        assert_eq!(state.entries, held.values().sum::<usize>(), "{held:?}");
        held.into_iter().collect()
    }

    /// What comes and goes in them counts, and those that nobody has opened for the longest time go; but not the one that
    /// somebody waits for, however long it is.
    #[test]
    fn as_many_mailboxes_are_in_memory_as_may_be() {
        let mailboxes = Mailboxes::new(10);
        let are = |expected: &[(&str, usize)]| {
            let expected: Vec<_> = expected.iter().map(|(name, len)| (String::from(*name), *len)).collect();
            assert_eq!(held(&mailboxes), expected);
        };
        keep(&mailboxes, "alice", 4);
        keep(&mailboxes, "bob", 6);
        are(&[("alice", 4), ("bob", 6)]);
        assert!(matches!(mailboxes.open(&name("alice"), None), Found::Snapshot(_)));
        keep(&mailboxes, "carol", 3);
        are(&[("alice", 4), ("carol", 3)]);
        assert!(matches!(mailboxes.open(&name("bob"), None), Found::Cold(_)));
        // Read twice at once: the later counts.
        keep(&mailboxes, "alice", 3);
        are(&[("alice", 3), ("carol", 3)]);
        let added = |name_: &str, uid| Effect::Added(name(name_), place(uid), None);
        let removed = |name_: &str, uid| Effect::Removed(name(name_), Uid(uid));
        mailboxes.publish(&[added("alice", 8), added("alice", 9), added("bob", 9)]);
        are(&[("alice", 5), ("carol", 3)]);
        mailboxes.publish(&[removed("alice", 8), removed("alice", 8), removed("bob", 9)]);
        are(&[("alice", 4), ("carol", 3)]);
        keep(&mailboxes, "dave", 30);
        are(&[("dave", 30)]);
        keep(&mailboxes, "carol", 2);
        are(&[("carol", 2)]);
        keep(&mailboxes, "bob", 1);
        mailboxes.publish(&[totals("carol", 0)]);
        are(&[("bob", 1)]);
    }
}
