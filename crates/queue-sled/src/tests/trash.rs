//! What was deleted, and what came back of it, while room is made.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use mail::Uid;
use queue::contract::{deliver, listed, name, read, view};
use queue::{Expunge, Fetched, Join, Maildrop, Store, Unwanted};

use super::space::{SEGMENT, body, fill, segments};
use super::{Place, assert_holders, block_on, rows, small};
use crate::SledStore;
use crate::index::{journal, keys};

/// What is in a trash, and what came back of it, moves with all others that hold the same body, wherever the slots of
/// each are; and all of it can be checked and salvaged.
#[test]
fn what_was_deleted_and_what_came_back_moves_too() {
    let place = Place::with_segments(SEGMENT);
    let trash = name("alice").trash();
    block_on(async {
        let (store, _) = place.open();
        let uids = fill(&store, &["alice", "bob"], 0..60).await;
        let alices: Vec<Uid> = uids.iter().map(|both| both[0]).collect();
        for member in ["one", "two"] {
            store.join(&name("alice"), &view(member), queue::Join::All).await.expect("joined");
        }
        store.trash(&name("alice"), alices.clone()).await.expect("moved");
        fill(&store, &["carol"], 60..80).await;
        let some = alices.iter().copied().step_by(6).collect();
        let undone = store.undo(&name("alice"), &view("one"), some).await.expect("undone");
        assert_eq!(undone.len(), 10);
        let all = async |store: &SledStore| {
            let mut all = Vec::new();
            for (mailbox, of) in [(&name("alice"), "one"), (&trash, ""), (&name("bob"), "")] {
                let maildrop = store.open(mailbox, &view(of)).await.expect("opened");
                for at in 0..maildrop.len() {
                    all.push((maildrop.entry(at).expect("within").uid, read(&maildrop, at).await));
                }
            }
            all
        };
        // Every sixth is left, in three mailboxes or, of some, in the trash or in bob's alone.
        let rest = |which: usize| {
            let left = move |n: usize| n.is_multiple_of(6) && !(n + which).is_multiple_of(4);
            uids.iter().enumerate().filter(move |(n, _)| !left(*n)).map(move |(_, both)| both[which])
        };
        store.purge(&trash, rest(0).collect()).await.expect("purged");
        store.purge(&name("bob"), rest(1).collect()).await.expect("purged");
        let carols = listed(&store, "carol", "").await;
        store.purge(&name("carol"), carols).await.expect("purged");
        let wanted = all(&store).await;
        let before = segments(&place);
        let mut moved = 0;
        for _ in 0..3 {
            moved += store.tidy().await.expect("tidied").moved;
        }
        assert!(moved >= 10 && segments(&place) < before / 2, "{moved} of {before}, {}", segments(&place));
        assert_eq!(all(&store).await, wanted);
        assert_holders(&rows(&store));
        store.close().await.expect("closed");
        drop(store);
        let checked = super::salvage::check(&place);
        assert!(checked.faults.is_empty(), "{:?}", checked.faults);
        let (salvaged, files) = super::salvage::run(&place);
        assert!(salvaged.faults.is_empty() && files.len() >= wanted.len(), "{salvaged:?}");
        for (uid, octets) in &wanted {
            let file = files.iter().find(|(name, _)| name.ends_with(&format!("{uid}.eml")));
            assert_eq!(file.map(|(_, found)| found), Some(octets), "{uid}");
        }
        std::fs::remove_dir_all(place.path().join("idx")).expect("removed");
        let (store, report) = place.open();
        assert!(report.damaged.is_empty(), "{report}");
        assert_eq!(all(&store).await, wanted);
        store.close().await.expect("closed");
    });
}

/// What the bodies take of the disk, with the segments that are kept ready.
fn octets(place: &Place) -> u64 {
    let files = ["log", "big"].map(|folder| place.path().join(folder));
    let files =
        files.iter().flat_map(|folder| super::names(folder).into_iter().map(|name| folder.join(name)));
    // A file may go while it is looked for.
    files.filter_map(|file| std::fs::metadata(file).ok()).map(|file| file.blocks() * 512).sum()
}

