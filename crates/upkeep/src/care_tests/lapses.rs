//! Whose claims lapse, and of whom somebody must be told again.

use super::*;

fn ignoring(hold: u64) -> Option<Release> {
    release(When::AllFetched).map(|rule| Release { ignore_absent: Some(days(60)), hold: days(hold), ..rule })
}

impl World {
    /// So many days, with alice here every day.
    async fn with_alice(&self, upkeep: &mut Upkeep<MemoryStore>, days: u64) {
        for _ in 0..days {
            self.pickups.note(&name("sales"), &view("alice"), self.now_ms.get(), None);
            self.later(upkeep, DAY).await;
        }
    }

    /// How often postmaster has heard of bob since this was asked.
    async fn told_of_bob(&self) -> usize {
        self.reports().await.join("\n").matches("bob has collected nothing for").count()
    }
}

#[tokio::test]
async fn whoever_was_taken_out_and_is_back_is_told_of_anew() {
    let setup = Setup { release: ignoring(14), ..Setup::default() };
    let world = World::new(&setup);
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    world.with_alice(&mut upkeep, 54).await;
    world.pass(2 * MINUTE);
    world.look(&mut upkeep).await;
    assert_eq!(world.told_of_bob().await, 1, "on the 53rd day");
    world
        .directory
        .replace(Setup { members: vec![member("alice")], release: ignoring(14), ..Setup::default() }.table());
    world.with_alice(&mut upkeep, 1).await;
    world.directory.replace(setup.table());
    world.with_alice(&mut upkeep, 2).await;
    let bob = world.overview().await.members.remove(1);
    let again = START + 55 * DAY..=START + 57 * DAY;
    assert!(bob.lapses_ms.is_some_and(|at| again.contains(&(at - 7 * DAY))), "{bob:?}");
    assert_eq!(world.told_of_bob().await, 1, "a week begins anew");
}

#[tokio::test]
async fn one_who_has_left_keeps_what_is_his_for_the_hold_and_has_no_claim_that_lapses() {
    let world = World::new(&Setup { release: ignoring(90), ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    world.fetch("alice", &uids).await;
    world.with_alice(&mut upkeep, 10).await;
    world
        .directory
        .replace(Setup { members: vec![member("alice")], release: ignoring(90), ..Setup::default() }.table());
    world.with_alice(&mut upkeep, 65).await;
    assert_eq!(world.told_of_bob().await, 0);
    assert!(world.journey(uids[0]).is_empty(), "he may be put back, and has not had it");
    world.with_alice(&mut upkeep, 26).await;
    assert_eq!(world.journey(uids[0]).len(), 1, "now he has left");
}

/// Nobody has looked since he was back: the appliance was down, or had much to do.
#[tokio::test]
async fn who_was_told_of_an_absence_that_has_ended_is_told_of_the_next() {
    for back in [0, DAY] {
        let world = World::new(&Setup { release: ignoring(14), ..Setup::default() });
        let mut upkeep = world.upkeep();
        world.look(&mut upkeep).await;
        world.with_alice(&mut upkeep, 53).await;
        // At the instant at which somebody is told, or later.
        let seen_ms = world.now_ms.get() + back;
        world.pickups.note(&name("sales"), &view("bob"), seen_ms, None);
        world.pass(back + 55 * DAY);
        world.look(&mut upkeep).await;
        world.pass(2 * MINUTE);
        world.look(&mut upkeep).await;
        assert_eq!(world.told_of_bob().await, 2, "of both");
        let uids = world.mail("sales", 1).await;
        world.fetch("alice", &uids).await;
        world.with_alice(&mut upkeep, 6).await;
        assert!(world.journey(uids[0]).is_empty());
        world.with_alice(&mut upkeep, 2).await;
        assert_eq!(world.journey(uids[0]).len(), 1, "a week after");
        assert_eq!(world.told_of_bob().await, 0);
    }
}

/// He was told of it, and would have a few days more.
#[tokio::test]
async fn no_claim_lapses_by_a_clock_that_has_jumped() {
    let world = World::new(&Setup { release: ignoring(14), ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    world.fetch("alice", &uids).await;
    world.with_alice(&mut upkeep, 55).await;
    assert_eq!(world.told_of_bob().await, 1);
    world.jump(&mut upkeep, 30 * DAY).await;
    assert!(world.journey(uids[0]).is_empty());
    // It is put right, and believed again after a day.
    world.with_alice(&mut upkeep, 7).await;
    assert_eq!(world.journey(uids[0]).len(), 1);
}
