//! Clocks that were wrong while something was stamped.

use super::*;

/// sales is alice's alone, so that what she has fetched is released; and what she deletes of her own goes to the trash.
fn alone() -> Setup {
    Setup { members: vec![member("alice")], ..Setup::default() }
}

/// One message that is released, and one that is in the trash of alice, both stamped now.
async fn stamped(world: &World, upkeep: &mut Upkeep<MemoryStore>) -> (Vec<Uid>, Vec<Uid>) {
    let (shared, own) = (world.mail("sales", 1).await, world.mail("alice", 1).await);
    world.fetch("alice", &shared).await;
    world.delete("alice", "", &own, Unwanted::ToTrash).await;
    world.later(upkeep, HOUR).await;
    assert_eq!((world.journey(shared[0]).len(), world.trash("alice").await), (1, own.clone()), "released");
    (shared, own)
}

/// It was off for twenty days and starts with the time at which it was switched off: no jump is seen before it is put right.
#[tokio::test]
async fn what_was_stamped_by_a_clock_that_is_late_is_held_for_its_full_time() {
    let world = World::new(&alone());
    let noted = format!("time {}\nsuspended 0\n", START - 20 * DAY);
    std::fs::write(world.folder.path().join("upkeep"), noted).expect("written");
    world.put(-20);
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let (shared, own) = stamped(&world, &mut upkeep).await;
    world.put(0);
    world.later(&mut upkeep, HOUR).await;
    world.later(&mut upkeep, 6 * DAY).await;
    assert_eq!((world.trash("sales").await, world.trash("alice").await), (vec![], own), "not for a day only");
    // The next start knows it as well.
    let mut upkeep = world.upkeep();
    world.later(&mut upkeep, DAY).await;
    assert!(world.trash("alice").await.is_empty(), "nor longer");
    world.later(&mut upkeep, 6 * DAY).await;
    assert!(world.trash("sales").await.is_empty());
    world.later(&mut upkeep, DAY).await;
    assert_eq!(world.trash("sales").await, shared);
}

/// The clock jumps to 2034 for two days, and is put right.
#[tokio::test]
async fn what_was_stamped_by_a_clock_that_ran_ahead_is_not_held_for_years() {
    for restarts in [false, true] {
        let world = World::new(&alone());
        let mut upkeep = world.upkeep();
        world.look(&mut upkeep).await;
        let old = world.mail("alice", 5).await;
        world.later(&mut upkeep, 20 * DAY).await;
        world.put(3000);
        world.later(&mut upkeep, HOUR).await;
        let (shared, _) = stamped(&world, &mut upkeep).await;
        world.delete("alice", "", &old, Unwanted::ToTrash).await;
        world.later(&mut upkeep, 2 * DAY).await;
        assert_eq!(world.concerns.mass_deletions(), 1, "guarded");
        world.put(0);
        world.later(&mut upkeep, MINUTE).await;
        let due = jiff::Timestamp::from_millisecond((world.now_ms.get() + 12 * DAY - MINUTE).cast_signed());
        let due = due.expect("a time").strftime("%Y-%m-%d").to_string();
        assert_eq!(world.overview().await.goes, [crate::Day { day: due, messages: 1 }]);
        for _ in 0..10 {
            if restarts {
                upkeep = world.upkeep();
                world.look(&mut upkeep).await;
            }
            world.later(&mut upkeep, DAY).await;
        }
        assert_eq!((world.trash("sales").await, world.trash("alice").await), (vec![], old.clone()));
        assert!(world.concerns.standing().is_empty(), "it was days ago");
        for _ in 0..2 {
            if restarts {
                upkeep = world.upkeep();
                world.look(&mut upkeep).await;
            }
            world.later(&mut upkeep, DAY).await;
        }
        assert_eq!(world.trash("sales").await, shared, "twelve days and those two");
        world.later(&mut upkeep, 15 * DAY).await;
        assert_eq!(world.trash("alice").await, old);
        world.later(&mut upkeep, 2 * DAY).await;
        assert!(world.trash("sales").await.is_empty() && world.trash("alice").await.is_empty());
    }
}

