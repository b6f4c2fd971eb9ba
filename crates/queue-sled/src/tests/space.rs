//! Room comes back, and nothing that somebody still has goes with it.

use std::collections::BTreeMap;
use std::time::Duration;

use mail::Uid;
use queue::contract::{accept, deliver, envelope, listed, name, read, route, view};
use queue::{Expunge, Incoming, Maildrop, Message, Store, StoreError};

use super::{Place, assert_holders, block_on, names, rows};
use crate::SledStore;
use crate::index::keys;
use crate::log::segment::{SegmentHeader, segment_id};

pub(super) const SEGMENT: u32 = 64 << 10;

/// Mail of about a tenth of a segment, each another.
pub(super) fn body(n: usize) -> Vec<u8> {
    format!("Subject: {n}\r\n\r\n")
        .into_bytes()
        .into_iter()
        .chain((0..6000).map(|at| u8::try_from(at * n % 251).expect("small")))
        .collect()
}

pub(super) async fn fill(
    store: &SledStore,
    mailboxes: &[&str],
    mails: std::ops::Range<usize>,
) -> Vec<Vec<Uid>> {
    let mut uids = Vec::new();
    for n in mails {
        uids.push(deliver(store, &body(n), mailboxes).await);
    }
    uids
}

pub(super) async fn delete(store: &SledStore, mailbox: &str, uids: Vec<Uid>) {
    store
        .delete(vec![Expunge {
            mailbox: name(mailbox),
            view: view(""),
            uids,
            unwanted: queue::Unwanted::Goes,
        }])
        .await
        .expect("deleted");
}

async fn contents(store: &SledStore, mailbox: &str) -> BTreeMap<Uid, Vec<u8>> {
    let drop = store.open(&name(mailbox), &view("")).await.expect("opened");
    let mut contents = BTreeMap::new();
    for index in 0..drop.len() {
        contents.insert(drop.entry(index).expect("within").uid, read(&drop, index).await);
    }
    contents
}

fn has_a_header(path: &std::path::Path) -> bool {
    SegmentHeader::decode(&std::fs::read(path).expect("read")).is_ok()
}

pub(super) fn segments(place: &Place) -> usize {
    names(&place.path().join("log")).iter().filter(|name| segment_id(name).is_some()).count()
}

#[test]
fn what_everybody_deleted_leaves_the_disk() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let (store, _) = place.open();
        let uids = fill(&store, &["alice", "bob"], 0..60).await;
        let big = deliver(&store, &body(1).repeat(10), &["alice"]).await;
        assert_eq!(names(&place.path().join("big")).len(), 1);
        let before = segments(&place);
        assert!(before > 5, "{before}");
        store.tidy().await.expect("tidied");
        assert!(segments(&place) >= before, "all of it lives");
        delete(&store, "alice", uids.iter().map(|both| both[0]).chain(big).collect()).await;
        store.tidy().await.expect("tidied");
        assert!(segments(&place) >= before, "bob has all of it");
        delete(&store, "bob", uids.iter().map(|both| both[1]).collect()).await;
        let tidied = store.tidy().await.expect("tidied");
        assert_eq!((tidied.waiting, segments(&place)), (0, 1), "{tidied:?}");
        assert!(names(&place.path().join("big")).is_empty());
        assert_eq!(names(&place.path().join("snap")).len(), 2, "a snap and its copy");
        let last = deliver(&store, b"x\r\n", &["alice"]).await[0];
        assert!(uids.iter().flatten().all(|uid| *uid < last));
        store.close().await.expect("closed");
        drop(store);
        for keep_index in [true, false] {
            if !keep_index {
                std::fs::remove_dir_all(place.path().join("idx")).expect("removed");
            }
            let (store, report) = place.open();
            assert!(report.damaged.is_empty(), "{report}");
            assert_eq!(contents(&store, "alice").await.into_keys().collect::<Vec<_>>(), [last]);
            store.close().await.expect("closed");
        }
    });
}

