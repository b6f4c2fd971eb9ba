//! Single failures around the index and the room on the disk, each by its name.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use queue::contract::{accept, deliver, envelope, listed, name, route, view};
use queue::{Delivered, Expunge, Incoming, Store, StoreError};

use super::life::{empty, ground, lose_index, params};
use super::script::STORE;
use super::single::{disk, open, segments, try_open};
use crate::disk::Disk;
use crate::disk::simulated::{Chance, SimulatedDisk};
use crate::ground::Ground;
use crate::index::file_kv::FileIndex;
use crate::index::kv::{EachRow, Op as Change, OpenIndex};
use crate::index::{IndexError, IndexKv};
use crate::tests::{block_on, queued};
use crate::{OpenError, SledStore};

/// A log that is gone is not an empty store while anything remembers it.
#[test]
fn an_index_that_knows_more_than_the_log_is_heard_without_a_checkpoint() {
    let filled = || {
        block_on(async {
            let disk = disk(empty());
            let store = open(&disk);
            for _ in 0..6 {
                accept(&store, b"one\r\n").await;
                // One batch each, so that the index has written some.
                queued(&store).await;
            }
            let machine = disk.machine();
            disk.switch_off();
            super::single::disk(machine)
        })
    };
    let disk = filled();
    let segment = segments(&disk).pop().expect("one");
    disk.unlink(&segment).expect("removed");
    assert!(matches!(try_open(&disk), Err(OpenError::Salvage(why)) if why.contains("missing")), "deleted");

    let disk = filled();
    let segment = segments(&disk).pop().expect("one");
    disk.rot(&segment, 0, &[0; 64 << 10]);
    assert!(matches!(try_open(&disk), Err(OpenError::Salvage(_))), "emptied");
    assert!(matches!(try_open(&disk), Err(OpenError::Salvage(_))), "and again");

    let disk = filled();
    let segment = segments(&disk).pop().expect("one");
    disk.rot(&segment, 8192, &[0; 56 << 10]);
    let (store, report) = try_open(&disk).expect("opens");
    assert_eq!((report.damaged.len(), block_on(queued(&store)).len()), (1, 1), "a part of it: {report}");
}

/// An index that takes its time to say that it is flushed.
struct Slow(Arc<AtomicBool>);

struct SlowKv {
    inner: Arc<dyn IndexKv>,
    flushed: Arc<AtomicBool>,
}

impl OpenIndex for Slow {
    fn open(&self, disk: &dyn Disk, idx: &Path) -> Result<Arc<dyn IndexKv>, IndexError> {
        let inner = FileIndex { deferred: true }.open(disk, idx)?;
        Ok(Arc::new(SlowKv { inner, flushed: self.0.clone() }))
    }
}

impl IndexKv for SlowKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.inner.get(key)
    }

    fn apply(&self, ops: Vec<Change>) -> Result<(), IndexError> {
        self.inner.apply(ops)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], each: EachRow<'_>) -> Result<(), IndexError> {
        self.inner.scan(prefix, from, each)
    }

    fn flush(&self) -> Result<(), IndexError> {
        self.inner.flush()?;
        self.flushed.store(true, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(100));
        Ok(())
    }
}

/// What is applied between the flush of a checkpoint and its writing is not in it.
#[test]
fn a_checkpoint_says_no_more_than_its_flush_covers() {
    block_on(async {
        let disk = disk(empty());
        let flushed = Arc::new(AtomicBool::new(false));
        let ground = Ground { index: Arc::new(Slow(flushed.clone())), ..ground(&disk, true) };
        let (store, _) = SledStore::open_on(ground, Path::new(STORE), params()).expect("opens");
        accept(&store, b"one\r\n").await;
        queued(&store).await;
        flushed.store(false, Ordering::SeqCst);
        store.checkpoint_soon();
        let wait = Duration::from_millis(2);
        while !flushed.load(Ordering::SeqCst) {
            tokio::time::sleep(wait).await;
        }
        accept(&store, b"two\r\n").await;
        assert_eq!(queued(&store).await.len(), 2);
        while disk.list(Path::new(STORE)).is_ok_and(|names| !names.contains(&"CKPT".to_owned())) {
            tokio::time::sleep(wait).await;
        }
        for seed in 0..8 {
            let (machine, _) = disk.machine().power_cut(&mut Chance::new(seed));
            let (store, report) = try_open(&super::single::disk(machine)).expect("opens");
            assert!(report.rebuilt.is_none_or(|why| !why.contains("less")));
            assert_eq!(queued(&store).await.len(), 2);
        }
    });
}

