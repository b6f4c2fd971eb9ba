//! Freezing, backing up and restoring, cut off at every operation.

use std::path::{Path, PathBuf};

use mail::Uid;
use queue::Store;
use queue::contract::{accept, deliver, name, view};
use rustix::io::Errno;

use super::life::{empty, lose_index};
use super::script::STORE;
use super::single::{disk, open, try_open};
use crate::SledStore;
use crate::backup::{restore_on, take_on};
use crate::clock::wall_ms;
use crate::disk::Disk;
use crate::disk::faulty::{Fault, Op};
use crate::disk::simulated::{Chance, Machine, SimulatedDisk};
use crate::tests::{block_on, contents, queued};

const BACKUP: &str = "/backup";
/// Power cuts at each operation.
const CUTS: u64 = 3;

type Contents = std::collections::BTreeMap<String, Vec<(Uid, Vec<u8>)>>;

fn body(n: usize) -> Vec<u8> {
    format!("Subject: {n}\r\n\r\n{}\r\n", "x".repeat(n * 997 % 5000)).into_bytes()
}

async fn fill(store: &SledStore, mailbox: &str, mails: std::ops::Range<usize>) {
    for n in mails {
        deliver(store, &body(n), &[mailbox]).await;
    }
}

/// What a store has; afterwards its disk is off.
fn look(machine: Machine, what: &str) -> Contents {
    let disk = disk(machine);
    block_on(async {
        let (store, report) = try_open(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(report.damaged.is_empty(), "{what}: {report}");
        assert!(!names(&disk, STORE).contains(&"backup-tmp".to_owned()), "{what}");
        let found = contents(&store).await;
        disk.switch_off();
        found
    })
}

fn names(disk: &SimulatedDisk, folder: &str) -> Vec<String> {
    disk.list(Path::new(folder)).unwrap_or_default()
}

fn backup(disk: &SimulatedDisk, store: &SledStore) -> Result<(), crate::backup::BackupError> {
    let held = block_on(store.freeze())?;
    take_on(disk, held.frozen(), Path::new(BACKUP), &mut |_| {}).map(drop)
}

fn restore(disk: &SimulatedDisk) -> Result<Option<PathBuf>, crate::backup::BackupError> {
    let (dir, store) = (Path::new(BACKUP), Path::new(STORE));
    restore_on(disk, dir, store, true, (wall_ms(), &|_| Ok(())), &mut |_| {}).map(|done| done.aside)
}

/// Every image of every operation from `begun` on, and in words which.
fn each_image(disk: &SimulatedDisk, begun: usize, mut see: impl FnMut(Machine, &str)) -> usize {
    let trace = disk.trace();
    let mut machine = trace.first;
    let mut images = 0;
    for (position, step) in trace.steps.iter().map(Some).chain([None]).enumerate() {
        if position >= begun {
            let told = step.map(|step| format!("{:?} {}", step.op, step.path.display())).unwrap_or_default();
            let mut chance = Chance::new(position as u64);
            let killed = machine.killed(step.map(|step| &step.action), &mut chance);
            see(killed, &format!("killed before {position}, {told}"));
            for cut in 0..CUTS {
                let image = machine.power_cut(&mut chance).0;
                see(image, &format!("power cut {cut} before {position}, {told}"));
            }
            images += 1 + usize::try_from(CUTS).expect("few");
        }
        if let Some(step) = step {
            machine.apply(&step.action);
        }
    }
    images
}

/// A store that has freed a part of its log, with long and short messages and one that waits.
fn filled() -> (SimulatedDisk, SledStore) {
    let disk = disk(empty());
    let store = open(&disk);
    block_on(async {
        fill(&store, "alice", 0..30).await;
        deliver(&store, &body(4).repeat(20), &["alice", "bob"]).await;
        let uids = queue::contract::listed(&store, "alice", "").await;
        let uids = uids[..25].to_vec();
        store
            .delete(vec![queue::Expunge {
                mailbox: name("alice"),
                view: view(""),
                uids,
                unwanted: queue::Unwanted::Goes,
            }])
            .await
            .expect("deleted");
        store.tidy().await.expect("tidied");
        accept(&store, &body(7)).await;
    });
    (disk, store)
}

#[test]
fn a_freeze_that_is_cut_off_leaves_the_store_as_it_was() {
    let (disk, store) = filled();
    let wanted = block_on(contents(&store));
    let begun = disk.position();
    drop(block_on(store.freeze()).expect("frozen"));
    let images = each_image(&disk, begun, |image, what| assert_eq!(look(image, what), wanted, "{what}"));
    assert!(images > 40, "{images}");
    disk.switch_off();
}

#[test]
fn a_backup_that_is_cut_off_is_the_one_before_or_the_new_one() {
    let (disk, store) = filled();
    backup(&disk, &store).expect("taken");
    let before = block_on(contents(&store));
    block_on(fill(&store, "carol", 0..8));
    block_on(store.tidy()).expect("tidied");
    let after = block_on(contents(&store));
    let begun = disk.position();
    backup(&disk, &store).expect("taken");
    let mut new = 0;
    let images = each_image(&disk, begun, |image, what| {
        let image = self::disk(image);
        restore(&image).unwrap_or_else(|error| panic!("{what}: {error}"));
        let found = look(image.machine(), what);
        assert!(found == before || found == after, "{what}");
        new += usize::from(found == after);
    });
    assert!(new > 0 && new < images, "{new} of {images}");
    disk.switch_off();
}

fn restores_are_cut_off(can_swap: bool) {
    let (disk, store) = filled();
    backup(&disk, &store).expect("taken");
    let of_backup = block_on(contents(&store));
    let of_store = block_on(async {
        fill(&store, "carol", 0..8).await;
        assert_eq!(queued(&store).await.len(), 1);
        store.close().await.expect("closed");
        contents(&open(&disk)).await
    });
    // Whoever had it open has gone; what he has written is durable.
    let machine = disk.machine();
    disk.switch_off();
    let disk = self::disk(machine);
    let no_swap = Fault { only: Some(Op::Exchange), at: 0, lasting: true, errno: Errno::NOSYS };
    disk.order((!can_swap).then_some(no_swap));
    restore(&disk).expect("restored");
    let mut missing = 0;
    let images = each_image(&disk, 0, |image, what| {
        let image = self::disk(image);
        if names(&image, STORE).is_empty() {
            missing += 1;
        } else {
            let found = look(image.machine(), what);
            assert!(found == of_backup || found == of_store, "{what}");
        }
        // Done again it is done, and the old one is there under some name.
        restore(&image).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(look(image.machine(), what), of_backup, "{what}");
        let mut kept = names(&image, "/").into_iter().filter(|name| name.starts_with("store.aside"));
        let is_old = |aside: String| {
            let copy = self::disk(image.machine());
            restore_name(&copy, &aside);
            look(copy.machine(), what) == of_store
        };
        assert!(kept.any(is_old), "{what}");
    });
    assert!(images > 100, "{images}");
    assert_eq!(missing > 0, !can_swap, "{missing} of {images}");
}

/// As an admin puts a store back that was moved aside.
fn restore_name(disk: &SimulatedDisk, aside: &str) {
    disk.rename(Path::new(STORE), Path::new("/store.other")).expect("moved");
    disk.rename(&Path::new("/").join(aside), Path::new(STORE)).expect("moved");
    lose_index(disk);
}

#[test]
fn a_restore_that_is_cut_off_leaves_one_of_the_two_stores_in_its_place() {
    restores_are_cut_off(true);
}

#[test]
fn where_names_cannot_be_swapped_nothing_is_lost_either() {
    restores_are_cut_off(false);
}
