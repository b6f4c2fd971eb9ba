use super::*;

#[tokio::test]
async fn what_everyone_has_fetched_is_held_and_trashed_and_goes() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    assert_eq!(world.views("sales").await, ["+released", "alice", "bob"]);
    let uids = world.mail("sales", 3).await;
    world.fetch("alice", &uids).await;
    world.look(&mut upkeep).await;
    assert!(world.journey(uids[0]).is_empty(), "bob has nothing yet");
    world.fetch("bob", &uids[..1]).await;
    world.delete("sales", "bob", &uids[1..2], Unwanted::Stays).await;
    world.pass(MINUTE);
    world.look(&mut upkeep).await;
    let released = "released: released: everyone has fetched it";
    assert_eq!(world.journey(uids[0]), [released]);
    assert_eq!(listed(&world.store, "sales", "alice").await, uids, "nobody sees a thing of it");
    let seen = world.overview().await;
    assert_eq!((seen.released.messages, seen.held_back.messages, seen.goes[0].messages), (2, 1, 2));
    let bob = &seen.members[1];
    assert_eq!((bob.waiting.messages, bob.fetched.messages, bob.done), (1, 1, 1));
    assert_eq!((bob.holds_back.messages, bob.holds_since_ms.is_some()), (1, true));
    world.later(&mut upkeep, 13 * DAY).await;
    assert!(world.trash("sales").await.is_empty());
    // The next start goes on where this one was.
    let mut upkeep = world.upkeep();
    world.later(&mut upkeep, DAY).await;
    assert_eq!(world.trash("sales").await, uids[..2]);
    assert_eq!(listed(&world.store, "sales", "alice").await, uids[2..]);
    world.later(&mut upkeep, 6 * DAY + 23 * HOUR).await;
    assert_eq!(world.trash("sales").await.len(), 2);
    world.later(&mut upkeep, HOUR).await;
    assert!(world.trash("sales").await.is_empty());
    let way = [released, "trashed: everyone had it, held for 14 days", "removed: in the trash for 7 days"];
    assert_eq!(world.journey(uids[0]), way);
    assert!(world.journey(uids[2]).is_empty());
    assert!(world.reports().await.is_empty(), "nothing to say");
}

/// The store does not say whether it was, and it was.
#[tokio::test]
async fn what_may_have_been_released_is_held_and_goes_like_the_rest() {
    let world = World::new(&Setup { members: vec![member("alice")], ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    world.fetch("alice", &uids).await;
    world.store.fail_at(1, queue::StoreError::Unsure("sync".into()));
    world.pass(MINUTE);
    world.look(&mut upkeep).await;
    assert!(world.journey(uids[0]).is_empty());
    world.delete("sales", "+released", &uids, Unwanted::Stays).await;
    world.later(&mut upkeep, 14 * DAY - HOUR).await;
    assert!(world.trash("sales").await.is_empty());
    world.later(&mut upkeep, HOUR).await;
    assert_eq!(world.trash("sales").await, uids);
}

#[tokio::test]
async fn age_lets_go_whoever_wants_it_and_without_a_trash_what_goes_is_gone() {
    let world = World::new(&Setup { trash: None, ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    world.later(&mut upkeep, 364 * DAY).await;
    assert_eq!(listed(&world.store, "sales", "bob").await, uids);
    world.later(&mut upkeep, 2 * DAY).await;
    assert!(listed(&world.store, "sales", "bob").await.is_empty() && world.trash("sales").await.is_empty());
    assert_eq!(world.journey(uids[0]), ["removed: older than the team's max-age of 365 days"]);
    // And a team that says nothing of it keeps everything.
    let world = World::new(&Setup { release: None, ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    for of in ["alice", "bob"] {
        world.delete("sales", of, &uids, Unwanted::Stays).await;
    }
    world.later(&mut upkeep, 400 * DAY).await;
    assert_eq!((world.store.usage(&name("sales")).messages, world.journey(uids[0]).len()), (1, 0));
}

#[tokio::test]
async fn what_was_undone_is_held_back_until_its_member_has_it_again() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    for of in ["alice", "bob"] {
        world.delete("sales", of, &uids, Unwanted::Stays).await;
    }
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 15 * DAY).await;
    assert_eq!(world.trash("sales").await, uids);
    let undone = world.store.undo(&name("sales"), &view("alice"), uids.clone()).await.expect("undone");
    let again = undone[0].now;
    world.later(&mut upkeep, 30 * DAY).await;
    assert_eq!(listed(&world.store, "sales", "alice").await, [again]);
    assert!(world.journey(again).is_empty());
    world.fetch("alice", &[again]).await;
    world.later(&mut upkeep, 15 * DAY).await;
    assert_eq!(world.trash("sales").await, [again]);
}
