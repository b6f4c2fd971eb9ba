//! What was deleted by mistake, maybe: it stays longer, and somebody is told.

use queue::contract::{name, view};
use queue::{Join, Store, Unwanted};

use super::{DAY, Guard, MINUTE, Setup, World, all_deleted_at_once, member};

/// Whoever asks how the appliance is hears of it for a day, and how it comes back.
#[tokio::test]
async fn what_may_have_been_a_mistake_is_shown_for_a_day() {
    let world = World::new(&Setup { devices: vec!["phone"], ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let (shared, own) = (world.mail("sales", 5).await, world.mail("alice", 5).await);
    world.later(&mut upkeep, 20 * DAY).await;
    assert!(world.concerns.standing().is_empty());
    world.delete("sales", "bob", &shared, Unwanted::Stays).await;
    world.pass(MINUTE);
    world.delete("alice", "", &own, Unwanted::ToTrash).await;
    world.pass(MINUTE);
    world.delete("alice", "phone", &own, Unwanted::ToTrash).await;
    world.look(&mut upkeep).await;
    let standing = || {
        let standing = world.concerns.standing().into_iter();
        standing.map(|it| (it.text, it.todo)).collect::<Vec<_>>()
    };
    let (texts, todos): (Vec<_>, Vec<_>) = standing().into_iter().unzip();
    assert_eq!(texts.len(), 2, "{texts:?}");
    // The phone was the last that wanted it.
    assert!(
        texts[0].starts_with("alice: alice+phone deleted very much old mail in one session at "),
        "{texts:?}"
    );
    assert!(texts[1].starts_with("sales: bob deleted very much old mail in one session at "), "{texts:?}");
    assert!(todos[0].contains("`restante undo --login alice+phone --since 20"), "{todos:?}");
    assert!(todos[1].contains("`restante undo --login bob --mailbox sales --since 20"), "{todos:?}");
    // It is as true after a start.
    let mut upkeep = world.upkeep();
    world.later(&mut upkeep, DAY - 3 * MINUTE).await;
    assert_eq!(standing().len(), 2);
    world.later(&mut upkeep, MINUTE).await;
    assert_eq!(standing().len(), 1, "two minutes after the other");
    world.later(&mut upkeep, 2 * MINUTE).await;
    assert!(standing().is_empty());
    let undone = world.store.undo(&name("sales"), &view("bob"), shared).await.expect("undone");
    assert_eq!(undone.len(), 5, "it is there all the same");
}

/// Whoever came lately has kept nothing, however old the mail is; and what went into the trash at once is as old there.
#[tokio::test]
async fn only_who_has_kept_mail_can_delete_it_by_mistake_and_its_age_counts_in_the_trash_too() {
    let members = vec![member("alice"), member("bob")];
    let world = World::new(&Setup { members: members[..1].to_vec(), ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 6).await;
    world.later(&mut upkeep, 20 * DAY).await;
    world.directory.replace(Setup { members, ..Setup::default() }.table());
    world.look(&mut upkeep).await;
    world.pass(MINUTE);
    world.delete("sales", "bob", &uids, Unwanted::Stays).await;
    world.pass(MINUTE);
    world.look(&mut upkeep).await;
    assert_eq!(world.concerns.mass_deletions(), 0, "he is here for a minute");
    let young = world.mail("sales", 6).await;
    world.delete("sales", "alice", &young, Unwanted::Stays).await;
    world.store.trash(&name("sales"), young).await.expect("trashed");
    world.pass(MINUTE);
    world.look(&mut upkeep).await;
    assert_eq!(world.concerns.mass_deletions(), 0, "what people do every day");
    world.delete("sales", "alice", &uids, Unwanted::Stays).await;
    world.store.trash(&name("sales"), uids).await.expect("trashed");
    world.pass(MINUTE);
    world.look(&mut upkeep).await;
    assert_eq!(world.concerns.mass_deletions(), 1, "it was there for weeks");
}

/// What went because nobody wanted it any more was deleted one by one, by nobody then.
#[tokio::test]
async fn mail_that_goes_because_a_view_has_left_is_nobodys_mass_deletion() {
    let world = World::new(&Setup { devices: vec!["phone"], ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let (shared, own) = (world.mail("sales", 6).await, world.mail("alice", 6).await);
    world.directory.replace(Setup { members: Vec::new(), ..Setup::default() }.table());
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 20 * DAY).await;
    for (shared, own) in shared.iter().zip(&own) {
        world.delete("sales", "", &[*shared], Unwanted::ToTrash).await;
        world.delete("alice", "", &[*own], Unwanted::ToTrash).await;
        world.later(&mut upkeep, MINUTE).await;
    }
    assert!(world.trash("sales").await.is_empty() && world.trash("alice").await.is_empty());
    world.later(&mut upkeep, 11 * DAY).await;
    assert_eq!((world.trash("sales").await, world.trash("alice").await), (shared, own));
    world.later(&mut upkeep, 6 * DAY).await;
    assert!(world.views("sales").await.is_empty() && world.views("alice").await.is_empty());
    let mut upkeep = world.upkeep();
    world.later(&mut upkeep, MINUTE).await;
    assert_eq!(world.concerns.mass_deletions(), 0);
    let reports = world.reports().await.join("\n");
    assert!(reports.contains("has left") && !reports.contains("in one session"), "{reports}");
    world.later(&mut upkeep, 2 * DAY).await;
    assert!(world.trash("sales").await.is_empty() && world.trash("alice").await.is_empty());
}

/// It goes to the trash when the last former member leaves, and its owner deleted it long before.
#[tokio::test]
async fn who_deleted_all_at_once_while_others_still_held_it_is_told_of_when_it_goes() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 7).await;
    for of in ["alice", "bob"] {
        world.fetch(of, &uids[..3]).await;
    }
    world.directory.replace(Setup { members: Vec::new(), ..Setup::default() }.table());
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 20 * DAY).await;
    let at = world.now_ms.get();
    world.delete("sales", "", &uids[..6], Unwanted::ToTrash).await;
    world.later(&mut upkeep, 9 * DAY).await;
    assert_eq!(world.concerns.mass_deletions(), 0, "the others have it");
    world.later(&mut upkeep, 3 * DAY).await;
    assert_eq!((world.trash("sales").await.len(), world.concerns.mass_deletions()), (6, 1));
    let reports = world.reports().await.join("\n");
    let told = format!("sales: sales deleted 6 messages in one session at {}", crate::words::instant(at));
    assert!(reports.contains(&told), "{told}: {reports}");
    let undo = format!("`restante undo --login sales --since {}`", crate::words::since(at));
    assert!(reports.contains(&undo), "{undo}: {reports}");
    // As long as it can be brought back by that, it is known whose deletion it was.
    let mut upkeep = world.upkeep();
    world.later(&mut upkeep, 27 * DAY).await;
    assert_eq!(world.trash("sales").await.len(), 6);
    let known = world.store.deletions(&name("sales"), &mail::ViewName::owner(), at).await.expect("told");
    assert_eq!(known.iter().map(|deletion| deletion.uids.len()).sum::<usize>(), 6);
    world.later(&mut upkeep, 4 * DAY).await;
    assert!(world.trash("sales").await.is_empty() && world.views("sales").await.is_empty());
    assert_eq!(queue::contract::listed(&world.store, "sales", "").await, uids[6..]);
    assert_eq!(world.concerns.mass_deletions(), 1);
    // A plain mailbox like any other.
    let old = world.mail("sales", 5).await;
    world.later(&mut upkeep, 15 * DAY).await;
    world.delete("sales", "", &old, Unwanted::ToTrash).await;
    world.later(&mut upkeep, MINUTE).await;
    assert_eq!(world.concerns.mass_deletions(), 2);
}

/// A second time is told of like the first, and what is deleted for a whole team at once is no member's alone.
#[tokio::test]
async fn every_deletion_of_much_old_mail_is_guarded_by_itself() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let (own, shared) = (world.mail("alice", 10).await, world.mail("sales", 5).await);
    world.later(&mut upkeep, 20 * DAY).await;
    for half in own.chunks(5) {
        world.pass(MINUTE);
        world.delete("alice", "", half, Unwanted::ToTrash).await;
        world.look(&mut upkeep).await;
    }
    assert_eq!(world.concerns.mass_deletions(), 2);
    // As the team's own login does that throws away for all: no member is done with it.
    world.pass(MINUTE);
    world.store.join(&name("sales"), &mail::ViewName::owner(), Join::All).await.expect("joined");
    world.delete("sales", "", &shared, Unwanted::Stays).await;
    world.store.trash(&name("sales"), shared.clone()).await.expect("trashed");
    world.look(&mut upkeep).await;
    assert_eq!(world.concerns.mass_deletions(), 3);
    world.later(&mut upkeep, 29 * DAY).await;
    assert_eq!((world.trash("alice").await, world.trash("sales").await), (own, shared));
}

