//! The log and the index after a power cut, and after bad sectors.

use std::path::Path;

use queue::Store;
use queue::contract::{accept, deliver, listed, name, route, view};

use super::{Place, assert_holders, block_on, contents, names, queued, rows, scribble, small};

/// Accepts many at once, so that the last batch has several records.
async fn burst(store: &crate::SledStore, messages: usize) -> Vec<mail::QueueId> {
    let tasks: Vec<_> = (0..messages)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                accept(&store, format!("burst {n}\r\n{}", "x".repeat(n * 7)).as_bytes()).await
            })
        })
        .collect();
    let mut ids = Vec::new();
    for task in tasks {
        ids.push(task.await.expect("no panic"));
    }
    ids.sort();
    ids
}

/// A store with acknowledged mail before its last batch, and a last batch of several records.
async fn with_last_batch(place: &Place) -> (Vec<mail::QueueId>, Vec<mail::QueueId>) {
    let (store, _) = place.open();
    loop {
        deliver(&store, b"delivered\r\n", &["alice", "bob"]).await;
        let mut ids = burst(&store, 24).await;
        let before: Vec<_> = queued(&store).await.into_iter().filter(|id| !ids.contains(id)).collect();
        let (_, batch, _) = place.last_batch();
        let last = ids.iter().position(|id| crate::log::Lsn(id.0).offset() >= batch).expect("some");
        let last = ids.split_off(last);
        if last.len() >= 3 {
            ids.extend(before);
            ids.sort();
            return (ids, last);
        }
    }
}

#[test]
fn a_batch_cut_at_any_sector_loses_only_what_lies_behind_the_cut() {
    let place = Place::new(small());
    let (before, last) = block_on(with_last_batch(&place));
    let (path, batch, end) = place.last_batch();
    let segment = path.file_name().expect("a name").to_owned();
    for (ordinal, cut) in (batch..=end).step_by(512).enumerate() {
        let image = place.image();
        let log = image.path().join("log").join(&segment);
        scribble(&log, u64::from(cut), &vec![0; (end - cut) as usize]);
        if ordinal % 2 == 0 {
            std::fs::remove_dir_all(image.path().join("idx")).expect("removed");
        }
        let expected = |found: &[mail::QueueId]| {
            let mut whole = before.clone();
            whole.extend(last.iter().take_while(|id| found.contains(id)));
            whole
        };
        let (extra, damaged) = block_on(async {
            let (store, report) = image.open();
            let found = queued(&store).await;
            // Only an index that had applied what is cut off can tell that this was no cut but a loss.
            let knew = ordinal % 2 == 1 && found.last() != last.last();
            assert_eq!(report.damaged.len(), usize::from(knew), "cut at {cut}: {report}");
            assert_eq!(found, expected(&found), "cut at {cut}: the beginning of the batch, nothing else");
            let whole = last.iter().filter(|id| {
                let next = last.iter().find(|other| other > id);
                next.is_some_and(|next| crate::log::Lsn(next.0).offset() <= cut)
            });
            assert!(whole.clone().all(|id| found.contains(id)), "cut at {cut}: what was whole is kept");
            let extra = accept(&store, b"after\r\n").await;
            assert!(last.iter().all(|id| *id < extra), "a place is never used again");
            store.close().await.expect("closed");
            (extra, report.damaged)
        });
        assert_eq!(std::fs::metadata(&log).expect("there").len(), 8 << 20, "nothing is ever truncated");
        block_on(async {
            let (store, report) = image.open();
            assert!(report.clean && report.damaged == damaged, "{report}");
            let found = queued(&store).await;
            assert_eq!(found.last(), Some(&extra));
            let live = rows(&store);
            assert_holders(&live);
            store.close().await.expect("closed");
            drop(store);
            std::fs::remove_dir_all(image.path().join("idx")).expect("removed");
            let (store, _) = image.open();
            assert_eq!(rows(&store), live, "cut at {cut}: built again it is the same");
        });
    }
}

#[test]
fn sectors_of_the_last_batch_lost_in_any_order_lose_only_their_records() {
    let place = Place::new(small());
    let (before, last) = block_on(with_last_batch(&place));
    let (path, batch, end) = place.last_batch();
    let segment = path.file_name().expect("a name").to_owned();
    let sectors: Vec<u32> = (batch..end).step_by(512).collect();
    for seed in 1..12u32 {
        let image = place.image();
        for (ordinal, sector) in sectors.iter().enumerate() {
            if (u32::try_from(ordinal).expect("few") * 7 + seed * 13) % 11 < 3 {
                scribble(&image.path().join("log").join(&segment), u64::from(*sector), &[0; 512]);
            }
        }
        let known = place.image();
        super::copy(&image.path().join("log"), &known.path().join("log"));
        std::fs::remove_dir_all(image.path().join("idx")).expect("removed");
        block_on(async {
            let (store, report) = image.open();
            assert!(report.damaged.is_empty(), "it may never have been there: {report}");
            let found = queued(&store).await;
            let lost = found.len() < before.len() + last.len();
            let (knew, report) = known.open();
            assert_eq!(report.damaged.is_empty(), !lost, "the index had seen it: {report}");
            drop(knew);
            assert!(before.iter().all(|id| found.contains(id)));
            assert!(found.iter().all(|id| before.contains(id) || last.contains(id)));
            for message in store.queued(None, 1000).await.expect("readable") {
                store.deliver(vec![route(message.id, &["carol"])]).await.expect("delivered");
            }
            let carols = contents(&store).await.remove("carol").expect("a mailbox");
            assert!(carols.iter().all(|(_, octets)| octets.ends_with(b"x") || octets.ends_with(b"\r\n")));
        });
    }
}