/// Marks only grow: a session that opened before another deleted does not bring anything back.
#[test]
fn seen_after_deleted_brings_nothing_back() {
    block_on(async {
        let disk = disk(empty());
        let store = open(&disk);
        for of in ["a", "b"] {
            store.join(&name("alice"), &view(of), queue::Join::All).await.expect("joined");
        }
        let uids = deliver(&store, b"one\r\n", &["alice"]).await;
        let group = |of: &str| Expunge {
            mailbox: name("alice"),
            view: view(of),
            uids: uids.clone(),
            unwanted: queue::Unwanted::Goes,
        };
        store.delete(vec![group("a")]).await.expect("deleted");
        store
            .seen(queue::Fetched {
                mailbox: name("alice"),
                view: view("a"),
                uids: uids.clone(),
                offered: mail::Uid(0),
            })
            .await
            .expect("seen");
        let image = super::single::disk(disk.machine());
        lose_index(&image);
        for store in [store, open(&image)] {
            assert!(listed(&store, "alice", "a").await.is_empty());
            assert_eq!(listed(&store, "alice", "b").await, uids);
        }
    });
}

/// Opens a store that is allowed a ballast it can live on.
fn open_full(disk: &SimulatedDisk, deferred: bool) -> SledStore {
    let params = crate::Params { ballast: 64 << 10, ..params() };
    SledStore::open_on(ground(disk, deferred), Path::new(STORE), params).expect("opens").0
}

/// A disk fills up: mail is refused before it is taken, what was taken stays, deletes and a start still work.
#[test]
fn a_disk_that_fills_up_takes_no_mail_and_loses_none() {
    for (deferred, close) in [(false, false), (false, true), (true, false), (true, true)] {
        block_on(fill_up(deferred, close));
    }
}

async fn fill_up(deferred: bool, close: bool) {
    let disk = disk(empty());
    disk.say_room(Some(900 << 10));
    let store = open_full(&disk, deferred);
    let mut taken = Vec::new();
    let refused = loop {
        let outcome = async {
            let mut incoming = store.incoming(None)?;
            incoming.write(&[b'x'; 4000]).await?;
            incoming.commit(envelope(&["alice"])).await
        };
        match outcome.await {
            Ok(id) => taken.push(id),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Full(_)), "{refused}");
    assert!(taken.len() > 50, "{}", taken.len());
    let mut uids = Vec::new();
    for id in &taken {
        match store.deliver(vec![route(*id, &["alice"])]).await {
            Ok(told) => match &told[0] {
                Delivered::Entries(entered) => uids.extend(entered),
                Delivered::NotQueued => panic!("{id} was queued"),
            },
            Err(StoreError::Full(_)) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(disk.used() <= 900 << 10);
    if close {
        store.close().await.expect("closed");
    }
    let machine = disk.machine();
    disk.switch_off();
    let disk = super::single::disk(machine);
    disk.say_room(Some(disk.used()));
    let store = open_full(&disk, deferred);
    assert_eq!(listed(&store, "alice", "").await, uids);
    assert_eq!(queued(&store).await.len(), taken.len() - uids.len());
    assert!(matches!(store.incoming(None), Err(StoreError::Full(_))));
}
