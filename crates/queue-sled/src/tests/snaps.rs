//! What was freed in the log stands in the snap alone. It is there twice, and a snap that rots is made again: of
//! the other one, or of the index, without anybody's help.

use std::path::{Path, PathBuf};
use std::time::Duration;

use queue::contract::{accept, deliver, name, view};
use queue::{Store, StoreError};

use super::backup::Contents;
use super::space::{SEGMENT, body, delete, fill};
use super::{Place, assert_holders, block_on, contents, names, rows};
use crate::SledStore;
use crate::backup::{restore_on, take_on};
use crate::clock::wall_ms;
use crate::fold::Snap;
use crate::fsck::{Grade, check_on};
use crate::index::keys;

/// What can become of a file.
#[derive(Debug, Clone, Copy)]
enum Rot {
    /// A bit of this octet, from the beginning or from the end.
    Bit(i64),
    /// Half of it is gone.
    Cut,
    Emptied,
    Deleted,
}

const ROTS: [Rot; 7] =
    [Rot::Bit(14), Rot::Bit(60), Rot::Bit(700), Rot::Bit(-40), Rot::Cut, Rot::Emptied, Rot::Deleted];

fn spoil(path: &Path, rot: Rot) {
    let mut octets = std::fs::read(path).expect("read");
    match rot {
        Rot::Bit(at) => {
            let end = i64::try_from(octets.len()).expect("small");
            let at = usize::try_from(if at < 0 { end + at } else { at }).expect("within");
            octets[at] ^= 0x20;
        }
        Rot::Cut => octets.truncate(octets.len() / 2),
        Rot::Emptied => octets.clear(),
        Rot::Deleted => return std::fs::remove_file(path).expect("removed"),
    }
    std::fs::write(path, octets).expect("written");
}

/// The snap and its copy.
fn both(place: &Place) -> [PathBuf; 2] {
    let folder = place.path().join("snap");
    let mut found: Vec<_> = names(&folder).into_iter().map(|name| folder.join(name)).collect();
    found.sort();
    <[PathBuf; 2]>::try_from(found).expect("two, and nothing else")
}

/// How many snaps are whole, all of one place.
fn whole(place: &Place) -> usize {
    let folder = place.path().join("snap");
    let Ok(entries) = std::fs::read_dir(&folder) else { return 0 };
    let paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    let id = crate::start::identity::Identity::read(&place.disk, &place.path()).expect("read");
    let id = id.expect("there").store_id;
    paths.iter().filter(|path| Snap::open(&place.disk, path, id).is_ok()).count()
}

async fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..500 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("in five seconds not: {what}");
}

/// A store of whose log a part is gone. Some messages have several holders, some are in views, one is a file.
async fn with_freed_segments(place: &Place) -> SledStore {
    let (store, _) = place.open();
    store.join(&name("team"), &view("one"), queue::Join::All).await.expect("joined");
    let uids = fill(&store, &["alice", "bob"], 0..40).await;
    fill(&store, &["team"], 0..3).await;
    deliver(&store, &body(2).repeat(10), &["bob", "team"]).await;
    delete(&store, "alice", uids[..38].iter().map(|both| both[0]).collect()).await;
    delete(&store, "bob", uids[..38].iter().map(|both| both[1]).collect()).await;
    let tidied = store.tidy().await.expect("tidied");
    assert!(tidied.segments > 2, "{tidied:?}");
    fill(&store, &["carol"], 0..2).await;
    store
}

