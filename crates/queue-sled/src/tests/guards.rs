//! The guard rails around sled.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use queue::contract::{accept, deliver, listed, route};
use queue::{Store, StoreError};
use rustix::io::Errno;

use super::{Place, assert_holders, block_on, contents, names, queued, rows, small};
use crate::SledStore;
use crate::disk::faulty::{Fault, Op};
use crate::index::kv::{EachRow, Op as Change};
use crate::index::{Index, IndexError, IndexKv};
use crate::start::start;

/// An index whose n-th batch from now fails, half done.
struct Failing {
    inner: Arc<dyn IndexKv>,
    left: Arc<AtomicI64>,
    error: fn() -> IndexError,
}

impl IndexKv for Failing {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.inner.get(key)
    }

    fn apply(&self, mut ops: Vec<Change>) -> Result<(), IndexError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            ops.truncate(ops.len() / 2);
            self.inner.apply(ops)?;
            return Err((self.error)());
        }
        self.inner.apply(ops)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], each: EachRow<'_>) -> Result<(), IndexError> {
        self.inner.scan(prefix, from, each)
    }

    fn flush(&self) -> Result<(), IndexError> {
        self.inner.flush()
    }
}

fn open_failing(place: &Place, at: i64, error: fn() -> IndexError) -> SledStore {
    open_failing_when(place, Arc::new(AtomicI64::new(at)), error)
}

/// The same, with a count that can be set while it runs.
pub(super) fn open_failing_when(place: &Place, left: Arc<AtomicI64>, error: fn() -> IndexError) -> SledStore {
    let ground = place.ground();
    let mut started = start(&ground, &place.path(), &place.params).expect("starts");
    let kv: Arc<dyn IndexKv> = Arc::new(Failing { inner: started.kv.clone(), left, error });
    started.index = Index::load(kv.clone(), started.store_id).expect("loads");
    started.kv = kv;
    SledStore::run(ground, &place.path(), place.params.clone(), started).expect("runs")
}

#[test]
fn nothing_goes_past_a_batch_that_failed() {
    for at in 0..7 {
        let place = Place::new(small());
        block_on(async {
            let store = open_failing(&place, at, || IndexError::Failed("so it was ordered".into()));
            let mut uids = Vec::new();
            for n in 0..4 {
                uids.extend(deliver(&store, format!("message {n}\r\n").as_bytes(), &["alice"]).await);
                assert_eq!(listed(&store, "alice", "").await, uids);
            }
            let id = accept(&store, b"queued\r\n").await;
            assert_eq!(queued(&store).await, [id]);
            let live = rows(&store);
            assert_holders(&live);
            store.close().await.expect("closed");
            drop(store);
            std::fs::remove_dir_all(place.path().join("idx")).expect("removed");
            let (store, _) = place.open();
            assert_eq!(rows(&store), live);
        });
    }
}

#[test]
fn a_full_disk_under_the_index_costs_the_ballast_and_no_mail() {
    let place = Place::new(small());
    let ballast = place.path().join("BALLAST");
    block_on(async {
        let store = open_failing(&place, 0, || IndexError::NoSpace);
        assert!(ballast.exists());
        place.disk.say_free(Some((1 << 20) + 2000));
        let id = accept(&store, b"one\r\n").await;
        assert_eq!(queued(&store).await, [id]);
        assert!(!ballast.exists(), "it was let go");
        assert!(matches!(store.admit(1), Err(StoreError::Full(_))), "no mail until it is back");
        place.disk.say_free(None);
        for _ in 0..80 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            if store.admit(1).is_ok() {
                break;
            }
        }
        assert!(ballast.exists());
        store.admit(1).expect("intake goes on");
        store.deliver(vec![route(id, &["alice"])]).await.expect("delivered");
        assert_eq!(listed(&store, "alice", "").await.len(), 1);
    });
}