/// However much it is.
#[tokio::test]
async fn all_of_a_large_trash_is_looked_at() {
    let mut world = World::new(&Setup::default());
    world.care.guard = Some(Guard { messages: 1500, ..Guard::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("alice", 1500).await;
    world.later(&mut upkeep, 20 * DAY).await;
    world.delete("alice", "", &uids, Unwanted::ToTrash).await;
    world.look(&mut upkeep).await;
    assert_eq!(world.concerns.mass_deletions(), 1);
}

/// Whoever was just before a crash, and whatever shows a little after the instant that it is noted at.
#[tokio::test]
async fn no_look_misses_what_was_deleted_shortly_before_it() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 10).await;
    world.later(&mut upkeep, 20 * DAY).await;
    world.delete("sales", "bob", &uids[..5], Unwanted::Stays).await;
    world.pass(DAY - MINUTE);
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    assert_eq!(world.concerns.mass_deletions(), 1);
    world.store.set_clock(world.now_ms.get() - 50_000);
    world.delete("sales", "bob", &uids[5..], Unwanted::Stays).await;
    world.pass(1);
    world.look(&mut upkeep).await;
    assert_eq!(world.concerns.mass_deletions(), 2);
}

/// A power cut takes what was known of it, two days later.
#[tokio::test]
async fn what_a_member_deleted_stays_longer_also_when_the_notes_of_it_are_lost() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = all_deleted_at_once(&world, &mut upkeep).await;
    world.later(&mut upkeep, 2 * DAY).await;
    assert_eq!(world.concerns.mass_deletions(), 1);
    std::fs::remove_file(world.folder.path().join("views")).expect("removed");
    let mut upkeep = world.upkeep();
    world.later(&mut upkeep, 27 * DAY).await;
    assert_eq!(world.trash("sales").await, uids, "a hold of 14 days and a trash of 7 are over");
    world.later(&mut upkeep, 2 * DAY).await;
    assert!(world.trash("sales").await.is_empty());
    let told = world.concerns.mass_deletions();
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    assert_eq!(world.concerns.mass_deletions(), told, "it is over");
}

