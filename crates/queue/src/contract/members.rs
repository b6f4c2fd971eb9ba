//! Who comes and goes, and what each is shown.

use std::time::Duration;

use mail::{Uid, ViewName};

use super::fixture::{deliver, listed, name, view};
use super::teams::{expunge, team};
use super::{Engine, close};
use crate::{Expunge, Fetched, Join, Maildrop, Store, Unwanted};

/// A mailbox is known by the mail that it holds or by the views that have joined it, and by nothing else.
pub async fn a_mailbox_is_known_by_mail_or_views<E: Engine>(engine: &E) {
    let store = engine.open().await;
    team(&store, &["alice"]).await;
    let uids = deliver(&store, b"one\r\n", &["bob", "carol", "erin"]).await;
    store.delete(expunge("carol", "", &uids[1..2], Unwanted::Goes)).await.expect("deleted");
    // What she did is noted; neither she nor her trash has anything.
    store.delete(expunge("erin", "", &uids[2..], Unwanted::ToTrash)).await.expect("deleted");
    store.purge(&name("erin").trash(), uids[2..].to_vec()).await.expect("purged");
    store.join(&name("dave"), &view("phone"), Join::All).await.expect("joined");
    store.leave(&name("dave"), &view("phone"), Unwanted::Goes).await.expect("left");
    let known = async |store: &E::Store| {
        let known = store.mailboxes().await.expect("readable");
        known.into_iter().map(|status| (status.name, status.views)).collect::<Vec<_>>()
    };
    let expected = [(name("bob"), vec![]), (name("sales"), vec![view("alice")])];
    assert_eq!(known(&store).await, expected);
    close(store).await;
    let store = engine.open().await;
    assert_eq!(known(&store).await, expected);
    assert!(listed(&store, "sales", "alice").await.is_empty(), "and its view may look at it");
    close(store).await;
}

/// Whoever leaves takes along what it alone still wanted; of several members, and never as the last.
pub async fn who_leaves_last_takes_nothing_along<E: Engine>(engine: &E) {
    let store = engine.open().await;
    team(&store, &["alice", "bob", "carol"]).await;
    let mut uids = Vec::new();
    for _ in 0..3 {
        uids.extend(deliver(&store, b"one\r\n", &["sales"]).await);
    }
    store.delete(expunge("sales", "alice", &uids[..1], Unwanted::Stays)).await.expect("deleted");
    store.delete(expunge("sales", "bob", &uids[..2], Unwanted::Stays)).await.expect("deleted");
    for (member, left) in [("carol", &uids[1..]), ("bob", &uids[1..]), ("alice", &uids[1..])] {
        store.leave(&name("sales"), &view(member), Unwanted::Goes).await.expect("left");
        assert_eq!(listed(&store, "sales", "").await, *left, "after {member}");
    }
    close(store).await;
    assert_eq!(listed(&engine.open().await, "sales", "").await, uids[1..]);
}

/// Whoever has not joined has nothing to forget: the deletions of an owner without any views are not lost by it.
pub async fn leaving_without_having_joined_changes_nothing<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let uids = [deliver(&store, b"one\r\n", &["alice"]).await, deliver(&store, b"two\r\n", &["alice"]).await]
        .concat();
    store.delete(expunge("alice", "", &uids[..1], Unwanted::ToTrash)).await.expect("deleted");
    for name_ in ["alice", "nobody"] {
        store.leave(&name(name_), &ViewName::owner(), Unwanted::Goes).await.expect("no error");
    }
    close(store).await;
    let store = engine.open().await;
    assert_eq!(listed(&store, "alice", "").await, uids[1..]);
    let told = store.deletions(&name("alice"), &ViewName::owner(), 0).await.expect("told");
    assert_eq!(told.iter().map(|deletion| deletion.uids.clone()).collect::<Vec<_>>(), [uids[..1].to_vec()]);
    close(store).await;
}

