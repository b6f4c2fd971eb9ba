//! Mailboxes that change what they are.

use mail::ViewName;
use queue::contract::{listed, name, view};
use queue::{Join, Store, Unwanted};

use directory::{JoinFrom, MemberSpec, When};

use super::{DAY, Setup, World, days, member, release};

/// Who was a member may be one again for a month; until then the mailbox's own login can delete all the same, for itself.
#[tokio::test]
async fn a_team_that_becomes_plain_has_an_owner_and_her_deletions_stand_when_all_have_left() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 3).await;
    world.delete("sales", "alice", &uids[..1], Unwanted::Stays).await;
    let plain = Setup { members: Vec::new(), ..Setup::default() };
    world.directory.replace(plain.table());
    world.look(&mut upkeep).await;
    assert_eq!(world.views("sales").await, ["", "+released", "alice", "bob"]);
    assert_eq!(listed(&world.store, "sales", "").await, uids);
    world.delete("sales", "", &uids[1..2], Unwanted::ToTrash).await;
    assert_eq!(listed(&world.store, "sales", "").await, [uids[0], uids[2]]);
    assert!(world.trash("sales").await.is_empty(), "others may still want it");
    // A team again, in time: each has what was hers.
    world.directory.replace(Setup::default().table());
    world.look(&mut upkeep).await;
    assert_eq!(listed(&world.store, "sales", "alice").await, uids[1..]);
    assert_eq!(listed(&world.store, "sales", "bob").await, uids);
    assert_eq!(world.views("sales").await, ["", "+released", "alice", "bob"]);
    world.directory.replace(plain.table());
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 29 * DAY).await;
    assert_eq!(world.views("sales").await, ["", "+released", "alice", "bob"]);
    world.later(&mut upkeep, DAY).await;
    assert_eq!(world.views("sales").await, ["", "+released"]);
    world.look(&mut upkeep).await;
    assert_eq!(world.views("sales").await, [""], "whose deletion it was can be asked once more");
    assert_eq!(world.trash("sales").await, uids[1..2], "now nobody wants it");
    world.look(&mut upkeep).await;
    assert!(world.views("sales").await.is_empty());
    assert_eq!(listed(&world.store, "sales", "").await, [uids[0], uids[2]], "the rest stays");
    // A team once more: nobody knows any more what its members had.
    world.directory.replace(Setup::default().table());
    world.look(&mut upkeep).await;
    assert_eq!(world.views("sales").await, ["+released", "alice", "bob"]);
    assert_eq!(listed(&world.store, "sales", "alice").await, [uids[0], uids[2]]);
}

/// A team's mailbox that has become a person's with devices: its owner stays, and what she was done with too.
#[tokio::test]
async fn a_mailbox_with_devices_releases_nothing_and_its_owner_stays() {
    let world = World::new(&Setup { devices: vec!["phone"], ..Setup::default() });
    let mut upkeep = world.upkeep();
    for _ in 0..2 {
        world.store.join(&name("alice"), &ViewName::releaser(), Join::All).await.expect("joined");
        world.look(&mut upkeep).await;
        assert_eq!(world.views("alice").await, ["", "phone"]);
        let uids = world.mail("alice", 2).await;
        world.delete("alice", "", &uids, Unwanted::ToTrash).await;
    }
    assert_eq!(listed(&world.store, "alice", "phone").await.len(), 4);
    assert!(listed(&world.store, "alice", "").await.is_empty());
    world.look(&mut upkeep).await;
    assert!(listed(&world.store, "alice", "").await.is_empty(), "she does not begin anew");
    assert!(world.trash("alice").await.is_empty());
}

/// What was released when its team became plain: the owner's deletion stands too.
#[tokio::test]
async fn what_a_former_team_has_released_does_not_come_back_to_an_owner_who_deleted_it() {
    for trash in [Some(days(40)), None] {
        let world = World::new(&Setup { trash, ..Setup::default() });
        let mut upkeep = world.upkeep();
        world.look(&mut upkeep).await;
        let uids = world.mail("sales", 2).await;
        for of in ["alice", "bob"] {
            world.fetch(of, &uids).await;
        }
        world.look(&mut upkeep).await;
        assert_eq!(world.journey(uids[0]).len(), 1, "released");
        world.directory.replace(Setup { members: Vec::new(), trash, ..Setup::default() }.table());
        world.look(&mut upkeep).await;
        let unwanted = if trash.is_some() { Unwanted::ToTrash } else { Unwanted::Goes };
        world.delete("sales", "", &uids[..1], unwanted).await;
        world.later(&mut upkeep, 32 * DAY).await;
        assert!(world.views("sales").await.is_empty());
        assert_eq!(listed(&world.store, "sales", "").await, uids[1..]);
        let gone: Vec<_> = trash.iter().map(|_| uids[0]).collect();
        assert_eq!(world.trash("sales").await, gone, "{trash:?}");
    }
}