/// What a trash held before it was empty is not what it holds.
#[tokio::test]
async fn a_trash_that_was_empty_meanwhile_is_looked_at_like_a_new_one() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let (own, other) = (world.mail("alice", 10).await, world.mail("bob", 1).await);
    world.later(&mut upkeep, 20 * DAY).await;
    world.delete("bob", "", &other, Unwanted::ToTrash).await;
    for uid in &own[..5] {
        world.pass(MINUTE);
        world.delete("alice", "", &[*uid], Unwanted::ToTrash).await;
    }
    world.look(&mut upkeep).await;
    world.store.undo(&name("alice"), &mail::ViewName::owner(), own[..5].to_vec()).await.expect("undone");
    world.look(&mut upkeep).await;
    world.pass(MINUTE);
    world.delete("alice", "", &own[5..], Unwanted::ToTrash).await;
    world.look(&mut upkeep).await;
    assert_eq!(world.concerns.mass_deletions(), 1);
}

/// Whoever is taken out on the day on which he deleted all: it is promised to come back, and by his view alone it does.
#[tokio::test]
async fn a_member_whose_deletion_is_guarded_leaves_when_that_is_over() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = all_deleted_at_once(&world, &mut upkeep).await;
    world.later(&mut upkeep, MINUTE).await;
    assert_eq!(world.concerns.mass_deletions(), 1);
    world.directory.replace(Setup { members: vec![member("alice")], ..Setup::default() }.table());
    world.later(&mut upkeep, 17 * DAY).await;
    let mut upkeep = world.upkeep();
    world.later(&mut upkeep, 12 * DAY).await;
    assert_eq!(world.trash("sales").await, uids, "longer than hold and trash");
    assert_eq!(world.views("sales").await, ["+released", "alice", "bob"]);
    world.later(&mut upkeep, 3 * DAY).await;
    assert!(world.trash("sales").await.is_empty());
    assert_eq!(world.views("sales").await, ["+released", "alice"]);
}