#[test]
fn a_segment_that_is_mostly_dead_is_emptied_and_nothing_in_it_changes() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let (store, _) = place.open();
        let waits = accept(&store, &body(7)).await;
        let uids = fill(&store, &["alice", "bob", "carol"], 0..60).await;
        let big = deliver(&store, &body(3).repeat(10), &["alice"]).await[0];
        let before = segments(&place);
        let some = |at: usize| {
            uids.iter().enumerate().filter(|(n, _)| n % 6 != 0).map(|(_, uids)| uids[at]).collect()
        };
        delete(&store, "alice", some(0)).await;
        delete(&store, "bob", some(1)).await;
        delete(&store, "carol", uids.iter().map(|uids| uids[2]).collect()).await;
        let wanted = (contents(&store, "alice").await, contents(&store, "bob").await);
        assert_eq!((wanted.0.len(), wanted.1.len()), (11, 10));
        assert!(wanted.0.contains_key(&big));
        let tidied = store.tidy().await.expect("tidied");
        assert!(tidied.moved >= 5 && segments(&place) + 4 < before, "{tidied:?}, {before}");
        assert_eq!((contents(&store, "alice").await, contents(&store, "bob").await), wanted);
        assert_holders(&rows(&store));
        assert_eq!(super::queued(&store).await, [waits]);
        // Twice moved is moved.
        let more = fill(&store, &["dave"], 0..30).await;
        delete(&store, "dave", more.into_iter().flatten().collect()).await;
        store.tidy().await.expect("tidied");
        store.tidy().await.expect("tidied");
        assert_eq!((contents(&store, "alice").await, contents(&store, "bob").await), wanted);
        // What was queued all the while is delivered from where it is now.
        let late = store.deliver(vec![route(waits, &["erin"])]).await.expect("delivered");
        assert_eq!(late.len(), 1);
        let erin = contents(&store, "erin").await;
        assert!(erin.values().all(|octets| octets.ends_with(&body(7))) && erin.len() == 1);
        store.close().await.expect("closed");
        drop(store);
        std::fs::remove_dir_all(place.path().join("idx")).expect("removed");
        let (store, report) = place.open();
        assert!(report.damaged.is_empty(), "{report}");
        assert_eq!((contents(&store, "alice").await, contents(&store, "bob").await), wanted);
        assert_eq!(contents(&store, "erin").await, erin);
        store.close().await.expect("closed");
    });
}

#[test]
fn who_began_to_read_reads_to_the_end() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let (store, _) = place.open();
        let uids = fill(&store, &["alice"], 0..40).await;
        let big = deliver(&store, &body(1).repeat(100), &["alice"]).await;
        let wanted = contents(&store, "alice").await;
        let maildrop = store.open(&name("alice"), &view("")).await.expect("opened");
        let mut message = maildrop.message(40, 0..u64::MAX).await.expect("there");
        let mut octets = message.chunk().await.expect("read").expect("some").to_vec();
        delete(&store, "alice", uids.into_iter().flatten().chain(big).collect()).await;
        let tidied = store.tidy().await.expect("tidied");
        assert!(tidied.waiting > 5 && tidied.segments == 0, "{tidied:?}");
        // Were a segment of his recycled, this would overwrite it.
        fill(&store, &["bob"], 0..40).await;
        for (index, (_, wanted)) in wanted.iter().enumerate() {
            assert_eq!(&read(&maildrop, index).await, wanted, "{index}");
        }
        drop(maildrop);
        store.tidy().await.expect("tidied");
        while let Some(chunk) = message.chunk().await.expect("read") {
            octets.extend_from_slice(&chunk);
        }
        assert!(octets.ends_with(&body(1).repeat(100)));
        drop(message);
        let tidied = store.tidy().await.expect("tidied");
        assert_eq!(tidied.waiting, 0, "{tidied:?}");
        store.close().await.expect("closed");
    });
}

/// Mail comes, is read and goes, and all the while the log is tidied under it.
#[test]
fn tidying_is_noticed_by_nobody() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let (store, _) = place.open();
        let until = std::time::Instant::now() + Duration::from_secs(4);
        let live = |who: &'static str, keeps: bool| {
            let store = store.clone();
            tokio::spawn(async move {
                let (mut kept, mut round) = (BTreeMap::new(), 0);
                while std::time::Instant::now() < until {
                    for n in 0..8 {
                        let body = [body(round * 8 + n), who.into()].concat();
                        let mailboxes: &[&str] = if n == 0 { &["all", who] } else { &[who] };
                        let uid = *deliver(&store, &body, mailboxes).await.last().expect("one");
                        kept.insert(uid, body);
                    }
                    let maildrop = store.open(&name(who), &view("")).await.expect("opened");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    assert_eq!(maildrop.len(), kept.len(), "{who}");
                    for (index, body) in kept.values().enumerate() {
                        assert!(read(&maildrop, index).await.ends_with(body), "{who} {index}");
                    }
                    let gone: Vec<_> = kept
                        .keys()
                        .enumerate()
                        .filter(|(at, _)| if keeps { at % 5 != 0 || kept.len() > 60 } else { true })
                        .map(|(_, uid)| *uid)
                        .collect();
                    kept.retain(|uid, _| !gone.contains(uid));
                    delete(&store, who, gone).await;
                    round += 1;
                }
                kept
            })
        };
        let tasks =
            [("alice", live("alice", true)), ("bob", live("bob", false)), ("carol", live("carol", true))];
        let mut freed = 0;
        while std::time::Instant::now() < until {
            freed += store.tidy().await.expect("tidied").segments;
        }
        for (who, task) in tasks {
            let kept = task.await.expect("nobody noticed");
            let found = contents(&store, who).await;
            assert_eq!(found.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>(), "{who}");
            assert!(found.iter().all(|(uid, octets)| octets.ends_with(&kept[uid])));
        }
        assert!(freed > 10, "{freed}");
        assert_holders(&rows(&store));
        store.close().await.expect("closed");
    });
}

