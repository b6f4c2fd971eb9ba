//! How a store begins, and what makes it refuse to.

use queue::Store;
use queue::contract::{accept, deliver, listed};
use rustix::io::Errno;

use super::{Place, block_on, names, queued, small};
use crate::OpenError;
use crate::clock::wall_ms;
use crate::disk::faulty::{Fault, Op};
use crate::log::segment::{segment_id, segment_path};

fn segments(place: &Place) -> Vec<u32> {
    let mut ids: Vec<_> =
        names(&place.path().join("log")).iter().filter_map(|name| segment_id(name)).collect();
    ids.sort_unstable();
    ids
}

/// Runs a store that takes one message.
fn run(place: &Place) -> crate::StartReport {
    block_on(async {
        let (store, report) = place.open();
        accept(&store, b"one\r\n").await;
        assert!(store.wait_prepared());
        store.close().await.expect("closed");
        report
    })
}

#[test]
fn every_run_writes_segments_of_its_own_and_never_below_the_clock() {
    let place = Place::new(small());
    assert!(run(&place).created);
    let now = u32::try_from(wall_ms() / 1000).expect("before 2106");
    assert!(segments(&place)[0].abs_diff(now) < 60);
    for runs in 2..5 {
        let report = run(&place);
        assert!(report.clean && report.replayed == 0 && report.rebuilt.is_none(), "{report}");
        assert_eq!(segments(&place).len(), runs);
    }
}

#[test]
fn a_dropped_store_closes_by_itself() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        accept(&store, b"one\r\n").await;
        drop(store);
        let (store, report) = place.open();
        assert!(report.clean, "{report}");
        assert_eq!(queued(&store).await.len(), 1);
    });
}

#[test]
fn what_the_index_lacks_is_replayed() {
    let place = Place::new(small());
    let image = block_on(async {
        let (store, _) = place.open();
        deliver(&store, b"one\r\n", &["alice"]).await;
        store.close().await.expect("closed");
        drop(store);
        let early = place.image();
        let (store, _) = place.open();
        deliver(&store, b"two\r\n", &["alice"]).await;
        store.close().await.expect("closed");
        // The index of the first run, the log of the second.
        let late = place.image();
        std::fs::remove_dir_all(late.path().join("idx")).expect("removed");
        super::copy(&early.path().join("idx"), &late.path().join("idx"));
        std::fs::copy(early.path().join("CKPT"), late.path().join("CKPT")).expect("copied");
        late
    });
    block_on(async {
        let (store, report) = image.open();
        assert_eq!((report.replayed, report.rebuilt), (2, None));
        assert_eq!(listed(&store, "alice", "").await.len(), 2);
    });
}

#[test]
fn an_index_behind_its_checkpoint_is_not_believed() {
    let place = Place::new(small());
    run(&place);
    let early = place.image();
    run(&place);
    std::fs::remove_dir_all(place.path().join("idx")).expect("removed");
    super::copy(&early.path().join("idx"), &place.path().join("idx"));
    let report = block_on(async {
        let (store, report) = place.open();
        assert_eq!(queued(&store).await.len(), 2);
        report
    });
    assert!(report.rebuilt.is_some_and(|why| why.contains("less")));
}

#[test]
fn two_cannot_have_it() {
    let place = Place::new(small());
    let (store, _) = place.open();
    assert!(matches!(place.try_open(), Err(OpenError::Locked(_))));
    drop(store);
}

#[test]
fn a_broken_chain_is_refused_when_it_matters() {
    let place = Place::new(small());
    (0..3).for_each(|_| drop(run(&place)));
    let ids = segments(&place);
    let log = place.path().join("log");
    let image = place.image();
    std::fs::remove_file(segment_path(&image.path().join("log"), ids[1])).expect("removed");
    let (store, _) = image.open();
    drop(store);
    std::fs::remove_dir_all(image.path().join("idx")).expect("removed");
    assert!(matches!(image.try_open(), Err(OpenError::Salvage(_))), "the index cannot be built from a part");

    super::scribble(&segment_path(&log, ids[2]), 30, b"!");
    assert!(matches!(place.try_open(), Err(OpenError::Salvage(_))), "a lost last segment is not passed by");
}

