//! Who waits for what, and for how long, when the index is behind or the disk is slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use mail::Uid;
use queue::contract::{deliver, listed, name, view};
use queue::{Expunge, Maildrop, Store, StoreError};
use rustix::io::Errno;

use super::guards::open_failing_when;
use super::{Place, block_on, small};
use crate::disk::faulty::{Fault, Op};
use crate::{Params, SledStore};

const PATIENCE: Duration = Duration::from_millis(600);

fn impatient() -> Params {
    Params { settle: PATIENCE, confirm: PATIENCE, ..small() }
}

async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Puts the index aside, and makes none until the disk is ordered something else.
async fn without_index(place: &Place, store: &SledStore) {
    place.disk.order(Some(Fault { only: Some(Op::Rename), at: 0, lasting: true, errno: Errno::NOSPC }));
    store.condemn();
    while store.kv().is_some() {
        sleep(Duration::from_millis(5)).await;
    }
}

async fn delete(store: &SledStore, uids: &[Uid]) -> Result<(), StoreError> {
    let (mailbox, view) = (name("alice"), view(""));
    store.delete(vec![Expunge { mailbox, view, uids: uids.to_vec(), unwanted: queue::Unwanted::Goes }]).await
}

async fn count(store: &SledStore, mailbox: &str) -> Result<usize, StoreError> {
    Ok(store.open(&name(mailbox), &view("")).await?.len())
}

/// The same, once the index is back.
async fn count_at_last(store: &SledStore, mailbox: &str) -> usize {
    for _ in 0..100 {
        if let Ok(count) = count(store, mailbox).await {
            return count;
        }
    }
    panic!("the index does not come back");
}

fn about_patience(since: Instant) {
    let took = since.elapsed();
    assert!(took >= PATIENCE && took < 5 * PATIENCE, "{took:?}");
}

#[test]
fn a_pickup_waits_five_seconds_and_a_deletion_thirty() {
    assert_eq!(Params::default().settle, Duration::from_secs(5));
    assert_eq!(Params::default().confirm, Duration::from_secs(30));
}

#[test]
fn a_deletion_without_an_index_is_a_promise_and_pickup_waits_for_it() {
    let place = Place::new(impatient());
    block_on(async {
        let (store, _) = place.open();
        let uids = deliver(&store, b"one\r\n", &["alice"]).await;
        deliver(&store, b"two\r\n", &["alice"]).await;
        assert_eq!(count(&store, "alice").await.expect("opened"), 2);
        without_index(&place, &store).await;
        let asked = Instant::now();
        delete(&store, &uids).await.expect("it is durable");
        about_patience(asked);
        // What was promised cannot be shown, and what is not so any more must not be.
        let asked = Instant::now();
        assert!(matches!(count(&store, "alice").await, Err(StoreError::Unavailable)));
        about_patience(asked);
        place.disk.order(None);
        assert_eq!(count_at_last(&store, "alice").await, 1);
    });
}

#[test]
fn a_deletion_without_an_index_is_found_at_the_next_start() {
    let place = Place::new(Params { settle: Duration::from_secs(60), ..small() });
    block_on(async {
        let (store, _) = place.open();
        let uids = deliver(&store, b"one\r\n", &["alice"]).await;
        without_index(&place, &store).await;
        let deleting = tokio::spawn({
            let store = store.clone();
            async move { delete(&store, &uids).await }
        });
        sleep(PATIENCE / 2).await;
        store.close().await.expect("closed");
        deleting.await.expect("no panic").expect("the log has it");
        drop(store);
        place.disk.order(None);
        let (store, _) = place.open();
        assert_eq!(count(&store, "alice").await.expect("opened"), 0);
    });
}

#[test]
fn a_deletion_that_the_disk_keeps_waiting_is_not_said_to_have_failed() {
    let place = Place::new(impatient());
    block_on(async {
        let (store, _) = place.open();
        let uids = deliver(&store, b"one\r\n", &["alice"]).await;
        assert!(store.wait_prepared());
        place.disk.stall(true);
        let asked = Instant::now();
        assert!(matches!(delete(&store, &uids).await, Err(StoreError::Unsure(_))));
        about_patience(asked);
        place.disk.stall(false);
        while count_at_last(&store, "alice").await > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    });
}

#[test]
fn a_deletion_whose_sync_fails_may_be_kept_and_the_next_ones_are_not() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        let first = deliver(&store, b"one\r\n", &["alice"]).await;
        let second = deliver(&store, b"two\r\n", &["alice"]).await;
        assert!(store.wait_prepared());
        place.disk.order(Some(Fault { only: Some(Op::Fdatasync), at: 0, lasting: false, errno: Errno::IO }));
        assert!(matches!(delete(&store, &first).await, Err(StoreError::Unsure(_))));
        assert!(matches!(delete(&store, &second).await, Err(StoreError::ReadOnly(_))));
        store.close().await.expect("closed");
        drop(store);
        let (store, _) = place.open();
        assert_eq!(listed(&store, "alice", "").await, second, "its octets were there");
    });
}

#[test]
fn a_mailbox_in_memory_is_served_while_the_index_is_built() {
    let place = Place::new(impatient());
    block_on(async {
        let (store, _) = place.open();
        deliver(&store, b"one\r\n", &["alice", "bob"]).await;
        assert_eq!(count(&store, "alice").await.expect("opened"), 1);
        without_index(&place, &store).await;
        let asked = Instant::now();
        assert_eq!(count(&store, "alice").await.expect("from memory"), 1);
        assert_eq!(count(&store, "nobody").await.expect("from memory"), 0);
        assert!(asked.elapsed() < PATIENCE, "{:?}", asked.elapsed());
        let asked = Instant::now();
        assert!(matches!(count(&store, "bob").await, Err(StoreError::Unavailable)), "it was never read");
        about_patience(asked);
        place.disk.order(None);
        assert_eq!(count_at_last(&store, "bob").await, 1);
    });
}

#[test]
fn a_mailbox_that_must_be_read_waits_for_the_index() {
    let place = Place::new(Params { settle: Duration::from_secs(60), ..small() });
    block_on(async {
        let (store, _) = place.open();
        deliver(&store, b"one\r\n", &["bob"]).await;
        without_index(&place, &store).await;
        let opening = tokio::spawn({
            let store = store.clone();
            async move { count(&store, "bob").await }
        });
        sleep(PATIENCE / 2).await;
        assert!(!opening.is_finished());
        place.disk.order(None);
        assert_eq!(opening.await.expect("no panic").expect("opened"), 1);
    });
}

#[test]
fn when_nobody_applies_any_more_no_deletion_is_hidden() {
    let place = Place::new(impatient());
    block_on(async {
        let left = Arc::new(AtomicI64::new(i64::MAX));
        let store = open_failing_when(&place, left.clone(), || panic!("so it was ordered"));
        let uids = deliver(&store, b"one\r\n", &["alice"]).await;
        let two = deliver(&store, b"two\r\n", &["alice"]).await;
        assert_eq!(count(&store, "alice").await.expect("opened"), 2);
        left.store(0, Ordering::SeqCst);
        let asked = Instant::now();
        delete(&store, &uids).await.expect("it is durable");
        let found = count(&store, "alice").await;
        assert!(matches!(found, Err(StoreError::Unavailable)), "{found:?}");
        assert!(asked.elapsed() < PATIENCE, "nobody waits for who is gone: {:?}", asked.elapsed());
        store.close().await.expect("closed");
        drop(store);
        let (store, _) = place.open();
        assert_eq!(listed(&store, "alice", "").await, two);
    });
}
