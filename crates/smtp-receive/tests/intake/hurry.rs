//! What the driver tells a session of the world outside: connections are scarce, addresses are searched for, the
//! service stops.

use std::time::Duration;

use smtp_receive::{ErrorLimits, Params, Probes};

use crate::player::Player;
use crate::world::World;

fn greeted() -> Player {
    let mut player = Player::new(&Params::default(), World::default());
    player.send(b"HELO client.example\r\n");
    player
}

/// The events from the last `count` on, each as far as the codes go.
fn last(player: &Player, count: usize) -> Vec<&str> {
    let from = player.events.len() - count;
    player.events[from..].iter().map(|event| &event[..event.len().min(12)]).collect()
}

#[test]
fn in_a_flood_the_slow_and_the_confused_have_to_go() {
    let mut confused = greeted();
    confused.stress(true);
    confused.send(b"MAIL\r\n");
    assert_eq!(last(&confused, 2), ["S: 421 4.7.0", "X:"]);

    let mut slow = greeted();
    slow.stress(true);
    slow.wait(Duration::from_secs(9));
    assert!(!slow.is_closed());
    slow.wait(Duration::from_secs(1));
    assert_eq!(last(&slow, 2), ["S: 421 4.4.2", "X:"]);
}

#[test]
fn after_a_flood_all_is_as_it_was() {
    let mut player = greeted();
    player.stress(true);
    player.stress(false);
    player.send(b"MAIL\r\n");
    assert_eq!(last(&player, 1), ["S: 501 5.5.4"]);
    player.wait(Duration::from_secs(299));
    assert!(!player.is_closed());
}

/// Errors of before count: with two borne, the third is one too many, and so is the first after a third.
#[test]
fn in_a_flood_errors_of_before_count() {
    let mut params = Params { errors: ErrorLimits::unlimited(), ..Params::default() };
    params.stress.as_mut().expect("strangers have to hurry").errors = 3;
    let mut player = Player::new(&params, World::default());
    player.send(b"HELO client.example\r\nMAIL\r\n");
    player.stress(true);
    player.send(b"MAIL\r\n");
    assert_eq!(last(&player, 1), ["S: 501 5.5.4"], "{:?}", player.events);
    player.send(b"MAIL\r\n");
    assert_eq!(last(&player, 2), ["S: 421 4.7.0", "X:"]);
}

/// RFC 5321 §7.8.
#[test]
fn a_search_over_many_sessions_is_slowed_and_ended_in_each() {
    for (probes, wanted) in [
        (Probes::Borne, &["S: 550 5.1.1"][..]),
        (Probes::Slowed, &["P: 1s", "S: 550 5.1.1"]),
        (Probes::Ended, &["P: 1s", "S: 421 4.7.0", "X:"]),
    ] {
        let mut player = greeted();
        player.send(b"MAIL FROM:<a@b.example>\r\n");
        player.probed(probes);
        let before = player.events.len();
        player.send(b"RCPT TO:<guess@example.test>\r\n");
        assert_eq!(last(&player, player.events.len() - before), wanted, "{probes:?}");
    }
}

#[test]
fn a_session_knows_that_the_service_stops() {
    let mut player = greeted();
    player.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nx\r\n");
    assert!(!player.is_stopping());
    player.stop();
    assert!(player.is_stopping() && !player.is_closed());
}
