//! What views do, what the trash keeps, and what comes back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mail::{Uid, ViewName};

use super::fixture::{accept, deliver, done, listed, name, read, route, view};
use super::{Engine, close};
use crate::{Expunge, Fetched, Join, Maildrop, Store, StoreError, Unwanted};

pub(super) fn expunge(mailbox: &str, view_: &str, uids: &[Uid], unwanted: Unwanted) -> Vec<Expunge> {
    vec![Expunge { unwanted, ..done(mailbox, view_, uids).remove(0) }]
}

pub(super) async fn team<S: Store>(store: &S, members: &[&str]) {
    for member in members {
        store.join(&name("sales"), &view(member), Join::All).await.expect("joined");
    }
}

async fn in_trash<S: Store>(store: &S, mailbox: &str) -> Vec<Uid> {
    let trashed = store.trashed(&name(mailbox), Uid(0), 1000).await.expect("told");
    trashed.iter().map(|trashed| trashed.uid).collect()
}

async fn octets_of<S: Store>(store: &S, mailbox: &str, view_: &str, uid: Uid) -> Vec<u8> {
    let maildrop = match mailbox {
        "alice+trash" => store.open(&name("alice").trash(), &view(view_)).await.expect("opened"),
        mailbox => store.open(&name(mailbox), &view(view_)).await.expect("opened"),
    };
    let found = (0..maildrop.len()).find(|index| maildrop.entry(*index).expect("within").uid == uid);
    read(&maildrop, found.expect("listed")).await
}

/// What every view is done with stays until somebody decides.
pub async fn unwanted_stays_when_asked_to<E: Engine>(engine: &E) {
    let store = engine.open().await;
    team(&store, &["alice", "bob"]).await;
    let uids = deliver(&store, b"one\r\n", &["sales"]).await;
    for member in ["alice", "bob"] {
        store.delete(expunge("sales", member, &uids, Unwanted::Stays)).await.expect("deleted");
    }
    close(store).await;
    let store = engine.open().await;
    assert!(
        listed(&store, "sales", "alice").await.is_empty() && listed(&store, "sales", "bob").await.is_empty()
    );
    assert_eq!(store.usage(&name("sales")).messages, 1);
    store.trash(&name("sales"), uids.clone()).await.expect("moved");
    assert_eq!((store.usage(&name("sales")).messages, in_trash(&store, "sales").await), (0, uids));
    close(store).await;
}

/// A deletion moves into the trash what nobody else wants: out of the mailbox and its usage, octet for octet, under
/// its old uid; and a purge there is the end.
pub async fn the_trash_keeps_what_was_deleted<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let mut uids = Vec::new();
    for body in [&b"one\r\n"[..], b"two\r\n", b"three\r\n"] {
        uids.extend(deliver(&store, body, &["alice", "bob"]).await.first());
    }
    let before = octets_of(&store, "alice", "", uids[1]).await;
    // The later first: a trash is in the order of uids all the same.
    store.delete(expunge("alice", "", &uids[1..2], Unwanted::ToTrash)).await.expect("deleted");
    store.delete(expunge("alice", "", &uids[..1], Unwanted::ToTrash)).await.expect("deleted");
    close(store).await;
    let store = engine.open().await;
    assert_eq!(listed(&store, "alice", "").await, uids[2..]);
    assert_eq!(store.usage(&name("alice")).messages, 1);
    assert_eq!(in_trash(&store, "alice").await, uids[..2]);
    assert_eq!(octets_of(&store, "alice+trash", "", uids[1]).await, before);
    let trashed = store.trashed(&name("alice"), uids[0], 1).await.expect("told");
    assert_eq!((trashed.len(), trashed[0].octets), (1, before.len() as u64));
    assert!(trashed[0].delivered_ms > 0 && trashed[0].delivered_ms <= trashed[0].trashed_ms);
    store.purge(&name("alice").trash(), uids[..2].to_vec()).await.expect("purged");
    assert!(in_trash(&store, "alice").await.is_empty());
    assert_eq!(listed(&store, "bob", "").await.len(), 3, "another mailbox's copies stay");
    close(store).await;
}

