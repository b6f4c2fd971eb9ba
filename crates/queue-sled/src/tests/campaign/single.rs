//! Single failures, each by its name: what the campaign finds by chance, and must never find again.

use std::path::{Path, PathBuf};

use mail::{QueueId, Uid};
use queue::contract::{accept, deliver, envelope, listed, route};
use queue::{Delivered, Incoming, Store, StoreError};
use rustix::io::Errno;

use super::life::{empty, ground, lose_index, params};
use super::script::STORE;
use crate::disk::Disk;
use crate::disk::faulty::{Fault, Op};
use crate::disk::simulated::{Action, Chance, Machine, SimulatedDisk, Step};
use crate::log::segment::{SegmentHeader, segment_id};
use crate::tests::{block_on, queued};
use crate::{OpenError, SledStore, StartReport};

pub(super) fn disk(machine: Machine) -> SimulatedDisk {
    SimulatedDisk::new(machine, 1)
}

pub(super) fn try_open(disk: &SimulatedDisk) -> Result<(SledStore, StartReport), OpenError> {
    SledStore::open_on(ground(disk, false), Path::new(STORE), params())
}

pub(super) fn open(disk: &SimulatedDisk) -> SledStore {
    try_open(disk).expect("opens").0
}

fn log() -> PathBuf {
    Path::new(STORE).join("log")
}

/// The segments of a disk, oldest first.
pub(super) fn segments(disk: &SimulatedDisk) -> Vec<PathBuf> {
    let names = disk.list(&log()).expect("listed");
    let mut names: Vec<_> = names.into_iter().filter(|name| segment_id(name).is_some()).collect();
    names.sort();
    names.into_iter().map(|name| log().join(name)).collect()
}

/// The machine before each operation of a trace that is such a one.
fn before(disk: &SimulatedDisk, wanted: impl Fn(&Step) -> bool) -> Vec<Machine> {
    let trace = disk.trace();
    let mut machine = trace.first;
    let mut found = Vec::new();
    for step in &trace.steps {
        if wanted(step) {
            found.push(machine.clone());
        }
        machine.apply(&step.action);
    }
    found
}

fn is_of_log(step: &Step) -> bool {
    step.path.extension().is_some_and(|extension| extension == "seg")
}

async fn uids(store: &SledStore, id: QueueId) -> Vec<Uid> {
    match store.deliver(vec![route(id, &["alice"])]).await.expect("delivered").remove(0) {
        Delivered::Entries(uids) => uids,
        Delivered::NotQueued => panic!("{id} is not queued"),
    }
}

/// A start may read what no sync has covered. What it has shown once must be there after the power has gone.
#[test]
fn a_last_batch_that_only_the_page_cache_has_is_made_durable() {
    block_on(async {
        let disk = disk(empty());
        let store = open(&disk);
        accept(&store, b"one\r\n").await;
        let killed = before(&disk, |step| step.op == Op::Fdatasync && is_of_log(step)).pop().expect("a sync");
        disk.switch_off();
        let disk = self::disk(killed);
        let store = open(&disk);
        let id = queued(&store).await.remove(0);
        let uids = uids(&store, id).await;
        for seed in 0..16 {
            let (machine, _) = disk.machine().power_cut(&mut Chance::new(seed));
            let store = open(&self::disk(machine));
            assert!(queued(&store).await.is_empty(), "delivered twice");
            assert_eq!(listed(&store, "alice", "").await, uids);
        }
    });
}

