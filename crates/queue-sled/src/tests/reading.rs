//! Octets come back as they were, or not at all.

use std::path::{Path, PathBuf};

use mail::Cut;
use queue::contract::{deliver, name, read, view};
use queue::{Additions, Maildrop, Message, Store, StoreError};

use super::{Place, block_on, scribble, small};
use crate::SledMaildrop;

#[test]
fn a_short_message_is_one_chunk_and_a_long_one_is_several() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        deliver(&store, &vec![b's'; (256 << 10) - 21], &["alice"]).await;
        deliver(&store, &vec![b'l'; 1 << 20], &["alice"]).await;
        let maildrop = store.open(&name("alice"), &view("")).await.expect("opened");
        let mut short = maildrop.message(0, 0..u64::MAX).await.expect("opened");
        assert_eq!(short.chunk().await.expect("read").expect("octets").len(), 256 << 10);
        assert!(short.chunk().await.expect("read").is_none());
        let mut long = maildrop.message(1, 0..u64::MAX).await.expect("opened");
        let mut lengths = Vec::new();
        while let Some(chunk) = long.chunk().await.expect("read") {
            lengths.push(chunk.len());
        }
        assert_eq!(lengths, [21, 256 << 10, 256 << 10, 256 << 10, 256 << 10]);
        let mut top = maildrop.message(1, 0..100).await.expect("opened");
        assert_eq!(top.chunk().await.expect("read").expect("octets").len(), 21);
        assert_eq!(top.chunk().await.expect("read").expect("octets").len(), 79);
        assert!(top.chunk().await.expect("read").is_none());
    });
}

#[test]
fn a_long_list_of_additions_is_read_whole() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        let id = queue::contract::accept(&store, b"body\r\n").await;
        let mut route = queue::contract::route(id, &["alice", "bob", "carol"]);
        for (ordinal, entry) in route.entries.iter_mut().enumerate() {
            let line = format!("X-Line-{ordinal}: {}\r\n", "v".repeat(900 * ordinal));
            entry.additions = Additions { prelude: line.repeat(5).into_bytes(), ..Additions::default() };
        }
        let wanted: Vec<_> = route.entries.iter().map(|entry| entry.additions.prelude.clone()).collect();
        store.deliver(vec![route]).await.expect("delivered");
        for (mailbox, prelude) in ["alice", "bob", "carol"].into_iter().zip(wanted) {
            let maildrop = store.open(&name(mailbox), &view("")).await.expect("opened");
            assert_eq!(read(&maildrop, 0).await, [&prelude[..], b"body\r\n"].concat());
        }
    });
}

#[test]
fn what_came_in_is_there_without_what_is_served_around_it() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        for octets in [6, 300 << 10] {
            let body = [b"X-Hidden: 1\r\n\r\n".to_vec(), vec![b'x'; octets]].concat();
            let id = queue::contract::accept(&store, &body).await;
            let mut route = queue::contract::route(id, &["alice"]);
            let cuts = vec![Cut { at: 0, octets: 13 }];
            route.entries[0].additions =
                Additions { prelude: b"On-Top: 1\r\n".to_vec(), cuts, terminate: true };
            store.deliver(vec![route]).await.expect("delivered");
            let maildrop = store.open(&name("alice"), &view("")).await.expect("opened");
            let last = maildrop.len() - 1;
            assert!(read(&maildrop, last).await.starts_with(b"On-Top: 1\r\n\r\nx"));
            let mut message = maildrop.received(last).await.expect("opened");
            let mut found = Vec::new();
            while let Some(chunk) = message.chunk().await.expect("read") {
                found.extend_from_slice(&chunk);
            }
            assert!(found == body, "{octets}");
        }
    });
}

