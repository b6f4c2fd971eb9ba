use std::collections::BTreeMap;

use super::*;
use crate::days::goes;
use crate::{Day, Rule, Seat, Sum};

const SECONDS: u64 = DAY / 1000;

fn day(ms: u64, messages: u64) -> Day {
    let time = jiff::Timestamp::from_millisecond(i64::try_from(ms).expect("small")).expect("a time");
    Day { day: time.to_string()[..10].to_owned(), messages }
}

#[tokio::test]
async fn an_overview_says_who_has_what_and_when_it_goes() {
    let robot = MemberSpec { robot: true, ..member("desk") };
    let bob = MemberSpec { mirrors: Some(true), ..member("bob") };
    let ignore_absent = Some(days(60));
    let rule = release(When::AllFetched).map(|release| Release { ignore_absent, ..release });
    let world =
        World::new(&Setup { members: vec![member("alice"), bob, robot], release: rule, ..Setup::default() });
    let mut upkeep = world.upkeep();
    let early = world.mail("sales", 1).await;
    let octets = world.store.usage(&name("sales")).octets;
    let sum = |messages: u64| Sum { messages, octets: messages * octets };
    let nobody = world.overview().await;
    assert_eq!((nobody.holds, nobody.held_back, nobody.members[0].joined_ms), (sum(1), sum(1), None));
    world.look(&mut upkeep).await;
    let uids: Vec<Uid> = early.into_iter().chain(world.mail("sales", 3).await).collect();
    let fetchmail = Some("fetchmail".to_owned());
    world.pickups.note(&name("sales"), &view("alice"), START, fetchmail.clone());
    world.fetch("alice", &uids).await;
    world.fetch("desk", &uids[..3]).await;
    world.delete("sales", "desk", &uids[..1], Unwanted::Stays).await;
    world.delete("sales", "bob", &uids[..2], Unwanted::Stays).await;
    world.pass(MINUTE);
    world.look(&mut upkeep).await;
    let seat =
        |view: &str| Seat { view: view.into(), is_declared: true, joined_ms: Some(START), ..Seat::default() };
    let expected = Overview {
        mailbox: "sales".into(),
        release: Some(Rule {
            when: "all-fetched".into(),
            hold_seconds: 14 * SECONDS,
            max_age_seconds: Some(365 * SECONDS),
            ignore_absent_seconds: Some(60 * SECONDS),
        }),
        trash_seconds: Some(7 * SECONDS),
        shared: false,
        holds: sum(4),
        released: sum(2),
        held_back: sum(2),
        members: vec![
            Seat { last_pickup_ms: Some(START), client: fetchmail, fetched: sum(4), ..seat("alice") },
            Seat {
                mirrors: true,
                waiting: sum(2),
                done: 2,
                holds_back: sum(2),
                holds_since_ms: Some(1),
                ..seat("bob")
            },
            Seat {
                robot: true,
                waiting: sum(1),
                fetched: sum(2),
                done: 1,
                holds_back: sum(1),
                holds_since_ms: Some(1),
                ..seat("desk")
            },
        ],
        goes: vec![day(START + MINUTE + 14 * DAY, 2)],
        ..Overview::default()
    };
    assert_eq!(world.overview().await, expected);
    world.pass(DAY);
    world.delete("sales", "bob", &uids[2..3], Unwanted::Stays).await;
    world.look(&mut upkeep).await;
    let seen = world.overview().await;
    assert_eq!((seen.released, seen.held_back), (sum(3), sum(1)));
    assert_eq!(seen.goes, [day(START + MINUTE + 14 * DAY, 2), day(START + MINUTE + 15 * DAY, 1)]);
    world.later(&mut upkeep, 13 * DAY).await;
    let seen = world.overview().await;
    assert_eq!((seen.holds, seen.released, seen.held_back, seen.trash), (sum(2), sum(1), sum(1), sum(2)));
    assert_eq!((seen.members[1].done, seen.members[2].done), (1, 0), "of what is here");
}

