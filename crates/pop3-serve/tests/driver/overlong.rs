//! Programs that give up on a message for its long lines.

use crate::world::World;
use mail::{Event, Uid};
use queue::contract;

/// What Python's poplib takes of a line, with its CRLF.
const MOST: usize = 2048;

fn message(line: &str) -> Vec<u8> {
    format!("Subject: long\r\n\r\nshort\r\n{line}\r\nshort\r\n").into_bytes()
}

async fn deliver(world: &World, mailboxes: &[&str], octets: usize) -> Vec<Uid> {
    contract::deliver(&world.store, &message(&"x".repeat(octets - 2)), mailboxes).await
}

fn given_up(world: &World) -> Vec<(String, Uid, String)> {
    let told = world.told().into_iter().filter_map(|event| match event {
        Event::GaveUp { mailbox, view: _, uid, client } => Some((mailbox.to_string(), uid, client.login)),
        _ => None,
    });
    told.collect()
}

/// Sends these lines, reads what answers them but the last, and what comes then of that one's; then the connection is
/// gone.
async fn cut_after(world: &World, user: &str, lines: &[&str]) -> Vec<(String, Uid, String)> {
    let mut client = world.session(user).await;
    for line in lines {
        assert!(client.say(line).await.starts_with("+OK"), "{line}");
        if line.starts_with("RETR") || line.starts_with("TOP") {
            client.body().await;
        }
    }
    client.cut().await;
    given_up(world)
}

#[tokio::test]
async fn who_breaks_off_at_a_long_line_is_told_of() {
    let world = World::of_a_firm().await;
    deliver(&world, &["bob"], MOST).await;
    let long = deliver(&world, &["bob"], MOST + 1).await;
    let gave_up = vec![("bob".to_owned(), long[0], "bob".to_owned())];
    for (lines, told) in [
        (&["RETR 2"][..], &gave_up[..]),
        (&["RETR 1", "RETR 2"], &gave_up),
        (&["TOP 2 99999999"], &gave_up),
        // Lines that all programs read, a look, and a client that went on.
        (&["RETR 1"], &[]),
        (&["RETR 2", "RETR 1"], &[]),
        (&["RETR 2", "NOOP"], &[]),
        (&["TOP 2 5"], &[]),
        (&["RETR 2", "TOP 2 5"], &[]),
        (&["STAT"], &[]),
    ] {
        assert_eq!(cut_after(&world, "bob", lines).await, told, "{lines:?}");
    }
}

#[tokio::test]
async fn who_breaks_off_within_it_is_told_of_too() {
    let world = World::of_a_firm().await;
    let octets = [message(&"x".repeat(MOST)), b"line\r\n".repeat(100_000)].concat();
    let long = contract::deliver(&world.store, &octets, &["bob"]).await;
    for (command, told) in [("RETR 1", 1), ("TOP 1 100000", 1), ("TOP 1 5000", 0)] {
        let mut client = world.connect_from("127.0.0.1", 100).logged_in_as("bob").await;
        assert!(client.say(command).await.starts_with("+OK"));
        client.cut().await;
        let gave_up = given_up(&world);
        assert_eq!(gave_up.len(), told, "{command}");
        assert!(gave_up.iter().all(|(_, uid, _)| *uid == long[0]));
    }
}

/// The dot that a dot at the begin of a line gets is one more octet on the wire.
#[tokio::test]
async fn a_line_counts_as_it_goes_over_the_wire() {
    let world = World::of_a_firm().await;
    for (line, told) in [
        (format!(".{}", "x".repeat(MOST - 3)), 1),
        (format!("x.{}", "x".repeat(MOST - 4)), 0),
        (format!(".{}", "x".repeat(MOST - 4)), 0),
    ] {
        contract::deliver(&world.store, &message(&line), &["bob"]).await;
        let last = world.listed("bob", "").await.len();
        assert_eq!(cut_after(&world, "bob", &[&format!("RETR {last}")]).await.len(), told, "{}", &line[..2]);
    }
}