#[test]
fn an_index_that_cannot_be_synced_is_built_again() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        let uids = deliver(&store, b"one\r\n", &["alice"]).await;
        assert!(store.wait_prepared());
        place.disk.order(Some(Fault { only: Some(Op::Fdatasync), at: 0, lasting: false, errno: Errno::IO }));
        store.close().await.expect("closed");
        place.disk.order(None);
        drop(store);
        assert!(!place.path().join("CKPT").exists(), "what was not synced is not a checkpoint");
        let (store, report) = place.open();
        assert!(report.rebuilt.is_some(), "{report}");
        assert_eq!(listed(&store, "alice", "").await, uids);
    });
}

#[test]
fn values_stay_short_of_sleds_blobs() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        let mailboxes: Vec<String> = (0..200).map(|n| format!("{}{n}", "m".repeat(200))).collect();
        let mailboxes: Vec<&str> = mailboxes.iter().map(String::as_str).collect();
        let uids = deliver(&store, b"to everyone\r\n", &mailboxes).await;
        let live = rows(&store);
        assert!(live.values().all(|value| value.len() <= 1024));
        assert!(live.keys().filter(|key| key.starts_with(b"B")).count() > 10, "holders in chunks");
        assert_holders(&live);
        for (ordinal, uid) in uids.iter().enumerate().filter(|(ordinal, _)| ordinal % 3 > 0) {
            store.purge(&queue::contract::name(mailboxes[ordinal]), vec![*uid]).await.expect("purged");
        }
        assert_holders(&rows(&store));
        for (ordinal, uid) in uids.iter().enumerate() {
            store.purge(&queue::contract::name(mailboxes[ordinal]), vec![*uid]).await.expect("purged");
        }
        assert!(rows(&store).is_empty(), "the body goes with its last holder");
        store.close().await.expect("closed");
        let blobs = place.path().join("idx/blobs");
        assert!(!blobs.exists() || names(&blobs).is_empty());
    });
}

#[test]
fn a_record_with_more_operations_than_a_batch_is_one_all_the_same() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        store
            .join(&queue::contract::name("team"), &queue::contract::view("a"), queue::Join::All)
            .await
            .expect("joined");
        store
            .join(&queue::contract::name("team"), &queue::contract::view("b"), queue::Join::All)
            .await
            .expect("joined");
        let mut ids = Vec::new();
        for _ in 0..30 {
            ids.push(accept(&store, b"x\r\n").await);
        }
        let routes = ids.iter().map(|id| route(*id, &["team"; 100])).collect();
        store.deliver(routes).await.expect("delivered");
        let uids = listed(&store, "team", "a").await;
        assert_eq!(uids.len(), 3000);
        let group = |view: &str| queue::Expunge {
            mailbox: queue::contract::name("team"),
            view: queue::contract::view(view),
            uids: uids.clone(),
            unwanted: queue::Unwanted::Goes,
        };
        store.delete(vec![group("a")]).await.expect("deleted");
        assert!(listed(&store, "team", "a").await.is_empty());
        assert_eq!(listed(&store, "team", "b").await, uids);
        store
            .leave(&queue::contract::name("team"), &queue::contract::view("b"), queue::Unwanted::Goes)
            .await
            .expect("left");
        assert!(contents(&store).await["team"].is_empty());
        let left = |journals| {
            let rows = rows(&store);
            rows.keys().filter(|key| key.starts_with(crate::index::keys::JOURNALS) == journals).count()
        };
        assert_eq!(left(false), 2, "the mailbox and its view are left");
        assert!(left(true) > 2, "what was deleted is noted");
        for _ in 0..5 {
            let uids = queue::contract::deliver(&store, b"y\r\n", &["team"]).await;
            store.delete(vec![queue::Expunge { uids, ..group("a") }]).await.expect("deleted");
        }
        assert!(left(true) < 2, "until nothing of it is left");
    });
}

#[test]
fn an_index_built_again_for_another_reason_leaves_the_ballast() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new(small());
    let inode = || std::fs::metadata(place.path().join("BALLAST")).expect("there").ino();
    let run = || block_on(async { place.open().0.close().await.expect("closed") });
    run();
    let before = inode();
    std::fs::remove_file(place.path().join("CKPT")).expect("removed");
    run();
    assert_eq!(inode(), before);
}