#[test]
fn without_its_identity_it_is_not_a_new_store() {
    let place = Place::new(small());
    run(&place);
    std::fs::write(place.path().join("STORE"), "restante store 2\n").expect("written");
    assert!(matches!(place.try_open(), Err(OpenError::Newer(_))));
    std::fs::write(place.path().join("STORE"), "restante store 1\n").expect("written");
    assert!(matches!(place.try_open(), Err(OpenError::Salvage(_))));
    std::fs::remove_file(place.path().join("STORE")).expect("removed");
    assert!(matches!(place.try_open(), Err(OpenError::Salvage(_))));
}

#[test]
fn a_segment_of_another_store_is_refused() {
    let (place, other) = (Place::new(small()), Place::new(small()));
    run(&place);
    run(&other);
    let theirs = segments(&other)[0];
    let to = segment_path(&place.path().join("log"), theirs);
    std::fs::copy(segment_path(&other.path().join("log"), theirs), to).expect("copied");
    assert!(matches!(place.try_open(), Err(OpenError::Foreign(_))));
}

#[test]
fn a_segment_that_was_never_entered_is_none() {
    let place = Place::new(small());
    run(&place);
    let log = place.path().join("log");
    let next = segments(&place)[0] + 100;
    let spare = names(&log).into_iter().find(|name| name.starts_with("spare-")).expect("one is ready");
    std::fs::rename(log.join(spare), segment_path(&log, next)).expect("renamed");
    run(&place);
    assert!(!segments(&place).contains(&next));
    assert!(segments(&place)[1] > next, "its id is not used for anything else");
}

#[test]
fn a_rename_that_was_lost_is_found() {
    let place = Place::new(small());
    (0..2).for_each(|_| drop(run(&place)));
    let log = place.path().join("log");
    let newest = segments(&place)[1];
    std::fs::rename(segment_path(&log, newest), log.join("spare-77")).expect("renamed");
    block_on(async {
        let (store, report) = place.open();
        assert!(report.rebuilt.is_none(), "{report}");
        assert_eq!(queued(&store).await.len(), 2);
    });
    assert!(segments(&place).contains(&newest));
}

#[test]
fn half_received_messages_are_swept() {
    let place = Place::new(small());
    run(&place);
    let tmp = place.path().join("big/tmp-0000000000000001");
    let stray = place.path().join("big/0000000000000001.msg");
    std::fs::write(&tmp, b"half").expect("written");
    std::fs::write(&stray, b"whose?").expect("written");
    run(&place);
    assert!(!tmp.exists() && stray.exists());
}

#[test]
fn the_last_batch_is_made_durable_before_it_is_believed() {
    let place = Place::new(small());
    let image = block_on(async {
        let (store, _) = place.open();
        deliver(&store, b"one\r\n", &["alice"]).await;
        place.image()
    });
    let (segment, batch, end) = image.last_batch();
    image.disk.order(Some(Fault { only: Some(Op::Fdatasync), at: 0, lasting: false, errno: Errno::IO }));
    assert!(matches!(image.try_open(), Err(OpenError::Io(_))), "what cannot be synced is not built upon");
    assert_eq!(image.disk.written(), u64::from(end - batch), "its last batch was written again");
    assert_eq!(image.disk.unsynced(), [segment]);
    image.disk.order(None);
    let (store, _) = image.open();
    assert_eq!(block_on(listed(&store, "alice", "")).len(), 1);
}

#[test]
fn a_store_without_its_log_is_not_an_empty_store() {
    let place = Place::new(small());
    run(&place);
    for id in segments(&place) {
        std::fs::remove_file(segment_path(&place.path().join("log"), id)).expect("removed");
    }
    assert!(matches!(place.try_open(), Err(OpenError::Salvage(_))));
}
