use super::*;

#[tokio::test]
async fn a_trash_grows_old_and_nothing_does_while_the_clock_is_in_doubt() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    // What comes into one that was just emptied goes as well: no look sees it empty.
    for uid in world.mail("alice", 2).await {
        world.delete("alice", "", &[uid], Unwanted::ToTrash).await;
        world.later(&mut upkeep, 7 * DAY).await;
    }
    assert!(world.trash("alice").await.is_empty());
    let uids = world.mail("alice", 4).await;
    world.delete("alice", "", &uids[2..], Unwanted::ToTrash).await;
    world.later(&mut upkeep, 3 * DAY).await;
    world.delete("alice", "", &uids[..1], Unwanted::ToTrash).await;
    world.later(&mut upkeep, 4 * DAY - HOUR).await;
    assert_eq!(world.trash("alice").await.len(), 3);
    world.later(&mut upkeep, HOUR).await;
    assert_eq!(world.trash("alice").await, uids[..1]);
    assert_eq!(world.journey(uids[2]), ["removed: in the trash for 7 days"]);
    // It jumps to 2038: an upkeep whose own clock did not run along.
    world.jump(&mut upkeep, 12 * 365 * DAY).await;
    assert_eq!(world.trash("alice").await, uids[..1]);
}

#[tokio::test]
async fn old_mail_that_is_deleted_all_at_once_is_kept_longer_and_told_once() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let old = world.mail("alice", 6).await;
    world.later(&mut upkeep, 20 * DAY).await;
    let young = world.mail("alice", 6).await;
    // Young mail, and a little old mail, is what people delete every day.
    world.delete("alice", "", &young, Unwanted::ToTrash).await;
    world.pass(MINUTE);
    world.delete("alice", "", &old[..1], Unwanted::ToTrash).await;
    world.look(&mut upkeep).await;
    world.pass(MINUTE);
    world.delete("alice", "", &old[1..], Unwanted::ToTrash).await;
    world.look(&mut upkeep).await;
    world.pass(2 * MINUTE);
    world.look(&mut upkeep).await;
    let reports = world.reports().await;
    assert_eq!(reports.len(), 1);
    assert!(reports[0].contains("alice: alice deleted 5 messages in one session"), "{reports:?}");
    assert_eq!(world.concerns.mass_deletions(), 1);
    assert!(reports[0].contains("`restante undo --login alice --since 20"));
    let mut upkeep = world.upkeep();
    world.later(&mut upkeep, 8 * DAY).await;
    assert_eq!(world.trash("alice").await, old[1..]);
    world.later(&mut upkeep, 21 * DAY).await;
    assert_eq!(world.trash("alice").await, old[1..]);
    world.later(&mut upkeep, 2 * DAY).await;
    assert!(world.trash("alice").await.is_empty());
    assert!(world.reports().await.is_empty());
}

#[tokio::test]
async fn a_member_who_deletes_all_at_once_is_guarded_too_and_release_is_not() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = all_deleted_at_once(&world, &mut upkeep).await;
    world.later(&mut upkeep, DAY).await;
    world.later(&mut upkeep, HOUR).await;
    let reports = world.reports().await;
    assert!(reports.len() == 1 && reports[0].contains("--login bob --mailbox sales"), "{reports:?}");
    assert_eq!(world.concerns.mass_deletions(), 1, "the releaser is nobody's mistake");
    // A clock that jumps for a while makes nobody forget it.
    world.jump(&mut upkeep, 12 * 365 * DAY).await;
    // Released and held, it would go after 14 + 7 days; it stays for 30 since it was deleted.
    world.later(&mut upkeep, 23 * DAY).await;
    assert_eq!(world.trash("sales").await, uids);
    world.later(&mut upkeep, 8 * DAY).await;
    assert!(world.trash("sales").await.is_empty());
    assert!(world.reports().await.is_empty(), "what is released at once is nobody's mistake");
}

#[tokio::test]
async fn a_full_disk_takes_the_oldest_of_the_trash_first_and_no_more_than_it_needs() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let old = world.mail("bob", 5).await;
    world.later(&mut upkeep, 15 * DAY).await;
    world.delete("bob", "", &old, Unwanted::ToTrash).await;
    world.later(&mut upkeep, DAY).await;
    let uids = world.mail("alice", 3).await;
    for uid in &uids {
        world.delete("alice", "", &[*uid], Unwanted::ToTrash).await;
        world.pass(MINUTE);
    }
    let octets = world.store.trashed(&name("alice"), Uid(0), 1).await.expect("told")[0].octets;
    world.lacks.store(octets + 1, Ordering::SeqCst);
    world.look(&mut upkeep).await;
    assert_eq!(world.trash("alice").await, uids[2..]);
    assert_eq!(world.journey(uids[0]), ["removed: in the trash when the disk ran low"]);
    assert!(world.concerns.standing()[0].text.contains("2 messages of the trash went before their time"));
    world.pass(9 * MINUTE);
    world.look(&mut upkeep).await;
    assert_eq!(world.trash("alice").await, uids[2..], "what went does not show as room at once");
    world.pass(MINUTE);
    world.look(&mut upkeep).await;
    // What may have been a mistake goes last.
    assert!(world.trash("alice").await.is_empty());
    assert_eq!(world.trash("bob").await.len(), 4);
    world.lacks.store(0, Ordering::SeqCst);
    world.pass(10 * MINUTE);
    world.look(&mut upkeep).await;
    assert_eq!((world.trash("bob").await.len(), world.concerns.standing().len()), (4, 0));
}

/// Whoever is put back into the file finds it there.
#[tokio::test]
async fn the_trash_of_a_mailbox_that_left_the_file_stays_for_a_month() {
    let world = World::new(&Setup { second: true, ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("info", 1).await;
    world.store.trash(&name("info"), uids.clone()).await.expect("trashed");
    world.look(&mut upkeep).await;
    world.directory.replace(Setup::default().table());
    world.later(&mut upkeep, 30 * DAY - HOUR).await;
    assert_eq!(world.trash("info").await, uids);
    world.later(&mut upkeep, HOUR).await;
    assert!(world.trash("info").await.is_empty());
}

/// All that is there is guarded, for a month.
#[tokio::test]
async fn what_comes_into_a_trash_beside_what_stays_longer_goes_after_its_own_time() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("alice", 10).await;
    world.later(&mut upkeep, 20 * DAY).await;
    world.delete("alice", "", &uids[..7], Unwanted::ToTrash).await;
    world.later(&mut upkeep, DAY).await;
    assert_eq!(world.concerns.mass_deletions(), 1);
    world.delete("alice", "", &uids[7..], Unwanted::ToTrash).await;
    world.later(&mut upkeep, 7 * DAY - HOUR).await;
    assert_eq!(world.trash("alice").await, uids);
    world.later(&mut upkeep, HOUR).await;
    assert_eq!(world.trash("alice").await, uids[..7]);
}

#[tokio::test]
async fn a_trash_that_is_kept_for_less_from_now_on_goes_at_once() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("alice", 2).await;
    for uid in &uids {
        world.delete("alice", "", &[*uid], Unwanted::ToTrash).await;
        world.later(&mut upkeep, 2 * DAY).await;
    }
    world.directory.replace(Setup { trash: Some(days(3)), ..Setup::default() }.table());
    world.look(&mut upkeep).await;
    assert_eq!(world.trash("alice").await, uids[1..]);
}
