//! When who collected, and how often they do.

use directory::{Pickup, Pickups};
use mail::{MailboxName, ViewName};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

fn sales() -> MailboxName {
    MailboxName::parse("sales").expect("a name")
}

fn view(name: &str) -> ViewName {
    if name.is_empty() { ViewName::owner() } else { ViewName::parse(name).expect("a view") }
}

/// What is known of alice when she collected at these times.
fn of(times: &[u64]) -> Pickup {
    let pickups = Pickups::new();
    for at in times {
        pickups.note(&sales(), &view("alice"), *at, None);
    }
    pickups.last(&sales(), &view("alice")).expect("noted")
}

#[test]
fn the_usual_interval_is_the_median_of_the_last_few() {
    assert_eq!(of(&[7]), Pickup { last_ms: 7, first_ms: 7, every_ms: None, client: None });
    assert_eq!(of(&[0, 5 * MINUTE]).every_ms, Some(5 * MINUTE));
    // Of two the shorter one: a watchdog rather asks too early than never.
    assert_eq!(of(&[0, 5 * MINUTE, 35 * MINUTE]).every_ms, Some(5 * MINUTE));
    // A night, and a holiday.
    let mut at = 0;
    let mut times = vec![at];
    for pause in [10, 10, 14 * 60, 10, 10, 10, 72 * 60, 11, 9] {
        at += pause * MINUTE;
        times.push(at);
    }
    assert_eq!((of(&times).every_ms, of(&times).last_ms, of(&times).first_ms), (Some(10 * MINUTE), at, 0));
    // Whoever changes her habit is known by the new one after a while, and not before.
    for more in 1..=15 {
        at += 24 * HOUR;
        times.push(at);
        let every = of(&times).every_ms.expect("many intervals");
        assert!(every <= 11 * MINUTE || more > 5, "after {more} days: {every}");
    }
    assert_eq!(of(&times).every_ms, Some(24 * HOUR));
}

#[test]
fn sessions_within_a_minute_are_one_pickup() {
    // An importer that takes its mail in sessions of 50, every ten minutes.
    let times: Vec<u64> =
        (0..6).flat_map(|round| (0..5).map(move |n| round * 10 * MINUTE + n * 11_000)).collect();
    let known = of(&times);
    assert_eq!((known.every_ms, known.last_ms), (Some(10 * MINUTE), 50 * MINUTE + 44_000));
    assert_eq!(of(&[0, MINUTE - 1]).every_ms, None);
    assert_eq!(of(&[0, MINUTE]).every_ms, Some(MINUTE));
}

#[test]
fn a_clock_that_is_put_back_makes_no_interval() {
    let known = of(&[100 * HOUR, HOUR, HOUR + 10 * MINUTE]);
    assert_eq!(
        (known.every_ms, known.first_ms, known.last_ms),
        (Some(10 * MINUTE), HOUR, HOUR + 10 * MINUTE)
    );
}

#[test]
fn a_mailbox_is_as_well_collected_as_its_best_view() {
    let pickups = Pickups::new();
    assert_eq!(pickups.any(&sales()), None);
    for (name, times, client) in [
        ("alice", [10 * MINUTE, 15 * MINUTE], "Thunderbird"),
        ("bob", [5 * MINUTE, 25 * MINUTE], "fetchmail"),
        ("carol", [4 * MINUTE, 14 * MINUTE], "mpop"),
    ] {
        for at in times {
            pickups.note(&sales(), &view(name), at, Some(client.into()));
        }
    }
    let any = Pickup {
        last_ms: 25 * MINUTE,
        first_ms: 4 * MINUTE,
        every_ms: Some(5 * MINUTE),
        client: Some("fetchmail".into()),
    };
    assert_eq!(pickups.any(&sales()), Some(any));
    assert_eq!(pickups.any(&MailboxName::parse("desk").expect("a name")), None);
    assert_eq!(pickups.last(&sales(), &view("")), None);
}