#[test]
fn a_bad_sector_before_later_batches_loses_that_record_only() {
    let place = Place::new(small());
    let ids = block_on(async {
        let (store, _) = place.open();
        let mut ids = Vec::new();
        for n in 0..6 {
            ids.push(accept(&store, format!("{n} {}\r\n", "y".repeat(5000)).as_bytes()).await);
        }
        ids
    });
    let (path, ..) = place.last_batch();
    for (bad, offset) in [(0, 0), (2, 0), (2, 3000), (4, 70)] {
        let image = place.image();
        let log = image.path().join("log").join(path.file_name().expect("a name"));
        let at = crate::log::Lsn(ids[bad].0).offset() + offset;
        scribble(&log, u64::from(at), b"!rotten!");
        block_on(async {
            let (store, report) = image.open();
            assert_eq!(report.damaged.len(), 1, "{report}");
            let mut left = ids.clone();
            // What is known of a message whose body has rotted stays known, and whoever asks for it is told;
            // octets that are not what came in are never served.
            if offset < 1000 {
                left.remove(bad);
            }
            store.close().await.expect("closed");
            drop(store);
            std::fs::remove_dir_all(image.path().join("idx")).expect("removed");
            let (store, report) = image.open();
            assert_eq!(report.damaged.len(), 1, "{report}");
            assert_eq!(queued(&store).await, left);
        });
    }
}

/// Fills mailboxes in several ways and leaves the store closed; gives what is in it.
async fn filled(place: &Place) -> std::collections::BTreeMap<String, Vec<(mail::Uid, Vec<u8>)>> {
    let (store, _) = place.open();
    for n in 0..60 {
        let mailboxes = [&["alice"][..], &["bob"], &["alice", "carol"]][n % 3];
        deliver(&store, format!("message {n}\r\n").as_bytes(), mailboxes).await;
    }
    let uids = listed(&store, "alice", "").await;
    let group = queue::Expunge {
        mailbox: name("alice"),
        view: view(""),
        uids: uids[..10].to_vec(),
        unwanted: queue::Unwanted::Goes,
    };
    store.delete(vec![group]).await.expect("deleted");
    accept(&store, b"still queued\r\n").await;
    let contents = contents(&store).await;
    store.close().await.expect("closed");
    contents
}

fn check_same(
    image: &Place,
    wanted: &std::collections::BTreeMap<String, Vec<(mail::Uid, Vec<u8>)>>,
    what: &str,
) {
    block_on(async {
        let (store, report) = image.open();
        assert!(report.damaged.is_empty(), "{what}: {report}");
        assert_eq!(&contents(&store).await, wanted, "{what}");
        assert_eq!(queued(&store).await.len(), 1, "{what}");
        assert_holders(&rows(&store));
    });
}

fn spoil(idx: &Path, change: impl Fn(&mut Vec<u8>)) {
    let path = idx.join("db");
    let mut octets = std::fs::read(&path).expect("read");
    change(&mut octets);
    std::fs::write(path, octets).expect("written");
}

#[test]
fn whatever_happens_to_the_index_the_mailboxes_are_the_same() {
    let place = Place::new(small());
    let wanted = block_on(filled(&place));
    let image = place.image();
    std::fs::remove_dir_all(image.path().join("idx")).expect("removed");
    check_same(&image, &wanted, "removed");

    let image = place.image();
    std::fs::remove_file(image.path().join("CKPT")).expect("removed");
    check_same(&image, &wanted, "no checkpoint");

    let image = place.image();
    std::fs::write(image.path().join("idx/snap.0000000000000000.generating"), b"half").expect("written");
    check_same(&image, &wanted, "a half snapshot");
    assert!(!names(&image.path().join("idx")).iter().any(|name| name.ends_with(".generating")));

    let length = std::fs::metadata(place.path().join("idx/db")).expect("there").len();
    let octets = usize::try_from(length).expect("small");
    for part in [0, 1, 2, 5, 9] {
        let image = place.image();
        spoil(&image.path().join("idx"), |db| db.truncate(octets * part / 10));
        check_same(&image, &wanted, "truncated");
    }
    for part in 0..8 {
        let image = place.image();
        spoil(&image.path().join("idx"), |db| {
            let at = octets * part / 8 + 100;
            if let Some(octet) = db.get_mut(at) {
                *octet ^= 0x10;
            }
        });
        check_same(&image, &wanted, "a flipped bit");
    }
}

#[test]
fn an_index_of_another_store_is_not_believed() {
    let place = Place::new(small());
    let wanted = block_on(filled(&place));
    let other = Place::new(small());
    block_on(filled(&other));
    std::fs::remove_dir_all(place.path().join("idx")).expect("removed");
    super::copy(&other.path().join("idx"), &place.path().join("idx"));
    check_same(&place, &wanted, "another store's");
}

#[test]
fn a_lost_last_batch_behind_the_index_rebuilds_it() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        deliver(&store, b"one\r\n", &["alice"]).await;
        accept(&store, b"two\r\n").await;
        store.close().await.expect("closed");
    });
    let (path, batch, end) = place.last_batch();
    scribble(&path, u64::from(batch), &vec![0; (end - batch) as usize]);
    block_on(async {
        let (store, report) = place.open();
        assert!(report.rebuilt.is_some(), "{report}");
        assert!(queued(&store).await.is_empty());
        assert_eq!(contents(&store).await["alice"].len(), 1);
    });
}
