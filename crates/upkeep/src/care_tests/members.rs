use super::*;

#[tokio::test]
async fn a_member_who_leaves_frees_what_only_she_held_and_not_before_the_hold() {
    let setup = Setup::default();
    let world = World::new(&setup);
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    world.fetch("alice", &uids).await;
    let alone = Setup { members: vec![member("alice")], ..Setup::default() };
    world.directory.replace(alone.table());
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 13 * DAY).await;
    assert_eq!(world.views("sales").await, ["+released", "alice", "bob"]);
    let bob = world.overview().await.members[1].clone();
    assert_eq!((bob.is_declared, bob.left_ms, bob.leaves_ms), (false, Some(START), Some(START + 14 * DAY)));
    assert_eq!(world.overview().await.members[0].leaves_ms, None);
    // Back in time, bob goes on as he was, and his time begins anew.
    world.directory.replace(setup.table());
    world.look(&mut upkeep).await;
    world.directory.replace(alone.table());
    world.look(&mut upkeep).await;
    let mut upkeep = world.upkeep();
    world.later(&mut upkeep, 13 * DAY).await;
    assert!(world.journey(uids[0]).is_empty());
    world.later(&mut upkeep, 2 * DAY).await;
    assert_eq!(world.views("sales").await, ["+released", "alice"]);
    assert_eq!(world.journey(uids[0]).len(), 1, "alice alone has a say now");
    let left = |event: &Event| matches!(event, Event::Left { view, .. } if view.as_str() == "bob");
    assert_eq!(world.events.lock().expect("sound").iter().filter(|event| left(event)).count(), 1);
    assert!(world.reports().await[0].contains("sales: the view `bob` has left, 14 days after"));
    // When the last has left, the mailbox is plain again, and keeps what nobody was to let go.
    let plain = Setup { members: Vec::new(), ..Setup::default() };
    world.directory.replace(plain.table());
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 32 * DAY).await;
    assert!(world.views("sales").await.is_empty());
    assert_eq!(listed(&world.store, "sales", "").await, uids);
}

#[tokio::test]
async fn who_joins_sees_what_the_file_says_and_devices_begin_with_their_owner() {
    let back = |login: &str, from| MemberSpec { from, ..member(login) };
    let world = World::new(&Setup::default());
    let old = world.mail("sales", 1).await;
    world.pass(10 * DAY);
    let new = world.mail("sales", 1).await;
    let members =
        vec![back("alice", JoinFrom::All), back("bob", JoinFrom::Back(days(7))), back("desk", JoinFrom::Now)];
    world.directory.replace(Setup { members, devices: vec!["phone"], ..Setup::default() }.table());
    let mine = world.mail("alice", 1).await;
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    assert_eq!(listed(&world.store, "sales", "alice").await, [old[0], new[0]]);
    assert_eq!(listed(&world.store, "sales", "bob").await, new);
    assert!(listed(&world.store, "sales", "desk").await.is_empty());
    assert_eq!(world.views("alice").await, ["", "phone"]);
    world.delete("alice", "", &mine, Unwanted::ToTrash).await;
    assert_eq!(listed(&world.store, "alice", "phone").await, mine);
    // A phone that is taken out holds nothing back after a month.
    world.directory.replace(Setup::default().table());
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 29 * DAY).await;
    assert_eq!(world.views("alice").await, ["", "phone"]);
    world.later(&mut upkeep, 2 * DAY).await;
    assert_eq!((world.views("alice").await.len(), world.trash("alice").await), (0, mine));
}

#[tokio::test]
async fn an_absent_member_is_told_of_and_then_counts_no_more_until_she_is_back() {
    let ignore_absent = Some(days(60));
    let rule = release(When::AllFetched).map(|release| Release { ignore_absent, ..release });
    let world = World::new(&Setup { release: rule, ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    world.fetch("alice", &uids).await;
    for day in 1..=60 {
        world.pickups.note(&name("sales"), &view("alice"), world.now_ms.get(), None);
        world.later(&mut upkeep, DAY).await;
        let lapses = world.overview().await.members[1].lapses_ms;
        assert_eq!(lapses.is_some(), day >= 53, "day {day}");
        assert_eq!(world.journey(uids[0]).len(), usize::from(day == 60), "day {day}");
        if day == 55 {
            let reports = world.reports().await;
            assert!(
                reports.len() == 1 && reports[0].contains("bob has collected nothing for 53 days"),
                "{reports:?}"
            );
            upkeep = world.upkeep();
        }
    }
    assert!(world.overview().await.members[1].is_absent);
    let more = world.mail("sales", 1).await;
    world.fetch("alice", &more).await;
    world.pickups.note(&name("sales"), &view("bob"), world.now_ms.get(), None);
    world.later(&mut upkeep, DAY).await;
    assert!(world.journey(more[0]).is_empty(), "he is back");
    assert!(world.reports().await.is_empty());
}

/// Of whom neither the file nor the store has anything left nothing is told any more.
#[tokio::test]
async fn the_pickups_of_who_has_left_are_forgotten() {
    let world = World::new(&Setup { devices: vec!["phone"], ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let gone = world.mail("dora", 1).await;
    for (mailbox, of) in
        [("alice", ""), ("alice", "phone"), ("bob", ""), ("sales", "bob"), ("dora", ""), ("eve", "")]
    {
        let of = ViewName::kept(of).expect("a name");
        world.pickups.note(&name(mailbox), &of, START, None);
    }
    // One of a time when sales was plain.
    world.pickups.note(&name("sales"), &ViewName::owner(), START, None);
    let known = || {
        let mut known: Vec<_> =
            world.pickups.all().into_iter().map(|(mailbox, view, _)| format!("{mailbox}/{view}")).collect();
        known.sort();
        known
    };
    world.look(&mut upkeep).await;
    assert_eq!(known(), ["alice/", "alice/phone", "bob/", "dora/", "sales/bob"], "dora's mail is kept");
    world.store.purge(&name("dora"), gone).await.expect("purged");
    world.directory.replace(Setup { members: vec![member("alice")], ..Setup::default() }.table());
    world.look(&mut upkeep).await;
    assert_eq!(known(), ["alice/", "alice/phone", "bob/", "sales/bob"], "their views may come back");
    world.later(&mut upkeep, 31 * DAY).await;
    world.look(&mut upkeep).await;
    assert_eq!(known(), ["alice/", "bob/"]);
}
