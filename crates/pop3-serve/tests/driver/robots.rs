//! The views of robots: one session at a time, and no message imported for ever.

use std::time::Duration;

use crate::world::World;
use mail::Event;
use queue::{Maildrop, Store, contract};
use tokio::time::Instant;

const IN_USE: &str = "-ERR [IN-USE] another session has this maildrop to itself";

#[tokio::test(start_paused = true)]
async fn one_session_has_it_and_another_takes_over_when_it_falls_silent() {
    let world = World::of_a_firm().await;
    world.deliver_to(&["sales"], "one").await;
    let mut first = world.session("helpdesk/sales").await;
    first.say("DELE 1").await;
    let mut second = world.connect();
    second.line().await;
    second.say("USER helpdesk/sales").await;
    assert_eq!(second.say("PASS secret").await, IN_USE);
    tokio::time::sleep(Duration::from_secs(40)).await;
    first.say("NOOP").await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    let mut second = world.connect();
    second.line().await;
    second.say("USER helpdesk/sales").await;
    assert_eq!(second.say("PASS secret").await, IN_USE, "it was heard of 40 s ago");
    tokio::time::sleep(Duration::from_secs(21)).await;
    second.say("USER helpdesk/sales").await;
    assert!(second.say("PASS secret").await.starts_with("+OK 1 "));
    // The first is over at once, whatever it would have said.
    let taken = Instant::now();
    assert_eq!(first.rest().await, "");
    assert!(taken.elapsed() < Duration::from_secs(1));
    assert_eq!(world.listed("sales", "helpdesk").await.len(), 1);
    second.say("DELE 1").await;
    second.quit().await;
    assert!(world.listed("sales", "helpdesk").await.is_empty());
    // Its own mailbox is everybody's, and so are the views of people.
    for login in ["helpdesk", "bob/sales"] {
        let (_one, _two) = (world.session(login).await, world.session(login).await);
    }
}

/// Also when it is in the middle of something, and not waiting for the next command.
#[tokio::test(start_paused = true)]
async fn who_was_taken_over_within_a_message_gets_no_more_of_it() {
    let world = World::of_a_firm().await;
    let long = [b"A: b\r\n\r\n".as_slice(), &b"line\r\n".repeat(100_000)].concat();
    contract::deliver(&world.store, &long, &["sales"]).await;
    let mut first = world.connect_from("127.0.0.1", 100).logged_in_as("helpdesk/sales").await;
    first.send(b"RETR 1\r\nRETR 1\r\n").await;
    assert!(first.line().await.starts_with("+OK"));
    tokio::time::sleep(Duration::from_secs(61)).await;
    let mut second = world.session("helpdesk/sales").await;
    let rest = first.rest().await;
    assert!(rest.len() < long.len() / 2, "{}", rest.len());
    assert_eq!(second.say("STAT").await.split(' ').nth(1), Some("1"));
}

/// Its client reads what it asked for only when another session has the view.
#[tokio::test(start_paused = true)]
async fn who_was_taken_over_before_its_deletions_deletes_nothing() {
    let world = World::of_a_firm().await;
    let long = [b"A: b\r\n\r\n".as_slice(), &b"line\r\n".repeat(500)].concat();
    contract::deliver(&world.store, &long, &["sales"]).await;
    let mut first = world.connect_from("127.0.0.1", 100).logged_in_as("helpdesk/sales").await;
    first.send(b"RETR 1\r\nDELE 1\r\nQUIT\r\n").await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    let mut second = world.session("helpdesk/sales").await;
    assert!(!first.rest().await.ends_with("+OK bye\r\n"));
    assert_eq!(second.say("STAT").await.split(' ').nth(1), Some("1"));
    assert_eq!(world.listed("sales", "helpdesk").await.len(), 1);
}

#[tokio::test]
async fn the_next_session_of_a_robot_may_follow_at_once() {
    let world = World::of_a_firm().await;
    for number in 0..20 {
        world.deliver_to(&["sales"], &number.to_string()).await;
    }
    for round in 0..20 {
        let mut robot = world.session("helpdesk/sales").await;
        robot.retr(1).await;
        robot.say("DELE 1").await;
        // Without waiting for the server to close.
        assert_eq!(robot.say("QUIT").await, "+OK bye", "{round}");
    }
    assert!(world.listed("sales", "helpdesk").await.is_empty());
    // Not even its answer need be read to its end.
    let mut slow = world.connect_from("127.0.0.1", 4).logged_in_as("helpdesk/sales").await;
    slow.send(b"QUIT\r\n").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.session("helpdesk/sales").await.quit().await;
    assert_eq!(slow.rest().await, "+OK bye\r\n");
}

/// Ends a session of the robot that fetched all it lists, as `quits` says; how many it listed.
async fn run(world: &World, quits: bool) -> usize {
    let mut robot = world.session("helpdesk/sales").await;
    let count = robot.listing("LIST").await.len();
    for number in 1..=count {
        robot.retr(number).await;
    }
    if quits {
        robot.quit().await;
    } else {
        robot.cut().await;
    }
    count
}

