//! A disk that says no at operation n: nothing acknowledged is lost, and the store starts again.

use mail::{QueueId, Uid};
use queue::contract::{envelope, listed, name, route, view};
use queue::{Delivered, Expunge, Incoming, Store, StoreError};
use rustix::io::Errno;

use super::{Place, assert_holders, block_on, contents, queued, rows, small};
use crate::SledStore;
use crate::disk::faulty::{Fault, Op};

/// What was promised.
#[derive(Default)]
struct Promised {
    accepted: Vec<QueueId>,
    /// It may be in the mailbox, or still in the queue.
    routing: Vec<QueueId>,
    delivered: Vec<Uid>,
    deleting: Vec<Uid>,
    deleted: Vec<Uid>,
    refusals: usize,
}

async fn commit(store: &SledStore, octets: &[u8]) -> Result<QueueId, StoreError> {
    let mut incoming = store.incoming(None)?;
    incoming.write(octets).await?;
    incoming.commit(envelope(&["alice"])).await
}

/// Some of everything; goes on after every error as sessions would.
async fn work(store: &SledStore) -> Promised {
    let mut promised = Promised::default();
    let big = vec![b'b'; (4 << 20) + 100];
    for n in 0..4 {
        let small = format!("message {n}\r\n").into_bytes();
        let octets = if n == 2 { &big } else { &small };
        let id = match commit(store, octets).await {
            Ok(id) => id,
            Err(_) => {
                promised.refusals += 1;
                continue;
            }
        };
        promised.accepted.push(id);
        if n == 3 {
            continue;
        }
        promised.routing.push(id);
        match store.deliver(vec![route(id, &["alice"])]).await {
            Ok(outcomes) => {
                let Delivered::Entries(uids) = &outcomes[0] else { panic!("{outcomes:?}") };
                promised.delivered.extend(uids);
            }
            Err(_) => promised.refusals += 1,
        }
    }
    if let Some(uid) = promised.delivered.first().copied() {
        promised.deleting.push(uid);
        let group = Expunge {
            mailbox: name("alice"),
            view: view(""),
            uids: vec![uid],
            unwanted: queue::Unwanted::Goes,
        };
        match store.delete(vec![group]).await {
            Ok(()) => promised.deleted.push(uid),
            Err(_) => promised.refusals += 1,
        }
    }
    promised
}

async fn check(place: &Place, promised: &Promised, what: &str) {
    let (store, report) = place.open();
    assert!(report.damaged.is_empty(), "{what}: {report}");
    let queued = queued(&store).await;
    let alice = listed(&store, "alice", "").await;
    let entries: usize = contents(&store).await.values().map(Vec::len).sum();
    assert_eq!(entries, alice.len());
    for id in &promised.accepted {
        let routed = promised.routing.contains(id);
        assert!(routed || queued.contains(id), "{what}: {id} is lost");
    }
    assert!(promised.accepted.len() <= queued.len() + alice.len() + promised.deleting.len(), "{what}: lost");
    for uid in &promised.delivered {
        assert!(alice.contains(uid) || promised.deleting.contains(uid), "{what}: {uid} is lost");
    }
    for uid in &promised.deleted {
        assert!(!alice.contains(uid), "{what}: {uid} came back");
    }
    let all = queued.len() + alice.len() + promised.deleted.len();
    assert!(all <= promised.accepted.len() + promised.refusals, "{what}: something came twice");
    assert_holders(&rows(&store));
    commit(&store, b"after\r\n").await.expect("it takes mail again");
}

fn sweep(errno: Errno, lasting: bool) {
    let mut refusals = 0;
    // The big message alone is some 70 writes, one as good as the other.
    for at in (0..24).chain((24..100).step_by(9)).chain(100..300) {
        let place = Place::new(small());
        let what = format!("{errno} at {at}, lasting: {lasting}");
        let met = block_on(async {
            let (store, _) = place.open();
            // What is prepared in the background is not what is tested, and its order is not known.
            assert!(store.wait_prepared());
            place.disk.order(Some(Fault { only: None, at, lasting, errno }));
            let promised = work(&store).await;
            let met = place.disk.order(None);
            store.close().await.expect("closed");
            drop(store);
            refusals += promised.refusals;
            check(&place, &promised, &what).await;
            met
        });
        if !met {
            assert!(at > 90 && refusals > 5, "the work has few operations: {at}");
            return;
        }
    }
    panic!("the work has more operations than are tried");
}

#[test]
fn enospc_once_at_every_operation() {
    sweep(Errno::NOSPC, false);
}

