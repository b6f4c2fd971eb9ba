//! What every engine must do, as tests that run over any of them: `queue::contract_tests!(engine)`.
//!
//! Each case acts, checks, opens the store again and checks again: an engine that keeps nothing over a
//! reopen (the one in memory) simply hands out the same store.

mod amounts;
mod fixture;
mod members;
mod teams;

use std::future::Future;
use std::time::Duration;

use mail::{Cut, ReversePath};

pub use amounts::{the_oldest_are_told_by_their_age, what_is_queued_counts_for_its_mailboxes};
pub use fixture::{accept, deliver, envelope, listed, name, read, route, view};
use fixture::{done, queued_ids, read_range, settled};
pub use members::{
    a_mailbox_is_known_by_mail_or_views, deleting_again_is_no_deletion, equal_stamps_are_equal_listings,
    leaving_without_having_joined_changes_nothing, many_deletions_are_told_each_once,
    what_comes_between_others_is_new, what_was_offered_is_remembered, who_joins_again_has_deleted_nothing,
    who_leaves_last_takes_nothing_along,
};
pub use teams::{
    a_listing_follows_its_view_at_once, one_body_is_known_in_every_mailbox, the_last_view_fills_the_trash,
    the_trash_keeps_what_was_deleted, the_trash_of_a_team_is_there_for_each,
    undone_comes_back_under_another_uid, undone_is_for_one_view, undone_is_no_deletion_any_more,
    unwanted_stays_when_asked_to, views_tell_how_they_stand, what_came_back_comes_back_no_more,
    who_joined_later_holds_nothing_back,
};

use crate::{Additions, Delivered, Incoming, Join, Maildrop, Store, StoreError, Unwanted, Usage};

/// One store that can be opened several times, one after the other.
pub trait Engine {
    /// Its store.
    type Store: Store;

    /// Opens it as the one before left it.
    fn open(&self) -> impl Future<Output = Self::Store>;
}

/// Makes a test of every case: `contract_tests!(expression that makes an Engine)`.
#[macro_export]
macro_rules! contract_tests {
    ($engine:expr) => {
        $crate::contract_tests!($engine;
            accepted_is_queued, dropped_leaves_nothing, delivery_is_one_step, one_message_many_entries,
            routed_nowhere_is_gone, held_stays_queued, snapshots_do_not_change, deleted_stays_deleted,
            two_views_do_not_rob_each_other, joining_now_sees_what_comes, joining_frees_nothing, leaving_frees,
            purge_asks_nobody, the_whole_is_what_any_view_may_list,
            strangers_have_no_view, served_as_planned, usage_is_what_is_listed, stamps_tell_changes,
            the_queue_comes_in_pages, big_messages_come_back, foreign_names_stay,
            envelopes_stay, arrival_wakes,
            uids_are_never_used_again, many_at_once_all_arrive, what_is_queued_counts_for_its_mailboxes,
            the_oldest_are_told_by_their_age, what_is_coming_in_is_read_again,
            unwanted_stays_when_asked_to, the_trash_keeps_what_was_deleted, the_last_view_fills_the_trash,
            undone_comes_back_under_another_uid, undone_is_for_one_view, undone_is_no_deletion_any_more,
            the_trash_of_a_team_is_there_for_each,
            views_tell_how_they_stand, what_came_back_comes_back_no_more, one_body_is_known_in_every_mailbox,
            a_listing_follows_its_view_at_once, who_joined_later_holds_nothing_back,
            who_leaves_last_takes_nothing_along, leaving_without_having_joined_changes_nothing,
            equal_stamps_are_equal_listings, a_mailbox_is_known_by_mail_or_views,
            many_deletions_are_told_each_once, what_comes_between_others_is_new,
            who_joins_again_has_deleted_nothing, what_was_offered_is_remembered,
            deleting_again_is_no_deletion
        );
    };
    ($engine:expr; $($case:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::contract::$case(&$engine).await;
            }
        )+
    };
}

/// A committed message is queued with its envelope, also after a reopen.
/// RFC 5321 §6.1, RFC 2033 §4.2, §4.3.
pub async fn accepted_is_queued<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let id = accept(&store, b"one\r\n").await;
    settled(&store, &[id]).await;
    close(store).await;
    let store = engine.open().await;
    let queued = store.queued(None, 10).await.expect("readable");
    assert_eq!(queued.len(), 1);
    assert_eq!((queued[0].id, queued[0].octets, queued[0].held), (id, 5, false));
    assert_eq!(*queued[0].envelope, envelope(&["alice"]));
}

