//! A segment's header that a cut has torn.

use std::path::Path;

use queue::Store;
use queue::contract::accept;
use rustix::io::Errno;

use super::life::empty;
use super::script::STORE;
use super::single::{disk, open, segments, try_open};
use crate::disk::faulty::{Fault, Op};
use crate::disk::simulated::SimulatedDisk;
use crate::fsck::check_on;
use crate::tests::{block_on, queued};
use crate::{OpenError, SledStore};

const GARBAGE: [u8; 512] = [0x5a; 512];

async fn close(store: SledStore) {
    store.close().await.expect("closed");
}

/// A store with one message, and a second segment of which only the header was written.
async fn entered(disk: &SimulatedDisk) -> mail::QueueId {
    let store = open(disk);
    let first = accept(&store, b"one\r\n").await;
    close(store).await;
    let store = open(disk);
    assert!(store.wait_prepared());
    disk.order(Some(Fault { only: Some(Op::FsyncDir), at: 0, lasting: false, errno: Errno::IO }));
    let mut incoming = store.incoming(None).expect("admitted");
    queue::Incoming::write(&mut incoming, b"two\r\n").await.expect("taken");
    queue::Incoming::commit(incoming, queue::contract::envelope(&["alice"])).await.expect_err("refused");
    disk.order(None);
    close(store).await;
    assert_eq!(segments(disk).len(), 2);
    first
}

fn is_sound(disk: &SimulatedDisk) -> bool {
    let disk: std::sync::Arc<dyn crate::disk::Disk> = std::sync::Arc::new(disk.clone());
    let checked = check_on(&disk, None, Path::new(STORE), None, true, &mut |_| {}).expect("checked");
    checked.worst().is_none()
}

/// Nothing stands behind it: what was never entered holds nothing, whatever its first page says.
#[test]
fn a_header_torn_before_its_first_record_keeps_no_store_shut() {
    block_on(async {
        let disk = disk(empty());
        let first = entered(&disk).await;
        let newest = segments(&disk).pop().expect("two");
        disk.rot(&newest, 0, &GARBAGE);
        assert!(is_sound(&disk), "fsck sees it as a start does");
        let (store, report) = try_open(&disk).expect("opens");
        assert!(report.damaged.is_empty(), "{report}");
        assert_eq!(queued(&store).await, [first]);
        let third = accept(&store, b"three\r\n").await;
        close(store).await;
        assert_eq!(queued(&open(&disk)).await, [first, third]);
    });
}

/// One record behind it, and it is no torn header but a lost one.
#[test]
fn a_header_before_a_record_is_missed() {
    block_on(async {
        let disk = disk(empty());
        let store = open(&disk);
        accept(&store, b"one\r\n").await;
        close(store).await;
        let store = open(&disk);
        accept(&store, b"two\r\n").await;
        accept(&store, b"three\r\n").await;
        close(store).await;
        let newest = segments(&disk).pop().expect("two");
        disk.rot(&newest, 0, &GARBAGE);
        assert!(matches!(try_open(&disk), Err(OpenError::Salvage(_))));
        // The first record is gone too; the second still says where it stands.
        disk.rot(&newest, 4096, &GARBAGE);
        assert!(matches!(try_open(&disk), Err(OpenError::Salvage(_))));
        assert!(!is_sound(&disk));
    });
}
