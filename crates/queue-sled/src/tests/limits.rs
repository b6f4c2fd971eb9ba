//! What a store does at its bounds.

use std::collections::BTreeSet;

use queue::contract::{accept, deliver, envelope, listed, name, read, route, view};
use queue::{Amount, Expunge, Incoming, Maildrop, Store, StoreError};

use rustix::io::Errno;

use super::{Place, block_on, contents, names, queued, small};
use crate::Params;
use crate::disk::faulty::{Fault, Op};

#[test]
fn a_backlog_longer_than_memory_is_routed_all_the_same() {
    let place = Place::new(Params { queue_memory: 4000, ..small() });
    block_on(async {
        let (store, _) = place.open();
        let mut ids = BTreeSet::new();
        for n in 0..60 {
            ids.insert(accept(&store, format!("message {n}\r\n").as_bytes()).await);
        }
        assert_eq!(queued(&store).await, ids.iter().copied().collect::<Vec<_>>());
        let owed = Amount { messages: 60, octets: 60 * 11 + 50 };
        assert_eq!(store.usage(&name("alice")).queued, owed);
        store.close().await.expect("closed");
        drop(store);
        let (store, _) = place.open();
        assert_eq!(store.usage(&name("alice")).queued, owed, "also what is behind the horizon");
        let held = *ids.iter().nth(40).expect("sixty");
        assert!(store.hold(held, true).await.expect("answered"));
        let mut after = None;
        let mut found = Vec::new();
        while let Some(last) = found.last().copied().or(Some(mail::QueueId(0))) {
            let page = store.queued(after, 7).await.expect("readable");
            assert!(page.iter().all(|message| message.held == (message.id == held)));
            if page.is_empty() {
                break;
            }
            found.extend(page.iter().map(|message| message.id));
            assert!(last < found[found.len() - 1]);
            after = found.last().copied();
        }
        assert_eq!(found, ids.iter().copied().collect::<Vec<_>>());
        let mut routed = 0;
        loop {
            let page = store.queued(None, 5).await.expect("readable");
            if page.is_empty() {
                break;
            }
            routed += page.len();
            let routes = page.iter().map(|message| route(message.id, &["alice"])).collect();
            store.deliver(routes).await.expect("delivered");
            accept(&store, b"more\r\n").await;
            if routed > 90 {
                break;
            }
        }
        assert!(routed > 60, "{routed}");
        let left = queued(&store).await.len() as u64;
        assert_eq!(store.usage(&name("alice")).queued, Amount { messages: left, octets: left * 6 });
    });
}

#[test]
fn without_memory_messages_go_through_a_file() {
    let place = Place::new(Params { memory: 20_000, ..small() });
    block_on(async {
        let (store, _) = place.open();
        let mut held = store.incoming(None).expect("admitted");
        held.write(&[b'h'; 12_000]).await.expect("taken");
        let body: Vec<u8> = (0..300_000u32).map(|n| b'a' + u8::try_from(n % 23).expect("small")).collect();
        deliver(&store, &body, &["alice"]).await;
        deliver(&store, &vec![b'b'; 5 << 20], &["alice"]).await;
        let id = held.commit(envelope(&["alice"])).await.expect("committed");
        store.deliver(vec![route(id, &["alice"])]).await.expect("delivered");
        let maildrop = store.open(&name("alice"), &view("")).await.expect("opened");
        assert!(read(&maildrop, 0).await.ends_with(&body));
        assert_eq!(read(&maildrop, 1).await.len(), (5 << 20) + 21);
        assert!(read(&maildrop, 2).await.ends_with(&[b'h'; 12_000]));
        let mut dropped = store.incoming(Some(9 << 20)).expect("admitted");
        dropped.write(&vec![b'd'; 300_000]).await.expect("taken");
        drop(dropped);
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let big = names(&place.path().join("big"));
        assert!(
            big.len() == 1 && big[0].ends_with(".msg"),
            "only what is over 4 MiB stays beside the log: {big:?}"
        );
    });
}

#[test]
fn the_budget_comes_back() {
    let place = Place::new(Params { memory: 100_000, ..small() });
    block_on(async {
        let (store, _) = place.open();
        for _ in 0..50 {
            accept(&store, &[b'x'; 60_000]).await;
        }
        assert!(names(&place.path().join("big")).is_empty());
        let opened = place.disk.count(crate::disk::faulty::Op::Unlink);
        accept(&store, &[b'x'; 60_000]).await;
        assert_eq!(place.disk.count(crate::disk::faulty::Op::Unlink), opened, "nothing was spilled");
    });
}

#[test]
fn messages_in_flight_have_a_budget_in_memory_and_in_files() {
    let place = Place::new(Params { memory: 20_000, inflight: 1_000_000, ..small() });
    let full = |result| matches!(result, Err(StoreError::Full(_)));
    block_on(async {
        let (store, _) = place.open();
        store.admit(1_000_000).expect("nothing is in flight");
        assert!(full(store.admit(1_000_001)));
        let mut long = store.incoming(None).expect("admitted");
        let mut short = store.incoming(Some(10_000)).expect("admitted");
        long.write(&[b'l'; 900_000]).await.expect("into a file");
        short.write(&[b's'; 10_000]).await.expect("into memory");
        store.admit(90_000).expect("what is left");
        assert!(full(store.admit(90_001)) && full(store.incoming(Some(90_001)).map(drop)));
        assert!(full(short.write(&[b's'; 90_001]).await), "it was not declared");
        long.write(&[b'l'; 90_000]).await.expect("what is left");
        assert!(full(store.admit(0)) && full(store.incoming(None).map(drop)));
        drop(short);
        store.admit(10_000).expect("given up");
        long.commit(envelope(&["alice"])).await.expect("committed");
        store.admit(1_000_000).expect("in the log");
        for _ in 0..30 {
            accept(&store, &[b'x'; 60_000]).await;
        }
        store.admit(1_000_000).expect("all of it came back");
    });
}