/// What was not committed was never there.
pub async fn dropped_leaves_nothing<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let mut incoming = store.incoming(None).expect("admitted");
    incoming.write(&vec![b'x'; 6 << 20]).await.expect("taken");
    drop(incoming);
    settled(&store, &[]).await;
    close(store).await;
    assert!(queued_ids(&engine.open().await).await.is_empty());
}

/// What has come so far can be read before it is committed, from any octet on, however long it is; and reading
/// changes nothing.
pub async fn what_is_coming_in_is_read_again<E: Engine>(engine: &E) {
    let store = engine.open().await;
    // In memory, in a file for want of memory, and too long for a log; with a declared size and without.
    for (octets, declared) in [(0, false), (1, true), (70_000, false), (300_000, true), (9 << 20, false)] {
        let body: Vec<u8> =
            (0..octets).map(|n: u64| n.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
        let mut incoming = store.incoming(declared.then_some(octets)).expect("admitted");
        let half = body.len() / 2;
        for (part, so_far) in [(&body[..half], &body[..half]), (&body[half..], &body[..])] {
            for chunk in part.chunks(100_000) {
                incoming.write(chunk).await.expect("taken");
            }
            for from in [0, so_far.len() / 3, so_far.len().saturating_sub(1), so_far.len(), so_far.len() + 9]
            {
                let expected = so_far.get(from..).unwrap_or_default();
                assert!(reread(&mut incoming, from).await == expected, "{octets} from {from}");
            }
        }
        let id = incoming.commit(envelope(&["alice"])).await.expect("committed");
        store.deliver(vec![route(id, &["alice"])]).await.expect("delivered");
        let maildrop = store.open(&name("alice"), &view("")).await.expect("opened");
        let kept = read(&maildrop, maildrop.len() - 1).await;
        assert!(kept.ends_with(&body) && kept.starts_with(b"Delivered-To: alice\r\n"), "{octets}");
    }
}

async fn reread<I: Incoming>(incoming: &mut I, from: usize) -> Vec<u8> {
    let mut octets = Vec::new();
    loop {
        let chunk = incoming.reread((from + octets.len()) as u64).await.expect("readable");
        if chunk.is_empty() {
            return octets;
        }
        octets.extend_from_slice(chunk);
    }
}

/// Out of the queue and into the mailbox at once, and only once.
/// RFC 5321 §6.1, RFC 2033 §4.2, §4.3.
pub async fn delivery_is_one_step<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let id = accept(&store, b"one\r\n").await;
    let outcome = store.deliver(vec![route(id, &["alice"])]).await.expect("delivered");
    let Delivered::Entries(uids) = &outcome[0] else { panic!("{outcome:?}") };
    assert!(queued_ids(&store).await.is_empty());
    assert_eq!(listed(&store, "alice", "").await, *uids);
    let again = store.deliver(vec![route(id, &["bob"])]).await.expect("answered");
    assert_eq!(again, vec![Delivered::NotQueued]);
    assert!(listed(&store, "bob", "").await.is_empty());
    close(store).await;
    let store = engine.open().await;
    assert!(queued_ids(&store).await.is_empty());
    assert_eq!(listed(&store, "alice", "").await, *uids);
    assert!(listed(&store, "bob", "").await.is_empty());
}

/// Several mailboxes, and one mailbox twice: each entry has a uid of its own.
pub async fn one_message_many_entries<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let uids = deliver(&store, b"one\r\n", &["alice", "bob", "alice"]).await;
    assert!(uids.windows(2).all(|pair| pair[0] < pair[1]), "{uids:?}");
    close(store).await;
    let store = engine.open().await;
    assert_eq!(listed(&store, "alice", "").await, [uids[0], uids[2]]);
    let maildrop = store.open(&name("bob"), &view("")).await.expect("opened");
    assert_eq!(read(&maildrop, 0).await, b"Delivered-To: bob\r\none\r\n");
}

/// A route without entries discards.
pub async fn routed_nowhere_is_gone<E: Engine>(engine: &E) {
    let store = engine.open().await;
    assert!(deliver(&store, b"one\r\n", &[]).await.is_empty());
    close(store).await;
    assert!(queued_ids(&engine.open().await).await.is_empty());
}

