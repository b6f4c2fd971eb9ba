//! What was deleted, and what came back of it, while room is made.

use mail::Uid;
use queue::contract::{listed, name, read, view};
use queue::{Maildrop, Store};

use super::space::{SEGMENT, fill, segments};
use super::{Place, assert_holders, block_on, rows};
use crate::SledStore;

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