#[test]
fn a_full_disk_takes_no_mail_and_still_deletes() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        let uids = deliver(&store, b"one\r\n", &["alice"]).await;
        place.disk.say_free(Some(1000));
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        assert!(matches!(store.admit(1), Err(StoreError::Full(_))));
        assert!(matches!(store.incoming(None), Err(StoreError::Full(_))));
        let group = Expunge { mailbox: name("alice"), view: view(""), uids, unwanted: queue::Unwanted::Goes };
        store.delete(vec![group]).await.expect("deleted");
        assert!(listed(&store, "alice", "").await.is_empty());
        place.disk.say_free(None);
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        store.admit(1).expect("there is room again");
        assert!(matches!(store.admit(u64::MAX), Err(StoreError::Full(_))));
    });
}

#[test]
fn mailboxes_that_do_not_fit_in_memory_are_read_again() {
    let place = Place::new(Params { entries: 10, ..small() });
    block_on(async {
        let (store, _) = place.open();
        for n in 0..40 {
            deliver(&store, b"x\r\n", &[["alice", "bob", "carol"][n % 3]]).await;
            if n % 5 == 0 {
                contents(&store).await;
            }
        }
        let lengths: Vec<_> = contents(&store).await.values().map(Vec::len).collect();
        assert_eq!(lengths, [14, 13, 13]);
    });
}

#[test]
fn after_close_nothing_is_promised() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        deliver(&store, b"one\r\n", &["alice"]).await;
        let incoming = store.incoming(None).expect("admitted");
        let maildrop = store.open(&name("alice"), &view("")).await.expect("opened");
        store.close().await.expect("closed");
        store.close().await.expect("again");
        assert!(matches!(incoming.commit(envelope(&["alice"])).await, Err(StoreError::Unavailable)));
        assert!(matches!(store.admit(1), Err(StoreError::Unavailable)));
        assert!(matches!(store.hold(mail::QueueId(1), true).await, Err(StoreError::Unavailable)));
        assert_eq!(maildrop.len(), 1);
        assert_eq!(read(&maildrop, 0).await, b"Delivered-To: alice\r\none\r\n");
    });
}

/// No descriptor, and not for a moment only.
fn exhausted(place: &Place, only: Op) {
    place.disk.order(Some(Fault { only: Some(only), at: 0, lasting: true, errno: Errno::MFILE }));
}

#[test]
fn a_backlog_that_no_descriptor_can_read_waits_and_is_not_forgotten() {
    let place = Place::new(Params { queue_memory: 4000, ..small() });
    block_on(async {
        let (store, _) = place.open();
        let mut ids = BTreeSet::new();
        for n in 0..60 {
            ids.insert(accept(&store, format!("message {n}\r\n").as_bytes()).await);
        }
        store.close().await.expect("closed");
        drop(store);
        let (store, _) = place.open();
        let first = store.queued(None, 3).await.expect("in memory");
        store.forget_files();
        exhausted(&place, Op::OpenToRead);
        // Room in memory: the applier asks for more, and gets an error that passes.
        let routes = first.iter().map(|message| route(message.id, &["alice"])).collect();
        store.deliver(routes).await.expect("delivered");
        ids.retain(|id| first.iter().all(|message| message.id != *id));
        let refused = store.queued(None, 100).await;
        assert!(matches!(refused, Err(StoreError::Io(_))), "a page that lacks mail is none: {refused:?}");
        place.disk.order(None);
        assert_eq!(queued(&store).await, ids.iter().copied().collect::<Vec<_>>());
        while let [first, ..] = &store.queued(None, 7).await.expect("readable")[..] {
            assert!(ids.remove(&first.id), "each once");
            store.deliver(vec![route(first.id, &["alice"])]).await.expect("delivered");
        }
        assert!(ids.is_empty(), "{ids:?}");
    });
}

#[test]
fn a_checkpoint_without_a_descriptor_is_left_out_and_the_index_is_kept() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        deliver(&store, b"one\r\n", &["alice"]).await;
        store.close().await.expect("closed");
        drop(store);
        let (store, _) = place.open();
        let uids =
            [listed(&store, "alice", "").await, deliver(&store, b"two\r\n", &["alice"]).await].concat();
        assert!(store.wait_prepared());
        exhausted(&place, Op::Open);
        store.close().await.expect("closed");
        assert!(!place.disk.order(None) || place.path().join("CKPT").exists());
        drop(store);
        let (store, report) = place.open();
        assert!(report.rebuilt.is_none(), "{report}");
        assert_eq!(listed(&store, "alice", "").await, uids);
        store.close().await.expect("closed");
        drop(store);
        assert!(place.open().1.clean, "the next checkpoint covers it");
    });
}
