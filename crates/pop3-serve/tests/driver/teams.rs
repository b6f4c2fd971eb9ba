//! What each member of a team does is for that member alone, and what a client has got is known when it is certain.

use std::time::Duration;

use crate::world::{Client, World};
use mail::{Event, Uid, ViewName};
use queue::{Fetched, Join, Maildrop, Store, StoreError, contract};
use tokio::net::{TcpListener, TcpStream};

fn fetched(events: &[Event]) -> Vec<(&str, Uid)> {
    let fetched = |event| match event {
        &Event::Fetched { ref mailbox, uid, .. } => Some((mailbox.as_str(), uid)),
        _ => None,
    };
    events.iter().filter_map(fetched).collect()
}

#[tokio::test]
async fn one_keeps_and_one_deletes_and_nobody_notices() {
    let world = World::of_a_firm().await;
    let mut uids = Vec::new();
    for number in 1..=3 {
        uids.extend(world.deliver_to(&["sales"], &number.to_string()).await);
    }
    let mut bob = world.session("bob/sales").await;
    let (stat, names) = (bob.say("STAT").await, bob.listing("UIDL").await);
    assert_eq!(names, [1, 2, 3].map(|number| format!("{number} {}", uids[number - 1])));
    let mut alice = world.session("alice/sales").await;
    assert_eq!(alice.listing("UIDL").await, names, "the same for every member");
    for number in 1..=2 {
        alice.retr(number).await;
        assert!(alice.say(&format!("DELE {number}")).await.starts_with("+OK"));
    }
    alice.quit().await;
    assert_eq!((bob.say("STAT").await, bob.listing("UIDL").await), (stat.clone(), names.clone()));
    for number in 1..=3 {
        assert!(bob.retr(number).await.contains(&format!("Subject: {number}")));
    }
    bob.quit().await;
    assert_eq!(world.listed("sales", "alice").await, uids[2..]);
    let mut bob = world.session("bob/sales").await;
    assert_eq!((bob.say("STAT").await, bob.listing("UIDL").await), (stat, names));
    // All are done with the first one, and it stays: what a team lets go is decided elsewhere.
    for (login, number) in [("bob/sales", 1), ("helpdesk/sales", 1)] {
        let mut member = world.session(login).await;
        assert!(member.say(&format!("DELE {number}")).await.starts_with("+OK"));
        member.quit().await;
    }
    assert_eq!(world.store.usage(&contract::name("sales")).messages, 3);
    let deleted: Vec<_> = world
        .told()
        .into_iter()
        .filter_map(|event| match event {
            Event::Deleted { view, uids, client, .. } => Some((view, uids.len(), client.login)),
            _ => None,
        })
        .collect();
    let by = |view: &str, count, login: &str| (Some(contract::view(view)), count, login.to_owned());
    assert_eq!(
        deleted,
        [by("alice", 2, "alice/sales"), by("bob", 1, "bob/sales"), by("helpdesk", 1, "helpdesk/sales")]
    );
}

#[tokio::test]
async fn what_was_sent_is_fetched_when_the_client_goes_on() {
    let world = World::of_a_firm().await;
    let uid = world.deliver_to(&["sales"], "one").await[0];
    let got = async || world.view("sales", "bob").await.fetched.contains(uid);
    // It breaks before the next command.
    let mut bob = world.session("bob/sales").await;
    bob.retr(1).await;
    bob.cut().await;
    assert!(!got().await && fetched(&world.told()).is_empty());
    // In the middle of the next command.
    let mut bob = world.session("bob/sales").await;
    bob.retr(1).await;
    bob.send(b"QUI").await;
    bob.cut().await;
    assert!(!got().await && fetched(&world.told()).is_empty());
    // The client breaks off within the message.
    let mut bob = world.connect_from("127.0.0.1", 8).logged_in_as("bob/sales").await;
    bob.say("RETR 1").await;
    bob.cut().await;
    assert!(!got().await && fetched(&world.told()).is_empty());
    // Only the top.
    let mut bob = world.session("bob/sales").await;
    for command in ["TOP 1 0", "TOP 1 9999"] {
        bob.listing(command).await;
    }
    bob.quit().await;
    assert!(!got().await && fetched(&world.told()).is_empty());
    // Whatever the next command is, and however it ends.
    let mut bob = world.session("bob/sales").await;
    bob.retr(1).await;
    assert!(bob.say("STLS").await.starts_with("-ERR"));
    assert_eq!(fetched(&world.told()), [("sales", uid)]);
    bob.cut().await;
    assert!(got().await);
    assert!(!world.view("sales", "alice").await.fetched.contains(uid), "that is hers to say");
}

