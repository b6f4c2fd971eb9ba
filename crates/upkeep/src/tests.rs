//! The whole of it, over the engine in memory and with clocks of our own.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use directory::{
    Allowance, Directory, DomainSpec, MailboxSpec, Password, Spec, Table, VerifierParams, password,
};
use mail::{Event, Journeys, MailboxName, ReversePath, Ruling, Secret, Uid, ViewName};
use queue::contract::{deliver, listed, name, view};
use queue::{Expunge, Incoming, Join, MemoryStore, Queued, Route, Store, StoreError, Unwanted};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Expiring, Quarantine, Upkeep};

mod digest;

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
        ..MailboxSpec::default()
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
        self.upkeep_with(path, Quarantine { keep: 3 * DAY, octets: 100, ..Quarantine::default() })
    }

    fn upkeep_with(&self, path: &Path, quarantine: Quarantine) -> Upkeep<MemoryStore> {
        let (store, directory) = (self.store.clone(), self.directory.clone());
        let (quarantine, expiring) = (watch::channel(quarantine).1, self.expiring());
        Upkeep::new(store, directory, "mx.example.test".into(), path.to_owned(), quarantine, expiring)
    }

    fn expiring(&self) -> Expiring {
        Expiring::open(self.folder.path().join("expiring"))
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
    let copies = warnings[0].envelope.copies();
    assert_eq!((copies.len(), copies[0].kept_in()), (1, name("alice")));
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
    let today = crate::upkeep::wall_ms();
    // A slow machine must not make the mail older than the test.
    world.store.set_clock(today);
    let (stop, start) = (CancellationToken::new(), Instant::now());
    for mailbox in ["alice", "bob", "dump"] {
        world.fill(mailbox, 10).await;
    }
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
    assert_eq!(later(&mut upkeep, 21, DAY).await, 1);
    assert_eq!(later(&mut upkeep, 30, 10 * DAY).await, 1, "not yet older than 30 days");
    assert_eq!(later(&mut upkeep, 31, 11 * DAY).await, 0);
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
    let (ages, at) = ([(name("alice"), 30 * DAY)], (&crate::eras::Eras::default(), now));
    crate::expiry::remove_old(&world.store, &ages, at, &Journeys::default(), &stop).await;
    assert!(listed(&world.store, "alice", "").await.is_empty());
}

/// When such a message came.
const RECEIVED: u64 = 1_795_000_000_000;

/// Delivers a message to alice that a rule lets go after so many seconds.
async fn ruled(world: &World, expire: Option<u64>) -> Uid {
    let mut envelope = queue::contract::envelope(&["alice"]);
    envelope.trace.received_ms = RECEIVED;
    world.store.set_clock(RECEIVED);
    envelope.recipients[0].ruling = Some(Ruling { expire, ..Ruling::default() });
    let mut incoming = world.store.incoming(None).expect("admitted");
    incoming.write(b"x\r\n").await.expect("taken");
    let id = incoming.commit(envelope).await.expect("committed");
    world.store.deliver(vec![queue::contract::route(id, &["alice"])]).await.expect("delivered");
    *listed(&world.store, "alice", "").await.last().expect("there")
}

#[tokio::test]
async fn mail_with_an_age_of_its_own_goes_then_and_no_other() {
    let world = World::new();
    let (alice, start) = (name("alice"), Instant::now());
    let mut upkeep = world.upkeep();
    // The clock has run well for a day.
    let begin = RECEIVED - 86_400_000;
    upkeep.grow_old(&[], begin, start, &CancellationToken::new()).await;
    upkeep.grow_old(&[], RECEIVED, start + DAY, &CancellationToken::new()).await;
    let now = start + DAY;
    world.expiring().mark(&alice).expect("marked");
    let mut upkeep_of = world.upkeep();
    drop(upkeep);
    let (short, stays, long) =
        (ruled(&world, Some(60)).await, ruled(&world, None).await, ruled(&world, Some(3600)).await);
    let after = async |upkeep: &mut Upkeep<MemoryStore>, seconds: u64| {
        upkeep.expire(RECEIVED + seconds * 1000, now + Duration::from_secs(seconds)).await;
        listed(&world.store, "alice", "").await
    };
    assert_eq!(after(&mut upkeep_of, 59).await, [short, stays, long]);
    assert_eq!(after(&mut upkeep_of, 60).await, [stays, long]);
    // The next start knows where to look, and looks there until nothing is left.
    let mut upkeep = world.upkeep();
    assert_eq!(after(&mut upkeep, 3000).await, [stays, long]);
    let newest = ruled(&world, Some(3700)).await;
    assert_eq!(after(&mut upkeep, 3650).await, [stays, newest]);
    assert_eq!(after(&mut upkeep, 3700).await, [stays]);
    let marks = || std::fs::read_to_string(world.folder.path().join("expiring")).expect("written");
    assert_eq!(marks(), "alice\n");
    after(&mut upkeep, 3701).await;
    assert_eq!(marks(), "", "nothing is left to look for");
}