/// Odoo says QUIT whatever has happened.
#[tokio::test]
async fn poplib_that_quits_behind_a_message_and_leaves_it_is_told_of() {
    let world = World::of_a_firm().await;
    let long = deliver(&world, &["sales", "alice"], MOST + 1).await;
    for (deletes, like_poplib, told) in [(false, false, 0), (false, true, 2), (true, true, 0)] {
        let mut client = world.session("alice").await;
        if like_poplib {
            client.say("STAT").await;
            client.listing("LIST").await;
        }
        client.retr(1).await;
        if deletes {
            client.say("DELE 1").await;
        }
        client.quit().await;
        let gave_up = given_up(&world);
        assert_eq!(gave_up.len(), told, "{deletes} {like_poplib}");
        if told == 2 {
            let both = [("alice", long[1]), ("sales", long[0])];
            assert_eq!(gave_up, both.map(|(name, uid)| (name.to_owned(), uid, "alice".to_owned())));
        }
    }
}

/// Postmaster is told why.
#[tokio::test]
async fn it_is_told_of_before_the_message_is_put_aside_for_a_robot() {
    let world = World::of_a_firm().await;
    deliver(&world, &["sales"], MOST + 1).await;
    for _ in 0..5 {
        let mut robot = world.session("helpdesk/sales").await;
        robot.retr(1).await;
        robot.cut().await;
    }
    let told = world.told();
    let of = |is: fn(&Event) -> bool| told.iter().position(is).expect("told");
    let parked = of(|event| matches!(event, Event::Parked { .. }));
    let last = told[..parked].iter().filter(|event| matches!(event, Event::GaveUp { .. })).count();
    assert_eq!(last, 5);
}

/// A robot that breaks off long before its end: most of it was never written.
#[tokio::test]
async fn a_long_message_with_a_long_line_is_put_aside_too() {
    let world = World::of_a_firm().await;
    let octets = [message(&"x".repeat(MOST)), b"line\r\n".repeat(100_000)].concat();
    let long = contract::deliver(&world.store, &octets, &["sales"]).await;
    for _ in 0..5 {
        assert_eq!(world.listed("sales", "helpdesk").await, long);
        let mut robot = world.connect_from("127.0.0.1", 100).logged_in_as("helpdesk/sales").await;
        assert!(robot.say("RETR 1").await.starts_with("+OK"));
        robot.cut().await;
    }
    assert!(world.listed("sales", "helpdesk").await.is_empty());
    assert_eq!(world.listed("sales", "bob").await, long);
}

/// A session like Odoo's that ends with QUIT behind the message that it was sent last.
async fn run_poplib(world: &World) -> usize {
    let mut robot = world.session("helpdesk/sales").await;
    let (_, listed) = (robot.say("STAT").await, robot.listing("LIST").await.len());
    if listed > 0 {
        robot.retr(1).await;
    }
    robot.quit().await;
    listed
}

#[tokio::test]
async fn a_robot_that_says_quit_at_a_long_line_is_helped_too() {
    let world = World::of_a_firm().await;
    deliver(&world, &["sales"], MOST + 1).await;
    for _ in 0..5 {
        assert_eq!(run_poplib(&world).await, 1);
    }
    assert_eq!(run_poplib(&world).await, 0);
    // One that it can read it may leave as often as it likes: each time was well, and what broke before is forgotten.
    deliver(&world, &["sales"], MOST).await;
    for _ in 0..3 {
        for _ in 0..4 {
            let mut robot = world.session("helpdesk/sales").await;
            robot.retr(1).await;
            robot.cut().await;
        }
        assert_eq!(run_poplib(&world).await, 1);
    }
    assert_eq!(world.listed("sales", "helpdesk").await.len(), 1);
}

/// Whoever reads such lines breaks off for the network.
#[tokio::test]
async fn who_reads_long_lines_is_not_told_of() {
    let world = World::of_a_firm().await;
    deliver(&world, &["bob"], MOST + 1).await;
    let mut client = world.connect();
    client.line().await;
    client.listing("CAPA").await;
    client.say("USER bob").await;
    client.say("PASS secret").await;
    client.say("STAT").await;
    for command in ["UIDL", "LIST"] {
        client.listing(command).await;
    }
    client.retr(1).await;
    client.cut().await;
    assert_eq!(given_up(&world), []);
}
