//! The whole of it, over the engine in memory and with clocks of our own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use directory::{
    Allowance, Directory, DomainSpec, MailboxSpec, Password, Spec, Table, VerifierParams, password,
};
use mail::{ReversePath, Secret, Uid};
use queue::contract::{deliver, listed, name};
use queue::{MemoryStore, Queued, Store, StoreError};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::Upkeep;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// alice has room for 1000 octets and keeps mail for 30 days; nobody can log in to dump.
fn table() -> Table {
    let hash = password::hash(&Secret::from(&b"correct horse"[..]));
    let mailbox = |name: &str, allowance, login: bool| MailboxSpec {
        name: name.into(),
        addresses: Vec::new(),
        passwords: login.then(|| Password { name: None, hash: hash.clone() }).into_iter().collect(),
        receives: true,
        allowance,
    };
    let small = Allowance { octets: Some(1000), ..Allowance::default() };
    let spec = Spec {
        domains: vec![DomainSpec {
            name: "example.test".into(),
            postmaster: Some("bob".into()),
            ..DomainSpec::default()
        }],
        mailboxes: vec![
            mailbox("alice", Allowance { age: Some(30 * DAY), ..small }, true),
            mailbox("bob", Allowance::default(), true),
            mailbox("dump", small, false),
        ],
        hostname: "mx.example.test".into(),
        ..Spec::default()
    };
    let (table, faults) = Table::build(&spec);
    table.unwrap_or_else(|| panic!("{faults:?}"))
}

struct World {
    store: MemoryStore,
    directory: Directory,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let directory = Directory::new(table(), VerifierParams::default());
        Self { store: MemoryStore::new(), directory, folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("upkeep")
    }

    /// As after a start.
    fn upkeep(&self) -> Upkeep<MemoryStore> {
        self.upkeep_at(&self.path())
    }

    fn upkeep_at(&self, path: &Path) -> Upkeep<MemoryStore> {
        Upkeep::new(self.store.clone(), self.directory.clone(), "mx.example.test".into(), path.to_owned())
    }

    /// Delivers so many octets to a mailbox; `Delivered-To` takes some more.
    async fn fill(&self, mailbox: &str, octets: usize) -> Uid {
        deliver(&self.store, &vec![b'x'; octets], &[mailbox]).await[0]
    }

    /// Takes what waits in the queue out of it.
    async fn queued(&self) -> Vec<Queued> {
        let queued = self.store.queued(None, 1000).await.expect("readable");
        for message in &queued {
            self.store.deliver(vec![queue::contract::route(message.id, &[])]).await.expect("taken");
        }
        queued
    }
}

#[tokio::test]
async fn the_owner_is_told_once_and_again_after_there_was_room() {
    let world = World::new();
    let mut upkeep = world.upkeep();
    let first = world.fill("alice", 800).await;
    upkeep.warn(1).await;
    assert!(world.queued().await.is_empty(), "82 %");
    let second = world.fill("alice", 60).await;
    upkeep.warn(1).await;
    let warnings = world.queued().await;
    assert_eq!(warnings.len(), 1, "90 %");
    assert_eq!(warnings[0].envelope.reverse_path, ReversePath::Null);
    assert_eq!(warnings[0].envelope.copies(), [(name("alice"), vec![0])]);
    // Not again: neither now, nor after a start, nor when it goes up and down above 80 %.
    upkeep.warn(1).await;
    let mut upkeep = world.upkeep();
    upkeep.warn(1).await;
    world.store.purge(&name("alice"), vec![second]).await.expect("purged");
    upkeep.warn(1).await;
    world.fill("alice", 100).await;
    upkeep.warn(1).await;
    assert!(world.queued().await.is_empty());
    world.store.purge(&name("alice"), vec![first]).await.expect("purged");
    upkeep.warn(1).await;
    world.fill("alice", 2000).await;
    upkeep.warn(1).await;
    assert_eq!(world.queued().await.len(), 1);
}

#[tokio::test]
async fn what_waits_in_the_queue_counts_and_a_mailbox_that_nobody_collects_gets_no_more() {
    let world = World::new();
    let mut upkeep = world.upkeep();
    world.fill("dump", 2000).await;
    upkeep.warn(1).await;
    assert!(world.queued().await.is_empty());
    queue::contract::accept(&world.store, &[b'x'; 950]).await;
    upkeep.warn(1).await;
    assert_eq!(world.queued().await.len(), 2, "what waits, and the warning of it");
}

#[tokio::test]
async fn a_warning_that_the_store_does_not_take_is_tried_again() {
    let world = World::new();
    let mut upkeep = world.upkeep();
    world.fill("alice", 950).await;
    world.store.fail_at(1, StoreError::Full("disk"));
    upkeep.warn(1).await;
    assert!(world.queued().await.is_empty());
    upkeep.warn(1).await;
    assert_eq!(world.queued().await.len(), 1);
    // Where nothing can be noted, one run still tells once.
    let mut upkeep = world.upkeep_at(Path::new("/no/such/folder"));
    for _ in 0..3 {
        upkeep.warn(1).await;
    }
    assert_eq!(world.queued().await.len(), 1);
}

#[tokio::test]
async fn old_mail_goes_and_no_other() {
    let world = World::new();
    let (stop, start) = (CancellationToken::new(), Instant::now());
    for mailbox in ["alice", "bob", "dump"] {
        world.fill(mailbox, 10).await;
    }
    let today = crate::upkeep::wall_ms();
    let mut upkeep = world.upkeep();
    let ages = crate::expiry::ages(&world.directory);
    assert_eq!(ages, [(name("alice"), 30 * DAY)]);
    let later = async |upkeep: &mut Upkeep<MemoryStore>, wall: u64, ran: Duration| {
        let wall = today + wall * 86_400_000;
        upkeep.grow_old(&ages, wall, start + ran, &stop).await;
        listed(&world.store, "alice", "").await.len()
    };
    // Nothing is known of the clock: a day passes first.
    assert_eq!(later(&mut upkeep, 20, Duration::ZERO).await, 1);
    assert_eq!(later(&mut upkeep, 21, DAY).await, 1);
    // It jumps to 2038, also over starts.
    assert_eq!(later(&mut upkeep, 4000, DAY).await, 1);
    for _ in 0..3 {
        upkeep = world.upkeep();
        assert_eq!(later(&mut upkeep, 4000, DAY).await, 1);
    }
    // It is put right, and after a day of that what is old goes.
    assert_eq!(later(&mut upkeep, 29, DAY).await, 1);
    assert_eq!(later(&mut upkeep, 30, 2 * DAY).await, 1, "not yet older than 30 days");
    assert_eq!(later(&mut upkeep, 31, 3 * DAY).await, 0);
    for mailbox in ["bob", "dump"] {
        assert_eq!(listed(&world.store, mailbox, "").await.len(), 1, "{mailbox} keeps mail for ever");
    }
}

#[tokio::test]
async fn much_old_mail_goes_in_steps() {
    let world = World::new();
    let stop = CancellationToken::new();
    for _ in 0..1100 {
        world.fill("alice", 1).await;
    }
    let now = crate::upkeep::wall_ms() + 40 * 86_400_000;
    crate::expiry::remove_old(&world.store, &[(name("alice"), 30 * DAY)], now, &stop).await;
    assert!(listed(&world.store, "alice", "").await.is_empty());
}