/// Overwrites an octet of the first run of `what`, and says what to do to put it right.
fn rot(path: &Path, what: u8) -> impl Fn() + use<> {
    let octets = std::fs::read(path).expect("read");
    let at = octets.windows(64).position(|run| run.iter().all(|octet| *octet == what)).expect("there") as u64;
    scribble(path, at + 10, b"?");
    let path = path.to_owned();
    move || scribble(&path, at + 10, &[what])
}

fn only_big(place: &Place) -> PathBuf {
    let big = place.path().join("big");
    big.join(super::names(&big).remove(0))
}

/// Reads to the end, or to what is wrong.
async fn last(maildrop: &SledMaildrop, index: usize) -> Result<(), StoreError> {
    let mut message = maildrop.message(index, 0..u64::MAX).await.expect("opened");
    while message.chunk().await?.is_some() {}
    Ok(())
}

#[test]
fn rotten_octets_are_never_served_as_mail() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        deliver(&store, &vec![b's'; 5000], &["alice"]).await;
        deliver(&store, &vec![b'l'; 1 << 20], &["alice"]).await;
        deliver(&store, &vec![b'b'; 5 << 20], &["alice"]).await;
        let maildrop = store.open(&name("alice"), &view("")).await.expect("opened");
        let (segment, ..) = place.last_batch();
        let _for_good = rot(&segment, b's');
        let mend = [rot(&segment, b'l'), rot(&only_big(&place), b'b')];
        assert!(matches!(maildrop.message(0, 0..u64::MAX).await, Err(StoreError::Damaged(_))));
        for (index, mend) in [1, 2].into_iter().zip(mend) {
            let end = last(&maildrop, index).await;
            assert!(matches!(end, Err(StoreError::Damaged(_))), "before the last octet it is seen");
            // It is never begun again, from whichever maildrop and however little is wanted.
            let again = store.open(&name("alice"), &view("")).await.expect("opened");
            for range in [0..u64::MAX, 0..100] {
                let Err(StoreError::Damaged(why)) = again.message(index, range).await else {
                    panic!("{index}: begun again")
                };
                assert!(why.contains(&again.entry(index).expect("there").uid.to_string()), "{why}");
                assert!(why.contains(["log/", "big/"][index - 1]), "{why}");
            }
            mend();
            last(&again, index).await.expect("whole again");
        }
    });
}

#[test]
fn what_is_hidden_counts_too() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        let body = [&vec![b'x'; 1000][..], &vec![b'y'; 600 << 10], &vec![b'z'; 1000]].concat();
        let id = queue::contract::accept(&store, &body).await;
        let mut route = queue::contract::route(id, &["alice"]);
        let end = u32::try_from(body.len()).expect("small");
        route.entries[0].additions.cuts =
            vec![Cut { at: 0, octets: 1000 }, Cut { at: end - 1000, octets: 1000 }];
        store.deliver(vec![route]).await.expect("delivered");
        let maildrop = store.open(&name("alice"), &view("")).await.expect("opened");
        let (segment, ..) = place.last_batch();
        last(&maildrop, 0).await.expect("whole");
        for what in *b"xyz" {
            let mend = rot(&segment, what);
            let found = last(&maildrop, 0).await;
            assert!(matches!(found, Err(StoreError::Damaged(_))), "{}", char::from(what));
            mend();
            last(&maildrop, 0).await.expect("whole again");
        }
    });
}

#[test]
fn a_body_that_is_gone_or_cut_is_told_before_it_begins() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        deliver(&store, &vec![b'b'; 5 << 20], &["alice"]).await;
        let maildrop = store.open(&name("alice"), &view("")).await.expect("opened");
        let path = only_big(&place);
        let file = std::fs::File::options().write(true).open(&path).expect("opens");
        file.set_len(5 << 19).expect("cut");
        assert!(matches!(maildrop.message(0, 0..100).await, Err(StoreError::Damaged(_))));
        std::fs::remove_file(&path).expect("removed");
        assert!(matches!(maildrop.message(0, 0..100).await, Err(StoreError::Damaged(_))));
    });
}