/// Who joined and collected under a clock that ran ahead is not taken for present until that year.
#[tokio::test]
async fn an_absence_counts_from_when_it_really_began() {
    let rule = release(When::AllFetched).map(|rule| Release { ignore_absent: Some(days(60)), ..rule });
    let world = World::new(&Setup { release: rule, ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.put(3000);
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 2 * DAY).await;
    world.pickups.note(&name("sales"), &view("bob"), world.wall_ms(), None);
    world.put(0);
    world.later(&mut upkeep, MINUTE).await;
    assert_eq!(
        world.overview().await.members[1].lapses_ms,
        None,
        "nobody is absent while the clock is in doubt"
    );
    for _ in 0..59 {
        world.pickups.note(&name("sales"), &view("alice"), world.wall_ms(), None);
        world.later(&mut upkeep, DAY).await;
    }
    let uids = world.mail("sales", 1).await;
    world.fetch("alice", &uids).await;
    world.later(&mut upkeep, HOUR).await;
    assert!(world.journey(uids[0]).is_empty());
    world.later(&mut upkeep, 2 * DAY).await;
    assert_eq!(world.journey(uids[0]).len(), 1);
    assert!(world.overview().await.members[1].is_absent);
}

/// The clock falls back by more than the team keeps anything, and is put right: what came meanwhile is not that old.
#[tokio::test]
async fn what_came_while_the_clock_had_fallen_back_is_as_young_as_it_is() {
    let world = World::new(&Setup { members: vec![member("alice")], ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    world.put(-400);
    world.later(&mut upkeep, 2 * HOUR).await;
    let uids = world.mail("sales", 1).await;
    world.later(&mut upkeep, HOUR).await;
    world.put(0);
    world.later(&mut upkeep, 364 * DAY).await;
    assert_eq!(listed(&world.store, "sales", "alice").await, uids);
    world.later(&mut upkeep, 2 * DAY).await;
    assert!(listed(&world.store, "sales", "alice").await.is_empty());
}

/// A machine that is switched on each day has a clock that is hours off until it is put right: however often that is,
/// and whichever way, it adds up to nothing.
#[tokio::test]
async fn small_steps_there_and_back_add_up_to_nothing() {
    for hours in [-23, -5, -2, 2, 5, 13] {
        let world = World::new(&alone());
        let mut upkeep = world.upkeep();
        world.later(&mut upkeep, DAY).await;
        let (shared, own) = stamped(&world, &mut upkeep).await;
        for day in 0..14 {
            world.pass(10 * HOUR);
            world.put_ms(hours * HOUR.cast_signed());
            upkeep = world.upkeep();
            world.later(&mut upkeep, 2 * MINUTE).await;
            world.put(0);
            world.later(&mut upkeep, 2 * MINUTE).await;
            world.later(&mut upkeep, 14 * HOUR - 4 * MINUTE).await;
            let is_trashed = world.trash("alice").await == own;
            match day {
                0..5 => assert!(is_trashed, "{hours} h, after {} days", day + 1),
                9.. => assert!(!is_trashed, "{hours} h, after {} days", day + 1),
                _ => {}
            }
            assert!(day > 11 || world.trash("sales").await.is_empty(), "{hours} h, after {} days", day + 1);
        }
        world.later(&mut upkeep, 2 * DAY).await;
        assert_eq!(world.trash("sales").await, shared, "{hours} h");
    }
}

/// What was said of the clock a moment ago is not believed when it has been set since.
#[tokio::test]
async fn what_is_released_right_after_the_clock_was_put_back_is_held() {
    let world = World::new(&alone());
    let mut upkeep = world.upkeep();
    world.later(&mut upkeep, 2 * DAY).await;
    world.put(3000);
    world.later(&mut upkeep, 2 * DAY).await;
    let uids = world.mail("sales", 1).await;
    world.put(0);
    world.fetch("alice", &uids).await;
    world.pass(1000);
    world.look(&mut upkeep).await;
    world.pass(1000);
    world.look(&mut upkeep).await;
    assert!(world.trash("sales").await.is_empty());
    assert_eq!(world.journey(uids[0]).len(), 1, "released");
}

/// Nobody is missed for what a clock jumped over, and nobody who has stopped is missed in years only.
#[tokio::test]
async fn silence_is_counted_in_time_that_has_passed() {
    let robot = MemberSpec { robot: true, ..member("desk") };
    let world = World::new(&Setup { members: vec![member("alice"), robot], ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let polls = || {
        for _ in 0..6 {
            world.pass(MINUTE);
            world.pickups.note(&name("sales"), &view("desk"), world.wall_ms(), None);
        }
    };
    polls();
    world.put(20);
    world.later(&mut upkeep, MINUTE).await;
    world.later(&mut upkeep, DAY).await;
    let standing = || world.concerns.standing().into_iter().map(|it| it.text).collect::<Vec<_>>();
    assert_eq!(standing(), ["the poller of desk stopped: it has not collected sales for 1 day"]);
    polls();
    world.later(&mut upkeep, MINUTE).await;
    assert!(standing().is_empty());
    world.put(0);
    world.later(&mut upkeep, MINUTE).await;
    world.later(&mut upkeep, DAY).await;
    assert_eq!(standing().len(), 1);
}

/// As where a backup is restored on another machine, or a power cut took the notes.
#[tokio::test]
async fn holds_begin_anew_where_nothing_is_known_of_the_clock() {
    let world = World::new(&alone());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let (shared, own) = stamped(&world, &mut upkeep).await;
    world.later(&mut upkeep, 5 * DAY).await;
    std::fs::remove_file(world.folder.path().join("upkeep")).expect("removed");
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 7 * DAY - HOUR).await;
    assert_eq!(world.trash("alice").await, own);
    world.later(&mut upkeep, HOUR).await;
    assert!(world.trash("alice").await.is_empty());
    // And are known from then on.
    let mut upkeep = world.upkeep();
    world.later(&mut upkeep, 7 * DAY - HOUR).await;
    assert!(world.trash("sales").await.is_empty());
    world.later(&mut upkeep, HOUR).await;
    assert_eq!(world.trash("sales").await, shared);
}