#[test]
fn what_a_backup_has_too_is_never_overwritten() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let (store, _) = place.open();
        let uids = fill(&store, &["alice"], 0..40).await;
        let (log, backup) = (place.path().join("log"), place.folder.path().join("backup"));
        std::fs::create_dir(&backup).expect("made");
        let mut kept = BTreeMap::new();
        store.tidy().await.expect("tidied");
        for file in names(&log).into_iter().filter(|name| segment_id(name).is_some()) {
            std::fs::hard_link(log.join(&file), backup.join(&file)).expect("linked");
            kept.insert(file.clone(), std::fs::read(backup.join(&file)).expect("read"));
        }
        kept.pop_last();
        delete(&store, "alice", uids.into_iter().flatten().collect()).await;
        assert!(store.tidy().await.expect("tidied").segments > 3);
        fill(&store, &["bob"], 0..60).await;
        // What the backup has not is used again.
        let uids = fill(&store, &["carol"], 0..20).await;
        delete(&store, "carol", uids.into_iter().flatten().collect()).await;
        assert!(store.tidy().await.expect("tidied").segments > 3);
        let used = |file: &String| file.starts_with("spare-") && has_a_header(&log.join(file));
        assert!(names(&log).iter().any(used));
        for (file, octets) in kept {
            assert!(std::fs::read(backup.join(&file)).expect("there") == octets, "{file}");
        }
        store.close().await.expect("closed");
    });
}

#[test]
fn a_store_that_has_lost_index_and_snap_is_not_taken_for_an_empty_one() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let (store, _) = place.open();
        let uids = fill(&store, &["alice"], 0..40).await;
        delete(&store, "alice", uids[..30].iter().flatten().copied().collect()).await;
        store.tidy().await.expect("tidied");
        store.close().await.expect("closed");
    });
    std::fs::remove_dir_all(place.path().join("idx")).expect("removed");
    for snap in names(&place.path().join("snap")) {
        super::scribble(&place.path().join("snap").join(snap), 100, b"rot");
    }
    assert!(matches!(place.try_open(), Err(crate::OpenError::Salvage(_))));
}

#[test]
fn without_room_for_segments_mail_is_refused_and_deletions_go_on() {
    let place = Place::with_segments(4 * SEGMENT);
    block_on(async {
        let (store, _) = place.open();
        let uids = fill(&store, &["alice"], 0..80).await;
        assert!(store.wait_prepared());
        place.disk.full_while(Some(place.path().join("STORE")));
        let mut taken = 0;
        let refused = loop {
            let mut incoming = store.incoming(None).expect("admitted");
            incoming.write(&body(taken)).await.expect("taken");
            match incoming.commit(envelope(&["bob"])).await {
                Ok(id) => drop(store.deliver(vec![route(id, &["bob"])]).await.expect("what was promised")),
                Err(error) => break error,
            }
            taken += 1;
            assert!(taken < 400);
        };
        assert!(matches!(refused, StoreError::Full(_)), "{refused}");
        for uids in uids.chunks(10) {
            delete(&store, "alice", uids.iter().flatten().copied().collect()).await;
        }
        assert!(contents(&store, "alice").await.is_empty());
        assert_eq!(contents(&store, "bob").await.len(), taken);
        // One file can be made, no more: the last segment is not given up for a tidier log.
        place.disk.say_free(Some(0));
        place.disk.full_while(Some(place.path().join("BALLAST")));
        assert!(store.tidy().await.expect("tidied").segments > 0);
        place.disk.full_while(None);
        place.disk.say_free(None);
        store.tidy().await.expect("tidied");
        assert!(store.wait_prepared());
        while store.admit(0).is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(fill(&store, &["bob"], 0..1).await.len(), 1);
        store.close().await.expect("closed");
    });
}

