use std::sync::Arc;

use jiff::civil::{date, time};
use jiff::tz::TimeZone;
use mail::{Body, Ruling};
use queue::{Maildrop, Message};

use super::*;
use crate::Head;

/// 06:00 of a day in the local time zone, in milliseconds.
fn morning(day: i8) -> u64 {
    let at = date(2026, 11, day).at(6, 0, 0, 0).to_zoned(TimeZone::system()).expect("an instant");
    u64::try_from(at.timestamp().as_millisecond()).expect("after 1970")
}

const HOUR_MS: u64 = 3_600_000;

fn upkeep(world: &World) -> Upkeep<MemoryStore> {
    upkeep_at(world, 7)
}

/// Digests are due at this hour.
fn upkeep_at(world: &World, hour: i8) -> Upkeep<MemoryStore> {
    let read = Arc::new(|octets: &[u8]| {
        assert!(!octets.starts_with(b"poison"), "a parser that breaks");
        Head { from: "Boss".into(), subject: String::from_utf8_lossy(octets).into_owned() }
    });
    let quarantine = Quarantine { digest: Some(time(hour, 0, 0, 0)), ..Quarantine::default() };
    world.upkeep_with(&world.path(), quarantine).with_digests(world.folder.path().join("digests"), read)
}

/// Holds a message back.
async fn hold(world: &World, mailbox: &str, subject: &str) {
    let mut envelope = queue::contract::envelope(&[mailbox]);
    envelope.recipients[0].ruling =
        Some(Ruling { quarantine: Some("it is forged".into()), ..Ruling::default() });
    let mut incoming = world.store.incoming(None).expect("admitted");
    incoming.write(format!("{subject}\r\n\r\nthe body\r\n").as_bytes()).await.expect("taken");
    let id = incoming.commit(envelope).await.expect("committed");
    let mut route = queue::contract::route(id, &[mailbox]);
    route.entries[0].mailbox = name(mailbox).quarantine();
    route.entries[0].additions.prelude.clear();
    world.store.deliver(vec![route]).await.expect("delivered");
}

/// The digests that wait in the queue, each by its mailbox and text; they are delivered.
async fn digests(world: &World) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for queued in world.store.queued(None, 1000).await.expect("readable") {
        let copies = queued.envelope.copies();
        assert_eq!((queued.envelope.reverse_path.clone(), copies.len()), (ReversePath::Null, 1));
        assert_eq!(queued.envelope.body, Body::EightBitMime);
        let mailbox = copies[0].kept_in();
        let mut route = queue::contract::route(queued.id, &[mailbox.as_str()]);
        route.entries[0].additions.prelude.clear();
        world.store.deliver(vec![route]).await.expect("delivered");
        let maildrop = world.store.open(&mailbox, &mail::ViewName::owner()).await.expect("open");
        let mut message = maildrop.message(maildrop.len() - 1, 0..u64::MAX).await.expect("there");
        let mut text = Vec::new();
        while let Some(chunk) = message.chunk().await.expect("readable") {
            text.extend_from_slice(&chunk);
        }
        found.push((mailbox.to_string(), String::from_utf8(text).expect("text")));
    }
    found
}

#[tokio::test]
async fn each_mailbox_is_told_once_a_day_of_what_is_new_and_of_nothing_twice() {
    let world = World::new();
    let mut upkeep = upkeep(&world);
    hold(&world, "bob", "first").await;
    upkeep.digest(morning(1)).await;
    assert_eq!(digests(&world).await, [], "it is not seven yet");
    upkeep.digest(morning(1) + HOUR_MS).await;
    let told = digests(&world).await;
    assert_eq!((told.len(), told[0].0.as_str()), (1, "bob"));
    for part in [
        "Subject: 1 message is held back from you\r\n",
        "\r\nSubject: first",
        "\r\nReason:  it is forged\r\n",
    ] {
        assert!(told[0].1.contains(part), "{part:?} is missing in\n{}", told[0].1);
    }
    assert!(!told[0].1.contains("the body"));
    // More comes on the same day, for two mailboxes; and the daemon starts again and again.
    hold(&world, "bob", "second").await;
    hold(&world, "alice", "third").await;
    for hours in 1..24 {
        upkeep = self::upkeep(&world);
        upkeep.digest(morning(1) + hours * HOUR_MS).await;
    }
    assert_eq!(digests(&world).await, []);
    upkeep.digest(morning(2) + HOUR_MS).await;
    let told = digests(&world).await;
    let mailboxes: Vec<&str> = told.iter().map(|(mailbox, _)| mailbox.as_str()).collect();
    assert_eq!(mailboxes, ["alice", "bob"]);
    assert!(told[1].1.contains("second") && !told[1].1.contains("first"), "{}", told[1].1);
    // Nothing new; and then the clock goes back and forth.
    for day in [3, 4, 9, 5, 20, 3, 21] {
        upkeep.digest(morning(day) + HOUR_MS).await;
        assert_eq!(digests(&world).await, [], "{day}");
    }
    // It was down at seven.
    hold(&world, "alice", "fourth").await;
    self::upkeep(&world).digest(morning(25)).await;
    assert_eq!(digests(&world).await.len(), 1);
}

