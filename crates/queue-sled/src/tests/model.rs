//! Random lives of a store, beside the engine in memory; then the index beside one built from the log.

use std::collections::HashMap;
use std::sync::Arc;

use mail::{QueueId, Uid};
use proptest::prelude::*;
use queue::contract::{accept, name, read, route, view};
use queue::{Delivered, Expunge, Join, Maildrop, MemoryStore, Store};

use super::{Place, assert_holders, block_on, rows, rows_of};
use crate::SledStore;
use crate::disk::{Disk, RealDisk};
use crate::fold::Folder;
use crate::index::kv::MemoryKv;
use crate::index::rebuild::replay;
use crate::index::{Index, IndexKv, keys};

const MAILBOXES: [&str; 3] = ["alice", "bob", "sales"];
const VIEWS: [&str; 3] = ["", "one", "two"];

#[derive(Debug, Clone)]
enum Step {
    Accept(u16),
    Deliver(usize, Vec<usize>),
    Hold(usize, bool),
    Delete(usize, usize, Vec<usize>),
    Seen(usize, usize, Vec<usize>),
    Purge(usize, Vec<usize>),
    Join(usize, usize, bool),
    Leave(usize, usize),
    Open(usize),
    Tidy,
    Reopen,
    Crash(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let some = || proptest::collection::vec(0usize..20, 0..6);
    prop_oneof![
        6 => (0u16..3000).prop_map(Step::Accept),
        8 => (0usize..8, proptest::collection::vec(0usize..3, 0..4)).prop_map(|(of, to)| Step::Deliver(of, to)),
        1 => (0usize..8, any::<bool>()).prop_map(|(of, held)| Step::Hold(of, held)),
        5 => (0usize..3, 0usize..3, some()).prop_map(|(m, v, which)| Step::Delete(m, v, which)),
        1 => (0usize..3, 0usize..3, some()).prop_map(|(m, v, which)| Step::Seen(m, v, which)),
        1 => (0usize..3, some()).prop_map(|(m, which)| Step::Purge(m, which)),
        2 => (0usize..3, 0usize..3, any::<bool>()).prop_map(|(m, v, all)| Step::Join(m, v, all)),
        1 => (0usize..3, 0usize..3).prop_map(|(m, v)| Step::Leave(m, v)),
        2 => (0usize..3).prop_map(Step::Open),
        2 => Just(Step::Tidy),
        1 => Just(Step::Reopen),
        1 => any::<bool>().prop_map(Step::Crash),
    ]
}

/// Both engines, and what is called what in each.
struct Pair {
    place: Place,
    store: Option<SledStore>,
    model: MemoryStore,
    queued: Vec<(QueueId, QueueId)>,
    uids: HashMap<&'static str, Vec<(Uid, Uid)>>,
    joined: HashMap<&'static str, Vec<&'static str>>,
}

impl Pair {
    fn store(&self) -> &SledStore {
        self.store.as_ref().expect("open")
    }

    fn chosen(&self, mailbox: &str, which: &[usize]) -> (Vec<Uid>, Vec<Uid>) {
        let known = self.uids.get(mailbox).map_or(&[][..], Vec::as_slice);
        which.iter().filter_map(|at| known.get(*at).copied()).unzip()
    }

    fn groups(&self, m: usize, v: usize, which: &[usize]) -> (Expunge, Expunge) {
        let (ours, theirs) = self.chosen(MAILBOXES[m], which);
        let group = |uids| Expunge {
            mailbox: name(MAILBOXES[m]),
            view: view(VIEWS[v]),
            uids,
            unwanted: queue::Unwanted::Goes,
        };
        (group(ours), group(theirs))
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
            Step::Delete(m, v, which) => {
                let (ours, theirs) = self.groups(*m, *v, which);
                let answers = (self.store().delete(vec![ours]).await, self.model.delete(vec![theirs]).await);
                assert_eq!(answers.0.is_ok(), answers.1.is_ok(), "{answers:?}");
            }
            Step::Seen(m, v, which) => {
                let (ours, _) = self.groups(*m, *v, which);
                let Expunge { mailbox, view, uids, .. } = ours;
                self.store()
                    .seen(queue::Fetched { mailbox, view, uids, offered: Uid(0) })
                    .await
                    .expect("seen");
            }
            Step::Purge(m, which) => {
                let (ours, theirs) = self.chosen(MAILBOXES[*m], which);
                self.store().purge(&name(MAILBOXES[*m]), ours).await.expect("purged");
                self.model.purge(&name(MAILBOXES[*m]), theirs).await.expect("purged");
            }
            Step::Join(m, v, all) => {
                let joined = self.joined.entry(MAILBOXES[*m]).or_default();
                let from = if *all || joined.is_empty() { Join::All } else { Join::Now };
                joined.push(VIEWS[*v]);
                self.store().join(&name(MAILBOXES[*m]), &view(VIEWS[*v]), from).await.expect("joined");
                self.model.join(&name(MAILBOXES[*m]), &view(VIEWS[*v]), from).await.expect("joined");
            }
            Step::Leave(m, v) => {
                self.joined.entry(MAILBOXES[*m]).or_default().retain(|joined| *joined != VIEWS[*v]);
                self.store()
                    .leave(&name(MAILBOXES[*m]), &view(VIEWS[*v]), queue::Unwanted::Goes)
                    .await
                    .expect("left");
                self.model
                    .leave(&name(MAILBOXES[*m]), &view(VIEWS[*v]), queue::Unwanted::Goes)
                    .await
                    .expect("left");
            }
            Step::Open(m) => drop(self.store().open(&name(MAILBOXES[*m]), &view("")).await),
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
            for view_ in VIEWS {
                self.compare_view(mailbox, view_).await;
            }
        }
    }

    async fn compare_view(&self, mailbox: &'static str, view_: &str) {
        let ours = self.store().open(&name(mailbox), &view(view_)).await;
        let theirs = self.model.open(&name(mailbox), &view(view_)).await;
        let (ours, theirs) = match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => (ours, theirs),
            (ours, theirs) => {
                assert_eq!(ours.is_err(), theirs.is_err());
                return;
            }
        };
        assert_eq!((ours.len(), ours.octets()), (theirs.len(), theirs.octets()), "{mailbox} {view_}");
        let known: HashMap<_, _> = self.uids.get(mailbox).into_iter().flatten().copied().collect();
        for index in 0..ours.len() {
            let (our, their) = (ours.entry(index).expect("within"), theirs.entry(index).expect("within"));
            assert_eq!((known.get(&our.uid), our.octets), (Some(&their.uid), their.octets));
            assert_eq!(read(&ours, index).await, read(&theirs, index).await);
        }
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
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn a_random_life_is_the_models_life(steps in proptest::collection::vec(step(), 1..60)) {
        block_on(async {
            let place = Place::with_segments(64 << 10);
            let store = Some(place.open().0);
            let mut pair = Pair {
                place,
                store,
                model: MemoryStore::new(),
                queued: Vec::new(),
                uids: HashMap::new(),
                joined: HashMap::new(),
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
