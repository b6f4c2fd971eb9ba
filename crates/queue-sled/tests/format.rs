//! Stores that earlier versions wrote are read as they were. A fixture is never written anew: a change of what
//! is on disk that breaks one needs an upgrade in `src/start/format.rs`, and a fixture of its own beside it.

#[path = "fixture/mod.rs"]
mod fixture;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use std::collections::BTreeMap;

use mail::{MailboxName, Uid, ViewName};
use queue::contract::{deliver, listed, name, read, view};
use queue::{Expunge, Join, Maildrop, Store, Unwanted};
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

/// By uid, what a view lists, as a crc32c of the octets.
async fn seen_by(store: &SledStore, mailbox: &MailboxName, of: &ViewName) -> BTreeMap<Uid, u32> {
    let maildrop = store.open(mailbox, of).await.expect("opened");
    let mut seen = BTreeMap::new();
    for at in 0..maildrop.len() {
        seen.insert(maildrop.entry(at).expect("within").uid, crc32c::crc32c(&read(&maildrop, at).await));
    }
    seen
}

/// What everybody lists, by mailbox and view.
type Seen = BTreeMap<(MailboxName, ViewName), BTreeMap<Uid, u32>>;

async fn seen_by_all(store: &SledStore) -> Seen {
    let mut all = Seen::new();
    for status in store.mailboxes().await.expect("readable") {
        for of in status.views.iter().cloned().chain([ViewName::owner()]) {
            let seen = seen_by(store, &status.name, &of).await;
            all.insert((status.name.clone(), of), seen);
        }
    }
    all
}

/// Mailboxes of an earlier version become those of teams, whether views had joined them or not.
#[tokio::test(flavor = "multi_thread")]
async fn members_may_join_whatever_an_earlier_version_has_kept() {
    for fixture_name in FIXTURES {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store");
        expand(&fixture(fixture_name).0, &path);
        let (store, _) = SledStore::open(&path, params()).expect("opens");
        let before = seen_by_all(&store).await;
        let mailboxes: Vec<_> = store.mailboxes().await.expect("readable");
        let mailboxes: Vec<_> = mailboxes.into_iter().map(|status| status.name).collect();
        let (all, some, now) = (view("new-all"), view("new-after"), view("new-now"));
        let mut wanted = before.clone();
        for mailbox in mailboxes.iter().filter(|mailbox| mailbox.trashed_from().is_none()) {
            // Whatever anyone still wants is in the mailbox, and the owner lists all of it.
            let whole = before[&(mailbox.clone(), ViewName::owner())].clone();
            let middle = whole.keys().nth(whole.len() / 2).copied().unwrap_or(Uid(0));
            for (of, from) in [(&all, Join::All), (&some, Join::After(middle)), (&now, Join::Now)] {
                store.join(mailbox, of, from).await.expect("joined");
                assert!(store.views(mailbox).await.expect("told").iter().any(|state| state.view == *of));
            }
            let above = whole.range(middle..).skip(1).map(|(uid, octets)| (*uid, *octets)).collect();
            wanted.insert((mailbox.clone(), all.clone()), whole);
            wanted.insert((mailbox.clone(), some.clone()), above);
            wanted.insert((mailbox.clone(), now.clone()), BTreeMap::new());
        }
        assert_eq!(seen_by_all(&store).await, wanted, "{fixture_name}");
        // What comes now all of them get, and what one is done with the others keep.
        let uid = deliver(&store, b"new\r\n", &["alice"]).await[0];
        let octets = seen_by(&store, &name("alice"), &now).await[&uid];
        for ((_, _), seen) in wanted.iter_mut().filter(|((mailbox, _), _)| *mailbox == name("alice")) {
            seen.insert(uid, octets);
        }
        for mailbox in ["alice", "team"].map(name) {
            let seen = wanted.get_mut(&(mailbox.clone(), all.clone())).expect("it is there");
            let uids: Vec<_> = seen.keys().copied().step_by(2).collect();
            seen.retain(|uid, _| !uids.contains(uid));
            let group = Expunge { mailbox, view: all.clone(), uids, unwanted: Unwanted::Stays };
            store.delete(vec![group]).await.expect("deleted");
        }
        assert_eq!(seen_by_all(&store).await, wanted, "{fixture_name}");
        store.tidy().await.expect("tidied");
        store.close().await.expect("closed");
        for keeps_index in [true, false] {
            if !keeps_index {
                std::fs::remove_dir_all(path.join("idx")).expect("removed");
            }
            let (store, report) = SledStore::open(&path, params()).expect("opens");
            assert!(report.damaged.is_empty(), "{fixture_name}: {report}");
            assert_eq!(seen_by_all(&store).await, wanted, "{fixture_name}, {keeps_index}");
            store.close().await.expect("closed");
        }
    }
}