#[test]
fn a_fold_that_finds_no_room_gets_that_of_the_ballast() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let (store, _) = place.open();
        let uids = fill(&store, &["alice"], 0..30).await;
        delete(&store, "alice", uids.into_iter().flatten().collect()).await;
        assert!(store.wait_prepared());
        // What the ballast needs to come back.
        place.disk.say_free(Some(0));
        place.disk.full_while(Some(place.path().join("BALLAST")));
        let tidied = store.tidy().await.expect("tidied");
        assert!(tidied.segments > 2 && !place.path().join("BALLAST").exists(), "{tidied:?}");
        assert!(matches!(store.admit(0), Err(StoreError::Full(_))));
        store.close().await.expect("closed");
    });
}

#[test]
fn rows_that_sled_has_lost_are_noticed_and_made_again() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let (store, _) = place.open();
        fill(&store, &["alice", "bob"], 0..10).await;
        let wanted = rows(&store);
        store.scrub();
        let lost = wanted.keys().find(|key| key.starts_with(keys::ENTRIES)).expect("entries").clone();
        store.kv().expect("an index").apply(vec![(lost, None)]).expect("lost");
        assert_ne!(rows(&store), wanted);
        store.scrub();
        for _ in 0..500 {
            if store.kv().is_some() && rows(&store) == wanted {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(rows(&store), wanted);
        store.close().await.expect("closed");
    });
}

/// The keeper replaces its snap while the index is built again: for a moment there may be none to be found.
#[test]
fn an_index_is_never_built_from_half_of_what_there_was() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let (store, _) = place.open();
        let uids = fill(&store, &["alice"], 0..60).await;
        delete(&store, "alice", uids[..30].iter().flatten().copied().collect()).await;
        assert!(store.tidy().await.expect("tidied").segments > 2);
        let wanted = rows(&store);
        let (snaps, aside) = (place.path().join("snap"), place.path().join("aside"));
        std::fs::rename(&snaps, &aside).expect("hidden");
        store.condemn();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(store.kv().is_none(), "there is nothing to build it from");
        std::fs::rename(&aside, &snaps).expect("back");
        while store.kv().is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(rows(&store), wanted);
        store.close().await.expect("closed");
    });
}

#[test]
fn room_comes_back_unasked() {
    let mut place = Place::with_segments(SEGMENT);
    place.params.dead = 100_000;
    block_on(async {
        let (store, _) = place.open();
        let uids = fill(&store, &["alice"], 0..60).await;
        let before = segments(&place);
        delete(&store, "alice", uids.into_iter().flatten().collect()).await;
        for _ in 0..400 {
            if segments(&place) <= 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(before > 5 && segments(&place) <= 2, "{before}, {}", segments(&place));
        // What came after the snap is not in it, and is not dead for that.
        let uids = fill(&store, &["alice"], 0..30).await;
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(contents(&store, "alice").await.len(), uids.len());
        store.close().await.expect("closed");
    });
}

/// The snap that a run begins with is older than what came behind it: that says nothing of files it does not know.
#[test]
fn a_file_that_came_after_the_snap_outlives_the_restart() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let (store, _) = place.open();
        fill(&store, &["alice"], 0..3).await;
        store.tidy().await.expect("tidied");
        deliver(&store, &body(1).repeat(10), &["alice"]).await;
        accept(&store, &body(2).repeat(10)).await;
        let wanted = contents(&store, "alice").await;
        store.close().await.expect("closed");
        drop(store);
        let (store, _) = place.open();
        // Longer than the keeper rests.
        tokio::time::sleep(Duration::from_secs(7)).await;
        assert_eq!(names(&place.path().join("big")).len(), 2);
        assert_eq!(contents(&store, "alice").await, wanted);
        store.close().await.expect("closed");
    });
}

/// Where a message's octets stand in the log: which file, and at which place.
pub(super) fn find(place: &Place, octets: &[u8]) -> (std::path::PathBuf, u64) {
    let log = place.path().join("log");
    let files = names(&log).into_iter().filter(|name| segment_id(name).is_some()).map(|name| log.join(name));
    let at = |path: std::path::PathBuf| {
        let file = std::fs::read(&path).expect("read");
        let at = file.windows(octets.len()).position(|window| window == octets)?;
        Some((path, at as u64))
    };
    files.filter_map(at).next().expect("it is in the log")
}

