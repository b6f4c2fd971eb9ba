use super::*;

#[tokio::test]
async fn whoever_stays_away_is_told_once_and_stands_in_status_until_he_is_back() {
    let robot = MemberSpec { robot: true, ..member("desk") };
    let world = World::new(&Setup { members: vec![member("alice"), robot], ..Setup::default() });
    let mut upkeep = world.upkeep();
    let collect = |mailbox: &str, of: &str| {
        let of = ViewName::kept(of).expect("a name");
        world.pickups.note(&name(mailbox), &of, world.now_ms.get(), None);
    };
    for _ in 0..6 {
        collect("sales", "desk");
        collect("bob", "");
        world.pass(2 * MINUTE);
    }
    world.look(&mut upkeep).await;
    let standing = || world.concerns.standing().into_iter().map(|it| it.text).collect::<Vec<_>>();
    assert!(standing().is_empty());
    world.pass(18 * MINUTE);
    world.look(&mut upkeep).await;
    assert!(standing().is_empty(), "ten times what is usual");
    world.pass(2 * MINUTE);
    world.look(&mut upkeep).await;
    assert_eq!(standing(), ["the poller of desk stopped: it has not collected sales for 22 min"]);
    // A mailbox of which all was collected is silent for good reason.
    world.later(&mut upkeep, 27 * HOUR).await;
    assert_eq!(standing().len(), 1);
    let mut envelope = queue::contract::envelope(&["bob"]);
    envelope.trace.received_ms = world.now_ms.get();
    let id = world.store.incoming(None).expect("admitted").commit(envelope).await.expect("committed");
    world.store.deliver(vec![queue::contract::route(id, &["bob"])]).await.expect("delivered");
    world.pass(MINUTE);
    world.look(&mut upkeep).await;
    assert_eq!(standing()[0], "bob@example.test was not collected by anyone for 27 h");
    let silent: Vec<_> = world.concerns.standing().into_iter().filter_map(|concern| concern.silent).collect();
    assert_eq!(silent, [(name("bob"), ViewName::owner()), (name("sales"), view("desk"))]);
    let mut upkeep = world.upkeep();
    world.later(&mut upkeep, DAY).await;
    let reports = world.reports().await.join("\n");
    assert_eq!(reports.matches("the poller of desk stopped").count(), 1, "{reports}");
    assert_eq!(reports.matches("bob@example.test was not collected").count(), 1, "{reports}");
    collect("sales", "desk");
    collect("bob", "");
    world.look(&mut upkeep).await;
    assert!(standing().is_empty());
}

/// What was there at the last pickup has been seen, and a client may leave it on the server.
#[tokio::test]
async fn only_mail_that_nobody_has_seen_is_missed() {
    let mut world = World::new(&Setup::default());
    world.care.watchdog.ignore = vec![name("alice")];
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let mail = async |mailbox: &str| {
        let mut envelope = queue::contract::envelope(&[mailbox]);
        envelope.trace.received_ms = world.now_ms.get();
        let id = world.store.incoming(None).expect("admitted").commit(envelope).await.expect("committed");
        world.store.deliver(vec![queue::contract::route(id, &[mailbox])]).await.expect("delivered");
    };
    let standing = || world.concerns.standing().into_iter().map(|it| it.text).collect::<Vec<_>>();
    for _ in 0..6 {
        world.pass(2 * MINUTE);
        for mailbox in ["alice", "bob"] {
            world.pickups.note(&name(mailbox), &ViewName::owner(), world.now_ms.get(), None);
        }
    }
    for mailbox in ["alice", "bob"] {
        mail(mailbox).await;
    }
    world.later(&mut upkeep, 30 * HOUR).await;
    assert!(standing().is_empty(), "it was there when they came");
    for mailbox in ["alice", "bob"] {
        mail(mailbox).await;
    }
    world.look(&mut upkeep).await;
    assert_eq!(standing(), ["bob@example.test was not collected by anyone for 30 h"]);
    // He comes, and what comes then waits for its time.
    world.pickups.note(&name("bob"), &ViewName::owner(), world.now_ms.get(), None);
    world.pass(MINUTE);
    mail("bob").await;
    world.later(&mut upkeep, 26 * HOUR - MINUTE).await;
    assert!(standing().is_empty(), "26 h, and no longer");
    world.pass(1000);
    world.look(&mut upkeep).await;
    assert_eq!(standing().len(), 1);
    // Of a mailbox that is collected every twelve hours thrice that is to be expected.
    for _ in 0..16 {
        world.pass(12 * HOUR);
        world.pickups.note(&name("bob"), &ViewName::owner(), world.now_ms.get(), None);
    }
    world.pass(MINUTE);
    mail("bob").await;
    world.later(&mut upkeep, 36 * HOUR - MINUTE).await;
    assert!(standing().is_empty());
    world.later(&mut upkeep, MINUTE).await;
    assert_eq!(standing().len(), 1);
}

