//! What the cases are made of.

use std::time::Duration;

use mail::{
    Body, Envelope, ForwardPath, MailboxName, Protocol, QueueId, Recipient, ReversePath, Trace, Uid, ViewName,
};

use crate::{Additions, Delivered, Expunge, Incoming, Maildrop, Message, Route, RouteEntry, Store};

/// A mailbox's name.
pub fn name(text: &str) -> MailboxName {
    MailboxName::parse(text).expect("a name")
}

/// A view's name.
pub fn view(text: &str) -> ViewName {
    if text.is_empty() { ViewName::owner() } else { ViewName::parse(text).expect("a name") }
}

/// An envelope to some mailboxes.
pub fn envelope(mailboxes: &[&str]) -> Envelope {
    let recipient = |name_: &&str| Recipient {
        path: ForwardPath::Postmaster,
        mailboxes: vec![name(name_)],
        duplicate: false,
        ruling: None,
    };
    Envelope {
        reverse_path: ReversePath::Null,
        recipients: mailboxes.iter().map(recipient).collect(),
        body: Body::SevenBit,
        smtputf8: false,
        trace: Trace {
            protocol: Protocol::Esmtp,
            peer: None,
            helo: "client.example".into(),
            tls: None,
            received_ms: 1,
        },
        cuts: Vec::new(),
        unterminated: false,
        results: None,
        fields: Vec::new(),
    }
}

/// A route of one message to some mailboxes, with a prelude that names each.
pub fn route(id: QueueId, mailboxes: &[&str]) -> Route {
    let entry = |text: &&str| RouteEntry {
        mailbox: name(text),
        recipients: vec![0],
        additions: Additions {
            prelude: format!("Delivered-To: {text}\r\n").into_bytes(),
            ..Additions::default()
        },
        foreign_uidl: None,
    };
    Route { id, entries: mailboxes.iter().map(entry).collect() }
}

/// Accepts one message.
pub async fn accept<S: Store>(store: &S, octets: &[u8]) -> QueueId {
    let mut incoming = store.incoming(Some(octets.len() as u64)).expect("admitted");
    for part in octets.chunks(100_000) {
        incoming.write(part).await.expect("taken");
    }
    assert_eq!(incoming.octets(), octets.len() as u64);
    incoming.commit(envelope(&["alice"])).await.expect("committed")
}

/// Accepts and delivers one message.
pub async fn deliver<S: Store>(store: &S, octets: &[u8], mailboxes: &[&str]) -> Vec<Uid> {
    let id = accept(store, octets).await;
    match store.deliver(vec![route(id, mailboxes)]).await.expect("delivered").remove(0) {
        Delivered::Entries(uids) => uids,
        Delivered::NotQueued => panic!("{id} is not queued"),
    }
}

/// What a view lists.
pub async fn listed<S: Store>(store: &S, mailbox: &str, view_: &str) -> Vec<Uid> {
    let maildrop = store.open(&name(mailbox), &view(view_)).await.expect("opened");
    (0..maildrop.len()).map(|index| maildrop.entry(index).expect("within").uid).collect()
}

/// The octets of one message of a maildrop, held against the size it said.
pub async fn read<M: Maildrop>(maildrop: &M, index: usize) -> Vec<u8> {
    let octets = read_range(maildrop, index, 0..u64::MAX).await;
    assert_eq!(octets.len() as u64, maildrop.entry(index).expect("within").octets);
    octets
}

pub(super) async fn read_range<M: Maildrop>(
    maildrop: &M,
    index: usize,
    range: std::ops::Range<u64>,
) -> Vec<u8> {
    let mut message = maildrop.message(index, range).await.expect("opened");
    let mut octets = Vec::new();
    while let Some(chunk) = message.chunk().await.expect("readable") {
        octets.extend_from_slice(&chunk);
    }
    octets
}

pub(super) fn done(mailbox: &str, view_: &str, uids: &[Uid]) -> Vec<Expunge> {
    vec![Expunge {
        mailbox: name(mailbox),
        view: view(view_),
        uids: uids.to_vec(),
        unwanted: crate::Unwanted::Goes,
    }]
}

pub(super) async fn queued_ids<S: Store>(store: &S) -> Vec<QueueId> {
    store.queued(None, 1000).await.expect("readable").iter().map(|queued| queued.id).collect()
}

/// Waits until what was committed shows in the queue.
pub(super) async fn settled<S: Store>(store: &S, ids: &[QueueId]) {
    for _ in 0..500 {
        if queued_ids(store).await == ids {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(queued_ids(store).await, ids);
}