/// A held message stays where it is, marked.
pub async fn held_stays_queued<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let id = accept(&store, b"one\r\n").await;
    assert!(store.hold(id, true).await.expect("held"));
    close(store).await;
    let store = engine.open().await;
    assert!(store.queued(None, 10).await.expect("readable")[0].held);
    assert!(store.hold(id, false).await.expect("freed"));
    assert!(!store.queued(None, 10).await.expect("readable")[0].held);
    store.deliver(vec![route(id, &["alice"])]).await.expect("delivered");
    assert!(!store.hold(id, true).await.expect("answered"), "it is not queued any more");
}

/// What a maildrop lists stays as it was and readable, whatever others do.
/// RFC 1939 §4, §7.
pub async fn snapshots_do_not_change<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let one = deliver(&store, b"one\r\n", &["alice"]).await;
    let before = store.open(&name("alice"), &view("")).await.expect("opened");
    store.delete(done("alice", "", &one)).await.expect("deleted");
    let two = deliver(&store, b"two\r\n", &["alice"]).await;
    assert_eq!(before.len(), 1);
    assert_eq!(read(&before, 0).await, b"Delivered-To: alice\r\none\r\n");
    assert_eq!(listed(&store, "alice", "").await, two);
}

/// An acknowledged delete never comes back; deleting what is gone is no error.
pub async fn deleted_stays_deleted<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let one = deliver(&store, b"one\r\n", &["alice"]).await;
    let two = deliver(&store, b"two\r\n", &["alice"]).await;
    store.delete(done("alice", "", &one)).await.expect("deleted");
    store.delete(done("alice", "", &one)).await.expect("no error");
    assert_eq!(listed(&store, "alice", "").await, two);
    close(store).await;
    let store = engine.open().await;
    assert_eq!(listed(&store, "alice", "").await, two);
    let both = [done("alice", "", &two), done("alice", "stranger", &two)].concat();
    assert!(matches!(store.delete(both).await, Err(StoreError::NoView)));
    assert_eq!(listed(&store, "alice", "").await, two, "all or nothing");
}

/// A delete in one view changes nothing in the other; the entry goes after the second.
pub async fn two_views_do_not_rob_each_other<E: Engine>(engine: &E) {
    let store = engine.open().await;
    for member in ["alice", "bob"] {
        store.join(&name("sales"), &view(member), Join::All).await.expect("joined");
    }
    let one = deliver(&store, b"one\r\n", &["sales"]).await;
    let two = deliver(&store, b"two\r\n", &["sales"]).await;
    let bobs = store.open(&name("sales"), &view("bob")).await.expect("opened");
    store.delete(done("sales", "alice", &one)).await.expect("deleted");
    assert_eq!(listed(&store, "sales", "alice").await, two);
    assert_eq!(listed(&store, "sales", "bob").await, [one[0], two[0]]);
    assert_eq!(read(&bobs, 0).await, b"Delivered-To: sales\r\none\r\n");
    close(store).await;
    let store = engine.open().await;
    assert_eq!(listed(&store, "sales", "alice").await, two);
    assert_eq!(listed(&store, "sales", "bob").await, [one[0], two[0]]);
    assert_eq!(store.usage(&name("sales")).messages, 2);
    store.delete(done("sales", "bob", &one)).await.expect("deleted");
    assert_eq!(listed(&store, "sales", "bob").await, two);
    assert_eq!(store.usage(&name("sales")).messages, 1, "the last view is done: the entry goes");
    close(store).await;
    let store = engine.open().await;
    assert_eq!(store.usage(&name("sales")).messages, 1);
    assert_eq!(listed(&store, "sales", "alice").await, two);
}

/// A view that joins now sees only what comes later, and does not hold back what came before.
pub async fn joining_now_sees_what_comes<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let one = deliver(&store, b"one\r\n", &["sales"]).await;
    store.join(&name("sales"), &view("alice"), Join::All).await.expect("joined");
    store.join(&name("sales"), &view("bob"), Join::Now).await.expect("joined");
    store.join(&name("sales"), &view("bob"), Join::All).await.expect("again changes nothing");
    let two = deliver(&store, b"two\r\n", &["sales"]).await;
    assert_eq!(listed(&store, "sales", "bob").await, two);
    assert_eq!(listed(&store, "sales", "alice").await, [one[0], two[0]]);
    store.delete(done("sales", "alice", &one)).await.expect("deleted");
    close(store).await;
    let store = engine.open().await;
    assert_eq!(listed(&store, "sales", "bob").await, two);
    assert_eq!(store.usage(&name("sales")).messages, 1);
}

