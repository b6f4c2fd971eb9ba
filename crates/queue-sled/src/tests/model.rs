//! Random lives of a store, beside the engine in memory; then the index beside one built from the log.

use std::collections::HashMap;
use std::sync::Arc;

use mail::{MailboxName, QueueId, Uid, ViewName};
use proptest::prelude::*;
use queue::contract::{accept, name, read, route};
use queue::{Delivered, Expunge, Fetched, Join, Maildrop, MemoryStore, Stamp, Store, Unwanted};

use super::{Place, assert_holders, block_on, rows, rows_of};
use crate::SledStore;
use crate::disk::{Disk, RealDisk};
use crate::fold::Folder;
use crate::index::kv::MemoryKv;
use crate::index::rebuild::replay;
use crate::index::{Index, IndexKv, keys};

const MAILBOXES: [&str; 3] = ["alice", "bob", "sales"];
const VIEWS: [&str; 4] = ["", "one", "two", "+released"];

#[derive(Debug, Clone)]
enum Step {
    Accept(u16),
    Deliver(usize, Vec<usize>),
    Hold(usize, bool),
    Delete(usize, usize, Vec<usize>, Unwanted),
    /// At one QUIT of several mailboxes.
    DeleteTwo(usize, Vec<usize>, Vec<usize>),
    Seen(usize, usize, Vec<usize>, usize),
    Purge(usize, bool, Vec<usize>),
    Trash(usize, Vec<usize>),
    Undo(usize, usize, Vec<usize>),
    Join(usize, usize, From),
    Leave(usize, usize, Unwanted),
    Open(usize, usize),
    Tidy,
    Reopen,
    Crash(bool),
}

#[derive(Debug, Clone, Copy)]
enum From {
    All,
    Now,
    After(usize),
}

fn unwanted() -> impl Strategy<Value = Unwanted> {
    prop_oneof![
        2 => Just(Unwanted::Stays),
        3 => Just(Unwanted::ToTrash),
        3 => Just(Unwanted::Goes),
    ]
}

fn from() -> impl Strategy<Value = From> {
    prop_oneof![3 => Just(From::All), 1 => Just(From::Now), 2 => (0usize..20).prop_map(From::After)]
}

fn step() -> impl Strategy<Value = Step> {
    let some = || proptest::collection::vec(0usize..24, 0..7);
    let (m, v) = (|| 0usize..MAILBOXES.len(), || 0usize..VIEWS.len());
    prop_oneof![
        6 => (0u16..3000).prop_map(Step::Accept),
        9 => (0usize..8, proptest::collection::vec(m(), 0..4)).prop_map(|(of, to)| Step::Deliver(of, to)),
        1 => (0usize..8, any::<bool>()).prop_map(|(of, held)| Step::Hold(of, held)),
        7 => (m(), v(), some(), unwanted()).prop_map(|(m, v, some, what)| Step::Delete(m, v, some, what)),
        1 => (v(), some(), some()).prop_map(|(v, one, two)| Step::DeleteTwo(v, one, two)),
        2 => (m(), v(), some(), 0usize..24).prop_map(|(m, v, some, to)| Step::Seen(m, v, some, to)),
        2 => (m(), any::<bool>(), some()).prop_map(|(m, trash, some)| Step::Purge(m, trash, some)),
        2 => (m(), some()).prop_map(|(m, some)| Step::Trash(m, some)),
        5 => (m(), v(), some()).prop_map(|(m, v, some)| Step::Undo(m, v, some)),
        3 => (m(), v(), from()).prop_map(|(m, v, from)| Step::Join(m, v, from)),
        1 => (m(), v(), unwanted()).prop_map(|(m, v, what)| Step::Leave(m, v, what)),
        2 => (m(), v()).prop_map(|(m, v)| Step::Open(m, v)),
        2 => Just(Step::Tidy),
        1 => Just(Step::Reopen),
        1 => any::<bool>().prop_map(Step::Crash),
    ]
}

