//! Who holds a body when entries of it have come back.

use std::collections::BTreeMap;

use mail::{MailboxName, Uid};
use queue::contract::{deliver, name, read, view};
use queue::{Expunge, Join, Maildrop, Store, Undone, Unwanted};

use super::space::{SEGMENT, body, delete, fill, segments};
use super::{Place, Rows, assert_holders, block_on, rows};
use crate::SledStore;
use crate::index::rows::EntryRow;
use crate::index::{chunk, keys};

/// All entries, with the mailbox or the trash that each is in.
fn entries(rows: &Rows) -> BTreeMap<Uid, (MailboxName, EntryRow)> {
    let mut entries = BTreeMap::new();
    for (key, value) in rows.iter().filter(|(key, _)| key.starts_with(keys::ENTRIES)) {
        let (home, _) = keys::names(key).expect("a mailbox");
        let each = |found: chunk::Found| {
            assert!(entries.insert(found.uid, (home.clone(), found.row)).is_none(), "a uid is used once");
            Ok(true)
        };
        chunk::scan(value, Uid(keys::number(key).expect("a uid")), each).expect("entries");
    }
    entries
}

/// Mailboxes whose mail comes back, and the view that it comes back for: nobody else could want it in the first, and
/// in the second somebody else does.
const HOMES: [(&str, &str); 2] = [("plain", ""), ("team", "one")];
const FILLER: &str = "filler";

/// Mail that is in one mailbox alone, and mail that bob has too.
async fn deliver_both(store: &SledStore, from: usize) -> BTreeMap<&'static str, Vec<Uid>> {
    let mut uids = BTreeMap::<_, Vec<_>>::new();
    for (nth, (home, _)) in HOMES.into_iter().enumerate() {
        let n = from + 2 * nth;
        for (n, mailboxes) in [(n, &[home][..]), (n + 1, &[home, "bob"])] {
            uids.entry(home).or_default().push(deliver(store, &body(n), mailboxes).await[0]);
        }
    }
    uids
}

/// Makes all that lives move: it is the lesser part of every segment.
async fn compact(store: &SledStore, place: &Place, filled: Vec<Uid>) {
    delete(store, FILLER, filled).await;
    let before = segments(place);
    for _ in 0..3 {
        store.tidy().await.expect("tidied");
    }
    assert!(segments(place) < before, "{before}");
}

async fn filler(store: &SledStore) -> Vec<Uid> {
    fill(store, &[FILLER], 500..540).await.concat()
}

async fn octets(store: &SledStore, home: &str, of: &str) -> BTreeMap<Uid, Vec<u8>> {
    let maildrop = store.open(&name(home), &view(of)).await.expect("opened");
    let mut octets = BTreeMap::new();
    for at in 0..maildrop.len() {
        octets.insert(maildrop.entry(at).expect("within").uid, read(&maildrop, at).await);
    }
    octets
}

/// Deletes what `uids` names for the views of [`HOMES`], and brings it back for them.
async fn there_and_back(
    store: &SledStore,
    uids: &BTreeMap<&str, Vec<Uid>>,
    everywhere: bool,
) -> BTreeMap<Uid, Vec<u8>> {
    let mut came_back = BTreeMap::new();
    for (home, of) in HOMES {
        let uids = &uids[home];
        let before = octets(store, home, of).await;
        let group =
            Expunge { mailbox: name(home), view: view(of), uids: uids.clone(), unwanted: Unwanted::ToTrash };
        store.delete(vec![group]).await.expect("deleted");
        if everywhere {
            store.trash(&name(home), uids.clone()).await.expect("moved");
        }
        let listed = octets(store, home, of).await;
        assert!(uids.iter().all(|uid| !listed.contains_key(uid)));
        let undone = store.undo(&name(home), &view(of), uids.clone()).await.expect("undone");
        assert_eq!(undone.iter().map(|undone| undone.was).collect::<Vec<_>>(), *uids, "{home}");
        let listed = octets(store, home, of).await;
        for Undone { was, now } in undone {
            assert_eq!(listed[&now], before[&was], "{home}");
            came_back.insert(now, listed[&now].clone());
        }
        assert_holders(&rows(store));
    }
    came_back
}