/// Whoever joins again has done nothing yet: what was deleted before is listed, and is nothing that could come back once
/// more. What others did is theirs.
pub async fn who_joins_again_has_deleted_nothing<E: Engine>(engine: &E) {
    let store = engine.open().await;
    team(&store, &["alice", "bob"]).await;
    let uids = [deliver(&store, b"one\r\n", &["sales"]).await, deliver(&store, b"two\r\n", &["sales"]).await]
        .concat();
    for (member, gone) in [("alice", &uids[..1]), ("bob", &uids[1..])] {
        store.delete(expunge("sales", member, gone, Unwanted::Stays)).await.expect("deleted");
    }
    store.leave(&name("sales"), &view("alice"), Unwanted::Stays).await.expect("left");
    store.join(&name("sales"), &view("alice"), Join::All).await.expect("joined");
    close(store).await;
    let store = engine.open().await;
    assert_eq!(listed(&store, "sales", "alice").await, uids);
    assert!(store.deletions(&name("sales"), &view("alice"), 0).await.expect("told").is_empty());
    let undone = store.undo(&name("sales"), &view("alice"), uids.clone()).await.expect("undone");
    assert!(undone.is_empty(), "{undone:?}");
    let bobs = store.deletions(&name("sales"), &view("bob"), 0).await.expect("told");
    assert_eq!(bobs.into_iter().flat_map(|deletion| deletion.uids).collect::<Vec<_>>(), uids[1..]);
    close(store).await;
}

/// Whoever deletes again what is deleted has done nothing: it is told once, as of the first time.
pub async fn deleting_again_is_no_deletion<E: Engine>(engine: &E) {
    let store = engine.open().await;
    team(&store, &["alice", "bob"]).await;
    let uids = deliver(&store, b"one\r\n", &["sales", "carol"]).await;
    let told = async |mailbox: &str, of: &str| {
        let told = store.deletions(&name(mailbox), &view(of), 0).await.expect("told");
        told.into_iter().map(|deletion| (deletion.time_ms, deletion.uids)).collect::<Vec<_>>()
    };
    for (mailbox, of, uid) in [("sales", "alice", uids[0]), ("carol", "", uids[1])] {
        store.delete(expunge(mailbox, of, &[uid], Unwanted::ToTrash)).await.expect("deleted");
        let once = told(mailbox, of).await;
        assert_eq!(once.iter().flat_map(|(_, uids)| uids.clone()).collect::<Vec<_>>(), [uid]);
        tokio::time::sleep(Duration::from_millis(5)).await;
        store.delete(expunge(mailbox, of, &[uid, uid], Unwanted::ToTrash)).await.expect("no error");
        assert_eq!(told(mailbox, of).await, once);
    }
    assert_eq!(listed(&store, "sales", "bob").await, uids[..1]);
    close(store).await;
}

/// What a view was offered is remembered, also when it has fetched nothing of it.
pub async fn what_was_offered_is_remembered<E: Engine>(engine: &E) {
    let store = engine.open().await;
    team(&store, &["alice"]).await;
    let offered = deliver(&store, b"one\r\n", &["sales"]).await[0];
    let seen = Fetched { mailbox: name("sales"), view: view("alice"), uids: Vec::new(), offered };
    store.seen(seen).await.expect("noted");
    let told = async |store: &E::Store| store.views(&name("sales")).await.expect("told")[0].offered;
    assert_eq!(told(&store).await, offered);
    close(store).await;
    assert_eq!(told(&engine.open().await).await, offered);
}

