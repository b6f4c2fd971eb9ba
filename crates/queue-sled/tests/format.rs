//! Stores that earlier versions wrote are read as they were. A fixture is never written anew: a change of what
//! is on disk that breaks one needs an upgrade in `src/start/format.rs`, and a fixture of its own beside it.

#[path = "fixture/mod.rs"]
mod fixture;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use queue::Store;
use queue::contract::{deliver, listed};
use queue_sled::SledStore;

use fixture::{Fixture, Packed, Teams, contents, params, teams};

/// One for each format of a store and of the rows in its snap.
const FIXTURES: [&str; 2] = ["format-1.store", "format-1-teams.store"];

/// Writes the store into a folder that is not there.
fn expand(fixture: &Fixture, store: &Path) {
    for folder in ["", "log", "big", "snap"] {
        DirBuilder::new().mode(0o700).create(store.join(folder)).expect("made");
    }
    for Packed { name, octets, runs } in &fixture.files {
        let mut file = Vec::new();
        for (count, block) in runs {
            file.extend((0..*count).flat_map(|_| block.iter().copied()));
        }
        file.truncate(usize::try_from(*octets).expect("small"));
        std::fs::write(store.join(name), file).expect("written");
    }
}

fn fixture(name: &str) -> (Fixture, Option<Teams>) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let octets = std::fs::read(path).expect("the fixture");
    assert!(octets.len() < 200 << 10, "{} octets", octets.len());
    let (fixture, rest) = postcard::take_from_bytes(&octets).expect("a fixture");
    let teams = (!rest.is_empty()).then(|| postcard::from_bytes(rest).expect("teams"));
    (fixture, teams)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_every_earlier_format_is_read_as_it_was() {
    for name in FIXTURES {
        let (fixture, known) = fixture(name);
        let names: Vec<_> = fixture.files.iter().map(|file| &file.name).collect();
        assert!(names.iter().any(|name| name.ends_with(".idx")), "a snap is a format, too: {names:?}");
        assert!(names.iter().any(|name| name.ends_with(".msg")), "{names:?}");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store");
        expand(&fixture, &path);
        // Twice: from what it was, and from what this version has made of it.
        for round in 0..2 {
            let (store, report) = SledStore::open(&path, params()).expect("opens");
            assert!(report.damaged.is_empty() && !report.created, "{name}: {report}");
            assert_eq!(contents(&store).await, fixture.contents, "{name}, round {round}");
            if let Some(known) = &known {
                assert_eq!(teams(&store).await, *known, "{name}, round {round}");
            }
            store.close().await.expect("closed");
        }
        let (store, _) = SledStore::open(&path, params()).expect("opens");
        let before = listed(&store, "alice", "").await;
        let new = deliver(&store, b"new\r\n", &["alice"]).await;
        assert!(!before.is_empty() && before.iter().all(|uid| *uid < new[0]), "{name}");
        store.tidy().await.expect("tidied");
        store.close().await.expect("closed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_snap_the_fixtures_could_not_be_read() {
    for name in FIXTURES {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store");
        expand(&fixture(name).0, &path);
        std::fs::remove_dir_all(path.join("snap")).expect("removed");
        // Otherwise it would prove nothing about the rows that a snap has.
        assert!(matches!(SledStore::open(&path, params()), Err(queue_sled::OpenError::Salvage(_))), "{name}");
    }
}