#[tokio::test]
async fn a_batch_is_fetched_at_its_quit_or_when_the_client_closes_in_order() {
    for (batch, counts) in [
        (&b"RETR 1\r\nQUIT\r\n"[..], true),
        (b"RETR 1\r\nNOOP\r\n", true),
        (b"RETR 1\r\n", false),
        (b"RETR 1\r\nNOOP\r\nNO", false),
        (b"TOP 1 9999\r\nQUIT\r\n", false),
        (b"TOP 1 99999999\r\nQUIT\r\n", true),
        (b"TOP 1 10000\r\nDELE 1\r\nQUIT\r\n", true),
    ] {
        let world = World::of_a_firm().await;
        let uid = world.deliver_to(&["sales"], "one").await[0];
        let mut bob = world.session("bob/sales").await;
        bob.send(batch).await;
        let first = bob.line().await;
        assert!(first.starts_with("+OK"), "{first}");
        bob.body().await;
        bob.cut().await;
        let batch = batch.escape_ascii();
        assert_eq!(world.view("sales", "bob").await.fetched.contains(uid), counts, "{batch}");
        assert_eq!(fetched(&world.told()).len(), usize::from(counts), "{batch}");
    }
}

/// RFC 1939 §7.
#[tokio::test]
async fn a_top_that_ends_before_the_message_does_is_no_fetch() {
    let world = World::of_a_firm().await;
    let long = [b"A: b\r\n\r\n".as_slice(), &b"line\r\n".repeat(10_001)].concat();
    let uid = contract::deliver(&world.store, &long, &["sales"]).await[0];
    for (lines, counts) in [(10_000, false), (10_001, true)] {
        let mut bob = world.session("bob/sales").await;
        bob.listing(&format!("TOP 1 {lines}")).await;
        bob.quit().await;
        assert_eq!(world.view("sales", "bob").await.fetched.contains(uid), counts, "{lines}");
    }
}

#[tokio::test]
async fn whoever_does_not_take_what_it_asked_for_deletes_nothing() {
    let world = World::of_a_firm().await;
    let long = [b"A: b\r\n\r\n".as_slice(), &b"line\r\n".repeat(1000)].concat();
    contract::deliver(&world.store, &long, &["bob"]).await;
    let mut bob = world.connect_from("127.0.0.1", 100).logged_in_as("bob").await;
    bob.send(b"RETR 1\r\nDELE 1\r\nQUIT\r\n").await;
    assert!(bob.line().await.starts_with("+OK"));
    bob.cut().await;
    assert_eq!(world.listed("bob", "").await.len(), 1);
}

/// A poll with nothing new writes nothing, and what a view was offered is known without a fetch.
#[tokio::test]
async fn what_a_view_was_offered_is_written_once() {
    let world = World::of_a_firm().await;
    let first = world.deliver_to(&["sales"], "one").await[0];
    world.session("bob/sales").await.cut().await;
    assert_eq!(world.view("sales", "bob").await.offered, first);
    assert!(world.view("sales", "bob").await.fetched.is_empty());
    // Whatever would be written would fail, and be told.
    world.store.fail_at(1, StoreError::Unavailable);
    for _ in 0..3 {
        let mut bob = world.session("bob/sales").await;
        bob.listing("UIDL").await;
        bob.quit().await;
    }
    let seen = Fetched {
        mailbox: contract::name("sales"),
        view: contract::view("bob"),
        uids: Vec::new(),
        offered: first,
    };
    assert!(world.store.seen(seen.clone()).await.is_err(), "nobody has used up the failure");
    // Nor what is known to be fetched.
    for known in [false, true] {
        if known {
            world.store.fail_at(1, StoreError::Unavailable);
        }
        let mut bob = world.session("bob/sales").await;
        bob.retr(1).await;
        bob.quit().await;
        assert!(world.view("sales", "bob").await.fetched.contains(first));
    }
    assert!(world.store.seen(seen).await.is_err(), "nobody has used up the failure");
    let second = world.deliver_to(&["sales"], "two").await[0];
    world.session("bob/sales").await.quit().await;
    assert_eq!(world.view("sales", "bob").await.offered, second);
    assert_eq!(world.view("sales", "alice").await.offered, Uid(0));
}