#[test]
fn a_client_is_one_line_and_known_of_the_last_session_alone() {
    let pickups = Pickups::new();
    pickups.note(&sales(), &view("alice"), 1, Some(format!("K-9\r\n{}é", "x".repeat(114))));
    let client = |pickups: &Pickups| pickups.last(&sales(), &view("alice")).and_then(|known| known.client);
    assert_eq!(client(&pickups), Some(format!("K-9  {}", "x".repeat(114))), "cut between two characters");
    pickups.note(&sales(), &view("alice"), 2, None);
    assert_eq!(client(&pickups), None, "what came before is not what came now");
    // Two sessions at a time, and what each shows itself to be at its end.
    pickups.note(&sales(), &view("alice"), 3, None);
    pickups.name(&sales(), &view("alice"), 2, "curl".into());
    assert_eq!(client(&pickups), None);
    let _ = pickups.changed();
    pickups.name(&sales(), &view("alice"), 3, "mpop".into());
    assert_eq!(client(&pickups), Some("mpop".into()));
    assert!(pickups.changed().is_some(), "that is new");
    pickups.name(&sales(), &view("bob"), 3, "mpop".into());
    assert_eq!(pickups.last(&sales(), &view("bob")), None, "who never came");
}

#[test]
fn what_is_kept_comes_back_and_takes_nothing_from_what_is_newer() {
    let kept = Pickups::new();
    for at in [HOUR, 2 * HOUR] {
        kept.note(&sales(), &view("alice"), at, Some("mpop".into()));
        kept.note(&sales(), &view("bob"), at, None);
    }
    let pickups = Pickups::new();
    pickups.note(&sales(), &view("alice"), 9 * HOUR, None);
    for (mailbox, view, pickup) in kept.all() {
        pickups.restore(mailbox, view, pickup);
    }
    let alice = pickups.last(&sales(), &view("alice")).expect("noted");
    assert_eq!((alice.last_ms, alice.first_ms, alice.client), (9 * HOUR, 9 * HOUR, None));
    assert_eq!(pickups.last(&sales(), &view("bob")), kept.last(&sales(), &view("bob")));
    // The interval over the time that the daemon was down is one, and what was usual outweighs it.
    for at in [40 * HOUR, 70 * HOUR] {
        pickups.note(&sales(), &view("bob"), at, None);
        assert_eq!(pickups.last(&sales(), &view("bob")).expect("noted").every_ms, Some(HOUR));
    }
}

#[test]
fn whoever_keeps_them_is_told_when_there_is_something_new() {
    let pickups = Pickups::new();
    assert!(pickups.changed().is_none());
    pickups.note(&sales(), &view("alice"), 1, None);
    assert_eq!(pickups.changed().map(|all| all.len()), Some(1));
    assert!(pickups.changed().is_none());
    pickups.restore(sales(), view("bob"), of(&[3]));
    assert!(pickups.changed().is_none(), "that is kept already");
    pickups.note(&sales(), &view("alice"), 2, None);
    assert_eq!(pickups.changed().map(|all| all.len()), Some(2));
}

#[test]
fn what_is_forgotten_is_gone_from_what_is_kept() {
    let pickups = Pickups::new();
    for name in ["alice", "bob"] {
        pickups.note(&sales(), &view(name), 1, None);
    }
    let _ = pickups.changed();
    pickups.retain(|mailbox, _| *mailbox == sales());
    assert!(pickups.changed().is_none(), "all are known");
    pickups.retain(|_, of| *of != view("bob"));
    assert_eq!(pickups.changed().map(|all| all.len()), Some(1));
    assert_eq!(pickups.last(&sales(), &view("bob")), None);
    pickups.retain(|_, _| false);
    assert!(pickups.any(&sales()).is_none() && pickups.all().is_empty());
}

/// However many there ever were, and also when all came at once.
#[test]
fn there_are_never_more_than_20_000_and_the_longest_silent_go() {
    for tick in [1, 0] {
        let pickups = Pickups::new();
        let mailbox = |n: u64| MailboxName::parse(&format!("m{}", n % 700)).expect("a name");
        let device = |n: u64| view(&format!("d{}", n / 700));
        for n in 0..20_001 {
            pickups.note(&mailbox(n), &device(n), n * tick, None);
            pickups.note(&mailbox(n), &device(n), n * tick, None);
        }
        assert_eq!(pickups.all().len(), 18_001, "a tenth goes at once");
        assert!(pickups.last(&mailbox(20_000), &device(20_000)).is_some());
        if tick > 0 {
            let there = |n: u64| pickups.last(&mailbox(n), &device(n)).is_some();
            assert_eq!((there(0), there(1_999), there(2_000)), (false, false, true));
        }
        for n in 20_001..25_000 {
            pickups.note(&mailbox(n), &device(n), n * tick, None);
            if n % 1_000 == 0 {
                assert!(pickups.all().len() <= 20_000);
            }
        }
        assert!((18_000..=20_000).contains(&pickups.all().len()));
    }
}