/// The same after a sync that failed: the pages are clean and cannot be synced, only written again.
#[test]
fn a_last_batch_whose_sync_failed_is_written_again() {
    for seed in 0..24 {
        block_on(async {
            let disk = SimulatedDisk::new(empty(), seed);
            let store = open(&disk);
            accept(&store, b"one\r\n").await;
            assert!(store.wait_prepared());
            disk.order(Some(Fault { only: Some(Op::Fdatasync), at: 0, lasting: false, errno: Errno::IO }));
            let mut incoming = store.incoming(None).expect("admitted");
            incoming.write(b"two\r\n").await.expect("taken");
            let told = incoming.commit(envelope(&["alice"])).await;
            assert!(matches!(told, Err(StoreError::Unsure(_))), "{told:?}");
            disk.order(None);
            let killed = disk.machine();
            disk.switch_off();
            let disk = self::disk(killed);
            let store = open(&disk);
            let seen = queued(&store).await;
            accept(&store, b"three\r\n").await;
            let (machine, _) = disk.machine().power_cut(&mut Chance::new(seed));
            let store = open(&self::disk(machine));
            let after = queued(&store).await;
            assert_eq!(after[..seen.len()], seen, "seed {seed}: what was seen once is seen again");
            assert_eq!(after.len(), seen.len() + 1, "seed {seed}");
        });
    }
}

/// The header of a segment without a record is believed like everything else: only when it is durable.
#[test]
fn a_header_that_only_the_page_cache_has_is_made_durable() {
    block_on(async {
        let disk = disk(empty());
        let store = open(&disk);
        accept(&store, b"one\r\n").await;
        store.close().await.expect("closed");
        drop(store);
        let store = open(&disk);
        accept(&store, b"two\r\n").await;
        // Its header is written, and neither that nor its name is durable.
        let syncs = before(&disk, |step| step.op == Op::Fdatasync && is_of_log(step));
        let killed = syncs.into_iter().rev().nth(1).expect("a header's sync");
        disk.switch_off();
        let disk = self::disk(killed);
        let store = open(&disk);
        let third = accept(&store, b"three\r\n").await;
        for seed in 0..48 {
            let (machine, _) = disk.machine().power_cut(&mut Chance::new(seed));
            let image = self::disk(machine);
            lose_index(&image);
            let store = open(&image);
            assert_eq!(queued(&store).await.last(), Some(&third), "seed {seed}");
        }
    });
}

/// The same when its sync has failed: it must be written again, not only synced.
#[test]
fn a_header_whose_sync_failed_is_written_again() {
    for seed in 0..24 {
        block_on(async {
            let disk = SimulatedDisk::new(empty(), seed);
            let store = open(&disk);
            let first = accept(&store, b"one\r\n").await;
            store.close().await.expect("closed");
            drop(store);
            let store = open(&disk);
            assert!(store.wait_prepared());
            disk.order(Some(Fault { only: Some(Op::Fdatasync), at: 0, lasting: true, errno: Errno::IO }));
            let mut incoming = store.incoming(None).expect("admitted");
            incoming.write(b"two\r\n").await.expect("taken");
            incoming.commit(envelope(&["alice"])).await.expect_err("refused");
            disk.order(None);
            let killed = disk.machine();
            disk.switch_off();
            let disk = self::disk(killed);
            let store = open(&disk);
            let third = accept(&store, b"three\r\n").await;
            let (machine, _) = disk.machine().power_cut(&mut Chance::new(seed));
            let image = self::disk(machine);
            lose_index(&image);
            assert_eq!(queued(&open(&image)).await, [first, third], "seed {seed}");
        });
    }
}

/// A segment that has lost its name gets it back, and its id stays its own.
#[test]
fn an_id_that_was_taken_back_is_not_given_again() {
    block_on(async {
        let disk = disk(empty());
        let store = open(&disk);
        accept(&store, b"one\r\n").await;
        store.close().await.expect("closed");
        drop(store);
        let store = open(&disk);
        let second = accept(&store, b"two\r\n").await;
        store.close().await.expect("closed");
        drop(store);
        let newest = segments(&disk).pop().expect("two");
        disk.rename(&newest, &log().join("spare-77")).expect("renamed");
        let store = open(&disk);
        let third = accept(&store, b"three\r\n").await;
        assert!(second < third);
        assert_eq!(segments(&disk).len(), 3);
        drop(store);
        assert_eq!(queued(&open(&self::disk(disk.machine()))).await.len(), 3);
    });
}