fn view(text: &str) -> ViewName {
    ViewName::kept(text).expect("a view")
}

/// Both engines, and what is called what in each.
struct Pair {
    place: Place,
    store: Option<SledStore>,
    model: MemoryStore,
    queued: Vec<(QueueId, QueueId)>,
    uids: HashMap<&'static str, Vec<(Uid, Uid)>>,
}

impl Pair {
    fn store(&self) -> &SledStore {
        self.store.as_ref().expect("open")
    }

    fn chosen(&self, mailbox: &str, which: &[usize]) -> (Vec<Uid>, Vec<Uid>) {
        let known = self.uids.get(mailbox).map_or(&[][..], Vec::as_slice);
        which.iter().filter_map(|at| known.get(*at).copied()).unzip()
    }

    fn groups(&self, m: usize, v: usize, which: &[usize], unwanted: Unwanted) -> (Expunge, Expunge) {
        let (ours, theirs) = self.chosen(MAILBOXES[m], which);
        let group = |uids| Expunge { mailbox: name(MAILBOXES[m]), view: view(VIEWS[v]), uids, unwanted };
        (group(ours), group(theirs))
    }

    async fn delete(&self, groups: Vec<(Expunge, Expunge)>) {
        let (ours, theirs) = groups.into_iter().unzip();
        let answers = (self.store().delete(ours).await, self.model.delete(theirs).await);
        assert_eq!(answers.0.is_ok(), answers.1.is_ok(), "{answers:?}");
    }

    async fn seen(&self, m: usize, v: usize, which: &[usize], offered: usize) {
        let (ours, theirs) = self.groups(m, v, which, Unwanted::Stays);
        let (our, their) = self.chosen(MAILBOXES[m], &[offered]);
        let fetched = |Expunge { mailbox, view, uids, .. }: Expunge, offered: Vec<Uid>| Fetched {
            mailbox,
            view,
            uids,
            offered: offered.first().copied().unwrap_or(Uid(0)),
        };
        self.store().seen(fetched(ours, our)).await.expect("seen");
        self.model.seen(fetched(theirs, their)).await.expect("seen");
    }

    async fn undo(&mut self, m: usize, v: usize, which: &[usize]) {
        let mut which = which.to_vec();
        which.sort_unstable();
        which.dedup();
        let (ours, theirs) = self.chosen(MAILBOXES[m], &which);
        let (mailbox, view) = (name(MAILBOXES[m]), view(VIEWS[v]));
        let ours = self.store().undo(&mailbox, &view, ours).await;
        let theirs = self.model.undo(&mailbox, &view, theirs).await;
        let (Ok(ours), Ok(theirs)) = (&ours, &theirs) else {
            assert!(ours.is_err() && theirs.is_err(), "{ours:?} {theirs:?}");
            return;
        };
        let known = self.uids.entry(MAILBOXES[m]).or_default();
        assert_eq!(ours.len(), theirs.len(), "{ours:?} {theirs:?}");
        for (our, their) in ours.iter().zip(theirs) {
            assert!(known.contains(&(our.was, their.was)), "{our:?} {their:?}");
            known.push((our.now, their.now));
        }
    }

