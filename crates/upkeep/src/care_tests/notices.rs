use super::*;

#[tokio::test]
async fn whoever_stays_away_is_told_once_and_stands_in_status_until_he_is_back() {
    let robot = MemberSpec { robot: true, ..member("desk") };
    let world = World::new(&Setup { members: vec![member("alice"), robot], ..Setup::default() });
    let mut upkeep = world.upkeep();
    let collect = |mailbox: &str, of: &str| {
        let of = ViewName::kept(of).expect("a name");
        world.pickups.note(&name(mailbox), &of, world.now_ms.get(), None);
    };
    for _ in 0..6 {
        collect("sales", "desk");
        collect("bob", "");
        world.pass(2 * MINUTE);
    }
    world.look(&mut upkeep).await;
    let standing = || world.concerns.standing().into_iter().map(|it| it.text).collect::<Vec<_>>();
    assert!(standing().is_empty());
    world.pass(20 * MINUTE);
    world.look(&mut upkeep).await;
    assert_eq!(standing(), ["the poller of desk stopped: it has not collected sales for 22 min"]);
    // A mailbox of which all was collected is silent for good reason.
    world.later(&mut upkeep, 27 * HOUR).await;
    assert_eq!(standing().len(), 1);
    let mut envelope = queue::contract::envelope(&["bob"]);
    envelope.trace.received_ms = world.now_ms.get();
    let id = world.store.incoming(None).expect("admitted").commit(envelope).await.expect("committed");
    world.store.deliver(vec![queue::contract::route(id, &["bob"])]).await.expect("delivered");
    world.pass(MINUTE);
    world.look(&mut upkeep).await;
    assert_eq!(standing()[0], "bob@example.test was not collected by anyone for 27 h");
    let silent: Vec<_> = world.concerns.standing().into_iter().filter_map(|concern| concern.silent).collect();
    assert_eq!(silent, [(name("bob"), ViewName::owner()), (name("sales"), view("desk"))]);
    let mut upkeep = world.upkeep();
    world.later(&mut upkeep, DAY).await;
    let reports = world.reports().await.join("\n");
    assert_eq!(reports.matches("the poller of desk stopped").count(), 1, "{reports}");
    assert_eq!(reports.matches("bob@example.test was not collected").count(), 1, "{reports}");
    collect("sales", "desk");
    collect("bob", "");
    world.look(&mut upkeep).await;
    assert!(standing().is_empty());
}

#[tokio::test]
async fn postmaster_hears_once_a_day_at_most_over_starts_too() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.concerns.note("first");
    world.look(&mut upkeep).await;
    assert!(world.reports().await.is_empty(), "others may follow");
    world.concerns.note("second");
    world.pass(2 * MINUTE);
    world.look(&mut upkeep).await;
    let reports = world.reports().await;
    assert!(reports.len() == 1 && reports[0].contains("first second"), "{reports:?}");
    world.concerns.note("third");
    world.later(&mut upkeep, 23 * HOUR).await;
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    assert!(world.reports().await.is_empty());
    world.later(&mut upkeep, HOUR).await;
    assert!(world.reports().await[0].contains("third"));
    world.later(&mut upkeep, 3 * DAY).await;
    assert!(world.reports().await.is_empty(), "nothing to say");
}