/// Nothing is lost, room is made as ever, a backup is one, and an index can be built again.
async fn assert_sound(place: &Place, store: SledStore, wanted: &Contents, what: &str) {
    assert_eq!(&contents(&store).await, wanted, "{what}");
    let uids = fill(&store, &["dave"], 0..30).await;
    delete(&store, "dave", uids.into_iter().flatten().collect()).await;
    assert!(store.tidy().await.expect("tidied").segments > 2, "{what}: nothing is freed");
    assert_eq!(store.figures().expect("figures").unfreed, None, "{what}");
    assert_eq!(whole(place), 2, "{what}");
    both(place);
    let dir = place.folder.path().join("backup");
    let held = store.freeze().await.expect("a backup");
    take_on(&place.disk, held.frozen(), &dir, &mut |_| {}).expect("taken");
    drop(held);
    let live = rows(&store);
    assert_holders(&live);
    store.close().await.expect("closed");
    drop(store);
    std::fs::remove_dir_all(place.path().join("idx")).expect("removed");
    let new = Place { sizes: place.sizes, ..Place::new(place.params.clone()) };
    restore_on(&place.disk, &dir, &new.path(), false, (wall_ms(), &|_| Ok(())), &mut |_| {})
        .expect("restored");
    for place in [place, &new] {
        let (store, report) = place.open();
        assert!(report.damaged.is_empty(), "{what}: {report}");
        assert_eq!(&contents(&store).await, wanted, "{what}");
        assert_eq!(rows(&store), live, "{what}");
        store.close().await.expect("closed");
    }
}

#[test]
fn one_that_rots_is_made_again_of_the_other() {
    for rot in ROTS {
        for which in [0, 1] {
            for at_start in [false, true] {
                let what = format!("{rot:?} of {which}, at start: {at_start}");
                let place = Place::with_segments(SEGMENT);
                block_on(async {
                    let mut store = with_freed_segments(&place).await;
                    let wanted = contents(&store).await;
                    assert_eq!(whole(&place), 2);
                    if at_start {
                        store.close().await.expect("closed");
                        drop(store);
                        spoil(&both(&place)[which], rot);
                        store = place.open().0;
                    } else {
                        spoil(&both(&place)[which], rot);
                        store.look();
                    }
                    until(&what, || whole(&place) == 2).await;
                    assert_sound(&place, store, &wanted, &what).await;
                });
            }
        }
    }
}

#[test]
fn with_the_index_gone_too_the_other_one_is_enough() {
    for rot in ROTS {
        for which in [0, 1] {
            let what = format!("{rot:?} of {which}");
            let place = Place::with_segments(SEGMENT);
            block_on(async {
                let store = with_freed_segments(&place).await;
                let wanted = contents(&store).await;
                store.close().await.expect("closed");
                drop(store);
                spoil(&both(&place)[which], rot);
                std::fs::remove_dir_all(place.path().join("idx")).expect("removed");
                let (store, report) = place.open();
                assert!(report.rebuilt.is_some(), "{report}");
                until(&what, || whole(&place) == 2).await;
                assert_sound(&place, store, &wanted, &what).await;
            });
        }
    }
}

#[test]
fn when_both_rot_one_is_made_of_the_index() {
    // Noticed by whoever looks once a day, by whoever tidies, by a backup, and by a start.
    for (way, rot) in (0..4).cycle().zip(ROTS.into_iter().chain(ROTS)) {
        let what = format!("{rot:?}, way {way}");
        let place = Place::with_segments(SEGMENT);
        block_on(async {
            let mut store = with_freed_segments(&place).await;
            let wanted = contents(&store).await;
            if way == 3 {
                store.close().await.expect("closed");
            }
            both(&place).iter().for_each(|path| spoil(path, rot));
            assert_eq!(whole(&place), 0, "{what}");
            if way == 3 {
                drop(store);
                store = place.open().0;
            }
            match way {
                1 => drop(store.tidy().await.expect("tidied")),
                2 => drop(store.freeze().await.expect("frozen")),
                _ => store.look(),
            }
            until(&what, || whole(&place) == 2).await;
            assert_eq!(whole(&place), 2, "{what}");
            assert_sound(&place, store, &wanted, &what).await;
        });
    }
}

