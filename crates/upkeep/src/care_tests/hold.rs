use super::*;

/// What alice had alone is released, and is in its hold.
async fn held(world: &World, upkeep: &mut Upkeep<MemoryStore>) -> Vec<Uid> {
    world.look(upkeep).await;
    let uids = world.mail("sales", 2).await;
    world.fetch("alice", &uids).await;
    world.later(upkeep, DAY).await;
    assert_eq!(world.journey(uids[0]).len(), 1, "released");
    uids
}

#[tokio::test]
async fn who_joins_while_mail_is_held_gets_it_before_it_goes() {
    let with = |members: Vec<MemberSpec>| Setup { members, ..Setup::default() };
    let world = World::new(&with(vec![member("alice")]));
    let mut upkeep = world.upkeep();
    let uids = held(&world, &mut upkeep).await;
    world.directory.replace(with(vec![member("alice"), member("bob")]).table());
    world.later(&mut upkeep, 20 * DAY).await;
    assert_eq!(listed(&world.store, "sales", "bob").await, uids);
    assert!(world.trash("sales").await.is_empty());
    let seen = world.overview().await;
    assert_eq!((seen.released.messages, seen.held_back.messages, seen.goes.len()), (0, 2, 0));
    let bob = &seen.members[1];
    assert_eq!((bob.holds_back.messages, bob.holds_since_ms), (2, Some(1)));
    // Also over a start; what bob has goes at the next look, and the other when he has it.
    let mut upkeep = world.upkeep();
    world.later(&mut upkeep, 3 * DAY).await;
    world.fetch("bob", &uids[1..]).await;
    world.pass(MINUTE);
    world.look(&mut upkeep).await;
    assert_eq!(world.trash("sales").await, uids[1..]);
    let seen = world.overview().await;
    assert_eq!((seen.released.messages, seen.held_back.messages, seen.trash.messages), (0, 1, 1));
    world.delete("sales", "bob", &uids[..1], Unwanted::Stays).await;
    world.pass(MINUTE);
    world.look(&mut upkeep).await;
    assert_eq!(world.trash("sales").await, uids);
    assert_eq!(world.journey(uids[0]).len(), 2, "released and trashed once: {:?}", world.journey(uids[0]));
}

#[tokio::test]
async fn who_has_it_before_the_hold_is_over_changes_nothing() {
    let with = |members: Vec<MemberSpec>| Setup { members, ..Setup::default() };
    let world = World::new(&with(vec![member("alice")]));
    let mut upkeep = world.upkeep();
    let uids = held(&world, &mut upkeep).await;
    world.directory.replace(with(vec![member("alice"), member("bob")]).table());
    world.later(&mut upkeep, DAY).await;
    assert_eq!(world.overview().await.members[1].holds_back.messages, 2);
    world.fetch("bob", &uids).await;
    world.later(&mut upkeep, 12 * DAY).await;
    assert_eq!(world.overview().await.goes[0].messages, 2);
    assert!(world.trash("sales").await.is_empty());
    world.later(&mut upkeep, DAY).await;
    assert_eq!(world.trash("sales").await, uids, "14 days since it was released");
}