/// What its owner was done with before anybody looked, and her phone still lists, has the same age.
#[tokio::test]
async fn what_its_owner_has_deleted_and_another_view_lists_goes_at_its_age_too() {
    let world = World::new();
    let (alice, start) = (name("alice"), Instant::now());
    let mut upkeep = world.upkeep();
    upkeep.grow_old(&[], RECEIVED - 86_400_000, start, &CancellationToken::new()).await;
    upkeep.grow_old(&[], RECEIVED, start + DAY, &CancellationToken::new()).await;
    for joins in [ViewName::owner(), view("phone")] {
        world.store.join(&alice, &joins, Join::All).await.expect("joined");
    }
    world.expiring().mark(&alice).expect("marked");
    let mut upkeep = world.upkeep();
    let uids = [ruled(&world, Some(60)).await, ruled(&world, None).await];
    let (view_, unwanted) = (ViewName::owner(), Unwanted::ToTrash);
    let done = Expunge { mailbox: alice, view: view_, uids: uids.to_vec(), unwanted };
    world.store.delete(vec![done]).await.expect("deleted");
    for (seconds, stays) in [(59, &uids[..]), (60, &uids[1..])] {
        upkeep.expire(RECEIVED + seconds * 1000, start + DAY + Duration::from_secs(seconds)).await;
        assert_eq!(listed(&world.store, "alice", "phone").await, stays, "after {seconds} s");
    }
}

/// It has its age once more: by that of the message it would go at the next look, for good.
#[tokio::test]
async fn what_came_back_is_as_young_as_new_mail() {
    let world = World::new();
    let (alice, start) = (name("alice"), Instant::now());
    let mut upkeep = world.upkeep();
    upkeep.grow_old(&[], RECEIVED - 86_400_000, start, &CancellationToken::new()).await;
    upkeep.grow_old(&[], RECEIVED, start + DAY, &CancellationToken::new()).await;
    world.expiring().mark(&alice).expect("marked");
    let mut upkeep = world.upkeep();
    let uids = vec![ruled(&world, Some(60)).await];
    let (view, unwanted) = (ViewName::owner(), Unwanted::ToTrash);
    let done = Expunge { mailbox: alice.clone(), view: view.clone(), uids: uids.clone(), unwanted };
    world.store.delete(vec![done]).await.expect("deleted");
    world.store.set_clock(RECEIVED + 100_000);
    let again = world.store.undo(&alice, &view, uids).await.expect("undone")[0].now;
    for (seconds, stays) in [(100, &[again][..]), (159, &[again]), (160, &[])] {
        upkeep.expire(RECEIVED + seconds * 1000, start + DAY + Duration::from_secs(seconds)).await;
        assert_eq!(listed(&world.store, "alice", "").await, stays, "after {seconds} s");
    }
}

/// A look reads so many envelopes; the next goes on where it was.
#[tokio::test]
async fn an_age_of_its_own_is_found_behind_much_mail() {
    let world = World::new();
    let (expiring, mut found) = (world.expiring(), crate::expiring::Found::default());
    let at = crate::eras::At { wall_ms: RECEIVED, now_ms: None, eras: crate::eras::Eras::default() };
    expiring.mark(&name("alice")).expect("marked");
    for _ in 0..2_000 {
        world.fill("alice", 1).await;
    }
    let last = ruled(&world, Some(60)).await;
    found.look(&world.store, &expiring, &at).await.expect("looked");
    assert!(found.due(u64::MAX).is_empty());
    found.look(&world.store, &expiring, &at).await.expect("looked");
    assert_eq!(found.due(u64::MAX), [(name("alice"), vec![last])]);
}

#[tokio::test]
async fn a_quarantine_is_kept_for_a_while_and_up_to_its_cap() {
    let world = World::new();
    let (stop, start) = (CancellationToken::new(), Instant::now());
    let held = name("alice").quarantine();
    let put = async |octets: usize| {
        let id = queue::contract::accept(&world.store, &vec![b'x'; octets]).await;
        let mut route: Route = queue::contract::route(id, &["alice"]);
        route.entries[0].mailbox = held.clone();
        route.entries[0].additions.prelude.clear();
        world.store.deliver(vec![route]).await.expect("delivered");
    };
    let left = async |mailbox: &MailboxName| world.store.usage(mailbox).octets;
    let today = crate::upkeep::wall_ms();
    let mut upkeep = world.upkeep();
    for octets in [30, 40, 50] {
        put(octets).await;
    }
    world.fill("alice", 500).await;
    upkeep.grow_old(&[], today, start, &stop).await;
    assert_eq!(left(&held).await, 90, "the oldest went, whatever the clock");
    upkeep.grow_old(&[], today + 2 * 86_400_000, start + 2 * DAY, &stop).await;
    assert_eq!(left(&held).await, 90, "nothing is known of the clock, and then it is young");
    upkeep.grow_old(&[], today + 4 * 86_400_000, start + 4 * DAY, &stop).await;
    assert_eq!((left(&held).await, left(&name("alice")).await > 500), (0, true));
}

/// Its owner has deleted it before its time was over: what became of it stands already.
#[tokio::test]
async fn of_what_was_deleted_before_its_age_nothing_more_is_told() {
    let world = World::new();
    let (start, told) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
    let mut upkeep = world.upkeep();
    upkeep.grow_old(&[], RECEIVED - 86_400_000, start, &CancellationToken::new()).await;
    upkeep.grow_old(&[], RECEIVED, start + DAY, &CancellationToken::new()).await;
    let expiring = world.expiring();
    expiring.mark(&name("alice")).expect("marked");
    let tell = told.clone();
    let mut upkeep =
        world.upkeep().with_journeys(Journeys::new(move |event| tell.lock().expect("sound").push(event)));
    let uids = [ruled(&world, Some(60)).await, ruled(&world, Some(60)).await, ruled(&world, Some(90)).await];
    let at = |seconds: u64| (RECEIVED + seconds * 1000, start + DAY + Duration::from_secs(seconds));
    upkeep.expire(at(59).0, at(59).1).await;
    world.store.purge(&name("alice"), vec![uids[1], uids[2]]).await.expect("purged");
    for seconds in [60, 90] {
        upkeep.expire(at(seconds).0, at(seconds).1).await;
    }
    let told = told.lock().expect("sound");
    let [Event::Removed { uids: removed, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(*removed, uids[..1]);
}
