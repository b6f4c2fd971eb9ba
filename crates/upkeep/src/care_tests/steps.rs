//! How the releaser goes through much mail, and what it knows of a team that was none for a while.

use super::*;

/// Between two steps that change something whoever collects gets a turn; nothing waits where nothing has changed.
#[tokio::test(start_paused = true)]
async fn only_a_step_that_released_something_is_followed_by_a_rest() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 2500).await;
    let look = async |upkeep: &mut Upkeep<MemoryStore>| {
        let began = tokio::time::Instant::now();
        world.pass(MINUTE);
        world.look(upkeep).await;
        began.elapsed()
    };
    assert_eq!(look(&mut upkeep).await, Duration::ZERO);
    for of in ["alice", "bob"] {
        world.fetch(of, &uids).await;
    }
    assert_eq!(look(&mut upkeep).await, Duration::from_millis(3 * 50));
    assert_eq!(world.journey(uids[2499]).len(), 1);
}

/// What is wanted again is looked through once more whenever a claim changes: others get turns between its steps too.
#[tokio::test(start_paused = true)]
async fn what_is_wanted_again_is_looked_through_in_steps() {
    let with = |members: Vec<MemberSpec>| Setup { members, ..Setup::default() };
    let world = World::new(&with(vec![member("alice")]));
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 9500).await;
    world.fetch("alice", &uids).await;
    world.later(&mut upkeep, DAY).await;
    world.directory.replace(with(vec![member("alice"), member("bob")]).table());
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 14 * DAY).await;
    let new = world.mail("sales", 1).await;
    let turns = async |upkeep: &mut Upkeep<MemoryStore>| {
        world.pass(MINUTE);
        let (mut look, mut turns) = (std::pin::pin!(world.look(upkeep)), 0);
        std::future::poll_fn(|context| {
            turns += 1;
            look.as_mut().poll(context)
        })
        .await;
        turns
    };
    let usual = turns(&mut upkeep).await;
    world.fetch("bob", &new).await;
    let changed = turns(&mut upkeep).await;
    assert!(usual < 5 && changed >= usual + 10, "{usual} {changed}");
    assert!(world.trash("sales").await.is_empty());
    world.fetch("bob", &uids).await;
    world.look(&mut upkeep).await;
    assert_eq!(world.trash("sales").await, uids);
}

/// However much of it there is.
#[tokio::test]
async fn all_that_is_too_old_goes_at_one_look() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 2000).await;
    world.later(&mut upkeep, 364 * DAY).await;
    assert_eq!(world.store.usage(&name("sales")).messages, 2000);
    world.pass(DAY + MINUTE);
    world.look(&mut upkeep).await;
    assert_eq!(world.store.usage(&name("sales")).messages, 0);
    assert_eq!(world.trash("sales").await, uids);
}

/// What was released when it was a team before is released no more: its members know nothing of it.
#[tokio::test]
async fn a_team_that_was_plain_for_long_begins_anew_whatever_was_released_before() {
    let second = |members: Vec<MemberSpec>| Setup { members, second: true, ..Setup::default() };
    let world = World::new(&second(vec![member("alice"), member("bob")]));
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    for of in ["alice", "bob"] {
        world.fetch(of, &uids).await;
    }
    world.later(&mut upkeep, DAY).await;
    assert_eq!(world.journey(uids[0]).len(), 1, "released");
    world.directory.replace(second(Vec::new()).table());
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 32 * DAY).await;
    assert!(world.views("sales").await.is_empty());
    let new = ["alice", "bob"].map(|login| MemberSpec { from: JoinFrom::Now, ..member(login) });
    world.directory.replace(second(new.to_vec()).table());
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 30 * DAY).await;
    assert_eq!(world.store.usage(&name("sales")).messages, 1, "nobody who is here has had it");
    assert!(world.trash("sales").await.is_empty());
}