#[tokio::test]
async fn a_message_that_a_robot_stumbles_over_is_put_aside_at_the_fifth_time() {
    let world = World::of_a_firm().await;
    let poison = world.deliver_to(&["sales"], "poison").await[0];
    for _ in 0..4 {
        assert_eq!(run(&world, false).await, 1);
    }
    assert!(world.told().iter().all(|event| !matches!(event, Event::Parked { .. })));
    let later = world.deliver_to(&["sales"], "later").await[0];
    assert_eq!(run(&world, false).await, 2);
    assert_eq!(world.listed("sales", "helpdesk").await, [later]);
    assert_eq!(world.listed("sales", "bob").await, [poison, later], "it stays for people");
    let parked: Vec<_> = world.told().into_iter().filter(|it| matches!(it, Event::Parked { .. })).collect();
    let [Event::Parked { mailbox, view, uid, sessions, .. }] = &parked[..] else { panic!("{parked:?}") };
    assert_eq!((mailbox.as_str(), view.as_str(), *uid, *sessions), ("sales", "helpdesk", poison, 5));
    // One session that ends well begins the count anew.
    for _ in 0..3 {
        run(&world, false).await;
    }
    run(&world, true).await;
    for _ in 0..4 {
        run(&world, false).await;
    }
    assert_eq!(world.listed("sales", "helpdesk").await, [later]);
    run(&world, false).await;
    assert!(world.listed("sales", "helpdesk").await.is_empty());
}

#[tokio::test]
async fn a_batch_that_ends_with_quit_was_fetched_well_and_begins_the_count_anew() {
    let world = World::of_a_firm().await;
    for subject in ["one", "two"] {
        world.deliver_to(&["sales"], subject).await;
    }
    for _ in 0..4 {
        run(&world, false).await;
    }
    let mut robot = world.session("helpdesk/sales").await;
    robot.send(b"RETR 2\r\nQUIT\r\n").await;
    assert!(robot.rest().await.ends_with("+OK bye\r\n"));
    let listed = world.listed("sales", "helpdesk").await;
    run(&world, false).await;
    assert_eq!(world.listed("sales", "helpdesk").await, listed[1..], "the first was not in the batch");
    for _ in 0..3 {
        run(&world, false).await;
    }
    assert_eq!(world.listed("sales", "helpdesk").await, listed[1..]);
    run(&world, false).await;
    assert!(world.listed("sales", "helpdesk").await.is_empty());
}

#[tokio::test]
async fn what_people_fetch_and_what_we_break_off_is_no_poison() {
    let world = World::of_a_firm().await;
    world.deliver_to(&["sales"], "one").await;
    for _ in 0..9 {
        let mut bob = world.session("bob/sales").await;
        bob.retr(1).await;
        bob.cut().await;
    }
    assert_eq!(world.listed("sales", "bob").await.len(), 1);
    for _ in 0..4 {
        run(&world, false).await;
    }
    // A shutdown is our doing.
    let mut robot = world.session("helpdesk/sales").await;
    robot.retr(1).await;
    world.stop.cancel();
    robot.rest().await;
    assert_eq!(world.listed("sales", "helpdesk").await.len(), 1);
    let maildrop = world.store.open(&contract::name("sales"), &contract::view("helpdesk")).await;
    assert_eq!(maildrop.expect("opened").len(), 1);
}

/// It says nothing any more: the next session takes over, or its time runs out.
#[tokio::test(start_paused = true)]
async fn a_message_that_a_robot_hangs_over_is_put_aside_too() {
    for takes_over in [true, false] {
        let world = World::of_a_firm().await;
        world.deliver_to(&["sales"], "poison").await;
        let mut robot = world.session("helpdesk/sales").await;
        for broken in 0..5 {
            assert_eq!(world.listed("sales", "helpdesk").await.len(), 1, "{broken}");
            robot.retr(1).await;
            robot = if takes_over {
                tokio::time::sleep(Duration::from_secs(61)).await;
                let next = world.session("helpdesk/sales").await;
                robot.rest().await;
                next
            } else {
                robot.rest().await;
                world.session("helpdesk/sales").await
            };
        }
        assert!(world.listed("sales", "helpdesk").await.is_empty());
    }
}

/// What it has of a person's rights it keeps: nobody else would see that again.
#[tokio::test]
async fn nothing_is_put_aside_of_the_own_mail_of_a_robot_that_collects_a_team() {
    let world = World::of_a_firm().await;
    for mailbox in ["importer", "desk"] {
        world.deliver_to(&[mailbox], "poison").await;
    }
    for _ in 0..9 {
        let mut robot = world.session("importer").await;
        for number in 1..=robot.listing("LIST").await.len() {
            robot.retr(number).await;
        }
        robot.cut().await;
    }
    assert!(world.listed("desk", "importer").await.is_empty());
    assert_eq!(world.listed("importer", "").await.len(), 1);
    let parked = world.told().into_iter().filter_map(|event| match event {
        Event::Parked { mailbox, .. } => Some(mailbox.to_string()),
        _ => None,
    });
    assert_eq!(parked.collect::<Vec<_>>(), ["desk"]);
}