/// What was there before the first view joined stays until somebody says that it may go.
pub async fn joining_frees_nothing<E: Engine>(engine: &E) {
    let store = engine.open().await;
    deliver(&store, b"old\r\n", &["sales"]).await;
    store.join(&name("sales"), &view("alice"), Join::Now).await.expect("joined");
    store.join(&name("sales"), &view("bob"), Join::Now).await.expect("joined");
    let new = deliver(&store, b"new\r\n", &["sales"]).await;
    store.delete(done("sales", "alice", &new)).await.expect("deleted");
    store.delete(done("sales", "bob", &new)).await.expect("deleted");
    store.leave(&name("sales"), &view("alice"), Unwanted::Goes).await.expect("left");
    store.purge(&name("sales"), new).await.expect("purged");
    close(store).await;
    assert_eq!(engine.open().await.usage(&name("sales")).messages, 1);
}

/// What only the leaving view was waiting for goes; the rest stays.
pub async fn leaving_frees<E: Engine>(engine: &E) {
    let store = engine.open().await;
    for member in ["alice", "bob"] {
        store.join(&name("sales"), &view(member), Join::All).await.expect("joined");
    }
    let one = deliver(&store, b"one\r\n", &["sales"]).await;
    let two = deliver(&store, b"two\r\n", &["sales"]).await;
    store.delete(done("sales", "alice", &one)).await.expect("deleted");
    store.leave(&name("sales"), &view("bob"), Unwanted::Goes).await.expect("left");
    close(store).await;
    let store = engine.open().await;
    assert_eq!(listed(&store, "sales", "alice").await, two);
    assert_eq!(store.usage(&name("sales")).messages, 1);
    assert!(matches!(store.open(&name("sales"), &view("bob")).await, Err(StoreError::NoView)));
}

/// A purge removes entries that views still want.
pub async fn purge_asks_nobody<E: Engine>(engine: &E) {
    let store = engine.open().await;
    store.join(&name("sales"), &view("alice"), Join::All).await.expect("joined");
    let one = deliver(&store, b"one\r\n", &["sales"]).await;
    let two = deliver(&store, b"two\r\n", &["sales"]).await;
    store.purge(&name("sales"), one).await.expect("purged");
    close(store).await;
    assert_eq!(listed(&engine.open().await, "sales", "alice").await, two);
}

/// All that a mailbox holds is what is in it, whatever its views list; what went is in it no more.
pub async fn the_whole_is_what_any_view_may_list<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let whole = async |store: &E::Store, mailbox: &str| {
        let maildrop = store.whole(&name(mailbox)).await.expect("opened");
        let uids = (0..maildrop.len()).filter_map(|index| maildrop.entry(index)).map(|entry| entry.uid);
        uids.collect::<Vec<_>>()
    };
    assert!(whole(&store, "sales").await.is_empty(), "nobody has got anything yet");
    let mut uids = Vec::new();
    for body in [&b"one\r\n"[..], b"two\r\n", b"three\r\n"] {
        uids.extend(deliver(&store, body, &["sales"]).await);
    }
    assert_eq!(whole(&store, "sales").await, listed(&store, "sales", "").await);
    for joins in ["", "alice"] {
        store.join(&name("sales"), &view(joins), Join::All).await.expect("joined");
    }
    store.join(&name("sales"), &view("bob"), Join::Now).await.expect("joined");
    store.delete(done("sales", "", &uids[..2])).await.expect("deleted");
    store.delete(done("sales", "alice", &uids[1..2])).await.expect("deleted");
    let stays = [uids[0], uids[2]];
    assert_eq!(whole(&store, "sales").await, stays);
    let maildrop = store.whole(&name("sales")).await.expect("opened");
    assert!(read(&maildrop, 0).await.ends_with(b"one\r\n"), "what the owner is done with is readable");
    assert_eq!(maildrop.octets(), store.usage(&name("sales")).octets);
    close(store).await;
    assert_eq!(whole(&engine.open().await, "sales").await, stays);
}