#[tokio::test]
async fn what_was_fetched_is_remembered_within_a_long_session_and_costs_no_response() {
    let world = World::of_a_firm().await;
    for number in 0..150 {
        world.deliver_to(&["sales"], &number.to_string()).await;
    }
    // The first that is told is not kept, and nothing comes of that but that it is told again another time.
    world.store.fail_at(1, StoreError::Unavailable);
    let mut bob = world.session("bob/sales").await;
    for number in 1..=101 {
        bob.retr(number).await;
    }
    bob.say("NOOP").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(world.view("sales", "bob").await.fetched.is_empty());
    for number in 1..=150 {
        bob.retr(number).await;
    }
    bob.say("NOOP").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!world.view("sales", "bob").await.fetched.is_empty(), "long before its end");
    bob.cut().await;
    let listed = world.listed("sales", "bob").await;
    let state = world.view("sales", "bob").await;
    assert!(listed[1..100].iter().all(|uid| state.fetched.contains(*uid)));
    assert_eq!((state.fetched.runs().count(), state.offered), (1, listed[149]));
}

/// Also what was fetched since the store was told last.
#[tokio::test]
async fn what_was_fetched_is_remembered_before_it_is_deleted() {
    let world = World::of_a_firm().await;
    for number in 0..102 {
        world.deliver_to(&["sales"], &number.to_string()).await;
    }
    let listed = world.listed("sales", "bob").await;
    let mut bob = world.session("bob/sales").await;
    for number in 1..=101 {
        bob.retr(number).await;
    }
    bob.say("NOOP").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(world.view("sales", "bob").await.fetched.contains(listed[0]), "told by now");
    bob.retr(102).await;
    assert!(bob.say("DELE 102").await.starts_with("+OK"));
    bob.quit().await;
    let state = world.view("sales", "bob").await;
    assert!(state.done.contains(listed[101]) && state.fetched.contains(listed[101]));
}

#[tokio::test]
async fn a_shared_login_that_keeps_deletes_nothing_and_says_so() {
    let world = World::of_a_firm().await;
    let uid = world.deliver_to(&["desk"], "one").await[0];
    let mut desk = world.session("desk").await;
    desk.retr(1).await;
    assert!(desk.say("DELE 1").await.starts_with("+OK"));
    desk.quit().await;
    assert_eq!(world.listed("desk", "").await.len(), 1);
    assert!(world.view("desk", "").await.fetched.contains(uid), "it is one of the views");
    assert!(world.told().iter().all(|event| !matches!(event, Event::Deleted { .. })));
    let mut bob = world.session("bob/desk").await;
    assert!(bob.say("DELE 1").await.starts_with("+OK"));
    bob.quit().await;
    assert!(world.listed("desk", "bob").await.is_empty());
    assert_eq!(world.listed("desk", "").await.len(), 1);
}

#[tokio::test]
async fn a_shared_login_that_trashes_takes_it_from_all_members_and_it_comes_back() {
    let world = World::of_a_firm().await;
    let counter = contract::name("counter");
    // Also where a releaser decides: it does not decide of what the firm's own login throws away.
    world.store.join(&counter, &ViewName::releaser(), Join::All).await.expect("joined");
    let mut uids = world.deliver_to(&["counter"], "spam").await;
    uids.extend(world.deliver_to(&["counter"], "order").await);
    let mut bob = world.session("bob/counter").await;
    let mut all = world.session("counter").await;
    assert!(all.say("DELE 1").await.starts_with("+OK"));
    all.quit().await;
    assert!(bob.retr(1).await.contains("Subject: spam"), "who had it in her list reads it to the end");
    assert!(bob.say("DELE 2").await.starts_with("+OK"));
    bob.quit().await;
    for (view, listed) in [("", &uids[1..]), ("bob", &[])] {
        assert_eq!(world.listed("counter", view).await, listed, "{view:?}");
    }
    let in_trash = world.store.trashed(&counter, Uid(0), 9).await.expect("told");
    assert_eq!(
        in_trash.iter().map(|it| it.uid).collect::<Vec<_>>(),
        uids[..1],
        "a member's DELE is hers alone"
    );
    let deleted: Vec<_> = world
        .told()
        .into_iter()
        .filter_map(|event| match event {
            Event::Deleted { view, uids, .. } => Some((view, uids)),
            _ => None,
        })
        .collect();
    assert_eq!(
        deleted,
        [(None, vec![uids[0]]), (Some(contract::view("bob")), vec![uids[1]])],
        "the trace says that it has gone for all"
    );
    let undone = world.store.undo(&counter, &contract::view("bob"), vec![uids[0]]).await.expect("undone");
    assert_eq!(world.listed("counter", "bob").await, [undone[0].now]);
}

