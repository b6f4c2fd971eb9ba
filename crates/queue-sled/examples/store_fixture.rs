//! Writes a small store of today's format with everything in it that a store can have, for
//! `tests/fixtures/`: `cargo run -p queue-sled --example store_fixture -- FILE`.

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use std::fs;
use std::path::Path;

use queue::contract::{accept, deliver, listed, name, route, view};
use queue::{Expunge, Join, Store};
use queue_sled::SledStore;

use fixture::{Contents, Fixture, Packed, contents, params, teams};

/// Octets of a block: segments are mostly zeros, and long bodies of a fixture repeat themselves.
const BLOCK: usize = 64;

fn body(n: usize) -> Vec<u8> {
    format!("Subject: letter {n}\r\n\r\n{}\r\n", "x".repeat(n * 17 % 300)).into_bytes()
}

fn group(mailbox: &str, member: &str, uids: &[mail::Uid]) -> Expunge {
    Expunge {
        mailbox: name(mailbox),
        view: view(member),
        uids: uids.to_vec(),
        unwanted: queue::Unwanted::Goes,
    }
}

#[tokio::main]
async fn main() {
    let file = std::env::args().nth(1).expect("the file to write");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    let (store, _) = SledStore::open(&path, params()).expect("made");
    team(&store).await;
    trash(&store).await;
    moved(&store).await;
    rest(&store).await;
    let (contents, teams) = (contents(&store).await, teams(&store).await);
    store.close().await.expect("closed");
    let mut octets = postcard::to_stdvec(&pack(&path, contents)).expect("packed");
    octets.extend(postcard::to_stdvec(&teams).expect("packed"));
    std::fs::write(file, octets).expect("written");
}

/// What is left of the first segment moves, and the segment goes: the snap alone knows of it.
async fn moved(store: &SledStore) {
    let early = deliver(store, &body(1), &["alice"]).await;
    for n in 2..12 {
        deliver(store, &body(n), &["alice", "bob"]).await;
    }
    store.tidy().await.expect("tidied");
    let bobs = listed(store, "bob", "").await;
    store.delete(vec![group("alice", "", &early), group("bob", "", &bobs[..8])]).await.expect("deleted");
    let tidied = store.tidy().await.expect("tidied");
    assert!(tidied.segments > 0 && tidied.moved > 0, "{tidied:?}");
}

/// Views that are not equally far.
async fn team(store: &SledStore) {
    for (member, from) in [("carol", Join::All), ("dave", Join::Now)] {
        store.join(&name("team"), &view(member), from).await.expect("joined");
    }
    for n in 20..26 {
        deliver(store, &body(n), &["team"]).await;
    }
    let teams = listed(store, "team", "carol").await;
    let fetched = queue::Fetched {
        mailbox: name("team"),
        view: view("carol"),
        uids: teams[..4].to_vec(),
        offered: teams[3],
    };
    store.seen(fetched).await.expect("noted");
    store.delete(vec![group("team", "carol", &teams[..2])]).await.expect("deleted");
    store.delete(vec![group("team", "dave", &teams[1..2])]).await.expect("deleted");
    store.purge(&name("team"), teams[5..].to_vec()).await.expect("purged");
}

/// What was deleted, and what came back of it; also of mail that was held back.
async fn trash(store: &SledStore) {
    let into_trash = |mailbox: &str, member: &str, uids: &[mail::Uid]| Expunge {
        unwanted: queue::Unwanted::ToTrash,
        ..group(mailbox, member, uids)
    };
    let mut uids = Vec::new();
    for n in 40..50 {
        uids.push(deliver(store, &body(n), &["frank", "team"]).await);
    }
    let franks: Vec<_> = uids.iter().map(|uids| uids[0]).collect();
    let teams: Vec<_> = uids.iter().map(|uids| uids[1]).collect();
    store.delete(vec![into_trash("frank", "", &franks[4..7])]).await.expect("deleted");
    store.delete(vec![into_trash("frank", "", &franks[..2])]).await.expect("deleted");
    let frank = (name("frank"), view(""));
    assert_eq!(store.undo(&frank.0, &frank.1, vec![franks[1], franks[5]]).await.expect("undone").len(), 2);
    store.delete(vec![into_trash("team", "carol", &teams[2..8])]).await.expect("deleted");
    store.delete(vec![into_trash("team", "dave", &teams[6..])]).await.expect("deleted");
    store.trash(&name("team"), teams[..1].to_vec()).await.expect("moved");
    let carol = store.undo(&name("team"), &view("carol"), vec![teams[0], teams[3]]).await;
    assert_eq!(carol.expect("undone").len(), 2);
    let mut held = route(accept(store, &body(51)).await, &["frank"]);
    held.entries[0].mailbox = name("frank").quarantine();
    store.deliver(vec![held]).await.expect("delivered");
}

/// Mail of another server, a body beside the log, and what is not delivered.
async fn rest(store: &SledStore) {
    let id = accept(store, &body(30)).await;
    let mut moved = route(id, &["erin"]);
    moved.entries[0].foreign_uidl = Some("0000002a4f6b1c22".to_owned());
    moved.entries[0].additions.terminate = true;
    store.deliver(vec![moved]).await.expect("delivered");
    let long = [b"Subject: long\r\n\r\n".as_slice(), &[b'y'; 47], &[b'z'; 5 << 20]].concat();
    deliver(store, &long, &["erin"]).await;
    let held = accept(store, &body(31)).await;
    accept(store, &body(32)).await;
    assert!(store.hold(held, true).await.expect("held"));
}

/// Packs what a backup would take of a store, too: nothing that can be made again.
fn pack(store: &Path, contents: Contents) -> Fixture {
    let mut files = Vec::new();
    for folder in ["", "log", "big", "snap"] {
        for entry in fs::read_dir(store.join(folder)).expect("readable") {
            let path = entry.expect("readable").path();
            let name = path.strip_prefix(store).expect("inside").to_str().expect("text").to_owned();
            if name == "STORE" || [".seg", ".msg", ".idx"].iter().any(|end| name.ends_with(end)) {
                files.push(pack_one(name, &fs::read(&path).expect("readable")));
            }
        }
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Fixture { files, contents }
}

fn pack_one(name: String, octets: &[u8]) -> Packed {
    let mut runs: Vec<(u32, Vec<u8>)> = Vec::new();
    for block in octets.chunks(BLOCK) {
        let mut block = block.to_vec();
        block.resize(BLOCK, 0);
        match runs.last_mut() {
            Some((count, last)) if *last == block => *count += 1,
            Some(_) | None => runs.push((1, block)),
        }
    }
    Packed { name, octets: octets.len() as u64, runs }
}