/// A segment whose last step into the log failed has a header, and nothing follows it.
#[test]
fn a_segment_that_was_begun_and_not_entered_breaks_no_chain() {
    block_on(async {
        let disk = disk(empty());
        let store = open(&disk);
        let first = accept(&store, b"one\r\n").await;
        store.close().await.expect("closed");
        drop(store);
        let store = open(&disk);
        assert!(store.wait_prepared());
        disk.order(Some(Fault { only: Some(Op::FsyncDir), at: 0, lasting: false, errno: Errno::IO }));
        let mut incoming = store.incoming(None).expect("admitted");
        incoming.write(b"two\r\n").await.expect("taken");
        incoming.commit(envelope(&["alice"])).await.expect_err("refused");
        let third = accept(&store, b"three\r\n").await;
        store.close().await.expect("closed");
        drop(store);
        assert_eq!(segments(&disk).len(), 3);
        lose_index(&disk);
        assert_eq!(queued(&open(&disk)).await, [first, third]);
    });
}

/// A header that names itself as the one before must not keep a start busy for ever.
#[test]
fn a_chain_that_runs_in_a_circle_ends_a_start() {
    block_on(async {
        let disk = disk(empty());
        let store = open(&disk);
        accept(&store, b"one\r\n").await;
        store.close().await.expect("closed");
        drop(store);
        let segment = segments(&disk).pop().expect("one");
        let mut page = vec![0; 4096];
        let file = disk.open(&segment, crate::disk::Open::Read).expect("there");
        crate::disk::read_exact(&*file, &mut page, 0).expect("read");
        let header = SegmentHeader::decode(&page).expect("a header");
        disk.rot(&segment, 0, &SegmentHeader { previous: header.id, ..header }.encode());
        lose_index(&disk);
        assert!(matches!(try_open(&disk), Err(OpenError::Salvage(_))));
    });
}