#[test]
fn a_body_that_has_rotted_is_not_moved_under_a_fresh_checksum() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let (store, _) = place.open();
        let uids = fill(&store, &["alice"], 0..30).await;
        let rotten = uids[10][0];
        let (file, at) = find(&place, &body(10));
        super::scribble(&file, at + 3000, b"rot");
        let some = |(n, uids): (usize, &Vec<Uid>)| (n % 10 != 0).then_some(uids[0]);
        delete(&store, "alice", uids.iter().enumerate().filter_map(some).collect()).await;
        let tidied = store.tidy().await.expect("tidied");
        assert_eq!(tidied.moved, 2, "{tidied:?}");
        assert!(file.exists(), "its segment stays");
        let maildrop = store.open(&name("alice"), &view("")).await.expect("opened");
        assert_eq!(maildrop.len(), 3);
        for index in 0..3 {
            let message = maildrop.message(index, 0..u64::MAX).await;
            assert_eq!(message.is_err(), maildrop.entry(index).expect("within").uid == rotten);
        }
        store.close().await.expect("closed");
    });
}

/// They are more than are emptied at once, and less of them lives than of the others.
#[test]
fn segments_that_cannot_be_emptied_keep_no_others() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let (store, _) = place.open();
        let uids: Vec<_> = fill(&store, &["alice"], 0..110).await.into_iter().flatten().collect();
        let mut segments: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (n, uid) in uids.iter().enumerate() {
            segments.entry(crate::log::Lsn(uid.0).segment()).or_default().push(n);
        }
        segments.pop_last();
        assert!(segments.len() > 14, "{}", segments.len());
        let (mut stay, mut rotten, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (ordinal, of) in segments.values().enumerate() {
            let (file, at) = find(&place, &body(of[2]));
            if ordinal < 10 {
                super::scribble(&file, at + 3000, b"rot");
                rotten.push(file);
                stay.push(of[2]);
            } else {
                others.push(file);
                stay.extend_from_slice(&of[2..4]);
            }
        }
        let gone = uids.iter().enumerate().filter(|(n, _)| !stay.contains(n)).map(|(_, uid)| *uid);
        delete(&store, "alice", gone.collect()).await;
        for _ in 0..6 {
            store.tidy().await.expect("tidied");
        }
        assert!(others.iter().all(|file| !file.exists()), "they wait behind those that cannot be emptied");
        assert!(rotten.iter().all(|file| file.exists()), "they stay");
        let why = store.figures().expect("figures").unfreed.expect("said");
        let name = rotten[0].file_stem().expect("a name").to_str().expect("text");
        assert!(why.contains(name), "{why}");
        // When nobody wants the rotten ones any more, all is well again.
        let left = listed(&store, "alice", "").await;
        delete(&store, "alice", left).await;
        store.tidy().await.expect("tidied");
        store.tidy().await.expect("tidied");
        assert!(rotten.iter().all(|file| !file.exists()));
        assert_eq!(store.figures().expect("figures").unfreed, None);
        store.close().await.expect("closed");
    });
}

#[test]
fn a_log_that_no_longer_says_what_was_applied_frees_nothing() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let (store, _) = place.open();
        let uids = fill(&store, &["alice"], 0..30).await;
        let (file, at) = find(&place, &body(5));
        // The header in front of it: the record is no more.
        super::scribble(&file, at - 200, &[0; 200]);
        let before = segments(&place);
        delete(&store, "alice", uids[10..].iter().flatten().copied().collect()).await;
        assert!(matches!(store.tidy().await, Err(StoreError::Damaged(_))));
        assert!(segments(&place) >= before);
        // The index follows the log, which has lost that message; then they agree again.
        let mut tidied = store.tidy().await;
        for _ in 0..100 {
            if tidied.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            tidied = store.tidy().await;
        }
        assert!(tidied.expect("agreed").segments > 2);
        store.close().await.expect("closed");
    });
}

#[test]
fn a_log_with_a_rotten_body_is_folded_also_after_the_index_was_made_from_it() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let (store, _) = place.open();
        let uids = fill(&store, &["alice"], 0..30).await;
        store.close().await.expect("closed");
        drop(store);
        let (file, at) = find(&place, &body(10));
        super::scribble(&file, at + 3000, b"rot");
        std::fs::remove_dir_all(place.path().join("idx")).expect("removed");
        let (store, report) = place.open();
        assert_eq!(report.damaged.len(), 1, "{report}");
        delete(&store, "alice", uids[15..].iter().flatten().copied().collect()).await;
        assert!(store.tidy().await.expect("the fold and the index agree").segments > 2);
        let maildrop = store.open(&name("alice"), &view("")).await.expect("opened");
        assert_eq!(maildrop.len(), 15);
        for index in 0..15 {
            assert_eq!(maildrop.message(index, 0..u64::MAX).await.is_err(), index == 10);
        }
        store.close().await.expect("closed");
    });
}