/// Waits for what the keeper does by itself.
async fn shrinks(place: &Place, to: u64) -> u64 {
    for _ in 0..600 {
        if octets(place) <= to {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    octets(place)
}

/// Nobody asks for it: as in a daemon, the keeper sees that much has died. Of other mail in the same segments nothing
/// goes.
#[test]
fn what_a_team_had_and_the_trash_gave_up_leaves_the_disk() {
    const MEMBERS: [&str; 3] = ["one", "two", "three"];
    let mut place = Place::with_segments(SEGMENT);
    place.params.dead = 100_000;
    let team = name("team");
    block_on(async {
        let (store, _) = place.open();
        for member in MEMBERS {
            store.join(&team, &view(member), Join::All).await.expect("joined");
        }
        let (mut mails, mut others) = (Vec::new(), Vec::new());
        for n in 0..120 {
            let mailboxes: &[&str] = if n % 12 == 0 { &["team", "other"] } else { &["team"] };
            mails.push(deliver(&store, &body(n), mailboxes).await[0]);
            others.extend((n % 12 == 0).then_some(n));
        }
        for n in 0..5 {
            mails.push(deliver(&store, &body(n).repeat(10), &["team"]).await[0]);
        }
        let full = octets(&place);
        assert!(full > 1_000_000, "{full}");
        for (which, member) in MEMBERS.into_iter().enumerate() {
            let group = Fetched {
                mailbox: team.clone(),
                view: view(member),
                uids: mails.clone(),
                offered: mails[mails.len() - 1],
            };
            store.seen(group).await.expect("noted");
            assert!(octets(&place) >= full, "{which} have had it");
            let (mailbox, unwanted) = (team.clone(), Unwanted::ToTrash);
            let group = Expunge { mailbox, view: view(member), uids: mails.clone(), unwanted };
            store.delete(vec![group]).await.expect("deleted");
        }
        let trashed = store.trashed(&team, Uid(0), usize::MAX).await.expect("told");
        assert_eq!(trashed.len(), mails.len(), "all had it");
        // Longer than the keeper rests: it has looked, and a trash is no reason to free anything.
        tokio::time::sleep(Duration::from_secs(7)).await;
        assert!(octets(&place) >= full, "{} of {full}", octets(&place));
        store.purge(&team.trash(), mails.clone()).await.expect("purged");
        let left = shrinks(&place, full / 4).await;
        assert!(left <= full / 4, "{left} of {full}");
        assert!(super::names(&place.path().join("big")).is_empty());
        for (maildrop, wanted) in [("team", 0), ("other", others.len())] {
            let of = if maildrop == "team" { "one" } else { "" };
            let maildrop = store.open(&name(maildrop), &view(of)).await.expect("opened");
            assert_eq!(maildrop.len(), wanted);
            for (at, n) in others.iter().enumerate().take(maildrop.len()) {
                assert!(read(&maildrop, at).await.ends_with(&body(*n)), "{n}");
            }
        }
        assert_holders(&rows(&store));
        let rest = listed(&store, "other", "").await;
        super::space::delete(&store, "other", rest).await;
        store.tidy().await.expect("tidied");
        assert_eq!(segments(&place), 1);
        store.close().await.expect("closed");
    });
}

/// A body may have more holders than one row names, from its delivery on and by what comes back; it stays until the last
/// of them is gone, in whatever order they go.
#[test]
fn a_body_of_many_holders_goes_with_the_last() {
    const MEMBERS: [&str; 2] = ["one", "two"];
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        let team = name("team");
        for member in MEMBERS {
            store.join(&team, &view(member), Join::All).await.expect("joined");
        }
        let boxes: Vec<String> = (0..90).map(|n| format!("box-{n}")).chain(["team".into()]).collect();
        let boxes: Vec<&str> = boxes.iter().map(String::as_str).collect();
        let uids = deliver(&store, b"one\r\n", &boxes).await;
        let trashed = vec![uids[90]];
        store.trash(&team, trashed.clone()).await.expect("moved");
        let bodies = |store: &SledStore| {
            rows(store).into_iter().filter(|(key, _)| key.starts_with(keys::BODIES)).count()
        };
        let before = bodies(&store);
        assert!(before > 1, "{before}");
        let mut back = Vec::new();
        for _ in 0..200 {
            // For one view it comes back once: they come and go.
            let view = view("guest");
            store.join(&team, &view, Join::All).await.expect("joined");
            back.push(store.undo(&team, &view, trashed.clone()).await.expect("undone")[0].now);
            store.leave(&team, &view, Unwanted::Stays).await.expect("left");
            assert_holders(&rows(&store));
        }
        assert!(bodies(&store) > before + 1, "{before} and {}", bodies(&store));
        assert!(rows(&store).values().all(|value| value.len() <= 1024));
        // The last of the trash, which nobody shares it with, moves out of it.
        store.leave(&team, &view("two"), Unwanted::Stays).await.expect("left");
        let moved = store.undo(&team, &view("one"), trashed.clone()).await.expect("undone")[0].now;
        assert!(store.trashed(&team, Uid(0), 9).await.expect("told").is_empty());
        assert_holders(&rows(&store));
        // From the middle of the rows, from the first, from the last.
        store.purge(&team, back.drain(40..160).collect()).await.expect("purged");
        assert_holders(&rows(&store));
        for (mailbox, uid) in boxes.iter().zip(&uids).take(90) {
            store.purge(&name(mailbox), vec![*uid]).await.expect("purged");
            assert_holders(&rows(&store));
        }
        back.reverse();
        store.purge(&team, back).await.expect("purged");
        assert_holders(&rows(&store));
        let last = store.open(&team, &view("one")).await.expect("opened");
        assert_eq!((last.len(), last.entry(0).map(|entry| entry.uid)), (1, Some(moved)));
        assert!(read(&last, 0).await.ends_with(b"one\r\n") && bodies(&store) > 0);
        store.purge(&team, vec![moved]).await.expect("purged");
        assert_eq!(bodies(&store), 0);
        store.close().await.expect("closed");
    });
}