/// Of several views the last one's deletion moves it.
pub async fn the_last_view_fills_the_trash<E: Engine>(engine: &E) {
    let store = engine.open().await;
    team(&store, &["alice", "bob"]).await;
    let uids = deliver(&store, b"one\r\n", &["sales"]).await;
    store.delete(expunge("sales", "alice", &uids, Unwanted::ToTrash)).await.expect("deleted");
    assert_eq!(
        (in_trash(&store, "sales").await, listed(&store, "sales", "bob").await),
        (vec![], uids.clone())
    );
    store.leave(&name("sales"), &view("bob"), Unwanted::ToTrash).await.expect("left");
    assert_eq!(in_trash(&store, "sales").await, uids);
    assert_eq!(store.usage(&name("sales")).messages, 0);
    close(store).await;
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("small")
}

/// The name that the server before gave a message of alice's.
async fn foreign<S: Store>(store: &S, index: usize) -> Option<String> {
    let maildrop = store.open(&name("alice"), &ViewName::owner()).await.expect("opened");
    maildrop.entry(index).expect("there").foreign_uidl.map(str::to_owned)
}

/// What comes back from the trash has another uid, and is what it was.
pub async fn undone_comes_back_under_another_uid<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let mut imported = route(accept(&store, b"one\r\n").await, &["alice"]);
    imported.entries[0].foreign_uidl = Some("old-1".into());
    store.deliver(vec![imported]).await.expect("delivered");
    deliver(&store, b"two\r\n", &["alice"]).await;
    let uids = listed(&store, "alice", "").await;
    assert_eq!(foreign(&store, 0).await.as_deref(), Some("old-1"));
    let before = octets_of(&store, "alice", "", uids[0]).await;
    store.delete(expunge("alice", "", &uids[..1], Unwanted::ToTrash)).await.expect("deleted");
    let told = store.deletions(&name("alice"), &ViewName::owner(), 0).await.expect("told");
    assert_eq!(told.iter().map(|deletion| deletion.uids.clone()).collect::<Vec<_>>(), [uids[..1].to_vec()]);
    let later = store.deletions(&name("alice"), &ViewName::owner(), told[0].time_ms + 1).await.expect("told");
    assert!(later.is_empty());
    let stranger = Uid(uids[1].0 + 1);
    let undo = vec![uids[0], uids[1], stranger];
    tokio::time::sleep(Duration::from_millis(5)).await;
    let undone_ms = now_ms();
    let came = store.came(&name("alice"), Uid(0), 9).await.expect("told");
    let undone = store.undo(&name("alice"), &ViewName::owner(), undo).await.expect("undone");
    assert_eq!(undone.iter().map(|undone| undone.was).collect::<Vec<_>>(), uids[..1]);
    let now = undone[0].now;
    assert!(now > uids[1]);
    close(store).await;
    let store = engine.open().await;
    assert_eq!(listed(&store, "alice", "").await, [uids[1], now]);
    let old = store.older_than(&name("alice"), undone_ms, u64::MAX, 9).await.expect("told");
    assert_eq!(old, uids[1..], "it is as young as new mail");
    let [(other, other_ms)] = came[..] else { panic!("one is listed: {came:?}") };
    assert!(other == uids[1] && other_ms > 0 && other_ms < undone_ms);
    let came = async |after, limit| store.came(&name("alice"), after, limit).await.expect("told");
    let [first, (back, back_ms)] = came(Uid(0), 9).await[..] else { panic!("two are listed") };
    assert!(first == (other, other_ms) && back == now && back_ms >= undone_ms);
    assert_eq!(came(Uid(0), 1).await, [first]);
    assert_eq!(came(uids[1], 9).await, [(now, back_ms)]);
    assert!(came(now, 9).await.is_empty());
    assert_eq!(foreign(&store, 1).await, None, "by the old server's name no client would fetch it again");
    assert_eq!(octets_of(&store, "alice", "", now).await, before);
    assert!(in_trash(&store, "alice").await.is_empty());
    assert!(store.deletions(&name("alice"), &ViewName::owner(), 0).await.expect("told").is_empty());
    let again = store.undo(&name("alice"), &ViewName::owner(), vec![uids[0]]).await.expect("undone");
    assert!(again.is_empty(), "{again:?}");
    // It goes as anything else goes.
    store.delete(expunge("alice", "", &[now], Unwanted::Goes)).await.expect("deleted");
    assert_eq!(listed(&store, "alice", "").await, uids[1..]);
    close(store).await;
}

