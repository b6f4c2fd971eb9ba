//! Octets come back as they were, or not at all.

use queue::contract::{deliver, name, read, view};
use queue::{Additions, Maildrop, Message, Store, StoreError};

use super::{Place, block_on, scribble, small};

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
fn rotten_octets_are_never_served_as_mail() {
    let place = Place::new(small());
    block_on(async {
        let (store, _) = place.open();
        deliver(&store, &vec![b's'; 5000], &["alice"]).await;
        deliver(&store, &vec![b'l'; 1 << 20], &["alice"]).await;
        deliver(&store, &vec![b'b'; 5 << 20], &["alice"]).await;
        let maildrop = store.open(&name("alice"), &view("")).await.expect("opened");
        let rot = |what: u8, path: &std::path::Path| {
            let octets = std::fs::read(path).expect("read");
            let at =
                octets.windows(64).position(|run| run.iter().all(|octet| *octet == what)).expect("there");
            scribble(path, at as u64 + 10, b"?");
        };
        let (segment, ..) = place.last_batch();
        let big = super::names(&place.path().join("big")).remove(0);
        rot(b's', &segment);
        rot(b'l', &segment);
        rot(b'b', &place.path().join("big").join(big));
        assert!(matches!(maildrop.message(0, 0..u64::MAX).await, Err(StoreError::Damaged(_))));
        for index in [1, 2] {
            let mut message = maildrop.message(index, 0..u64::MAX).await.expect("opened");
            let end = loop {
                match message.chunk().await {
                    Ok(Some(_)) => {}
                    end => break end,
                }
            };
            assert!(matches!(end, Err(StoreError::Damaged(_))), "before the last octet it is seen");
        }
    });
}