fn assert_where(rows: &Rows, came_back: &BTreeMap<Uid, Vec<u8>>, places: Option<bool>) {
    let entries = entries(rows);
    for (uid, (home, row)) in &entries {
        assert_eq!(row.trashed_ms.is_some(), home.trashed_from().is_some(), "{uid} of {home}");
    }
    for uid in came_back.keys() {
        let (home, row) = &entries[uid];
        assert!(home.trashed_from().is_none());
        if let Some(moved) = places {
            assert_eq!(row.slot.is_some(), moved, "{uid} of {home}");
        }
    }
}

/// From the trash and for one member alone, of mail that was moved before and of mail that was not, whether others
/// hold the body or nobody does: each that came back is what it was; it moves with all others that hold the body; it
/// is the same by a new index; and when it has gone nothing of it is left.
#[test]
fn what_came_back_holds_its_body_as_any_other() {
    let place = Place::with_segments(SEGMENT);
    block_on(async {
        let (store, _) = place.open();
        for member in ["one", "two"] {
            store.join(&name("team"), &view(member), Join::All).await.expect("joined");
        }
        let filled = filler(&store).await;
        let moved = [deliver_both(&store, 0).await, deliver_both(&store, 10).await];
        compact(&store, &place, filled).await;
        let slots = entries(&rows(&store));
        for uid in moved.iter().flat_map(|uids| uids.values().flatten()) {
            assert!(slots[uid].1.slot.is_some(), "{uid} has moved");
        }
        let filled = filler(&store).await;
        let young = [deliver_both(&store, 20).await, deliver_both(&store, 30).await];
        let mut came_back = BTreeMap::new();
        for (uids, everywhere) in moved.iter().chain(&young).zip([false, true, false, true]) {
            came_back.extend(there_and_back(&store, uids, everywhere).await);
        }
        assert_eq!(came_back.len(), 16);
        assert_where(&rows(&store), &came_back, Some(false));
        compact(&store, &place, filled).await;
        assert_where(&rows(&store), &came_back, None);
        assert_holders(&rows(&store));
        let known = rows(&store);
        store.close().await.expect("closed");
        drop(store);
        std::fs::remove_dir_all(place.path().join("idx")).expect("removed");
        let (store, report) = place.open();
        assert!(report.damaged.is_empty(), "{report}");
        let rebuilt = rows(&store);
        assert!(entries(&rebuilt) == entries(&known), "{:#?}\n{:#?}", entries(&rebuilt), entries(&known));
        let mut listed = BTreeMap::new();
        for (home, of) in HOMES {
            listed.extend(octets(&store, home, of).await);
        }
        assert_eq!(listed, came_back);
        // What it came back from goes, and all others that have the body.
        for mailbox in ["plain", "team", "bob"] {
            let others = entries(&rebuilt).into_iter().filter(|(uid, (home, _))| {
                !came_back.contains_key(uid) && [name(mailbox), name(mailbox).trash()].contains(home)
            });
            let mut homes = BTreeMap::<_, Vec<_>>::new();
            for (uid, (home, _)) in others {
                homes.entry(home).or_default().push(uid);
            }
            for (home, uids) in homes {
                store.purge(&home, uids).await.expect("purged");
            }
        }
        store.tidy().await.expect("tidied");
        assert_holders(&rows(&store));
        let mut listed = BTreeMap::new();
        for (home, of) in HOMES {
            listed.extend(octets(&store, home, of).await);
        }
        assert_eq!(listed, came_back);
        for (home, _) in HOMES {
            store.purge(&name(home), came_back.keys().copied().collect()).await.expect("purged");
        }
        assert!(entries(&rows(&store)).is_empty());
        assert!(rows(&store).keys().all(|key| !key.starts_with(keys::BODIES)));
        store.tidy().await.expect("tidied");
        assert_eq!(segments(&place), 1, "nothing is kept for what is gone");
        store.close().await.expect("closed");
    });
}