    async fn join(&self, m: usize, v: usize, from: From) {
        let (ours, theirs) = match from {
            From::All => (Join::All, Join::All),
            From::Now => (Join::Now, Join::Now),
            From::After(at) => {
                let (our, their) = self.chosen(MAILBOXES[m], &[at]);
                let after = |uids: Vec<Uid>| uids.first().copied().map_or(Join::All, Join::After);
                (after(our), after(their))
            }
        };
        let (mailbox, view) = (name(MAILBOXES[m]), view(VIEWS[v]));
        self.store().join(&mailbox, &view, ours).await.expect("joined");
        self.model.join(&mailbox, &view, theirs).await.expect("joined");
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Accept(octets) => {
                let body = vec![b'x'; usize::from(*octets)];
                let ours = accept(self.store(), &body).await;
                self.queued.push((ours, accept(&self.model, &body).await));
            }
            Step::Deliver(of, to) => self.deliver(*of, to).await,
            Step::Hold(of, held) => {
                if let Some((ours, theirs)) = self.queued.get(*of).copied() {
                    let answers =
                        (self.store().hold(ours, *held).await, self.model.hold(theirs, *held).await);
                    assert_eq!(answers.0.expect("answered"), answers.1.expect("answered"));
                }
            }
            Step::Delete(m, v, which, unwanted) => {
                self.delete(vec![self.groups(*m, *v, which, *unwanted)]).await;
            }
            Step::DeleteTwo(v, one, two) => {
                let groups = [(0, one, Unwanted::ToTrash), (2, two, Unwanted::Goes)];
                let groups = groups.map(|(m, which, unwanted)| self.groups(m, *v, which, unwanted));
                self.delete(groups.into()).await;
            }
            Step::Seen(m, v, which, offered) => self.seen(*m, *v, which, *offered).await,
            Step::Purge(m, trash, which) => {
                let (ours, theirs) = self.chosen(MAILBOXES[*m], which);
                let mailbox = name(MAILBOXES[*m]);
                let mailbox = if *trash { mailbox.trash() } else { mailbox };
                self.store().purge(&mailbox, ours).await.expect("purged");
                self.model.purge(&mailbox, theirs).await.expect("purged");
            }
            Step::Trash(m, which) => {
                let (ours, theirs) = self.chosen(MAILBOXES[*m], which);
                self.store().trash(&name(MAILBOXES[*m]), ours).await.expect("moved");
                self.model.trash(&name(MAILBOXES[*m]), theirs).await.expect("moved");
            }
            Step::Undo(m, v, which) => self.undo(*m, *v, which).await,
            Step::Join(m, v, from) => self.join(*m, *v, *from).await,
            Step::Leave(m, v, unwanted) => {
                let (mailbox, view) = (name(MAILBOXES[*m]), view(VIEWS[*v]));
                self.store().leave(&mailbox, &view, *unwanted).await.expect("left");
                self.model.leave(&mailbox, &view, *unwanted).await.expect("left");
            }
            Step::Open(m, v) => drop(self.store().open(&name(MAILBOXES[*m]), &view(VIEWS[*v])).await),
            Step::Tidy => drop(self.store().tidy().await.expect("tidied")),
            Step::Reopen => {
                self.store().close().await.expect("closed");
                self.store = None;
                self.store = Some(self.place.open().0);
            }
            Step::Crash(keep_index) => {
                let image = self.place.image();
                if !keep_index {
                    std::fs::remove_dir_all(image.path().join("idx")).expect("removed");
                }
                self.store = None;
                let (store, report) = image.open();
                assert!(report.damaged.is_empty() && !report.torn_tail, "{report}");
                self.store = Some(store);
                self.place = image;
            }
        }
    }

    async fn deliver(&mut self, of: usize, to: &[usize]) {
        let Some((ours, theirs)) = self.queued.get(of).copied() else { return };
        let to: Vec<_> = to.iter().map(|at| MAILBOXES[*at]).collect();
        let answers = (
            self.store().deliver(vec![route(ours, &to)]).await.expect("answered").remove(0),
            self.model.deliver(vec![route(theirs, &to)]).await.expect("answered").remove(0),
        );
        match answers {
            (Delivered::Entries(ours), Delivered::Entries(theirs)) => {
                for (mailbox, pair) in to.into_iter().zip(ours.into_iter().zip(theirs)) {
                    self.uids.entry(mailbox).or_default().push(pair);
                }
            }
            (Delivered::NotQueued, Delivered::NotQueued) => {}
            other => panic!("{other:?}"),
        }
    }

    async fn compare(&self) {
        let ours = super::queued(self.store()).await;
        let queued = self.model.queued(None, usize::MAX).await.expect("readable");
        let theirs: Vec<_> = queued.iter().map(|queued| queued.id).collect();
        let wanted: Vec<_> = self
            .queued
            .iter()
            .filter(|(_, theirs_)| theirs.contains(theirs_))
            .map(|(ours, _)| *ours)
            .collect();
        assert_eq!(ours, wanted);
        assert_eq!(
            self.store().mailboxes().await.expect("readable"),
            self.model.mailboxes().await.expect("readable")
        );
        for mailbox in MAILBOXES {
            self.compare_trash(mailbox).await;
            self.compare_states(mailbox).await;
            self.compare_view(mailbox, &name(mailbox).trash(), "").await;
            let mut stamps: HashMap<Stamp, Vec<Uid>> = HashMap::new();
            for view_ in VIEWS {
                if let Some((stamp, listed)) = self.compare_view(mailbox, &name(mailbox), view_).await {
                    assert_eq!(*stamps.entry(stamp).or_insert_with(|| listed.clone()), listed, "{view_:?}");
                    let as_many = stamps.values().filter(|other| **other == listed).count();
                    assert_eq!(as_many, 1, "what lists the same has the same stamp");
                }
                self.compare_deletions(mailbox, view_).await;
            }
        }
    }

    fn known(&self, mailbox: &str) -> HashMap<Uid, Uid> {
        self.uids.get(mailbox).into_iter().flatten().copied().collect()
    }

    async fn compare_trash(&self, mailbox: &'static str) {
        let (known, mut after) = (self.known(mailbox), (Uid(0), Uid(0)));
        loop {
            // Page by page, however many are on one.
            let ours = self.store().trashed(&name(mailbox), after.0, 3).await.expect("told");
            let theirs = self.model.trashed(&name(mailbox), after.1, 3).await.expect("told");
            assert_eq!(ours.len(), theirs.len(), "{mailbox}");
            for (our, their) in ours.iter().zip(&theirs) {
                assert_eq!((known.get(&our.uid), our.octets), (Some(&their.uid), their.octets));
                assert!(our.delivered_ms > 0 && our.trashed_ms >= our.delivered_ms, "{our:?}");
            }
            let (Some(our), Some(their)) = (ours.last(), theirs.last()) else { return };
            after = (our.uid, their.uid);
        }
    }

    async fn compare_states(&self, mailbox: &'static str) {
        let ours = self.store().views(&name(mailbox)).await.expect("told");
        let theirs = self.model.views(&name(mailbox)).await.expect("told");
        assert_eq!(ours.len(), theirs.len());
        let all = self.store().open(&name(mailbox), &ViewName::owner()).await.map(|maildrop| maildrop.len());
        for (our, their) in ours.iter().zip(theirs) {
            assert_eq!(our.view, their.view);
            assert!(our.joined_ms > 0);
            // All that either can say of an entry; of those that are gone it means nothing.
            for (uid, other) in self.known(mailbox) {
                assert_eq!(our.offered >= uid, their.offered >= other, "{mailbox} {}", our.view);
                assert_eq!(our.after >= uid, their.after >= other, "{mailbox} {}", our.view);
                if self.is_in(mailbox, other).await {
                    assert_eq!(our.fetched.contains(uid), their.fetched.contains(other));
                    assert_eq!(our.done.contains(uid), their.done.contains(other));
                }
            }
            assert_eq!(our.fetched.runs().count(), their.fetched.runs().count(), "{mailbox} {all:?}");
            assert_eq!(our.done.runs().count(), their.done.runs().count());
        }
    }

    async fn is_in(&self, mailbox: &str, theirs: Uid) -> bool {
        let older = self.model.older_than(&name(mailbox), u64::MAX, u64::MAX, usize::MAX).await;
        older.expect("told").contains(&theirs)
    }

    async fn compare_deletions(&self, mailbox: &'static str, view_: &str) {
        let (mailbox, view_, known) = (name(mailbox), view(view_), self.known(mailbox));
        let ours = self.store().deletions(&mailbox, &view_, 0).await.expect("told");
        let theirs = self.model.deletions(&mailbox, &view_, 0).await.expect("told");
        let uids = |deletions: Vec<queue::Deletion>| {
            let mut uids: Vec<Uid> = deletions.into_iter().flat_map(|deletion| deletion.uids).collect();
            uids.sort_unstable();
            uids
        };
        let ours: Vec<_> = uids(ours).into_iter().map(|uid| known.get(&uid).copied()).collect();
        let theirs: Vec<_> = uids(theirs).into_iter().map(Some).collect();
        assert_eq!(ours, theirs, "{mailbox} {view_:?}");
    }

    /// What is listed, and its stamp.
    async fn compare_view(
        &self,
        known_as: &'static str,
        mailbox: &MailboxName,
        view_: &str,
    ) -> Option<(Stamp, Vec<Uid>)> {
        let ours = self.store().open(mailbox, &view(view_)).await;
        let theirs = self.model.open(mailbox, &view(view_)).await;
        let (ours, theirs) = match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => (ours, theirs),
            (ours, theirs) => {
                let why =
                    (ours.err().map(|error| error.to_string()), theirs.err().map(|error| error.to_string()));
                assert_eq!(why.0, why.1, "{mailbox} {view_:?}");
                return None;
            }
        };
        assert_eq!((ours.len(), ours.octets()), (theirs.len(), theirs.octets()), "{mailbox} {view_}");
        let known = self.known(known_as);
        let mut listed = Vec::new();
        for index in 0..ours.len() {
            let (our, their) = (ours.entry(index).expect("within"), theirs.entry(index).expect("within"));
            assert_eq!((known.get(&our.uid), our.octets), (Some(&their.uid), their.octets));
            assert_eq!(read(&ours, index).await, read(&theirs, index).await);
            listed.push(our.uid);
        }
        Some((ours.stamp(), listed))
    }

    /// The index that has lived through all that, key for key the one that a snap and the log make.
    async fn compare_index(&self) {
        let live = rows(self.store());
        assert_holders(&live);
        self.store().close().await.expect("closed");
        let (segments, end) = self.store().log();
        let Some(header) = segments.all().pop() else { return };
        let kv: Arc<dyn IndexKv> = Arc::new(MemoryKv::default());
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let folder = Folder { disk, store: self.place.path(), store_id: header.store, segments };
        if let Some(snap) = folder.newest().expect("readable") {
            kv.apply(rows_of(&*snap).into_iter().map(|(key, value)| (key, Some(value))).collect())
                .expect("taken");
            let state = snap.get(keys::STATE).expect("readable");
            kv.apply(vec![(keys::STATE.to_vec(), state)]).expect("taken");
        }
        let segments = folder.segments;
        let mut index = Index::load(kv.clone(), header.store).expect("whole");
        assert!(segments.unbroken(index.applied(), end));
        replay(&mut index, &segments, end).expect("replayed");
        assert_eq!(rows_of(&*kv), live);
        let again = replay(&mut index, &segments, end).expect("replayed");
        assert_eq!((again.records, rows_of(&*kv)), (0, live), "twice is once");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn a_random_life_is_the_models_life(steps in proptest::collection::vec(step(), 1..100)) {
        block_on(async {
            let place = Place::with_segments(64 << 10);
            let store = Some(place.open().0);
            let mut pair = Pair {
                place,
                store,
                model: MemoryStore::new(),
                queued: Vec::new(),
                uids: HashMap::new(),
            };
            for step in &steps {
                pair.step(step).await;
            }
            pair.compare().await;
            pair.step(&Step::Reopen).await;
            pair.compare().await;
            pair.compare_index().await;
        });
    }
}