/// Whoever sets it to later in the day sees that it works on that very day.
#[tokio::test]
async fn another_hour_of_the_same_day_holds_at_once_and_nobody_is_told_twice_on_it() {
    let world = World::new();
    let at = async |setting: i8, hour: u64, day: i8| {
        upkeep_at(&world, setting).digest(morning(day) + (hour - 6) * HOUR_MS).await;
        digests(&world).await.into_iter().map(|(mailbox, _)| mailbox).collect::<Vec<_>>()
    };
    assert_eq!(at(7, 8, 1).await, [""; 0], "a new installation");
    hold(&world, "bob", "first").await;
    assert_eq!(at(12, 10, 1).await, [""; 0], "not yet");
    assert_eq!(at(12, 12, 1).await, ["bob"]);
    hold(&world, "bob", "second").await;
    hold(&world, "alice", "third").await;
    assert_eq!(at(12, 13, 1).await, [""; 0]);
    assert_eq!(at(15, 14, 1).await, [""; 0]);
    assert_eq!(at(15, 15, 1).await, ["alice"], "bob was told today");
    // Nothing is held back from her any more, and then something is again.
    let alice = name("alice").quarantine();
    let held = world.store.open(&alice, &mail::ViewName::owner()).await.expect("open");
    let uids = (0..held.len()).filter_map(|index| held.entry(index)).map(|entry| entry.uid).collect();
    world.store.purge(&alice, uids).await.expect("purged");
    assert_eq!(at(18, 18, 1).await, [""; 0]);
    hold(&world, "alice", "fourth").await;
    assert_eq!(at(20, 20, 1).await, [""; 0]);
    assert_eq!(at(7, 21, 1).await, [""; 0], "back to an hour that is over");
    assert_eq!(at(7, 6, 2).await, [""; 0]);
    assert_eq!(at(7, 7, 2).await, ["alice", "bob"]);
}

#[tokio::test]
async fn what_a_crash_or_the_store_leaves_unsure_is_neither_told_twice_nor_left_out() {
    let world = World::new();
    upkeep(&world).digest(morning(1)).await;
    hold(&world, "bob", "first").await;
    let path = world.folder.path().join("digests");
    let begun = std::fs::read_to_string(&path).expect("written");
    world.store.fail_at(1, StoreError::Full("disk"));
    let mut running = upkeep(&world);
    running.digest(morning(2)).await;
    assert_eq!(digests(&world).await, [], "the store took nothing");
    let sending = std::fs::read_to_string(&path).expect("written");
    assert!(sending.contains("sending ") && sending != begun, "{sending}");
    running.digest(morning(2) + 10_000).await;
    assert_eq!(digests(&world).await.len(), 1);
    // As a crash leaves it after the message was ours: in its mailbox by now.
    let done = std::fs::read_to_string(&path).expect("written");
    let sent = done.lines().find(|line| line.starts_with("told ")).expect("told").to_owned();
    let at = morning(2) + 10_000;
    let unsure = sent.replace("told ", "sending ").replace(" 0 bob", &format!(" {at} bob"));
    std::fs::write(&path, format!("{begun}{unsure}\n")).expect("written");
    upkeep(&world).digest(morning(2) + 20_000).await;
    assert_eq!(digests(&world).await, [], "it was sent");
    // And before it was.
    std::fs::write(&path, format!("{begun}{}\n", unsure.replace(&at.to_string(), "7"))).expect("written");
    upkeep(&world).digest(morning(2) + 30_000).await;
    assert_eq!(digests(&world).await.len(), 1);
}

#[tokio::test]
async fn a_digest_is_bounded_and_goes_nowhere_where_nobody_reads_it() {
    let world = World::new();
    let mut upkeep = upkeep(&world);
    upkeep.digest(morning(1)).await;
    hold(&world, "bob", "poison").await;
    for number in 0..120 {
        hold(&world, "bob", &format!("number {number};")).await;
    }
    hold(&world, "dump", "nobody reads this").await;
    upkeep.digest(morning(2) + HOUR_MS).await;
    let told = digests(&world).await;
    assert_eq!((told.len(), told[0].0.as_str()), (1, "bob"));
    let text = &told[0].1;
    assert_eq!(text.matches("\r\nName: ").count(), 100);
    assert!(text.contains("Subject: 121 messages are held back") && text.contains("And 21 more"), "{text}");
    assert!(text.contains("number 119;") && !text.contains("number 19;"));
    // What breaks its parser is told of without what it says.
    hold(&world, "alice", "poison").await;
    upkeep.digest(morning(3) + HOUR_MS).await;
    let told = digests(&world).await;
    assert!(
        told.len() == 1 && told[0].1.contains("\r\nSubject: \r\n") && told[0].1.contains("\r\nFrom:    <"),
        "{told:?}"
    );
}