/// Only the owner's view needs no joining.
pub async fn strangers_have_no_view<E: Engine>(engine: &E) {
    let store = engine.open().await;
    assert!(matches!(store.open(&name("alice"), &view("bob")).await, Err(StoreError::NoView)));
    assert!(listed(&store, "alice", "").await.is_empty());
    store.join(&name("alice"), &view("phone"), Join::All).await.expect("joined");
    let one = deliver(&store, b"one\r\n", &["alice"]).await;
    let owners = store.delete(done("alice", "", &one)).await;
    assert!(matches!(owners, Err(StoreError::NoView)), "only joined views count from the first join on");
}

/// Prelude, cuts and the final CRLF are where the additions put them, in every range.
/// RFC 1939 §11.
pub async fn served_as_planned<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let id = accept(&store, b"Hidden: x\r\nSubject: y\r\n\r\nbody").await;
    let mut planned = route(id, &["alice"]);
    planned.entries[0].additions = Additions {
        prelude: b"Seen: z\r\n".to_vec(),
        cuts: vec![Cut { at: 0, octets: 11 }],
        terminate: true,
    };
    store.deliver(vec![planned]).await.expect("delivered");
    close(store).await;
    let store = engine.open().await;
    let maildrop = store.open(&name("alice"), &view("")).await.expect("opened");
    let whole = read(&maildrop, 0).await;
    assert_eq!(whole, b"Seen: z\r\nSubject: y\r\n\r\nbody\r\n");
    for (from, to) in [(0, 3), (5, 12), (9, 9), (12, 400), (400, 500)] {
        let part = read_range(&maildrop, 0, from..to).await;
        let to = whole.len().min(usize::try_from(to).expect("small"));
        let from = to.min(usize::try_from(from).expect("small"));
        assert_eq!(part, whole[from..to]);
    }
}

/// Totals are what the lists add up to.
pub async fn usage_is_what_is_listed<E: Engine>(engine: &E) {
    let store = engine.open().await;
    assert_eq!(store.usage(&name("alice")), Usage::default());
    let one = deliver(&store, b"one\r\n", &["alice", "bob"]).await;
    deliver(&store, b"three\r\n", &["alice"]).await;
    store.delete(done("alice", "", &one[..1])).await.expect("deleted");
    close(store).await;
    let store = engine.open().await;
    for status in store.mailboxes().await.expect("readable") {
        let maildrop = store.open(&status.name, &view("")).await.expect("opened");
        let octets: u64 =
            (0..maildrop.len()).map(|index| maildrop.entry(index).expect("within").octets).sum();
        let listed = Usage { messages: maildrop.len() as u64, octets, ..Usage::default() };
        assert_eq!((status.usage, maildrop.octets()), (listed, octets));
        assert_eq!(store.usage(&status.name), listed);
    }
    assert_eq!(store.usage(&name("alice")), Usage { messages: 1, octets: 28, ..Usage::default() });
}

/// A stamp moves when the list does, and only then must it.
pub async fn stamps_tell_changes<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let stamp = async || store.open(&name("alice"), &view("")).await.expect("opened").stamp();
    let one = deliver(&store, b"one\r\n", &["alice"]).await;
    let before = stamp().await;
    deliver(&store, b"other\r\n", &["bob"]).await;
    assert_eq!(before, stamp().await, "somebody else's mail");
    deliver(&store, b"two\r\n", &["alice"]).await;
    let after = stamp().await;
    assert_ne!(before, after);
    store.delete(done("alice", "", &one)).await.expect("deleted");
    assert_ne!(after, stamp().await);
}

/// The queue is read oldest first, in pages.
pub async fn the_queue_comes_in_pages<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.push(accept(&store, format!("message {n}\r\n").as_bytes()).await);
    }
    settled(&store, &ids).await;
    close(store).await;
    let store = engine.open().await;
    let mut found = Vec::new();
    while let Some(last) = store.queued(found.last().copied(), 3).await.expect("readable").last() {
        let page = store.queued(found.last().copied(), 3).await.expect("readable");
        assert!(page.len() <= 3);
        found.extend(page.iter().map(|queued| queued.id));
        assert_eq!(found.last(), Some(&last.id));
    }
    assert_eq!(found, ids);
}