/// The login of the whole team had deleted what was released and held: nobody wants that any more, its view included.
#[tokio::test]
async fn what_a_shared_login_deleted_while_its_team_held_it_stays_deleted() {
    for trash in [Some(days(40)), None] {
        let world = World::new(&Setup { trash, ..Setup::default() });
        let mut upkeep = world.upkeep();
        world.look(&mut upkeep).await;
        world.store.join(&name("sales"), &ViewName::owner(), Join::All).await.expect("joined");
        let uids = world.mail("sales", 2).await;
        for of in ["alice", "bob", ""] {
            world.delete("sales", of, &uids[..1], Unwanted::Stays).await;
        }
        world.look(&mut upkeep).await;
        assert_eq!(world.journey(uids[0]).len(), 1, "released");
        world.directory.replace(Setup { members: Vec::new(), trash, ..Setup::default() }.table());
        world.look(&mut upkeep).await;
        world.later(&mut upkeep, 32 * DAY).await;
        assert!(world.views("sales").await.is_empty());
        assert_eq!(listed(&world.store, "sales", "").await, uids[1..]);
        let gone: Vec<_> = trash.iter().map(|_| uids[0]).collect();
        assert_eq!(world.trash("sales").await, gone, "{trash:?}");
        assert!(world.journey(uids[0])[1].ends_with("its owner had deleted it"));
    }
}

/// What bob had brought back was done for everybody else, without a deletion of theirs.
#[tokio::test]
async fn what_was_brought_back_for_a_former_member_does_not_come_to_the_owner() {
    let rule = release(When::AllDone);
    let world = World::new(&Setup { release: rule, ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    world.store.join(&name("sales"), &ViewName::owner(), Join::All).await.expect("joined");
    let uids = world.mail("sales", 2).await;
    for of in ["alice", "bob", ""] {
        world.delete("sales", of, &uids[..1], Unwanted::Stays).await;
    }
    let undone = world.store.undo(&name("sales"), &view("bob"), uids[..1].to_vec()).await.expect("undone");
    let again = undone[0].now;
    world.delete("sales", "bob", &[again], Unwanted::Stays).await;
    world.look(&mut upkeep).await;
    assert_eq!(world.journey(again).len(), 1, "released");
    world.directory.replace(Setup { members: Vec::new(), ..Setup::default() }.table());
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 32 * DAY).await;
    assert!(world.views("sales").await.is_empty());
    assert_eq!(listed(&world.store, "sales", "").await, uids[1..]);
}

/// The directory that declares them is not in force yet, and nobody has looked.
#[tokio::test]
async fn new_views_join_before_anybody_can_log_in_to_them() {
    let setup = |members: Vec<MemberSpec>| Setup { members, devices: vec!["phone"], ..Setup::default() };
    let world = World::new(&setup(vec![member("alice")]));
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    let late = MemberSpec { from: JoinFrom::Now, ..member("desk") };
    let next = world.directory.beside(setup(vec![member("alice"), member("bob"), late]).table());
    crate::join(&world.store, &next, world.wall_ms()).await.expect("joined");
    assert_eq!(world.directory.team(&name("sales")).expect("one").members.len(), 1);
    assert_eq!(world.views("sales").await, ["+released", "alice", "bob", "desk"]);
    assert_eq!(listed(&world.store, "sales", "bob").await, uids);
    assert!(listed(&world.store, "sales", "desk").await.is_empty());
    world.directory.take_over(&next);
    world.look(&mut upkeep).await;
    // And whoever is alone from now on is done with what she deletes before the others have left.
    let next = world.directory.beside(setup(Vec::new()).table());
    crate::join(&world.store, &next, world.wall_ms()).await.expect("joined");
    assert_eq!(
        world.views("sales").await,
        ["", "+released", "alice", "bob", "desk"],
        "nobody leaves by that"
    );
}