#[tokio::test]
async fn an_overview_tells_what_nobody_that_counts_has_had() {
    let robot = MemberSpec { robot: true, ..member("desk") };
    let world = World::new(&Setup { members: vec![member("alice"), robot], ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    world.fetch("desk", &uids).await;
    let alice = MemberSpec { from: JoinFrom::Now, ..member("bob") };
    let robot = MemberSpec { robot: true, ..member("desk") };
    world.directory.replace(Setup { members: vec![alice, robot], ..Setup::default() }.table());
    world.later(&mut upkeep, 15 * DAY).await;
    let seen = world.overview().await;
    assert_eq!((seen.unread.messages, seen.held_back.messages, seen.released.messages), (1, 0, 0));
}

/// It was a plain mailbox a moment ago, whose owner had deleted what a phone of hers still had.
#[tokio::test]
async fn an_overview_of_a_team_that_nobody_has_looked_at_counts_nothing_as_let_go() {
    let world = World::new(&Setup::default());
    for joins in [ViewName::owner(), view("phone")] {
        world.store.join(&name("sales"), &joins, queue::Join::All).await.expect("joined");
    }
    let uids = world.mail("sales", 3).await;
    world.delete("sales", "", &uids[..2], Unwanted::ToTrash).await;
    let seen = world.overview().await;
    assert_eq!((seen.holds.messages, seen.held_back.messages, seen.released.messages), (3, 3, 0));
}

/// No day is named for what stays until somebody has it, or has come.
#[tokio::test]
async fn an_overview_names_a_day_only_for_what_goes_then() {
    let with = |members: &[&str], when: When| {
        let members = members.iter().map(|login| member(login)).collect();
        let ignore_absent = Some(days(60));
        let rule = release(when).map(|release| Release { hold: days(90), ignore_absent, ..release });
        Setup { members, release: rule, ..Setup::default() }.table()
    };
    let seen = async |world: &World| {
        let seen = world.overview().await;
        let goes: u64 = seen.goes.iter().map(|day| day.messages).sum();
        let by: Vec<_> = seen.members.iter().map(|seat| seat.holds_back.messages).collect();
        ([seen.released.messages, seen.held_back.messages, goes], by)
    };
    let world = World::new(&Setup::default());
    world.directory.replace(with(&["alice"], When::AllFetched));
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 2).await;
    world.fetch("alice", &uids).await;
    world.look(&mut upkeep).await;
    assert_eq!(seen(&world).await, ([2, 0, 2], vec![0]));
    // A team that lets nothing go, also what it had released before.
    world.directory.replace(with(&["alice"], When::Never));
    assert_eq!(seen(&world).await, ([0, 2, 0], vec![0]));
    // bob is named, and nobody has let him join yet.
    world.directory.replace(with(&["alice", "bob"], When::AllFetched));
    assert_eq!(seen(&world).await, ([0, 2, 0], vec![0, 0]));
    world.look(&mut upkeep).await;
    assert_eq!(seen(&world).await, ([0, 2, 0], vec![0, 2]));
    world.later(&mut upkeep, 10 * DAY).await;
    // He is taken out and may come back, and alice does not come any more.
    world.directory.replace(with(&["alice"], When::AllFetched));
    world.later(&mut upkeep, 70 * DAY).await;
    assert!(world.overview().await.members[0].is_absent);
    assert_eq!(seen(&world).await, ([0, 2, 0], vec![0, 2]));
    world.later(&mut upkeep, 15 * DAY).await;
    assert!(world.trash("sales").await.is_empty(), "it was released 95 days ago");
    world.later(&mut upkeep, 7 * DAY).await;
    assert_eq!(world.trash("sales").await, uids, "he has left");
}

#[test]
fn what_goes_late_is_told_of_the_last_day_that_is_told() {
    let rule = release(When::AllFetched).expect("one");
    let two_a_day = |day: u64| {
        let begin = START + day * DAY;
        [(begin, vec![Uid(1)]), (begin + DAY / 2, vec![Uid(2), Uid(3)])]
    };
    let all: BTreeMap<u64, Vec<Uid>> = (0..70).flat_map(two_a_day).collect();
    let told = goes(&rule, &all, 0);
    assert_eq!((told.len(), told.iter().map(|day| day.messages).sum::<u64>()), (60, 210));
    assert!(told[59].messages > 30 && told[1..59].iter().all(|day| day.messages == 3), "{told:?}");
    assert!(goes(&Release { when: When::Never, ..rule }, &all, 0).is_empty());
}

/// In the first day of running, and while the clock is in doubt, nobody leaves and nothing goes, whatever is due.
#[tokio::test]
async fn an_overview_names_no_day_before_anything_can_go() {
    let brief = |members: &[&str]| {
        let members = members.iter().map(|login| member(login)).collect();
        let rule = release(When::AllFetched).map(|release| Release {
            hold: days(1) / 24,
            max_age: Some(days(1) / 12),
            ..release
        });
        Setup { members, release: rule, ..Setup::default() }
    };
    let world = World::new(&brief(&["alice", "bob"]));
    std::fs::remove_file(world.folder.path().join("upkeep")).expect("removed");
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 2).await;
    world.fetch("alice", &uids[..1]).await;
    world.fetch("bob", &uids[..1]).await;
    world.directory.replace(brief(&["alice"]).table());
    world.pass(MINUTE);
    world.look(&mut upkeep).await;
    let (begins, seen) = (START + DAY, world.overview().await);
    assert_eq!(seen.suspended_until_ms, Some(begins));
    assert_eq!((seen.goes, seen.ages), (vec![day(begins, 1)], vec![day(begins, 1)]));
    assert_eq!((seen.members[1].left_ms, seen.members[1].leaves_ms), (Some(START + MINUTE), Some(begins)));
    world.pass(23 * HOUR);
    world.look(&mut upkeep).await;
    assert!(world.trash("sales").await.is_empty());
    assert_eq!(world.overview().await.suspended_until_ms, Some(begins));
    world.pass(HOUR);
    world.look(&mut upkeep).await;
    assert_eq!((world.trash("sales").await, world.views("sales").await.len()), (uids, 2));
    let seen = world.overview().await;
    assert_eq!((seen.suspended_until_ms, seen.goes.len()), (None, 0));
}