/// Equal stamps of one mailbox are equal listings, whichever the view and whenever.
pub async fn equal_stamps_are_equal_listings<E: Engine>(engine: &E) {
    const MEMBERS: [&str; 3] = ["alice", "bob", "carol"];
    let store = engine.open().await;
    team(&store, &MEMBERS).await;
    let mut uids = Vec::new();
    for _ in 0..5 {
        uids.extend(deliver(&store, b"one\r\n", &["sales"]).await);
    }
    let mut known = Vec::new();
    for round in 0..5 {
        for (at, member) in MEMBERS.iter().enumerate() {
            let gone = &uids[(round + at) % 5..][..1];
            store.delete(expunge("sales", member, gone, Unwanted::Stays)).await.expect("deleted");
            for member in ["", "alice", "bob", "carol"] {
                let maildrop = store.open(&name("sales"), &view(member)).await.expect("opened");
                known.push((maildrop.stamp(), listed(&store, "sales", member).await));
            }
        }
    }
    for (stamp, listing) in &known {
        let others = known.iter().filter(|(other, _)| other == stamp);
        assert!(others.into_iter().all(|(_, other)| other == listing), "{stamp:?} of {listing:?}");
    }
    close(store).await;
}

/// However much a view was done with, all of it is told that is still there, once and in the order of its deletions:
/// also when some has come back and some has gone.
pub async fn many_deletions_are_told_each_once<E: Engine>(engine: &E) {
    let owner = ViewName::owner();
    let store = engine.open().await;
    let mut left = deliver(&store, b"one\r\n", &["alice"; 2400]).await;
    let told = async |store: &E::Store| -> Vec<Uid> {
        let told = store.deletions(&name("alice"), &owner, 0).await.expect("told");
        told.into_iter().flat_map(|deletion| deletion.uids).collect()
    };
    let mut deleted = Vec::new();
    let purge = async |deleted: &mut Vec<Uid>, which: std::ops::Range<usize>| {
        store.purge(&name("alice").trash(), deleted.drain(which).collect()).await.expect("purged");
    };
    let mut delete = async |deleted: &mut Vec<Uid>, many: usize| {
        let some: Vec<_> = left.drain(..many).collect();
        store.delete(expunge("alice", "", &some, Unwanted::ToTrash)).await.expect("deleted");
        deleted.extend(some);
    };
    for many in [1, 799, 800, 700] {
        delete(&mut deleted, many).await;
        assert_eq!(told(&store).await, deleted);
    }
    let back = [deleted.remove(2200), deleted.remove(900), deleted.remove(0)];
    assert_eq!(store.undo(&name("alice"), &owner, back.to_vec()).await.expect("undone").len(), 3);
    assert_eq!(told(&store).await, deleted);
    // Some of the oldest, some of the middle; then all.
    for which in [0..200, 700..710, 0..700, 0..1447] {
        purge(&mut deleted, which).await;
        delete(&mut deleted, 20).await;
        assert_eq!(told(&store).await, deleted);
    }
    assert_eq!(deleted.len(), 20);
    close(store).await;
    assert_eq!(told(&engine.open().await).await, deleted);
}

/// A trash is filled in any order. Whoever was done with what is there has not seen what comes between.
pub async fn what_comes_between_others_is_new<E: Engine>(engine: &E) {
    let (trash, phone) = (name("alice").trash(), view("phone"));
    let store = engine.open().await;
    store.join(&trash, &phone, Join::All).await.expect("joined");
    let uids = deliver(&store, b"one\r\n", &["alice"; 5]).await;
    let (odd, even): (Vec<_>, Vec<_>) = uids.iter().enumerate().partition(|(at, _)| at % 2 == 1);
    let [odd, even] = [odd, even].map(|some| some.into_iter().map(|(_, uid)| *uid).collect::<Vec<_>>());
    store.trash(&name("alice"), even.clone()).await.expect("moved");
    let done = Expunge { mailbox: trash.clone(), view: phone.clone(), uids: even, unwanted: Unwanted::Stays };
    store.delete(vec![done]).await.expect("deleted");
    store.trash(&name("alice"), odd.clone()).await.expect("moved");
    let listed = async |store: &E::Store| {
        let maildrop = store.open(&trash, &phone).await.expect("opened");
        (0..maildrop.len()).map(|at| maildrop.entry(at).expect("within").uid).collect::<Vec<_>>()
    };
    assert_eq!(listed(&store).await, odd);
    close(store).await;
    assert_eq!(listed(&engine.open().await).await, odd);
}