#[tokio::test]
async fn who_comes_back_while_mail_is_held_gets_it_and_age_is_above_all() {
    let ignore_absent = Some(days(60));
    let rule = release(When::AllFetched).map(|release| Release { ignore_absent, ..release });
    let world = World::new(&Setup { release: rule, ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    for _ in 0..61 {
        world.pickups.note(&name("sales"), &view("alice"), world.now_ms.get(), None);
        world.later(&mut upkeep, DAY).await;
    }
    let uids = held(&world, &mut upkeep).await;
    for _ in 0..30 {
        for of in ["alice", "bob"] {
            world.pickups.note(&name("sales"), &view(of), world.now_ms.get(), None);
        }
        world.later(&mut upkeep, DAY).await;
    }
    assert!(world.trash("sales").await.is_empty(), "bob lists it, and is here");
    for _ in 0..340 {
        for of in ["alice", "bob"] {
            world.pickups.note(&name("sales"), &view(of), world.now_ms.get(), None);
        }
        world.later(&mut upkeep, DAY).await;
    }
    assert!(listed(&world.store, "sales", "bob").await.is_empty());
    let way = world.journey(uids[0]);
    assert!(way[1].contains("older than the team's max-age") && way.len() == 2, "{way:?}");
}

#[tokio::test]
async fn what_is_held_waits_for_whom_the_file_names_and_nobody_has_let_join() {
    let with = |members: Vec<MemberSpec>| Setup { members, ..Setup::default() };
    let world = World::new(&with(vec![member("alice"), member("bob")]));
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    for of in ["alice", "bob"] {
        world.fetch(of, &uids).await;
    }
    world.later(&mut upkeep, 13 * DAY).await;
    // Both are taken out, and nobody is named: what is released has had its time, and stays all the same.
    world.directory.replace(with(Vec::new()).table());
    world.later(&mut upkeep, 5 * DAY).await;
    assert!(world.trash("sales").await.is_empty());
    world.directory.replace(with(vec![member("alice"), member("bob")]).table());
    world.later(&mut upkeep, DAY).await;
    assert_eq!(world.trash("sales").await, uids);
}

#[tokio::test]
async fn what_is_held_stays_while_the_clock_is_in_doubt_and_while_the_team_lets_nothing_go() {
    let with = |when| Setup { members: vec![member("alice")], release: release(when), ..Setup::default() };
    let world = World::new(&with(When::AllDone));
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    world.delete("sales", "alice", &uids, Unwanted::Stays).await;
    world.later(&mut upkeep, 10 * DAY).await;
    assert_eq!(world.journey(uids[0]).len(), 1, "released");
    world.jump(&mut upkeep, 20 * DAY).await;
    assert!(world.trash("sales").await.is_empty());
    world.directory.replace(with(When::Never).table());
    world.later(&mut upkeep, 20 * DAY).await;
    assert!(world.trash("sales").await.is_empty());
    world.directory.replace(with(When::AllDone).table());
    world.later(&mut upkeep, DAY).await;
    assert_eq!(world.trash("sales").await, uids);
}

/// The clock was years ahead when it was released, and is put right.
#[tokio::test]
async fn what_was_released_in_the_future_is_held_from_now_on() {
    let world = World::new(&Setup { members: vec![member("alice")], ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    world.fetch("alice", &uids).await;
    world.store.set_clock(START + 3000 * DAY);
    world.look(&mut upkeep).await;
    world.store.set_clock(START);
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 13 * DAY).await;
    assert!(world.trash("sales").await.is_empty());
    world.later(&mut upkeep, DAY).await;
    assert_eq!(world.trash("sales").await, uids);
}

/// The time that counts is the one that the file says now, whatever it said when the mail was released.
#[tokio::test]
async fn another_hold_counts_for_what_is_held_already_and_for_what_is_wanted_again() {
    let with = |members: Vec<MemberSpec>, hold: u64| {
        let rule = release(When::AllFetched).map(|release| Release { hold: days(hold), ..release });
        Setup { members, release: rule, ..Setup::default() }
    };
    let both = || vec![member("alice"), member("bob")];
    let world = World::new(&with(vec![member("alice")], 14));
    let mut upkeep = world.upkeep();
    let uids = held(&world, &mut upkeep).await;
    world.directory.replace(with(both(), 14).table());
    world.later(&mut upkeep, 20 * DAY).await;
    world.directory.replace(with(both(), 30).table());
    world.fetch("bob", &uids[..1]).await;
    world.later(&mut upkeep, 9 * DAY).await;
    assert!(world.trash("sales").await.is_empty(), "29 days since it was released");
    assert_eq!(world.overview().await.goes.iter().map(|day| day.messages).collect::<Vec<_>>(), [1]);
    world.later(&mut upkeep, DAY).await;
    assert_eq!(world.trash("sales").await, uids[..1]);
    world.directory.replace(with(both(), 60).table());
    world.fetch("bob", &uids[1..]).await;
    world.later(&mut upkeep, DAY).await;
    assert_eq!(world.trash("sales").await, uids[..1]);
    world.directory.replace(with(both(), 14).table());
    world.pass(MINUTE);
    world.look(&mut upkeep).await;
    assert_eq!(world.trash("sales").await, uids, "a shorter one counts as well");
}

/// The releaser forgets what has gone without it, and does not say that it let it go.
#[tokio::test]
async fn what_has_gone_otherwise_while_it_was_wanted_again_is_let_go_no_more() {
    let with = |members: Vec<MemberSpec>| Setup { members, ..Setup::default() };
    let world = World::new(&with(vec![member("alice")]));
    let mut upkeep = world.upkeep();
    let uids = held(&world, &mut upkeep).await;
    world.directory.replace(with(vec![member("alice"), member("bob")]).table());
    world.later(&mut upkeep, 20 * DAY).await;
    world.store.purge(&name("sales"), uids[..1].to_vec()).await.expect("purged");
    world.later(&mut upkeep, DAY).await;
    // Nobody is left who could want what came before.
    world.directory.replace(with(vec![MemberSpec { from: JoinFrom::Now, ..member("desk") }]).table());
    world.later(&mut upkeep, 15 * DAY).await;
    assert_eq!(world.trash("sales").await, uids[1..]);
    assert_eq!(world.journey(uids[1]).len(), 2);
    assert_eq!(world.journey(uids[0]).len(), 1, "{:?}", world.journey(uids[0]));
}

/// By the team's own login, for its age, or by hand: of what has gone nothing more is said when its hold is over.
#[tokio::test]
async fn what_has_gone_while_it_was_held_does_not_go_once_more() {
    for trash in [Some(days(7)), None] {
        let world = World::new(&Setup { members: vec![member("alice")], trash, ..Setup::default() });
        let mut upkeep = world.upkeep();
        world.look(&mut upkeep).await;
        let uids = world.mail("sales", 3).await;
        world.fetch("alice", &uids).await;
        world.later(&mut upkeep, DAY).await;
        let gone = vec![uids[1]];
        match trash {
            Some(_) => world.store.trash(&name("sales"), gone).await.expect("trashed"),
            None => world.store.purge(&name("sales"), gone).await.expect("purged"),
        }
        world.later(&mut upkeep, 15 * DAY).await;
        assert_eq!([0, 2].map(|at| world.journey(uids[at]).len()), [2; 2]);
        let way = world.journey(uids[1]);
        assert!(way.iter().all(|station| !station.contains("everyone had it, held for")), "{way:?}");
    }
}