/// What is noted of deletions goes with what was deleted: by and by, and nothing of it stays for ever.
#[test]
fn what_the_trash_gave_up_is_noted_no_more() {
    let place = Place::new(small());
    let noted = |store: &SledStore| {
        let rows = rows(store).into_iter().filter(|(key, _)| key.starts_with(keys::JOURNALS));
        rows.map(|(_, value)| journal::read(&value).expect("readable").len()).collect::<Vec<_>>()
    };
    block_on(async {
        let (store, _) = place.open();
        let mut left = deliver(&store, b"one\r\n", &["alice"; 1800]).await;
        let mut delete = async |many: usize| {
            let uids: Vec<_> = left.drain(..many).collect();
            let (mailbox, view) = (name("alice"), view(""));
            let group = Expunge { mailbox, view, uids: uids.clone(), unwanted: Unwanted::ToTrash };
            store.delete(vec![group]).await.expect("deleted");
            uids
        };
        let uids = delete(1500).await;
        let all = noted(&store);
        assert!(all.len() > 2 && all.iter().sum::<usize>() == 1500, "{all:?}");
        assert!(all[..all.len() - 1].iter().all(|some| *some > 200), "a row takes many: {all:?}");
        store.purge(&name("alice").trash(), uids[..all[0]].to_vec()).await.expect("purged");
        delete(1).await;
        assert_eq!(noted(&store).iter().sum::<usize>(), 1501 - all[0], "the oldest row is gone");
        store.purge(&name("alice").trash(), uids[all[0]..].to_vec()).await.expect("purged");
        delete(1).await;
        let rest = noted(&store);
        assert!(rest.len() == 1 && rest[0] < 500, "{rest:?}");
        store.close().await.expect("closed");
    });
}

/// What a view has fetched, or is done with, closes up around an entry that leaves the mailbox: whether the view has
/// one of the two sets, the other, or both.
#[test]
fn what_has_left_a_mailbox_parts_no_runs() {
    let place = Place::with_segments(SEGMENT);
    let team = name("team");
    block_on(async {
        let (store, _) = place.open();
        for member in ["reads", "deletes", "does"] {
            store.join(&team, &view(member), Join::All).await.expect("joined");
        }
        let uids: Vec<Uid> = fill(&store, &["team"], 0..9).await.into_iter().flatten().collect();
        let odd: Vec<Uid> = uids.iter().copied().skip(1).step_by(2).collect();
        for member in ["reads", "does"] {
            let (mailbox, view) = (team.clone(), view(member));
            let group = Fetched { mailbox, view, uids: odd.clone(), offered: uids[8] };
            store.seen(group).await.expect("noted");
        }
        for member in ["deletes", "does"] {
            let (mailbox, view) = (team.clone(), view(member));
            let group = Expunge { mailbox, view, uids: odd.clone(), unwanted: Unwanted::Stays };
            store.delete(vec![group]).await.expect("deleted");
        }
        let sets = async |store: &SledStore| {
            let views = store.views(&team).await.expect("told");
            let sets = views.iter().map(|state| {
                let runs = |runs: &queue::Runs| runs.runs().collect::<Vec<_>>();
                (state.view.to_string(), runs(&state.fetched), runs(&state.done))
            });
            sets.collect::<Vec<_>>()
        };
        let all = |runs: Vec<(Uid, Uid)>| {
            [("deletes", false, true), ("does", true, true), ("reads", true, false)].map(
                |(view, reads, deletes)| {
                    let of = |is: bool| if is { runs.clone() } else { Vec::new() };
                    (view.to_owned(), of(reads), of(deletes))
                },
            )
        };
        assert_eq!(sets(&store).await, all(odd.iter().map(|uid| (*uid, *uid)).collect()));
        // One that was between two runs, and one that was a run.
        store.purge(&team, vec![uids[2], uids[7]]).await.expect("purged");
        let wanted = all(vec![(uids[1], uids[3]), (uids[5], uids[5])]);
        assert_eq!(sets(&store).await, wanted);
        // The first of a run.
        store.purge(&team, vec![uids[1]]).await.expect("purged");
        let wanted_now = all(vec![(uids[3], uids[3]), (uids[5], uids[5])]);
        assert_eq!(sets(&store).await, wanted_now);
        store.close().await.expect("closed");
        drop(store);
        for keeps_index in [true, false] {
            if !keeps_index {
                std::fs::remove_dir_all(place.path().join("idx")).expect("removed");
            }
            let (store, _) = place.open();
            assert_eq!(sets(&store).await, wanted_now, "{keeps_index}");
            store.close().await.expect("closed");
        }
    });
}
