//! The router over the engine in memory: every queued message ends in its mailboxes, once.

use std::sync::Arc;
use std::time::Duration;

use directory::{Directory, DomainSpec, MailboxSpec, Spec, Table, VerifierParams};
use mail::{Cut, Envelope, QueueId, Recipient, RuledField, Ruling};
use queue::contract::{accept, envelope, listed, name, view};
use queue::{Incoming, Maildrop, MemoryStore, Message, Store, StoreError};
use routing::{Host, Router};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

fn table(mailboxes: &[&str]) -> Table {
    let mailbox = |name: &&str| MailboxSpec {
        name: (*name).into(),
        addresses: Vec::new(),
        passwords: Vec::new(),
        receives: true,
        allowance: Default::default(),
        ..MailboxSpec::default()
    };
    let spec = Spec {
        domains: vec![DomainSpec {
            name: "example.test".into(),
            catch_all: Some("alice".into()),
            ..DomainSpec::default()
        }],
        mailboxes: mailboxes.iter().map(mailbox).collect(),
        detail_separator: Some('+'),
        hostname: "mx.example.test".into(),
        ..Spec::default()
    };
    let (table, faults) = Table::build(&spec);
    table.unwrap_or_else(|| panic!("{faults:?}"))
}

struct Running {
    store: MemoryStore,
    again: Arc<Notify>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn new(store: MemoryStore, mailboxes: &[&str]) -> Self {
        let directory = Directory::new(table(mailboxes), VerifierParams::default());
        let results = |_: &str, _: &mail::AuthResults, _| String::new();
        let host = Host { name: "mx.example.test".into(), results };
        let router = Router::new(store.clone(), directory, host);
        let (again, stop) = (router.again(), CancellationToken::new());
        let task = tokio::spawn(router.run(stop.clone()));
        Self { store, again, stop, task }
    }

