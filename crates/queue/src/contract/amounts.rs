//! What an engine says of how much there is, and how old.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mail::{Envelope, QueueId};

use super::{Engine, close, deliver, envelope, name, route};
use crate::{Amount, Incoming, Store, Usage};

async fn accept<S: Store>(store: &S, octets: &[u8], envelope: Envelope) -> QueueId {
    let mut incoming = store.incoming(None).expect("admitted");
    incoming.write(octets).await.expect("taken");
    incoming.commit(envelope).await.expect("committed")
}

fn queued<S: Store>(store: &S, mailbox: &str) -> (u64, u64) {
    let Amount { messages, octets } = store.usage(&name(mailbox)).queued;
    (messages, octets)
}

/// From the moment of its 250 a message counts for the mailboxes that it will be delivered to, once for each
/// copy, held or not, over a reopen, and until it is delivered or discarded.
pub async fn what_is_queued_counts_for_its_mailboxes<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let mut twins = envelope(&["alice", "bob", "alice", "alice"]);
    twins.recipients[3].duplicate = true;
    let first = accept(&store, b"123456\r\n", twins).await;
    assert_eq!((queued(&store, "alice"), queued(&store, "bob")), ((2, 16), (1, 8)));
    let second = accept(&store, b"12\r\n", envelope(&["bob"])).await;
    assert_eq!((queued(&store, "alice"), queued(&store, "bob")), ((2, 16), (2, 12)));
    assert!(store.hold(second, true).await.expect("held"));
    close(store).await;
    let store = engine.open().await;
    assert_eq!((queued(&store, "alice"), queued(&store, "bob")), ((2, 16), (2, 12)));
    assert_eq!(queued(&store, "carol"), (0, 0));
    store.deliver(vec![route(first, &["alice", "bob", "alice"])]).await.expect("delivered");
    let bob = Usage { messages: 1, octets: 27, queued: Amount { messages: 1, octets: 4 } };
    assert_eq!((queued(&store, "alice"), store.usage(&name("bob"))), ((0, 0), bob));
    assert_eq!(bob.total(), Amount { messages: 2, octets: 31 });
    store.deliver(vec![route(second, &[])]).await.expect("discarded");
    assert_eq!(queued(&store, "bob"), (0, 0));
    close(store).await;
    let store = engine.open().await;
    assert_eq!((queued(&store, "alice"), queued(&store, "bob")), ((0, 0), (0, 0)));
}

/// What was delivered before an instant is told from what came after it, oldest first and no more than asked.
pub async fn the_oldest_are_told_by_their_age<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let mut old = Vec::new();
    for _ in 0..3 {
        old.extend(deliver(&store, b"old\r\n", &["alice"]).await);
    }
    deliver(&store, b"other\r\n", &["alice@other.example"]).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let between = wall_ms();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let young = deliver(&store, b"young\r\n", &["alice"]).await;
    close(store).await;
    let store = engine.open().await;
    let alice = name("alice");
    let older =
        async |before, now, limit| store.older_than(&alice, before, now, limit).await.expect("readable");
    let now = wall_ms();
    assert_eq!(older(between, now, 9).await, old);
    assert_eq!(older(between, now, 2).await, old[..2]);
    assert_eq!(older(now + 1, now, 9).await, [&old[..], &young].concat());
    assert!(older(0, now, 9).await.is_empty());
    assert!(older(between, 1, 9).await.is_empty(), "what is to come has no age");
    store.purge(&alice, old.clone()).await.expect("purged");
    assert!(older(between, now, 9).await.is_empty());
    assert!(store.older_than(&name("nobody"), now, now, 9).await.expect("readable").is_empty());
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