/// What sled has lost without a word does not become the truth, whichever row it is.
#[test]
fn an_index_that_does_not_add_up_is_not_taken_for_a_snap() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let store = with_freed_segments(&place).await;
        accept(&store, &body(3)).await;
        let wanted = contents(&store).await;
        let kv = store.kv().expect("an index");
        both(&place).iter().for_each(|path| spoil(path, Rot::Cut));
        let rows = rows(&store);
        for family in [keys::ENTRIES, keys::BODIES, keys::MAILBOXES, keys::VIEWS, keys::QUEUE] {
            assert!(rows.keys().any(|key| key.starts_with(family)), "{family:?}");
        }
        for (key, value) in rows {
            kv.apply(vec![(key.clone(), None)]).expect("lost");
            let refused = store.tidy().await;
            assert!(matches!(refused, Err(StoreError::Damaged(_))), "{key:?}: {refused:?}");
            let why = store.figures().expect("figures").unfreed.expect("said");
            assert!(why.contains("add up"), "{why}");
            assert_eq!(whole(&place), 0, "{key:?}");
            assert!(store.kv().is_some(), "what there is goes on being served");
            if key.starts_with(keys::QUEUE) {
                assert!(store.freeze().await.is_err(), "and no backup lacks what the index has lost");
            }
            kv.apply(vec![(key, Some(value))]).expect("found again");
        }
        store.tidy().await.expect("all of it is there again");
        assert_eq!(whole(&place), 2);
        assert_sound(&place, store, &wanted, "found again").await;
    });
}

#[test]
fn without_room_for_the_copy_the_snap_alone_frees() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let store = with_freed_segments(&place).await;
        let uids = fill(&store, &["dave"], 0..30).await;
        delete(&store, "dave", uids.into_iter().flatten().collect()).await;
        assert!(store.wait_prepared());
        // The copy is the second file that is made in `snap/`, and finds no room however often it is tried.
        place.disk.full_for(Some("tmp-copy"));
        assert!(store.tidy().await.expect("tidied").segments > 2);
        assert_eq!(names(&place.path().join("snap")).len(), 1);
        place.disk.full_for(None);
        store.look();
        until("a copy", || whole(&place) == 2).await;
        store.close().await.expect("closed");
    });
}

#[test]
fn a_check_tells_what_a_start_puts_right_from_what_it_cannot() {
    let place = Place::with_segments(SEGMENT);
    let check = || {
        let disk: std::sync::Arc<dyn crate::disk::Disk> = std::sync::Arc::new(place.disk.clone());
        let index = crate::index::SledIndex { cache: 4 << 20 };
        check_on(&disk, Some(&index), &place.path(), None, true, &mut |_| {}).expect("checked")
    };
    block_on(async {
        let store = with_freed_segments(&place).await;
        store.close().await.expect("closed");
    });
    let sound = check();
    assert_eq!(sound.worst(), None, "{:?}", sound.faults);
    let [copy, snap] = both(&place);
    spoil(&snap, Rot::Cut);
    let one = check();
    assert_eq!((one.worst(), one.faults.len()), (Some(Grade::Mends), 1), "{:?}", one.faults);
    spoil(&copy, Rot::Cut);
    let none = check();
    assert_eq!((none.worst(), none.faults.len()), (Some(Grade::Mends), 3), "{:?}", none.faults);
    assert_eq!(none.entries, sound.entries);
    std::fs::remove_dir_all(place.path().join("idx")).expect("removed");
    assert_eq!(check().worst(), Some(Grade::Fatal));
}

#[test]
fn the_ballast_has_room_for_two_of_them() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let (store, _) = place.open();
        let ballast = place.path().join("BALLAST");
        let octets = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
        until("a ballast", || octets(&ballast) == place.params.ballast).await;
        for n in 0..150 {
            deliver(&store, &body(n)[..200], &["alice", "bob"]).await;
        }
        store.tidy().await.expect("tidied");
        let snap = octets(&both(&place)[1]);
        assert!(2 * snap > place.params.ballast, "{snap}");
        store.checkpoint_soon();
        until("a longer one", || octets(&ballast) == 2 * snap).await;
        store.close().await.expect("closed");
        drop(store);
        // Whoever opens it reads the snap first.
        let (store, _) = place.open();
        store.checkpoint_soon();
        assert_eq!(octets(&ballast), 2 * snap);
        store.close().await.expect("closed");
    });
}