/// She is done with it all the same, and nobody is told that it is gone for the others.
#[tokio::test]
async fn what_cannot_be_taken_from_all_members_stays_theirs() {
    let world = World::of_a_firm().await;
    world.deliver_to(&["counter"], "spam").await;
    let mut all = world.session("counter").await;
    assert!(all.say("DELE 1").await.starts_with("+OK"));
    world.store.fail_at(2, StoreError::Unavailable);
    all.quit().await;
    assert!(world.listed("counter", "").await.is_empty());
    assert_eq!(world.listed("counter", "bob").await.len(), 1);
    let told = world.told();
    let deleted: Vec<_> = told.iter().filter(|event| matches!(event, Event::Deleted { .. })).collect();
    let [Event::Deleted { view: Some(view), .. }] = &deleted[..] else { panic!("{deleted:?}") };
    assert_eq!(*view, ViewName::owner());
}

/// RFC 2449 §6.7.
#[tokio::test]
async fn every_login_is_told_how_long_its_own_mail_is_kept_at_least() {
    let world = World::of_a_firm().await;
    for (login, told) in [
        ("alice", "EXPIRE NEVER"),
        ("alice/sales", "EXPIRE NEVER"),
        ("alice+trash", "EXPIRE 7"),
        ("alice+quarantine", "EXPIRE 30"),
        ("counter", "EXPIRE 30"),
        ("bob/counter", "EXPIRE 30"),
    ] {
        let mut session = world.session(login).await;
        assert!(session.listing("CAPA").await.contains(&told.to_owned()), "{login}");
        session.quit().await;
    }
}

#[tokio::test]
async fn a_mailbox_of_devices_loses_what_all_are_done_with_to_its_trash() {
    let world = World::of_a_firm().await;
    let uid = world.deliver_to(&["alice"], "one").await[0];
    for (login, left, trashed) in [("alice+phone", 1, 0), ("alice", 0, 1)] {
        let mut client = world.session(login).await;
        assert!(client.say("DELE 1").await.starts_with("+OK"));
        client.quit().await;
        assert_eq!(world.store.usage(&contract::name("alice")).messages, left, "{login}");
        let in_trash = world.store.trashed(&contract::name("alice"), Uid(0), 9).await.expect("told");
        assert_eq!(in_trash.len(), trashed, "{login}");
    }
    let deleted = world.told().into_iter().filter_map(|event| match event {
        Event::Deleted { view, uids, client, .. } => {
            Some((client.login, view.map(|view| view.to_string()), uids))
        }
        _ => None,
    });
    let expected = [("alice+phone", Some("phone".to_owned())), ("alice", None)];
    let expected = expected.map(|(login, view)| (login.to_owned(), view, vec![uid]));
    assert_eq!(deleted.collect::<Vec<_>>(), expected, "gone is what no other device lists");
    // A look into the trash is no pickup, and deletes for good.
    assert!(world.pickups.last(&contract::name("alice"), &contract::view("phone")).is_some());
    let before = world.pickups.all().len();
    let mut trash = world.session("alice+trash").await;
    assert_eq!(trash.listing("UIDL").await, [format!("1 {uid}")]);
    assert!(trash.retr(1).await.contains("Subject: one"));
    assert!(trash.listing("TOP 1 0").await.contains(&"Subject: one".to_owned()));
    assert!(trash.say("DELE 1").await.starts_with("+OK"));
    trash.quit().await;
    let maildrop = world.store.open(&contract::name("alice").trash(), &contract::view("")).await;
    assert!(maildrop.expect("opened").is_empty());
    world.session("alice+quarantine").await.quit().await;
    assert_eq!(world.pickups.all().len(), before);
}