#[test]
fn enospc_for_good_from_every_operation_on() {
    sweep(Errno::NOSPC, true);
}

#[test]
fn eio_once_at_every_operation() {
    sweep(Errno::IO, false);
}

#[test]
fn eio_for_good_from_every_operation_on() {
    sweep(Errno::IO, true);
}

#[test]
fn a_promise_follows_the_sync_that_covers_it() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        let covered = || {
            !place
                .disk
                .unsynced()
                .iter()
                .any(|path| path.extension().is_some_and(|e| e == "seg" || e == "msg"))
        };
        for n in 0..20 {
            let before = place.disk.count(Op::Fdatasync);
            let octets = if n == 7 { vec![b'x'; 5 << 20] } else { b"one\r\n".to_vec() };
            let id = commit(&store, &octets).await.expect("committed");
            assert!(covered(), "a 250 before its sync");
            assert!(place.disk.count(Op::Fdatasync) > before);
            let outcome = store.deliver(vec![route(id, &["alice"])]).await.expect("delivered");
            assert!(covered(), "routed before its sync");
            let Delivered::Entries(uids) = outcome[0].clone() else { panic!("{outcome:?}") };
            store
                .delete(vec![Expunge {
                    mailbox: name("alice"),
                    view: view(""),
                    uids,
                    unwanted: queue::Unwanted::Goes,
                }])
                .await
                .expect("deleted");
            assert!(covered(), "a +OK to QUIT before its sync");
        }
    });
}

#[test]
fn many_waiters_share_one_sync() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        assert!(store.wait_prepared());
        commit(&store, b"enters the segment\r\n").await.expect("committed");
        let before = (place.disk.count(Op::Fdatasync), place.disk.written());
        let tasks: Vec<_> = (0..512)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { commit(&store, &[b'x'; 4096]).await.map(drop) })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic").expect("committed");
        }
        let (syncs, written) = (place.disk.count(Op::Fdatasync) - before.0, place.disk.written() - before.1);
        assert!(syncs < 400, "{syncs} syncs for 512 messages");
        let padding = syncs * 4096;
        assert!(written < 512 * 4096 * 12 / 10 + padding + (8 << 20) + 8192, "{written} octets written");
    });
}

#[test]
fn after_a_failed_sync_nothing_more_is_promised() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        assert!(store.wait_prepared());
        let id = commit(&store, b"one\r\n").await.expect("committed");
        assert!(store.wait_prepared());
        let Delivered::Entries(uids) =
            store.deliver(vec![route(id, &["alice"])]).await.expect("delivered").remove(0)
        else {
            panic!("it was queued")
        };
        place.disk.order(Some(Fault { only: Some(Op::Fdatasync), at: 0, lasting: false, errno: Errno::IO }));
        assert!(matches!(commit(&store, b"two\r\n").await, Err(StoreError::Unsure(_))));
        assert!(matches!(commit(&store, b"three\r\n").await, Err(StoreError::ReadOnly(_))));
        assert!(matches!(store.admit(1), Err(StoreError::ReadOnly(_))));
        let group = Expunge {
            mailbox: name("alice"),
            view: view(""),
            uids: uids.clone(),
            unwanted: queue::Unwanted::Goes,
        };
        assert!(matches!(store.delete(vec![group]).await, Err(StoreError::ReadOnly(_))));
        assert_eq!(contents(&store).await["alice"].len(), 1, "what is there can still be read");
        store.close().await.expect("closed");
        drop(store);
        let (store, _) = place.open();
        assert_eq!(listed(&store, "alice", "").await, uids);
        commit(&store, b"four\r\n").await.expect("takes mail again");
    });
}

#[test]
fn a_failed_write_never_surfaces() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        assert!(store.wait_prepared());
        let first = commit(&store, b"one\r\n").await.expect("committed");
        assert!(store.wait_prepared());
        place.disk.order(Some(Fault { only: Some(Op::Write), at: 0, lasting: false, errno: Errno::NOSPC }));
        assert!(matches!(commit(&store, b"two\r\n").await, Err(StoreError::Full(_))));
        let third = commit(&store, b"three\r\n").await.expect("in the next segment");
        assert_ne!(crate::log::Lsn(first.0).segment(), crate::log::Lsn(third.0).segment());
        assert_eq!(queued(&store).await, [first, third]);
        store.close().await.expect("closed");
        drop(store);
        std::fs::remove_dir_all(place.path().join("idx")).expect("removed");
        let (store, report) = place.open();
        assert!(report.damaged.is_empty() && !report.torn_tail, "{report}");
        assert_eq!(queued(&store).await, [first, third]);
    });
}