/// While the clock is in doubt everybody counts as present; and what it jumped over has not passed.
#[tokio::test]
async fn an_overview_goes_by_the_clock_that_the_releaser_goes_by() {
    let rule = release(When::AllFetched).map(|release| Release { ignore_absent: Some(days(20)), ..release });
    let world = World::new(&Setup { release: rule, ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 21 * DAY).await;
    let uids = world.mail("sales", 1).await;
    world.pickups.note(&name("sales"), &view("alice"), world.now_ms.get(), None);
    world.fetch("alice", &uids).await;
    world.fetch("bob", &uids).await;
    world.look(&mut upkeep).await;
    let (seen, bob) = (world.overview().await, 1);
    let released_ms = world.now_ms.get();
    assert_eq!((seen.members[bob].is_absent, seen.members[bob].lapses_ms), (true, Some(START + 20 * DAY)));
    assert_eq!(seen.goes, [day(released_ms + 14 * DAY, 1)]);
    world.put(3);
    world.later(&mut upkeep, HOUR).await;
    let (seen, until) = (world.overview().await, world.wall_ms() + DAY);
    assert_eq!(seen.suspended_until_ms, Some(until));
    assert_eq!((seen.members[bob].is_absent, seen.members[bob].lapses_ms), (false, None));
    assert_eq!(seen.goes, [day(released_ms + 17 * DAY, 1)]);
}

#[tokio::test]
async fn an_overview_shows_what_the_owner_and_each_of_her_devices_have() {
    let world = World::new(&Setup { devices: vec!["phone", "pad"], ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("alice", 3).await;
    let octets = world.store.usage(&name("alice")).octets / 3;
    let sum = |messages: u64| Sum { messages, octets: messages * octets };
    world.delete("alice", "", &uids[..2], Unwanted::ToTrash).await;
    world.delete("alice", "phone", &uids[..1], Unwanted::ToTrash).await;
    world.delete("alice", "pad", &uids[..1], Unwanted::ToTrash).await;
    let seen = world.overview_of("alice").await.expect("it has devices");
    let rule = seen.release.clone().expect("one");
    assert_eq!((seen.devices, rule.when.as_str(), rule.hold_seconds), (true, "all-done", 0));
    assert_eq!((seen.holds, seen.held_back, seen.released, seen.trash), (sum(2), sum(2), sum(0), sum(1)));
    let of = |seat: &Seat| (seat.view.clone(), seat.waiting.messages, seat.done, seat.holds_back.messages);
    let seats: Vec<_> = seen.members.iter().map(of).collect();
    assert_eq!(seats, [(String::new(), 1, 1, 1), ("phone".into(), 2, 0, 2), ("pad".into(), 2, 0, 2)]);
    // The pad is gone: what it wants is free in a month.
    world.directory.replace(Setup { devices: vec!["phone"], ..Setup::default() }.table());
    world.look(&mut upkeep).await;
    let seen = world.overview_of("alice").await.expect("it has devices");
    assert_eq!(seen.members[2].leaves_ms, Some(START + 30 * DAY));
    assert_eq!(world.overview_of("bob").await, None, "nothing to tell apart");
}

/// Whoever wants it: and what is released goes once, by the sooner of both.
#[tokio::test]
async fn an_overview_names_the_days_on_which_mail_goes_for_its_age() {
    for when in [When::AllFetched, When::Never] {
        let rule = release(when).map(|rule| Release { max_age: Some(days(50)), ..rule });
        let world = World::new(&Setup { release: rule, ..Setup::default() });
        let mut upkeep = world.upkeep();
        world.look(&mut upkeep).await;
        let first = world.mail("sales", 2).await;
        world.later(&mut upkeep, 40 * DAY).await;
        let second = world.mail("sales", 3).await;
        for of in ["alice", "bob"] {
            world.fetch(of, &first[..1]).await;
            world.fetch(of, &second[..1]).await;
        }
        world.later(&mut upkeep, DAY).await;
        let seen = world.overview().await;
        let (hold, one, two) = (START + 55 * DAY, START + 50 * DAY, START + 90 * DAY);
        let expected = match when {
            When::Never => (vec![], vec![day(one, 2), day(two, 3)]),
            When::AllFetched | When::AllDone => (vec![day(hold, 1)], vec![day(one, 2), day(two, 2)]),
        };
        assert_eq!((seen.goes, seen.ages), expected);
        world.later(&mut upkeep, 9 * DAY + MINUTE).await;
        let left = world.store.usage(&name("sales")).messages;
        assert_eq!((left, world.overview().await.ages.len()), (3, 1), "as it was told");
    }
    // Further ahead nothing is told of.
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    world.mail("sales", 1).await;
    world.later(&mut upkeep, 304 * DAY).await;
    assert_eq!(world.overview().await.ages, []);
    world.later(&mut upkeep, DAY).await;
    assert_eq!(world.overview().await.ages, [day(START + 365 * DAY, 1)]);
}
