//! Damage is known for as long as it is there, whoever has found it.

use std::sync::Arc;

use queue::Store;
use queue::contract::{accept, deliver};

use super::space::{SEGMENT, body, delete, fill, find};
use super::{Place, block_on, names, scribble};
use crate::disk::{Disk, RealDisk};
use crate::fsck::{Checked, Grade, Wanted, check_on, salvage};
use crate::index::SledIndex;

fn check(place: &Place, deep: bool) -> Checked {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let index = SledIndex { cache: 4 << 20 };
    check_on(&disk, Some(&index), &place.path(), None, deep, &mut |_| {}).expect("checked")
}

#[test]
fn damage_of_one_run_is_known_and_guards_big_files_until_its_segment_is_freed() {
    // A message of bob's takes a quarter of a segment: one that is full of them is not emptied.
    let place = Place::with_segments(4 * SEGMENT);
    let letter = |n| body(n).repeat(10);
    let big = || names(&place.path().join("big"));
    block_on(async {
        let (store, _) = place.open();
        deliver(&store, &body(1).repeat(12), &["alice"]).await;
        let mut uids = Vec::new();
        for n in 0..3 {
            uids.extend(deliver(&store, &letter(n), &["bob"]).await);
        }
        store.close().await.expect("closed");
        drop(store);
        let file = big().pop().expect("a big file");
        let id = u64::from_str_radix(file.trim_end_matches(".msg"), 16).expect("a number");
        let (log, at) = find(&place, &id.to_le_bytes());
        scribble(&log, at, b"!rotten!");
        std::fs::remove_dir_all(place.path().join("idx")).expect("removed");

        let (store, found) = place.open();
        assert_eq!(found.damaged.len(), 1, "{found}");
        for n in 3..9 {
            uids.extend(deliver(&store, &letter(n), &["bob"]).await);
        }
        store.tidy().await.expect("tidied");
        assert_eq!(big(), std::slice::from_ref(&file));
        store.close().await.expect("closed");
        drop(store);
        assert_eq!(store_files(&place).damaged, found.damaged, "at rest too");

        // Nothing that this start reads has the damaged place in it.
        let (store, report) = place.open();
        assert_eq!(report.damaged, found.damaged, "{report}");
        store.tidy().await.expect("tidied");
        assert_eq!(big(), std::slice::from_ref(&file), "salvage can still make use of it");
        assert_eq!(store.figures().expect("figures").files.damaged, found.damaged);
        delete(&store, "bob", uids).await;
        store.tidy().await.expect("tidied");
        assert!(!log.exists(), "its segment was freed");
        assert!(store.figures().expect("figures").files.damaged.is_empty());
        store.close().await.expect("closed");
        drop(store);

        let (store, report) = place.open();
        assert!(report.damaged.is_empty() && !place.path().join("DAMAGE").exists(), "{report}");
        accept(&store, b"one\r\n").await;
        store.tidy().await.expect("tidied");
        assert_eq!(big(), ["orphans"], "nothing names it any more");
        let orphans = names(&place.path().join("big/orphans"));
        assert!(orphans.len() == 1 && orphans[0].ends_with(&file), "{orphans:?}");
        store.close().await.expect("closed");
    });
}

#[test]
fn damage_that_a_running_store_finds_is_known_and_guards_big_files_too() {
    let place = Place::with_segments(4 * SEGMENT);
    let big = || names(&place.path().join("big"));
    block_on(async {
        let (store, _) = place.open();
        deliver(&store, &body(1).repeat(12), &["alice"]).await;
        for n in 0..9 {
            deliver(&store, &body(n).repeat(10), &["bob"]).await;
        }
        let file = big().pop().expect("a big file");
        // The next run has not read yet which record names it.
        store.close().await.expect("closed");
        drop(store);
        let (store, _) = place.open();
        let id = u64::from_str_radix(file.trim_end_matches(".msg"), 16).expect("a number");
        let (log, at) = find(&place, &id.to_le_bytes());
        scribble(&log, at, b"!rotten!");
        let known = || store.figures().expect("figures").files.damaged;
        assert!(known().is_empty());
        store.condemn();
        for _ in 0..500 {
            if !known().is_empty() && store.kv().is_some() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let found = known();
        assert_eq!(found.len(), 1);
        assert!(store.kv().is_some(), "the index was built again");
        store.tidy().await.expect("the fold passes by it as the index does");
        assert_eq!(big(), std::slice::from_ref(&file));
        store.close().await.expect("closed");
        drop(store);
        let (store, report) = place.open();
        assert_eq!(report.damaged, found, "{report}");
        store.tidy().await.expect("tidied");
        assert_eq!(big(), [file]);
        store.close().await.expect("closed");
    });
}

fn store_files(place: &Place) -> crate::store::Files {
    crate::store::Files::of(&place.path()).expect("a store")
}

#[test]
fn a_check_tells_of_known_damage_and_names_each_message_once() {
    let place = Place::with_segments(SEGMENT);
    let damaged = block_on(async {
        let (store, _) = place.open();
        fill(&store, &["alice", "bob"], 0..4).await;
        store.close().await.expect("closed");
        drop(store);
        let (log, at) = find(&place, &body(2));
        scribble(&log, at + 3000, b"rot");
        let (store, report) = place.open();
        store.close().await.expect("closed");
        report.damaged
    });
    assert_eq!(damaged.len(), 1);
    let checked = check(&place, false);
    let places: Vec<_> = checked.faults.iter().map(|fault| (fault.grade, &fault.place)).collect();
    assert_eq!(places, [(Grade::Mail, &damaged[0])], "what stands around messages is all well");
    let checked = check(&place, true);
    let mut named: Vec<_> = checked.faults.iter().flat_map(|fault| &fault.whom).collect();
    named.sort_by_key(|whom| whom.mailbox.clone());
    let mailboxes: Vec<_> = named.iter().filter_map(|whom| whom.mailbox.as_deref()).collect();
    assert_eq!((named.len(), mailboxes), (2, vec!["alice", "bob"]), "{:?}", checked.faults);
    let places = checked.faults.iter().filter(|fault| fault.place == damaged[0]);
    assert_eq!(places.count(), 1, "{:?}", checked.faults);
}

#[test]
fn what_stands_behind_the_last_batch_is_no_fault_of_a_salvage() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let (store, _) = place.open();
        fill(&store, &["alice"], 0..4).await;
        store.close().await.expect("closed");
    });
    let (log, batch, end) = place.last_batch();
    let octets = std::fs::read(&log).expect("read");
    let begun = &octets[batch as usize..batch as usize + 40];
    let out = place.folder.path().join("out");
    for tail in [begun, &[0x55; 40], &[0; 40]] {
        scribble(&log, u64::from(end), tail);
        let salvaged = salvage(&place.path(), &out, Wanted::default(), &mut |_| {}).expect("salvaged");
        assert_eq!((salvaged.faults, salvaged.mailboxes), (vec![], 4));
        std::fs::remove_dir_all(&out).expect("removed");
    }
    // The checkpoint knows that more was there.
    scribble(&log, u64::from(batch), &[0x55; 128]);
    let salvaged = salvage(&place.path(), &out, Wanted::default(), &mut |_| {}).expect("salvaged");
    assert_eq!(salvaged.faults.len(), 1, "{:?}", salvaged.faults);
}