/// Messages over and at the edge of what an engine keeps apart come back octet for octet.
pub async fn big_messages_come_back<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let sizes = [0usize, 1, 4095, 4096, 65_536, 1 << 20, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, 9 << 20];
    let body = |size: usize| -> Vec<u8> {
        (0..size).map(|n| u8::try_from((n * 31 + n / 251) % 251).expect("below 256")).collect()
    };
    for size in sizes {
        deliver(&store, &body(size), &["alice"]).await;
    }
    close(store).await;
    let store = engine.open().await;
    let maildrop = store.open(&name("alice"), &view("")).await.expect("opened");
    for (index, size) in sizes.into_iter().enumerate() {
        let octets = read(&maildrop, index).await;
        assert!(octets[b"Delivered-To: alice\r\n".len()..] == body(size), "{size} octets");
    }
}

/// The UIDL of another server stays with its entry.
/// RFC 1939 §7.
pub async fn foreign_names_stay<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let id = accept(&store, b"one\r\n").await;
    let mut planned = route(id, &["alice"]);
    planned.entries[0].foreign_uidl = Some("000042".into());
    store.deliver(vec![planned]).await.expect("delivered");
    deliver(&store, b"two\r\n", &["alice"]).await;
    close(store).await;
    let store = engine.open().await;
    let maildrop = store.open(&name("alice"), &view("")).await.expect("opened");
    assert_eq!(maildrop.entry(0).expect("within").foreign_uidl, Some("000042"));
    assert_eq!(maildrop.entry(1).expect("within").foreign_uidl, None);
}

/// What was known at acceptance is known as long as the mail is there, and of big messages too.
pub async fn envelopes_stay<E: Engine>(engine: &E) {
    let store = engine.open().await;
    for octets in [5, 5 << 20] {
        let mut incoming = store.incoming(None).expect("admitted");
        incoming.write(&vec![b'x'; octets]).await.expect("taken");
        let mut known = envelope(&[]);
        known.trace.received_ms = octets as u64;
        let id = incoming.commit(known).await.expect("committed");
        store.deliver(vec![route(id, &["alice", "bob"])]).await.expect("delivered");
    }
    close(store).await;
    let store = engine.open().await;
    let maildrop = store.open(&name("bob"), &view("")).await.expect("opened");
    for (index, octets) in [5, 5 << 20].into_iter().enumerate() {
        let found = maildrop.envelope(index).await.expect("readable");
        assert_eq!(found.trace.received_ms, octets);
        assert_eq!(found.reverse_path, ReversePath::Null);
    }
    assert!(maildrop.envelope(2).await.is_err());
}

/// Who waits for mail is woken by it.
pub async fn arrival_wakes<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let waiting = store.clone();
    let woken = tokio::spawn(async move {
        loop {
            waiting.arrival().await;
            let queued = waiting.queued(None, 1).await.expect("readable");
            if let Some(first) = queued.first() {
                return first.id;
            }
        }
    });
    let id = accept(&store, b"one\r\n").await;
    let woken = tokio::time::timeout(Duration::from_secs(10), woken).await.expect("in time");
    assert_eq!(woken.expect("no panic"), id);
}

/// A uid or queue id is new, always.
/// RFC 1939 §7.
pub async fn uids_are_never_used_again<E: Engine>(engine: &E) {
    let mut used = Vec::new();
    for _ in 0..3 {
        let store = engine.open().await;
        let uids = deliver(&store, b"one\r\n", &["alice"]).await;
        assert!(used.iter().all(|old| *old < uids[0]), "{used:?} then {uids:?}");
        store.delete(done("alice", "", &uids)).await.expect("deleted");
        used.extend(uids);
        close(store).await;
    }
}

/// Many sessions and a router at once: every message arrives, once.
pub async fn many_at_once_all_arrive<E: Engine>(engine: &E) {
    let store = engine.open().await;
    let sessions: Vec<_> = (0..8)
        .map(|session| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..25 {
                    deliver(&store, format!("{session} {n}\r\n").as_bytes(), &["alice", "bob"]).await;
                }
            })
        })
        .collect();
    for session in sessions {
        session.await.expect("no panic");
    }
    close(store).await;
    let store = engine.open().await;
    for mailbox in ["alice", "bob"] {
        let maildrop = store.open(&name(mailbox), &view("")).await.expect("opened");
        let mut found = Vec::new();
        for index in 0..maildrop.len() {
            found.push(read(&maildrop, index).await);
        }
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 200);
    }
}

async fn close<S: Store>(store: S) {
    store.close().await.expect("closed");
}
