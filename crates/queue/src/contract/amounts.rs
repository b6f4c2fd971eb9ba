//! What an engine says of how much there is.

use mail::{Envelope, QueueId};

use super::{Engine, close, envelope, name, route};
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
