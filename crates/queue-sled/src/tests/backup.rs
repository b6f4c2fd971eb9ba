//! A backup holds one moment of a store that goes on, and what is made of it hands out no uid twice.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mail::{QueueId, Uid};
use queue::contract::{accept, deliver, listed, name, view};
use queue::{Expunge, Store};

use super::{Place, block_on, contents, names, queued};
use crate::SledStore;
use crate::backup::{BackupError, Report, Restored, restore_on, take_on};
use crate::clock::wall_ms;
use crate::disk::faulty::{Fault, Op};
use crate::log::Lsn;

const SEGMENT: u32 = 64 << 10;

pub(super) fn place() -> Place {
    Place::with_segments(SEGMENT)
}

pub(super) fn dir(place: &Place) -> PathBuf {
    place.folder.path().join("backup")
}

pub(super) async fn backup(store: &SledStore, place: &Place, dir: &Path) -> Result<Report, BackupError> {
    let held = store.freeze().await?;
    take_on(&place.disk, held.frozen(), dir, &mut |_| {})
}

/// A store made from a backup, in a place of its own.
pub(super) fn restored(place: &Place, dir: &Path, now_ms: u64) -> Place {
    let new = place_like(place);
    restore(place, dir, &new, false, now_ms).expect("restored");
    new
}

pub(super) fn restore(
    place: &Place,
    dir: &Path,
    new: &Place,
    over: bool,
    now_ms: u64,
) -> Result<Restored, BackupError> {
    restore_on(&place.disk, dir, &new.path(), over, (now_ms, &|_| Ok(())), &mut |_| {})
}

pub(super) fn place_like(place: &Place) -> Place {
    Place { sizes: place.sizes, ..Place::new(place.params.clone()) }
}

pub(super) fn body(n: usize) -> Vec<u8> {
    format!("Subject: {n}\r\n\r\n{}\r\n", "x".repeat(n * 37 % 9000)).into_bytes()
}

pub(super) type Contents = BTreeMap<String, Vec<(Uid, Vec<u8>)>>;

pub(super) async fn all(place: &Place) -> (Contents, Vec<QueueId>) {
    let (store, report) = place.open();
    assert!(report.damaged.is_empty(), "{report}");
    let found = (contents(&store).await, queued(&store).await);
    store.close().await.expect("closed");
    found
}

/// Where links cannot be made, everything is copied.
fn across() -> Fault {
    Fault { only: Some(Op::Link), at: 0, lasting: true, errno: rustix::io::Errno::XDEV }
}

#[test]
fn what_is_restored_is_the_moment_of_the_backup() {
    for (linked, tidied) in [(true, false), (false, true), (true, true)] {
        let place = place();
        let dir = dir(&place);
        let wanted = block_on(async {
            let (store, _) = place.open();
            let mut uids = Vec::new();
            for n in 0..40 {
                uids.extend(deliver(&store, &body(n), &["alice"]).await);
                deliver(&store, &body(n), &["bob", "carol"]).await;
            }
            deliver(&store, &body(7).repeat(20), &["alice"]).await;
            accept(&store, &body(3)).await;
            let group = Expunge {
                mailbox: name("alice"),
                view: view(""),
                uids: uids[..30].to_vec(),
                unwanted: queue::Unwanted::Goes,
            };
            store.delete(vec![group]).await.expect("deleted");
            if tidied {
                store.tidy().await.expect("tidied");
                assert_eq!(names(&place.path().join("snap")).len(), 2);
            }
            accept(&store, &body(4)).await;
            let wanted = (contents(&store).await, queued(&store).await);
            let held = store.freeze().await.expect("frozen");
            // None of this is in it, whether it is durable before the copy is made or after.
            deliver(&store, &body(50), &["alice"]).await;
            let bobs = listed(&store, "bob", "").await;
            store.purge(&name("bob"), bobs).await.expect("purged");
            store.tidy().await.expect("tidied");
            place.disk.order((!linked).then(across));
            let report = take_on(&place.disk, held.frozen(), &dir, &mut |_| {}).expect("taken");
            place.disk.order(None);
            assert_eq!(report.linked > 0, linked, "{report:?}");
            assert!(report.copied > 0, "the segment that is written is never linked: {report:?}");
            drop(held);
            store.tidy().await.expect("tidied");
            for n in 0..40 {
                deliver(&store, &body(n + 100), &["alice"]).await;
            }
            store.close().await.expect("closed");
            wanted
        });
        assert!(!place.path().join("backup-tmp").exists());
        let new = restored(&place, &dir, wall_ms());
        assert_eq!(block_on(all(&new)), wanted, "linked: {linked}, tidied: {tidied}");
        // And once more, from its own index.
        assert_eq!(block_on(all(&new)), wanted);
    }
}

