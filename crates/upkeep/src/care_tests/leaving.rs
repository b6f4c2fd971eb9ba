//! What becomes of mail when a view leaves.

use super::*;

/// As if she had never had that phone: her other devices are done with it.
#[tokio::test]
async fn what_only_a_device_wanted_goes_to_the_trash_with_it() {
    let world = World::new(&Setup { devices: vec!["phone", "tablet"], ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("alice", 2).await;
    for of in ["", "tablet"] {
        world.delete("alice", of, &uids[..1], Unwanted::ToTrash).await;
    }
    world.directory.replace(Setup { devices: vec!["tablet"], ..Setup::default() }.table());
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 29 * DAY).await;
    assert!(world.trash("alice").await.is_empty());
    world.later(&mut upkeep, DAY).await;
    assert_eq!(world.views("alice").await, ["", "tablet"]);
    assert_eq!(world.trash("alice").await, uids[..1]);
    assert_eq!(listed(&world.store, "alice", "tablet").await, uids[1..]);
}

/// What is released is held for its time, whoever leaves meanwhile.
#[tokio::test]
async fn a_member_who_leaves_takes_nothing_along_that_is_held() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    world.fetch("bob", &uids).await;
    world.directory.replace(Setup { members: vec![member("alice")], ..Setup::default() }.table());
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 10 * DAY).await;
    world.delete("sales", "alice", &uids, Unwanted::Stays).await;
    world.later(&mut upkeep, 5 * DAY).await;
    assert_eq!(world.views("sales").await, ["+released", "alice"]);
    assert_eq!(
        (world.journey(uids[0]).len(), world.trash("sales").await.len()),
        (1, 0),
        "released, and held"
    );
    world.later(&mut upkeep, 10 * DAY).await;
    assert_eq!(world.trash("sales").await, uids);
}

/// However short the hold is: whom the file names stays.
#[tokio::test]
async fn nobody_whom_the_file_names_leaves() {
    let rule = release(When::AllDone).map(|release| Release { hold: Duration::ZERO, ..release });
    let world = World::new(&Setup { release: rule, ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    world.delete("sales", "alice", &uids, Unwanted::Stays).await;
    for _ in 0..3 {
        world.pass(MINUTE);
        world.look(&mut upkeep).await;
        assert!(listed(&world.store, "sales", "alice").await.is_empty());
    }
    let left = |event: &Event| matches!(event, Event::Left { .. });
    assert!(!world.events.lock().expect("sound").iter().any(left));
    assert_eq!(listed(&world.store, "sales", "bob").await, uids);
}
