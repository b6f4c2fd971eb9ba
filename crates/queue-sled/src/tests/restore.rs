//! A restored store takes the place of another: at every moment there is one of the two, and neither is removed.

use std::path::PathBuf;

use queue::Store;
use queue::contract::deliver;

use super::backup::{Contents, all, backup, body, dir, place, place_like, restore};
use super::{Place, block_on, contents, names};
use crate::backup::{BackupError, restore_on};
use crate::clock::wall_ms;
use crate::disk::faulty::{Fault, Op};
use crate::disk::{Disk, RealDisk};

/// A place with a backup, and another with a store of other mail; and what is in the two.
fn two() -> (Place, PathBuf, Contents, Place, Contents) {
    let (place, other) = (place(), place_like(&place()));
    let dir = dir(&place);
    let of_backup = block_on(async {
        let (store, _) = place.open();
        for n in 0..12 {
            deliver(&store, &body(n), &["alice"]).await;
        }
        store.tidy().await.expect("tidied");
        backup(&store, &place, &dir).await.expect("taken");
        let found = contents(&store).await;
        store.close().await.expect("closed");
        found
    });
    let of_other = block_on(async {
        let (store, _) = other.open();
        deliver(&store, &body(50), &["bob"]).await;
        let found = contents(&store).await;
        store.close().await.expect("closed");
        found
    });
    (place, dir, of_backup, other, of_other)
}

/// The stores that lie beside the one in use.
fn asides(place: &Place) -> Vec<PathBuf> {
    let folder = place.folder.path();
    let found = names(folder).into_iter().filter(|name| name.starts_with("store."));
    found.map(|name| folder.join(name)).collect()
}

/// What is in a store beside it.
fn look_into(place: &Place, aside: &std::path::Path) -> Contents {
    let copy = place_like(place);
    super::copy(aside, &copy.path());
    block_on(all(&copy)).0
}

#[test]
fn cut_off_anywhere_there_is_a_store_and_nothing_is_lost() {
    let (place, dir, of_backup, other, of_other) = two();
    for at in 0.. {
        let target = place_like(&place);
        super::copy(&other.path(), &target.path());
        place.disk.order(Some(Fault { only: None, at, lasting: true, errno: rustix::io::Errno::IO }));
        let cut = restore(&place, &dir, &target, true, wall_ms());
        if !place.disk.order(None) {
            assert!(at > 15, "{at}");
            break;
        }
        let found = look_into(&place, &target.path());
        assert!(found == of_other || found == of_backup, "cut at {at}: {:?}", cut.err());
        let again = restore(&place, &dir, &target, true, wall_ms()).expect("restored");
        assert!(again.aside.is_some());
        assert_eq!(look_into(&place, &target.path()), of_backup, "cut at {at}");
        let kept = asides(&target).iter().filter(|aside| look_into(&place, aside) == of_other).count();
        assert_eq!(kept, 1, "cut at {at}: {:?}", asides(&target));
    }
}

#[test]
fn a_file_system_that_cannot_swap_has_two_renames() {
    let (place, dir, of_backup, other, of_other) = two();
    let no_swap = Fault { only: Some(Op::Exchange), at: 0, lasting: true, errno: rustix::io::Errno::NOSYS };
    place.disk.order(Some(no_swap));
    let restored = restore(&place, &dir, &other, true, wall_ms()).expect("restored");
    assert!(place.disk.order(None));
    let aside = restored.aside.expect("kept");
    assert_eq!(asides(&other), std::slice::from_ref(&aside));
    assert_eq!((look_into(&place, &other.path()), look_into(&place, &aside)), (of_backup, of_other));
}

#[test]
fn nobody_opens_the_store_that_is_about_to_be_moved() {
    let (place, dir, _, other, _) = two();
    let lock = other.path().join("LOCK");
    let mut asked = 0;
    let mut told = |_| {
        let taken = RealDisk.lock(&lock);
        assert!(taken.is_err(), "a daemon would have started on it");
        asked += 1;
    };
    restore_on(&place.disk, &dir, &other.path(), true, (wall_ms(), &|_| Ok(())), &mut told)
        .expect("restored");
    assert!(asked > 2, "{asked}");
    RealDisk.lock(&lock).expect("free again");
}

#[test]
fn a_disk_that_only_the_copy_would_fit_on_is_left_alone() {
    let (place, dir, of_backup, other, of_other) = two();
    let copied: u64 = ["log", "big", "snap"]
        .iter()
        .map(|folder| dir.join(folder))
        .flat_map(|folder| names(&folder).into_iter().map(move |name| folder.join(name)))
        .map(|path| std::fs::metadata(path).expect("there").len())
        .sum();
    let spares = 2 * (64 << 10);
    let needed = copied + spares + (64 << 20);
    place.disk.say_free(Some(needed - 1));
    let refused = restore(&place, &dir, &other, true, wall_ms()).expect_err("no room");
    assert!(matches!(refused, BackupError::NoRoom { needed: said, .. } if said == needed), "{refused}");
    assert!(asides(&other).is_empty());
    assert_eq!(look_into(&place, &other.path()), of_other);
    place.disk.say_free(Some(needed));
    restore(&place, &dir, &other, true, wall_ms()).expect("room enough");
    assert_eq!(look_into(&place, &other.path()), of_backup);
}

#[test]
fn what_does_not_come_to_an_end_leaves_the_room_it_took() {
    let (place, dir, _, other, of_other) = two();
    place.disk.order(Some(Fault {
        only: Some(Op::Write),
        at: 3,
        lasting: true,
        errno: rustix::io::Errno::NOSPC,
    }));
    restore(&place, &dir, &other, true, wall_ms()).expect_err("no room");
    place.disk.order(None);
    assert!(asides(&other).is_empty());
    assert_eq!(look_into(&place, &other.path()), of_other);
}

/// It is root who restores, and the service that must be able to open either store afterwards.
#[test]
fn the_lock_of_a_store_that_was_never_opened_belongs_to_its_owner() {
    let (place, dir, _, other, _) = two();
    std::fs::remove_file(other.path().join("LOCK")).expect("removed");
    let given = std::cell::RefCell::new(Vec::new());
    let give = |path: &std::path::Path| {
        given.borrow_mut().push(path.to_owned());
        Ok(())
    };
    restore_on(&place.disk, &dir, &other.path(), true, (wall_ms(), &give), &mut |_| {}).expect("restored");
    assert_eq!(given.take(), [other.path().join("LOCK"), other.path().with_extension("restoring")]);
}