#[test]
fn what_was_acknowledged_before_is_in_it_however_busy_the_store_is() {
    let place = place();
    let dir = dir(&place);
    let store = place.open().0;
    let (done, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut before = Vec::new();
    std::thread::scope(|scope| {
        for worker in 0..3usize {
            let (store, done, acknowledged) = (&store, &done, &acknowledged);
            scope.spawn(move || {
                block_on(async {
                    for n in (0..).take_while(|_| !done.load(Ordering::SeqCst)) {
                        let uids = deliver(store, &body(worker * 1000 + n), &["alice"]).await;
                        if n % 3 == 0 {
                            let group = Expunge {
                                mailbox: name("alice"),
                                view: view(""),
                                uids,
                                unwanted: queue::Unwanted::Goes,
                            };
                            store.delete(vec![group]).await.expect("deleted");
                        }
                        acknowledged.fetch_add(1, Ordering::SeqCst);
                    }
                });
            });
        }
        scope.spawn(|| {
            block_on(async {
                // Snaps come and go while backups are made.
                while !done.load(Ordering::SeqCst) {
                    store.tidy().await.expect("tidied");
                }
            });
        });
        block_on(async {
            for round in 1..5 {
                while acknowledged.load(Ordering::SeqCst) < round * 60 {
                    tokio::task::yield_now().await;
                }
                before = listed(&store, "alice", "").await;
                backup(&store, &place, &dir).await.expect("taken");
            }
        });
        done.store(true, Ordering::SeqCst);
    });
    block_on(store.close()).expect("closed");
    let (live, _) = block_on(all(&place));
    let new = restored(&place, &dir, wall_ms());
    let (found, _) = block_on(all(&new));
    let (live, found) = (&live["alice"], &found["alice"]);
    let there: BTreeSet<Uid> = found.iter().map(|(uid, _)| *uid).collect();
    let kept = before.iter().filter(|uid| live.iter().any(|(other, _)| other == *uid));
    assert!(kept.clone().count() > 50);
    assert!(kept.clone().all(|uid| there.contains(uid)), "listed before the backup, and never deleted");
    assert!(
        found
            .iter()
            .filter(|(uid, _)| live.iter().any(|(other, _)| other == uid))
            .all(|one| live.contains(one))
    );
}

/// A snap that came in between is in it with all that it says.
#[test]
fn the_log_of_a_frozen_moment_goes_as_far_as_its_snap() {
    let place = place();
    let snaps = place.path().join("snap");
    block_on(async {
        let (store, _) = place.open();
        deliver(&store, &body(1), &["alice"]).await;
        store.tidy().await.expect("tidied");
        let before = names(&snaps);
        let runtime = tokio::runtime::Handle::current();
        let (busy, seen) = (store.clone(), snaps.clone());
        place.disk.on_list(snaps.clone(), move || {
            // The last moment before the snap is chosen: mail comes, and a snap that has it.
            runtime.block_on(deliver(&busy, &body(2), &["alice"]));
            runtime.spawn(async move { busy.tidy().await });
            while names(&seen).iter().all(|name| before.contains(name) || !name.ends_with(".idx")) {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        });
        let held = store.freeze().await.expect("frozen");
        let linked = names(&held.frozen().folder.join("snap"));
        let snap = crate::fold::snap_lsn(&linked[0]).expect("a snap");
        assert!(snap.0 <= held.frozen().end, "it says more than the log that is with it");
        let dir = dir(&place);
        take_on(&place.disk, held.frozen(), &dir, &mut |_| {}).expect("taken");
        drop(held);
        let new = restored(&place, &dir, wall_ms());
        let found = std::thread::spawn(move || block_on(all(&new)).0).join().expect("no panic");
        assert_eq!(found["alice"].len(), 2);
        store.close().await.expect("closed");
    });
}

#[test]
fn the_next_one_copies_only_what_is_new_and_forgets_what_is_gone() {
    let place = place();
    let dir = dir(&place);
    block_on(async {
        let (store, _) = place.open();
        let mut uids = Vec::new();
        for n in 0..60 {
            uids.extend(deliver(&store, &body(n), &["alice"]).await);
        }
        place.disk.order(Some(across()));
        let held = store.freeze().await;
        assert!(matches!(held, Err(BackupError::Store(_))), "a store whose disk has no links says so");
        place.disk.order(None);
        let first = backup(&store, &place, &dir).await.expect("taken");
        assert_eq!(first.kept, 0);
        let again = backup(&store, &place, &dir).await.expect("taken");
        assert_eq!((again.kept, again.copied, again.linked), (first.files, 0, 0), "{again:?}");
        uids.extend(deliver(&store, &body(77), &["alice"]).await);
        let third = backup(&store, &place, &dir).await.expect("taken");
        assert!(third.kept >= first.files - 1 && third.copied <= 1 && third.removed <= 1, "{third:?}");
        store
            .delete(vec![Expunge {
                mailbox: name("alice"),
                view: view(""),
                uids,
                unwanted: queue::Unwanted::Goes,
            }])
            .await
            .expect("deleted");
        store.tidy().await.expect("tidied");
        let last = backup(&store, &place, &dir).await.expect("taken");
        assert!(last.removed > 3 && last.files < 6, "{last:?}");
        let files: usize = ["log", "big", "snap"].iter().map(|folder| names(&dir.join(folder)).len()).sum();
        assert_eq!(files as u64, last.files);
        for entry in ["", "log", "MANIFEST", "STORE"] {
            let mode = std::fs::metadata(dir.join(entry)).expect("there").permissions().mode() & 0o777;
            assert_eq!(mode, if dir.join(entry).is_dir() { 0o700 } else { 0o600 }, "{entry}");
        }
        store.close().await.expect("closed");
    });
}

#[test]
fn cut_off_anywhere_the_old_one_is_whole_and_the_new_one_is_finished_later() {
    let place = place();
    let dir = dir(&place);
    block_on(async {
        let (store, _) = place.open();
        for n in 0..30 {
            deliver(&store, &body(n), &["alice"]).await;
        }
        let old = contents(&store).await;
        backup(&store, &place, &dir).await.expect("taken");
        let group = Expunge {
            mailbox: name("alice"),
            view: view(""),
            uids: listed(&store, "alice", "").await,
            unwanted: queue::Unwanted::Goes,
        };
        store.delete(vec![group]).await.expect("deleted");
        for n in 30..60 {
            deliver(&store, &body(n), &["alice"]).await;
        }
        store.tidy().await.expect("tidied");
        let new = contents(&store).await;
        let held = store.freeze().await.expect("frozen");
        for linked in [true, false] {
            for at in 0.. {
                let copy = place.folder.path().join(format!("copy-{linked}-{at}"));
                super::copy(&dir, &copy);
                let fault = Fault { only: None, at, lasting: true, errno: rustix::io::Errno::IO };
                place.disk.order(Some(fault));
                let cut = take_on(&place.disk, held.frozen(), &copy, &mut |_| {});
                if !place.disk.order(None) {
                    cut.expect("taken");
                    assert!(at > 20, "{at}");
                    break;
                }
                // What cannot be linked is copied; and what is left over is cleared the next time.
                let found = block_in(&place, &copy);
                assert!(found == old || found == new, "cut at {at}: {:?}", cut.err());
                if !linked {
                    place.disk.order(Some(across()));
                }
                take_on(&place.disk, held.frozen(), &copy, &mut |_| {}).expect("finished");
                place.disk.order(None);
                assert_eq!(block_in(&place, &copy), new, "cut at {at}, and finished");
                let left: Vec<_> =
                    names(&copy.join("log")).into_iter().filter(|n| n.starts_with("tmp")).collect();
                assert!(left.is_empty(), "{left:?}");
                std::fs::remove_dir_all(&copy).expect("removed");
            }
        }
        drop(held);
        store.close().await.expect("closed");
    });
}

/// What is in a backup, from within a runtime.
fn block_in(place: &Place, dir: &Path) -> Contents {
    let new = restored(place, dir, wall_ms());
    std::thread::spawn(move || block_on(all(&new)).0).join().expect("no panic")
}

#[test]
fn a_folder_that_is_not_for_it_is_left_alone() {
    let (place, other) = (place(), place_like(&place()));
    let dir = dir(&place);
    block_on(async {
        let (store, _) = place.open();
        deliver(&store, &body(1), &["alice"]).await;
        let (stranger, _) = other.open();
        deliver(&stranger, &body(1), &["alice"]).await;
        backup(&stranger, &other, &dir).await.expect("taken");
        let refused = backup(&store, &place, &dir).await;
        assert!(matches!(refused, Err(BackupError::OtherStore(_))), "{refused:?}");
        let full = place.folder.path().join("full");
        std::fs::create_dir(&full).expect("made");
        std::fs::create_dir(full.join("lost+found")).expect("made");
        std::fs::write(full.join("letter"), b"dear").expect("written");
        let refused = backup(&store, &place, &full).await;
        assert!(matches!(refused, Err(BackupError::NotEmpty(_))), "{refused:?}");
        std::fs::remove_file(full.join("letter")).expect("removed");
        backup(&store, &place, &full).await.expect("an empty file system");
        for inside in
            [place.path(), place.path().join("new"), place.path().join("log"), place.folder.path().into()]
        {
            let refused = backup(&store, &place, &inside).await;
            assert!(matches!(refused, Err(BackupError::Inside(_))), "{inside:?}: {refused:?}");
        }
        assert!(!place.path().join("new").exists());
        let copy = restored(&place, &full, wall_ms());
        let (living, _) = copy.open();
        let refused = backup(&store, &place, &copy.path()).await;
        assert!(matches!(refused, Err(BackupError::IsStore(_))), "{refused:?}");
        living.close().await.expect("closed");
        let held = store.freeze().await.expect("frozen");
        let second = store.freeze().await;
        assert!(matches!(second, Err(BackupError::Busy)), "two at once");
        drop((second, held));
        drop(store.freeze().await.expect("one after the other"));
        store.close().await.expect("closed");
        stranger.close().await.expect("closed");
    });
    // And a backup is no store.
    let params = place.params.clone();
    let opened = SledStore::open_on(place.ground(), &dir, params);
    assert!(matches!(opened, Err(crate::OpenError::Backup)), "{:?}", opened.err());
}

#[test]
fn links_that_a_cut_off_backup_left_are_removed_at_the_next_start() {
    let place = place();
    block_on(async {
        let (store, _) = place.open();
        deliver(&store, &body(1), &["alice"]).await;
        std::mem::forget(store.freeze().await.expect("frozen"));
        store.close().await.expect("closed");
        drop(store);
        let segment = names(&place.path().join("log")).into_iter().find(|name| name.ends_with(".seg"));
        let segment = place.path().join("log").join(segment.expect("one"));
        let links = || std::fs::metadata(&segment).expect("there").nlink();
        assert_eq!(links(), 2);
        let (store, _) = place.open();
        assert_eq!(links(), 1);
        store.close().await.expect("closed");
    });
}

#[test]
fn nothing_is_made_of_a_backup_that_is_not_what_it_was() {
    let place = place();
    let dir = dir(&place);
    block_on(async {
        let (store, _) = place.open();
        for n in 0..20 {
            deliver(&store, &body(n), &["alice"]).await;
        }
        deliver(&store, &body(9).repeat(30), &["alice"]).await;
        store.tidy().await.expect("tidied");
        place.disk.order(None);
        backup(&store, &place, &dir).await.expect("taken");
        store.close().await.expect("closed");
    });
    let files: Vec<String> = ["log", "big", "snap"]
        .iter()
        .flat_map(|folder| names(&dir.join(folder)).into_iter().map(move |name| format!("{folder}/{name}")))
        .chain(["MANIFEST".into(), "STORE".into()])
        .collect();
    let new = place_like(&place);
    let attempt = |dir: &Path| restore(&place, dir, &new, false, wall_ms());
    for file in &files {
        let copy = place.folder.path().join("copy");
        super::copy(&dir, &copy);
        let path = copy.join(file);
        let octets = std::fs::read(&path).expect("read");
        let mut changed = octets.clone();
        changed[octets.len() / 2] ^= 1;
        std::fs::write(&path, &changed).expect("written");
        let error = attempt(&copy).expect_err("changed");
        assert!(!new.path().exists(), "{file}: {error}");
        std::fs::write(&path, &octets[..octets.len() - 2]).expect("written");
        let error = attempt(&copy).expect_err("cut");
        assert!(error.to_string().contains(file.as_str()), "{file}: {error}");
        std::fs::remove_file(&path).expect("removed");
        attempt(&copy).expect_err("missing");
        assert!(!new.path().exists(), "{file}");
        std::fs::remove_dir_all(&copy).expect("removed");
    }
    attempt(&dir).expect("the backup itself is whole");
    assert!(matches!(attempt(&dir), Err(BackupError::Exists(_))), "there is a store now");
    let before = super::contents_of(&new);
    let over = restore(&place, &dir, &new, true, wall_ms()).expect("moved aside");
    let aside = over.aside.expect("the old one is kept");
    assert!(aside.join("STORE").exists() && new.path().join("STORE").exists());
    assert_eq!(super::contents_of(&new), before);
    let (open, _) = new.open();
    let refused = restore(&place, &dir, &new, true, wall_ms());
    assert!(matches!(refused, Err(BackupError::Locked(_))), "{refused:?}");
    block_on(open.close()).expect("closed");
}

#[test]
fn no_store_made_from_a_backup_hands_out_a_uid_that_another_has() {
    let now = wall_ms();
    let day = 24 * 3600 * 1000;
    // When the restores are done: after each other, in one second, and by a clock that is years behind.
    for clocks in [[now + day, now + day + 5000], [now, now], [5, 5]] {
        let place = place();
        let dir = dir(&place);
        let mut stores = vec![];
        let mut before = BTreeSet::new();
        block_on(async {
            let (store, _) = place.open();
            // Many segments in a second: the original is ahead of the clock.
            for n in 0..60 {
                before.extend(deliver(&store, &body(n).repeat(3), &["alice"]).await);
            }
            backup(&store, &place, &dir).await.expect("taken");
            stores.push(more(&store).await);
            store.close().await.expect("closed");
        });
        for clock in clocks {
            let new = restored(&place, &dir, clock);
            stores.push(block_on(async {
                let (store, _) = new.open();
                let listed: BTreeSet<_> = listed(&store, "alice", "").await.into_iter().collect();
                assert_eq!(listed, before, "the same mail has the same uids");
                let uids = more(&store).await;
                store.close().await.expect("closed");
                uids
            }));
        }
        let all: BTreeSet<Uid> = stores.iter().flatten().copied().chain(before.clone()).collect();
        let count: usize = stores.iter().map(Vec::len).sum();
        assert_eq!(all.len(), count + before.len(), "clocks {clocks:?}");
        assert!(stores.iter().flatten().all(|uid| before.iter().all(|old| old < uid)));
        let segments: Vec<_> = stores.iter().map(|uids| Lsn(uids[0].0).segment()).collect();
        assert!(segments[2] > Lsn(stores[1].last().expect("some").0).segment(), "{segments:x?}");
    }
}

async fn more(store: &SledStore) -> Vec<Uid> {
    let mut uids = Vec::new();
    for n in 0..40 {
        uids.extend(deliver(store, &body(n).repeat(3), &["alice"]).await);
    }
    uids
}