/// As many messages are there as before, and one of them is new.
#[tokio::test]
async fn mail_that_takes_the_place_of_what_has_gone_is_missed_too() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let mail = async |body: &[u8], came_ms: u64| {
        let mut envelope = queue::contract::envelope(&["bob"]);
        envelope.trace.received_ms = came_ms;
        let mut incoming = world.store.incoming(None).expect("admitted");
        incoming.write(body).await.expect("taken");
        let id = incoming.commit(envelope).await.expect("committed");
        world.store.deliver(vec![queue::contract::route(id, &["bob"])]).await.expect("delivered");
    };
    for _ in 0..6 {
        world.pass(2 * MINUTE);
        world.pickups.note(&name("bob"), &ViewName::owner(), world.now_ms.get(), None);
    }
    mail(b"old\r\n", world.now_ms.get()).await;
    world.later(&mut upkeep, 30 * HOUR).await;
    assert!(world.concerns.standing().is_empty(), "it was there when he came");
    let seen = listed(&world.store, "bob", "").await;
    world.store.purge(&name("bob"), seen).await.expect("purged");
    mail(b"a new one\r\n", world.now_ms.get()).await;
    world.look(&mut upkeep).await;
    assert_eq!(world.concerns.standing().len(), 1);
}

/// What is not told yet stays as it is written down.
#[tokio::test]
async fn a_report_that_is_full_is_written_down_once() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    for _ in 0..3 {
        (0..100).for_each(|number| world.concerns.note(format!("thing {number}.")));
        world.look(&mut upkeep).await;
    }
    let written = || std::fs::read_to_string(world.folder.path().join("views")).expect("written");
    let first = written();
    assert_eq!(first.matches("There was more than fits").count(), 1);
    for _ in 0..3 {
        world.pass(10_000);
        world.look(&mut upkeep).await;
        assert_eq!(written(), first);
    }
    world.concerns.note("one more.");
    world.look(&mut upkeep).await;
    assert_eq!(written(), first);
}

#[tokio::test]
async fn postmaster_hears_once_a_day_at_most_over_starts_too() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.concerns.note("first");
    world.look(&mut upkeep).await;
    assert!(world.reports().await.is_empty(), "others may follow");
    world.concerns.note("second");
    world.pass(MINUTE - 1);
    world.look(&mut upkeep).await;
    assert!(world.reports().await.is_empty());
    world.pass(MINUTE);
    world.look(&mut upkeep).await;
    let reports = world.reports().await;
    assert!(reports.len() == 1 && reports[0].contains("first second"), "{reports:?}");
    world.concerns.note("third");
    world.later(&mut upkeep, 23 * HOUR).await;
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    assert!(world.reports().await.is_empty());
    world.later(&mut upkeep, HOUR).await;
    assert!(world.reports().await[0].contains("third"));
    world.later(&mut upkeep, 3 * DAY).await;
    assert!(world.reports().await.is_empty(), "nothing to say");
}

/// Of so many things at once that nobody reads them all, the first are told.
#[tokio::test]
async fn a_report_has_two_hundred_lines_at_most_and_says_that_there_was_more() {
    for (things, is_cut) in [(200, false), (201, true)] {
        let world = World::new(&Setup::default());
        let mut upkeep = world.upkeep();
        for number in 0..things {
            world.concerns.note(format!("thing-{number}."));
            if number % 100 == 99 {
                world.look(&mut upkeep).await;
            }
        }
        world.look(&mut upkeep).await;
        world.pass(MINUTE);
        world.look(&mut upkeep).await;
        let report = world.reports().await.join("\n");
        assert_eq!((report.matches("thing-").count(), report.contains("thing-200.")), (200, false));
        assert_eq!(report.contains("There was more than fits here"), is_cut);
    }
}

/// Its members come and go, and nobody logs in as the team itself.
#[tokio::test]
async fn a_team_that_none_of_its_members_collects_is_missed() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    for _ in 0..6 {
        world.pass(2 * MINUTE);
        for of in ["alice", "bob"] {
            world.pickups.note(&name("sales"), &view(of), world.now_ms.get(), None);
        }
    }
    let mut envelope = queue::contract::envelope(&["sales"]);
    envelope.trace.received_ms = world.now_ms.get() + 1;
    let id = world.store.incoming(None).expect("admitted").commit(envelope).await.expect("committed");
    world.store.deliver(vec![queue::contract::route(id, &["sales"])]).await.expect("delivered");
    world.later(&mut upkeep, 27 * HOUR).await;
    let standing: Vec<_> = world.concerns.standing().into_iter().map(|it| it.text).collect();
    assert_eq!(standing, ["sales@example.test was not collected by anyone for 27 h"]);
}