/// Each deletion is told by itself, with what it named; what came back of one is no deletion any more, and nothing
/// else is forgotten with it. Another view's are not touched.
pub async fn undone_is_no_deletion_any_more<E: Engine>(engine: &E) {
    let store = engine.open().await;
    team(&store, &["alice", "bob"]).await;
    let mut uids = Vec::new();
    for body in [&b"one\r\n"[..], b"two\r\n", b"three\r\n", b"four\r\n"] {
        uids.extend(deliver(&store, body, &["sales"]).await);
    }
    for which in [&uids[..2], &uids[2..3], &uids[3..]] {
        store.delete(expunge("sales", "alice", which, Unwanted::ToTrash)).await.expect("deleted");
        // Two of one millisecond are told as one.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    store.delete(expunge("sales", "bob", &uids[..1], Unwanted::ToTrash)).await.expect("deleted");
    let told = async |store: &E::Store, member: &str| {
        let told = store.deletions(&name("sales"), &view(member), 0).await.expect("told");
        assert!(told.is_sorted_by(|one, next| one.time_ms < next.time_ms), "{told:?}");
        told.into_iter().map(|deletion| deletion.uids).collect::<Vec<_>>()
    };
    assert_eq!(told(&store, "alice").await, [uids[..2].to_vec(), uids[2..3].to_vec(), uids[3..].to_vec()]);
    let undo = vec![uids[1], uids[3]];
    assert_eq!(store.undo(&name("sales"), &view("alice"), undo).await.expect("undone").len(), 2);
    close(store).await;
    let store = engine.open().await;
    assert_eq!(told(&store, "alice").await, [uids[..1].to_vec(), uids[2..3].to_vec()]);
    assert_eq!(told(&store, "bob").await, [uids[..1].to_vec()]);
    close(store).await;
}

/// A member undoes her own deletion: nobody else sees a thing of it.
pub async fn undone_is_for_one_view<E: Engine>(engine: &E) {
    let store = engine.open().await;
    team(&store, &["alice", "bob"]).await;
    store.join(&name("sales"), &ViewName::releaser(), Join::All).await.expect("joined");
    let uids = deliver(&store, b"one\r\n", &["sales"]).await;
    store.delete(expunge("sales", "alice", &uids, Unwanted::Stays)).await.expect("deleted");
    let nobody = store.undo(&name("sales"), &view("carol"), uids.clone()).await;
    assert!(matches!(nobody, Err(StoreError::NoView)));
    assert!(store.undo(&name("sales"), &view("bob"), uids.clone()).await.expect("undone").is_empty());
    let undone = store.undo(&name("sales"), &view("alice"), uids.clone()).await.expect("undone");
    close(store).await;
    let store = engine.open().await;
    assert_eq!(listed(&store, "sales", "alice").await, [undone[0].now]);
    assert_eq!(listed(&store, "sales", "bob").await, uids);
    let undecided = store.open(&name("sales"), &ViewName::releaser()).await.expect("opened");
    let undecided = (0..undecided.len()).filter_map(|index| undecided.entry(index).map(|entry| entry.uid));
    assert_eq!(undecided.collect::<Vec<_>>(), [uids[0], undone[0].now], "whoever releases decides of both");
    assert_eq!(
        octets_of(&store, "sales", "alice", undone[0].now).await,
        octets_of(&store, "sales", "bob", uids[0]).await
    );
    // Each goes by itself, and the other stays readable.
    store.purge(&name("sales"), uids).await.expect("purged");
    assert!(!octets_of(&store, "sales", "alice", undone[0].now).await.is_empty());
    close(store).await;
}

/// What was released into the trash can come back for each member.
pub async fn the_trash_of_a_team_is_there_for_each<E: Engine>(engine: &E) {
    let store = engine.open().await;
    team(&store, &["alice", "bob"]).await;
    let uids = deliver(&store, b"one\r\n", &["sales"]).await;
    store.trash(&name("sales"), uids.clone()).await.expect("moved");
    let mut now = Vec::new();
    for member in ["alice", "bob"] {
        let undone = store.undo(&name("sales"), &view(member), uids.clone()).await.expect("undone");
        assert_eq!(listed(&store, "sales", member).await, [undone[0].now]);
        now.push(undone[0].now);
    }
    assert_eq!(in_trash(&store, "sales").await, uids);
    store.purge(&name("sales").trash(), uids).await.expect("purged");
    close(store).await;
    let store = engine.open().await;
    assert_eq!(listed(&store, "sales", "alice").await, now[..1]);
    assert!(!octets_of(&store, "sales", "bob", now[1]).await.is_empty());
    close(store).await;
}

/// What stays in the trash for others comes back once for each: asked again, nothing comes twice. Who leaves and joins
/// again begins anew, and what came back can be deleted and come back as anything else.
pub async fn what_came_back_comes_back_no_more<E: Engine>(engine: &E) {
    let store = engine.open().await;
    team(&store, &["alice", "bob"]).await;
    let uids = deliver(&store, b"one\r\n", &["sales"]).await;
    store.trash(&name("sales"), uids.clone()).await.expect("moved");
    let undo = async |store: &E::Store, member: &str, uids: &[Uid]| {
        store.undo(&name("sales"), &view(member), uids.to_vec()).await.expect("undone")
    };
    let now = undo(&store, "alice", &uids).await[0].now;
    assert!(undo(&store, "alice", &uids).await.is_empty());
    close(store).await;
    let store = engine.open().await;
    assert!(undo(&store, "alice", &uids).await.is_empty());
    assert_eq!(listed(&store, "sales", "alice").await, [now]);
    assert_eq!(undo(&store, "bob", &[uids[0], uids[0]]).await.len(), 1);
    // Several who ask at once are as one.
    let at_once = deliver(&store, b"two\r\n", &["sales"]).await;
    store.trash(&name("sales"), at_once.clone()).await.expect("moved");
    let ask = || undo(&store, "bob", &at_once);
    let (one, two, three, four) = tokio::join!(ask(), ask(), ask(), ask());
    assert_eq!([one, two, three, four].concat().len(), 1);
    store.delete(expunge("sales", "alice", &[now], Unwanted::ToTrash)).await.expect("deleted");
    assert!(undo(&store, "alice", &uids).await.is_empty());
    assert_eq!(undo(&store, "alice", &[now]).await.len(), 1);
    assert_eq!(listed(&store, "sales", "alice").await.len(), 1);
    store.leave(&name("sales"), &view("alice"), Unwanted::Stays).await.expect("left");
    store.join(&name("sales"), &view("alice"), Join::Now).await.expect("joined");
    assert_eq!(undo(&store, "alice", &uids).await.len(), 1);
    close(store).await;
}

/// What a view was offered, has fetched and is done with is remembered, and told of that view alone.
pub async fn views_tell_how_they_stand<E: Engine>(engine: &E) {
    let store = engine.open().await;
    team(&store, &["alice", "bob"]).await;
    let mut uids = Vec::new();
    for _ in 0..5 {
        uids.extend(deliver(&store, b"one\r\n", &["sales"]).await);
    }
    let group = |which: &[Uid], offered| Fetched {
        mailbox: name("sales"),
        view: view("alice"),
        uids: which.to_vec(),
        offered,
    };
    store.seen(group(&uids[..2], uids[3])).await.expect("noted");
    store.seen(group(&uids[2..3], uids[1])).await.expect("noted");
    store.delete(expunge("sales", "alice", &uids[3..4], Unwanted::Stays)).await.expect("deleted");
    let stranger = Fetched { view: view("carol"), ..group(&uids, uids[4]) };
    store.seen(stranger).await.expect("noted of nobody");
    store.join(&name("sales"), &view("dave"), Join::After(uids[2])).await.expect("joined");
    close(store).await;
    let store = engine.open().await;
    let states = store.views(&name("sales")).await.expect("told");
    assert_eq!(states.iter().map(|state| state.view.as_str()).collect::<Vec<_>>(), ["alice", "bob", "dave"]);
    let which = |test: &dyn Fn(Uid) -> bool| uids.iter().map(|uid| test(*uid)).collect::<Vec<_>>();
    let alice = &states[0];
    assert_eq!(alice.offered, uids[3], "it never goes back");
    assert!(alice.joined_ms > 0);
    assert_eq!(which(&|uid| alice.fetched.contains(uid)), [true, true, true, false, false]);
    assert_eq!(which(&|uid| alice.done.contains(uid)), [false, false, false, true, false]);
    assert_eq!(which(&|uid| alice.wants(uid)), [true, true, true, false, true]);
    assert!(states[1].fetched.is_empty() && states[1].done.is_empty() && states[1].offered == Uid(0));
    assert_eq!(which(&|uid| states[2].wants(uid)), [false, false, false, true, true]);
    assert_eq!(listed(&store, "sales", "dave").await, uids[3..]);
    store.leave(&name("sales"), &view("alice"), Unwanted::Stays).await.expect("left");
    store.join(&name("sales"), &view("alice"), Join::All).await.expect("joined");
    let alice = store.views(&name("sales")).await.expect("told").remove(0);
    assert!(alice.fetched.is_empty() && alice.done.is_empty() && alice.offered == Uid(0), "all is forgotten");
    close(store).await;
}

/// What a view is done with is gone from its next listing, also where nothing else has changed in the mailbox; what
/// it has fetched is not.
pub async fn a_listing_follows_its_view_at_once<E: Engine>(engine: &E) {
    let store = engine.open().await;
    team(&store, &["alice", "bob"]).await;
    let uids = [deliver(&store, b"one\r\n", &["sales"]).await, deliver(&store, b"two\r\n", &["sales"]).await]
        .concat();
    let third = deliver(&store, b"three\r\n", &["sales"]).await;
    for (gone, left) in [(&uids[..0], 3), (&uids[..1], 2), (&uids[1..], 1)] {
        store.delete(expunge("sales", "alice", gone, Unwanted::Stays)).await.expect("deleted");
        assert_eq!(listed(&store, "sales", "alice").await.len(), left);
        assert_eq!(listed(&store, "sales", "bob").await.len(), 3);
    }
    let fetched =
        Fetched { mailbox: name("sales"), view: view("alice"), uids: third.clone(), offered: third[0] };
    store.seen(fetched).await.expect("noted");
    assert_eq!(listed(&store, "sales", "alice").await, third);
    close(store).await;
}

/// What came before a view joined is not that view's to hold: it goes with the wish of the others, to the very
/// entry that it joined behind.
pub async fn who_joined_later_holds_nothing_back<E: Engine>(engine: &E) {
    let store = engine.open().await;
    team(&store, &["alice", "bob"]).await;
    let uids = [deliver(&store, b"one\r\n", &["sales"]).await, deliver(&store, b"two\r\n", &["sales"]).await]
        .concat();
    store.join(&name("sales"), &view("dave"), Join::After(uids[0])).await.expect("joined");
    for member in ["alice", "bob"] {
        store.delete(expunge("sales", member, &uids, Unwanted::ToTrash)).await.expect("deleted");
    }
    assert_eq!(
        (in_trash(&store, "sales").await, listed(&store, "sales", "dave").await),
        (uids[..1].to_vec(), uids[1..].to_vec())
    );
    close(store).await;
}

/// Entries of one message are known as such in every mailbox.
pub async fn one_body_is_known_in_every_mailbox<E: Engine>(engine: &E) {
    let store = engine.open().await;
    deliver(&store, b"one\r\n", &["alice", "sales"]).await;
    deliver(&store, b"two\r\n", &["alice"]).await;
    let bodies = async |mailbox: &str| {
        let maildrop = store.open(&name(mailbox), &ViewName::owner()).await.expect("opened");
        (0..maildrop.len()).map(|index| maildrop.entry(index).expect("within").body).collect::<Vec<_>>()
    };
    let (alices, sales) = (bodies("alice").await, bodies("sales").await);
    assert_eq!(alices[..1], sales);
    assert_ne!(alices[0], alices[1]);
    close(store).await;
}