/// Several at once in one batch; a part of it is written, then the disk is full. Those in front are whole, and
/// nobody must see them: their senders were told to come again.
#[test]
fn what_was_refused_in_the_middle_of_a_batch_never_surfaces() {
    let mut whole = 0;
    for seed in 0..40 {
        block_on(async {
            let disk = SimulatedDisk::new(empty(), seed);
            let store = open(&disk);
            let first = accept(&store, b"first\r\n").await;
            assert!(store.wait_prepared());
            let before = disk.written();
            disk.order(Some(Fault { only: Some(Op::Write), at: 1, lasting: false, errno: Errno::NOSPC }));
            let tasks: Vec<_> = (0..12u8)
                .map(|n| {
                    let store = store.clone();
                    tokio::spawn(async move {
                        let mut incoming = store.incoming(None)?;
                        incoming.write(&vec![n; 3000]).await?;
                        incoming.commit(envelope(&["alice"])).await
                    })
                })
                .collect();
            let mut told = vec![first];
            for task in tasks {
                match task.await.expect("no panic") {
                    Ok(id) => told.push(id),
                    Err(StoreError::Full(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            told.sort();
            whole += u64::from(disk.written() > before);
            let machine = disk.machine();
            disk.switch_off();
            let machine = if seed % 2 == 0 { machine } else { machine.power_cut(&mut Chance::new(seed)).0 };
            assert_eq!(queued(&open(&self::disk(machine))).await, told, "seed {seed}");
        });
    }
    assert!(whole > 0);
}

/// Where a segment got its name, and where the folder was synced, relative to its first record.
#[test]
fn a_segment_has_its_name_before_its_first_record() {
    block_on(async {
        let disk = disk(empty());
        let store = open(&disk);
        for n in 0..40 {
            accept(&store, &vec![b'a' + n; 6000]).await;
        }
        let trace = disk.trace();
        let mut named = std::collections::HashMap::new();
        let mut entered = 0;
        for step in trace.steps.iter().filter(|step| is_of_log(step) || step.path == log()) {
            match &step.action {
                Action::Rename { .. } => drop(named.insert(step.path.clone(), false)),
                Action::SyncFolder { .. } => named.values_mut().for_each(|durable| *durable = true),
                Action::Write { at, .. } if *at > 0 => {
                    assert_eq!(named.get(&step.path), Some(&true), "a record in {}", step.path.display());
                }
                Action::Write { .. } => entered += 1,
                Action::Make { .. }
                | Action::Link { .. }
                | Action::Unlink { .. }
                | Action::Sync { .. }
                | Action::Exchange { .. }
                | Action::LostSync { .. } => {}
            }
        }
        assert!(entered > 3, "{entered} segments");
    });
}

/// A message beside the log is durable, name and octets, before the record that names it is written.
#[test]
fn a_big_body_is_durable_before_its_record() {
    block_on(async {
        let disk = disk(empty());
        let store = open(&disk);
        let body = [b'b'; 20_000];
        deliver(&store, &body, &["alice"]).await;
        let file = disk.list(&Path::new(STORE).join("big")).expect("listed").remove(0);
        assert!(disk.is_synced(&Path::new(STORE).join("big").join(file)));
        for machine in before(&disk, |step| step.op == Op::Write && is_of_log(step)).into_iter().skip(1) {
            for seed in 0..8 {
                let (image, _) = machine.power_cut(&mut Chance::new(seed));
                let image = self::disk(image);
                let big = image.list(&Path::new(STORE).join("big")).expect("listed");
                let path = Path::new(STORE).join("big").join(&big[0]);
                let file = image.open(&path, crate::disk::Open::Read).expect("there");
                let mut octets = vec![0; body.len()];
                crate::disk::read_exact(&*file, &mut octets, 0).expect("all of it");
                assert_eq!(octets, body);
            }
        }
    });
}

/// Of a batch that is torn in a body, the records behind stay; the fold, which reads no bodies, must not take the
/// torn one for whole.
#[test]
fn a_torn_body_does_not_keep_the_log_from_being_folded() {
    assert!((0..50).any(|_| block_on(torn_body())), "two at once were never one batch");
}

/// False when the two came in batches of their own.
async fn torn_body() -> bool {
    let disk = disk(empty());
    let store = open(&disk);
    accept(&store, b"first\r\n").await;
    let both = [vec![b'a'; 3000], vec![b'b'; 3000]].map(|body| {
        let store = store.clone();
        tokio::spawn(async move { accept(&store, &body).await })
    });
    let mut ids = Vec::new();
    for task in both {
        ids.push(task.await.expect("no panic"));
    }
    ids.sort();
    let machine = disk.machine();
    disk.switch_off();
    let disk = self::disk(machine);
    let segment = segments(&disk).pop().expect("one");
    disk.rot(&segment, crate::log::Lsn(ids[0].0).offset() as usize + 1500, &[0; 512]);
    lose_index(&disk);
    let (store, report) = try_open(&disk).expect("opens");
    if !report.torn_tail {
        return false;
    }
    store.tidy().await.expect("the log and the index agree");
    store.close().await.expect("closed");
    drop(store);
    lose_index(&disk);
    let (store, report) = try_open(&disk).expect("opens");
    assert!(report.damaged.is_empty(), "{report}");
    assert_eq!(queued(&store).await.last(), Some(&ids[1]));
    true
}

/// A page that cannot be read takes its record with it, and nothing else.
#[test]
fn a_sector_that_cannot_be_read_loses_its_record_only() {
    block_on(async {
        let disk = disk(empty());
        let store = open(&disk);
        let mut ids = Vec::new();
        for n in 0..6 {
            ids.push(accept(&store, &vec![b'a' + n; 5000]).await);
        }
        store.close().await.expect("closed");
        drop(store);
        lose_index(&disk);
        let segment = segments(&disk).pop().expect("one");
        let bad = ids.remove(2);
        disk.spoil(&segment, crate::log::Lsn(bad.0).offset() as usize + 3000);
        let (store, report) = try_open(&disk).expect("opens");
        assert_eq!(report.damaged.len(), 1, "{report}");
        assert_eq!(queued(&store).await, ids);
    });
}

/// One process at a time, and a dropped store lets go.
#[test]
fn a_simulated_disk_keeps_a_lock() {
    let disk = disk(empty());
    let held = disk.lock(Path::new("/store/LOCK")).expect("free");
    assert!(disk.lock(Path::new("/store/LOCK")).is_err());
    drop(held);
    drop(disk.lock(Path::new("/store/LOCK")).expect("free again"));
}