#[tokio::test]
async fn whoever_is_there_is_listed_and_noted() {
    let world = World::of_a_firm().await;
    world.deliver_to(&["sales"], "one").await;
    let mut bob = world.session("BOB/sales").await;
    bob.say("STAT").await;
    bob.listing("LIST").await;
    bob.retr(1).await;
    bob.say("DELE 1").await;
    bob.say("NOOP").await;
    let mut alice = world.session("alice/sales").await;
    alice.listing("TOP 1 0").await;
    let octets = alice.retr(1).await.lines().map(|line| line.len() as u64 + 2).sum::<u64>();
    alice.say("NOOP").await;
    let mut present = world.registry.present();
    assert_eq!(present.len(), 2);
    let other = present.remove(1);
    assert_eq!((other.login.as_str(), other.tally.tops, other.tally.retr_octets), ("alice/sales", 1, octets));
    alice.quit().await;
    assert_eq!(world.registry.present(), present);
    let one = &present[0];
    assert_eq!((one.login.as_str(), &one.views[..]), ("BOB/sales", &["sales/bob".to_owned()][..]));
    assert_eq!((one.tally.retrs, one.tally.marked, one.messages, one.tls), (1, 1, 1, None));
    assert_eq!(one.program, pop3_serve::Program::Poplib);
    assert_eq!(one.ip, Some([127, 0, 0, 1].into()));
    bob.quit().await;
    assert!(world.registry.present().is_empty());
    let noted = world.pickups.last(&contract::name("sales"), &contract::view("bob")).expect("noted");
    assert_eq!(noted.client.as_deref(), Some("Python poplib (Odoo)"));
    assert!(world.pickups.last(&contract::name("bob"), &contract::view("")).is_none());
}

/// Whoever was there is told by the last session alone: of one that shows too little nothing is said, and not what the
/// one before was.
#[tokio::test]
async fn a_program_is_noted_of_its_own_session_alone() {
    let world = World::of_a_firm().await;
    let noted = || world.pickups.last(&contract::name("sales"), &contract::view("bob")).expect("noted");
    let mut bob = world.session("bob/sales").await;
    bob.say("STAT").await;
    bob.listing("LIST").await;
    bob.quit().await;
    let first = noted();
    assert_eq!(first.client.as_deref(), Some("Python poplib (Odoo)"));
    tokio::time::sleep(Duration::from_millis(5)).await;
    let mut bob = world.session("bob/sales").await;
    assert_eq!(noted().client, None, "it has shown nothing yet");
    bob.say("NOOP").await;
    bob.quit().await;
    assert_eq!(noted().client, None);
    assert!(noted().last_ms > first.last_ms);
}

/// Of several that go at once each is told as it is.
#[tokio::test]
async fn what_another_device_lists_is_told_to_stay_and_the_rest_to_be_gone() {
    let world = World::of_a_firm().await;
    let one = world.deliver_to(&["alice"], "one").await;
    let uids = [one, world.deliver_to(&["alice"], "two").await].concat();
    let told = || -> Vec<(Option<ViewName>, Vec<Uid>)> {
        let deleted = world.told().into_iter().filter_map(|event| match event {
            Event::Deleted { view, uids, .. } => Some((view, uids)),
            _ => None,
        });
        deleted.collect()
    };
    let mut phone = world.session("alice+phone").await;
    assert!(phone.say("DELE 1").await.starts_with("+OK"));
    phone.quit().await;
    assert_eq!(told(), [(Some(contract::view("phone")), uids[..1].to_vec())]);
    let mut own = world.session("alice").await;
    assert!(own.say("DELE 1").await.starts_with("+OK") && own.say("DELE 2").await.starts_with("+OK"));
    own.quit().await;
    assert_eq!(told(), [(Some(ViewName::owner()), uids[1..2].to_vec()), (None, uids[..1].to_vec())]);
}

/// A client that dies with all of it unread has nothing, however many commands it had sent at once.
#[tokio::test]
async fn who_closes_without_reading_has_fetched_nothing() {
    let world = World::of_a_firm().await;
    let uids =
        [world.deliver_to(&["sales"], "one").await, world.deliver_to(&["sales"], "two").await].concat();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bound");
    for reads in [false, true] {
        let client = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("listening");
        let (ours, _) = listener.accept().await.expect("taken");
        let served = world.serve(ours, "127.0.0.1", false);
        let mut client = Client::new(client, served).logged_in_as("bob/sales").await;
        client.send(b"RETR 1\r\nRETR 2\r\n").await;
        if reads {
            for _ in 0..2 {
                assert!(client.line().await.starts_with("+OK"));
                client.body().await;
            }
        }
        client.cut().await;
        let fetched = world.view("sales", "bob").await.fetched;
        assert!(uids.iter().all(|uid| fetched.contains(*uid) == reads), "{reads}");
    }
}