    async fn drained(&self) {
        for _ in 0..100_000 {
            if self.store.queued(None, 1).await.expect("readable").is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("the queue is not empty");
    }

    /// Waits until alice has so many.
    async fn delivered(&self, messages: usize) {
        for _ in 0..100_000 {
            if listed(&self.store, "alice", "").await.len() >= messages {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("{messages} messages are not delivered");
    }

    async fn stopped(self) {
        self.stop.cancel();
        self.again.notify_one();
        self.task.await.expect("no panic");
    }
}

async fn accept_to(store: &MemoryStore, recipients: &[(&[&str], bool)]) -> QueueId {
    let mut envelope = envelope(&[]);
    envelope.recipients = recipients
        .iter()
        .map(|(mailboxes, duplicate)| Recipient {
            path: mail::ForwardPath::Postmaster,
            mailboxes: mailboxes.iter().map(|text| name(text)).collect(),
            duplicate: *duplicate,
            ruling: None,
        })
        .collect();
    let mut incoming = store.incoming(None).expect("admitted");
    incoming.write(b"Subject: x\r\n\r\nbody\r\n").await.expect("taken");
    incoming.commit(envelope).await.expect("committed")
}

#[tokio::test(start_paused = true)]
async fn what_waited_and_what_comes_is_delivered_in_order() {
    let store = MemoryStore::new();
    let mut ids = Vec::new();
    for n in 0..600 {
        ids.push(accept(&store, format!("{n}\r\n").as_bytes()).await);
    }
    let running = Running::new(store.clone(), &["alice"]);
    running.drained().await;
    accept(&store, b"600\r\n").await;
    running.drained().await;
    let maildrop = store.open(&name("alice"), &view("")).await.expect("opened");
    assert_eq!(maildrop.len(), 601);
    for index in 0..maildrop.len() {
        let mut message = maildrop.message(index, 0..u64::MAX).await.expect("opened");
        let mut octets = Vec::new();
        while let Some(chunk) = message.chunk().await.expect("readable") {
            octets.extend_from_slice(&chunk);
        }
        let text = String::from_utf8(octets).expect("text");
        assert!(text.starts_with("Return-Path: <>\r\nDelivered-To: alice@example.test\r\n"), "{text}");
        assert!(text.ends_with(&format!("\r\n{index}\r\n")), "{index}: {text}");
    }
    running.stopped().await;
}

/// RFC 5321 §3.9.1.
#[tokio::test(start_paused = true)]
async fn twins_collapse_unless_an_alias_wants_them() {
    let store = MemoryStore::new();
    let running = Running::new(store.clone(), &["alice", "bob"]);
    accept_to(&store, &[(&["alice"], false), (&["bob", "alice"], false), (&["alice"], false)]).await;
    running.drained().await;
    assert_eq!(listed(&store, "alice", "").await.len(), 1);
    assert_eq!(listed(&store, "bob", "").await.len(), 1);
    accept_to(&store, &[(&["alice"], false), (&["alice"], true), (&["alice"], true)]).await;
    running.drained().await;
    assert_eq!(listed(&store, "alice", "").await.len(), 4);
    running.stopped().await;
}

/// RFC 5321 §4.2.5: it got its 250, and is kept with the rest of what that mailbox had.
#[tokio::test(start_paused = true)]
async fn mail_for_a_vanished_mailbox_is_kept_and_others_do_not_wait() {
    let store = MemoryStore::new();
    let running = Running::new(store.clone(), &["alice"]);
    accept_to(&store, &[(&["bob"], false)]).await;
    accept_to(&store, &[(&["bob"], false), (&["alice"], false)]).await;
    running.drained().await;
    assert_eq!((listed(&store, "alice", "").await.len(), listed(&store, "bob", "").await.len()), (1, 2));
    running.stopped().await;
}

/// RFC 5321 §2.1, §4.2.5.
#[tokio::test(start_paused = true)]
async fn a_failing_store_is_asked_again_and_nothing_is_lost_or_doubled() {
    let store = MemoryStore::new();
    for n in 0..5 {
        accept(&store, format!("{n}\r\n").as_bytes()).await;
    }
    store.fail_at(3, StoreError::Full("for the test"));
    let running = Running::new(store.clone(), &["alice"]);
    running.drained().await;
    assert_eq!(listed(&store, "alice", "").await.len(), 5);
    running.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn mail_that_can_never_be_delivered_keeps_nobody_from_it() {
    let store = MemoryStore::new();
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(accept(&store, format!("{n}\r\n").as_bytes()).await);
    }
    let stuck = [ids[0], ids[3]];
    stuck.iter().for_each(|id| store.never_deliver(*id));
    let running = Running::new(store.clone(), &["alice"]);
    running.delivered(4).await;
    // Nor what comes later, nor when everything is looked at again.
    for delivered in 5..8 {
        accept(&store, b"later\r\n").await;
        running.again.notify_one();
        running.delivered(delivered).await;
    }
    let queued = store.queued(None, 10).await.expect("readable");
    assert_eq!(queued.iter().map(|queued| queued.id).collect::<Vec<_>>(), stuck, "it is still ours");
    running.stopped().await;
}

/// Many messages with much on top of each are planned and delivered a few at a time.
#[tokio::test(start_paused = true)]
async fn what_is_planned_at_once_is_bounded_in_octets() {
    let store = MemoryStore::new();
    for _ in 0..100 {
        let mut envelope = envelope(&["alice"]);
        envelope.trace.helo = "h".repeat(100_000);
        let mut incoming = store.incoming(None).expect("admitted");
        incoming.write(b"Subject: x\r\n\r\n").await.expect("taken");
        incoming.commit(envelope).await.expect("committed");
    }
    let running = Running::new(store.clone(), &["alice"]);
    running.delivered(100).await;
    let most = store.most_at_once();
    assert!(most > 1 << 20 && most < 5 << 20, "{most}");
    running.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn held_mail_is_passed_by() {
    let store = MemoryStore::new();
    let held = accept(&store, b"held\r\n").await;
    store.hold(held, true).await.expect("held");
    let running = Running::new(store.clone(), &["alice"]);
    accept(&store, b"free\r\n").await;
    while listed(&store, "alice", "").await.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(store.queued(None, 10).await.expect("readable")[0].held);
    store.hold(held, false).await.expect("freed");
    running.again.notify_one();
    running.drained().await;
    assert_eq!(listed(&store, "alice", "").await.len(), 2);
    running.stopped().await;
}

/// An import brings its mail in and says itself where it goes: routed by us it would be lost.
#[tokio::test(start_paused = true)]
async fn mail_without_recipients_is_left_to_who_brought_it() {
    let store = MemoryStore::new();
    let imported = accept_to(&store, &[]).await;
    let running = Running::new(store.clone(), &["alice"]);
    accept(&store, b"routed\r\n").await;
    while listed(&store, "alice", "").await.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    running.again.notify_one();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let queued = store.queued(None, 10).await.expect("readable");
    assert_eq!(queued.iter().map(|queued| queued.id).collect::<Vec<_>>(), [imported]);
    running.stopped().await;
}

/// Alice and bob at one message, with what was decided for each.
fn judged(alice: Option<Ruling>, bob: Option<Ruling>) -> Envelope {
    let mut envelope = envelope(&["alice", "bob"]);
    (envelope.recipients[0].ruling, envelope.recipients[1].ruling) = (alice, bob);
    envelope.cuts = vec![Cut { at: 12, octets: 8 }];
    let field = |name: &str, at, octets, value: &[u8]| RuledField {
        name: name.into(),
        cut: Cut { at, octets },
        value: value.to_vec(),
    };
    envelope.fields =
        vec![field("subject", 0, 12, b"x"), field("x-old", 12, 8, b""), field("x-new", 20, 8, b"")];
    envelope
}

/// Runs it through the router; what each mailbox got, behind our Received.
async fn routed(envelope: Envelope) -> Vec<(String, String)> {
    let store = MemoryStore::new();
    let running = Running::new(store.clone(), &["alice", "bob", "carol"]);
    let mut incoming = store.incoming(None).expect("admitted");
    incoming.write(b"Subject: x\r\nX-Old:\r\nX-New:\r\n\r\nbody\r\n").await.expect("taken");
    incoming.commit(envelope).await.expect("committed");
    running.drained().await;
    running.stopped().await;
    let mut got = Vec::new();
    for status in store.mailboxes().await.expect("readable") {
        let maildrop = store.open(&status.name, &view("")).await.expect("opened");
        for index in 0..maildrop.len() {
            let octets = queue::contract::read(&maildrop, index).await;
            let text = String::from_utf8(octets).expect("text");
            assert!(text.starts_with("Return-Path: <>\r\nDelivered-To: "), "{text}");
            let (_, behind) = text.split_once("+0000\r\n").expect("our Received");
            got.push((status.name.to_string(), behind.to_owned()));
        }
    }
    got
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_ruling_is_carried_out_for_its_recipient_alone() {
    let plain = "Subject: x\r\nX-New:\r\n\r\nbody\r\n";
    assert_eq!(routed(judged(None, None)).await, pairs(&[("alice", plain), ("bob", plain)]));
    let ruling = Ruling {
        deliver: Some(vec![name("carol")]),
        add: vec![("X-Dept".into(), "accounts".into())],
        remove: vec!["X-OLD".into(), "X-New".into()],
        tags: vec!["[bill]".into()],
        ..Ruling::default()
    };
    let changed = "X-Dept: accounts\r\nSubject: [bill] x\r\n\r\nbody\r\n";
    assert_eq!(routed(judged(Some(ruling), None)).await, pairs(&[("bob", plain), ("carol", changed)]));
    let quarantine = Ruling { quarantine: Some("forged".into()), ..Ruling::default() };
    let kept = pairs(&[("alice+quarantine", plain), ("bob", plain)]);
    assert_eq!(routed(judged(Some(quarantine), None)).await, kept);
    let nowhere = || Some(Ruling { deliver: Some(Vec::new()), ..Ruling::default() });
    assert_eq!(routed(judged(nowhere(), None)).await, pairs(&[("bob", plain)]));
    assert_eq!(routed(judged(nowhere(), nowhere())).await, []);
}

/// Whoever is named by a ruling was promised the message, as whoever is named by the directory.
#[tokio::test(start_paused = true)]
async fn mail_that_is_ruled_to_a_vanished_mailbox_is_kept_there() {
    let store = MemoryStore::new();
    let running = Running::new(store.clone(), &["alice", "bob"]);
    let mut incoming = store.incoming(None).expect("admitted");
    incoming.write(b"Subject: x\r\nX-Old:\r\nX-New:\r\n\r\nbody\r\n").await.expect("taken");
    let ruling = Ruling { copy: vec![name("carol")], ..Ruling::default() };
    incoming.commit(judged(Some(ruling), None)).await.expect("committed");
    running.drained().await;
    assert_eq!(listed(&store, "carol", "").await.len(), 1);
    running.stopped().await;
}
