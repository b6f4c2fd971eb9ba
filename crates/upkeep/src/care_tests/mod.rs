//! Views, release, trash, guard and watchdog over the engine in memory, with clocks of our own.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use directory::{
    Directory, DomainSpec, JoinFrom, MailboxSpec, MemberSpec, Password, Pickups, Release, Spec, Table,
    VerifierParams, When, password,
};
use mail::{Event, Journeys, Secret, Uid, ViewName};
use queue::contract::{deliver, listed, name, read, view};
use queue::{Expunge, Fetched, Incoming, MemoryStore, Store, Unwanted};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

mod doubt;
mod hold;
mod joining;
mod lapses;
mod leaving;
mod members;
mod mistakes;
mod notices;
mod overview;
mod release;
mod steps;
mod trash;

use crate::{Care, Caring, Concerns, Expiring, Guard, Notebooks, Overview, Quarantine, Upkeep, Watchdog};

const MINUTE: u64 = 60 * 1000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const START: u64 = 1_795_000_000_000;

fn days(days: u64) -> Duration {
    Duration::from_millis(days * DAY)
}

/// Six messages of sales that bob has kept for twenty days, and now deletes; alice has fetched them.
async fn all_deleted_at_once(world: &World, upkeep: &mut Upkeep<MemoryStore>) -> Vec<Uid> {
    let uids = world.mail("sales", 6).await;
    world.later(upkeep, 20 * DAY).await;
    world.fetch("alice", &uids).await;
    world.delete("sales", "bob", &uids, Unwanted::Stays).await;
    uids
}

fn member(login: &str) -> MemberSpec {
    MemberSpec { login: login.into(), robot: false, mirrors: Some(false), from: JoinFrom::All }
}

fn release(when: When) -> Option<Release> {
    Some(Release { when, hold: days(14), max_age: Some(days(365)), ignore_absent: None })
}

/// sales is shared by whom `members` say, and info by alice where there is a `second` team; alice has what `devices` say;
/// desk is a login of a robot. What goes stays a week in the trash.
struct Setup {
    members: Vec<MemberSpec>,
    second: bool,
    release: Option<Release>,
    devices: Vec<&'static str>,
    trash: Option<Duration>,
}

impl Default for Setup {
    fn default() -> Self {
        let members = vec![member("alice"), member("bob")];
        let release = release(When::AllFetched);
        Self { members, second: false, release, devices: Vec::new(), trash: Some(days(7)) }
    }
}

impl Setup {
    fn table(&self) -> Table {
        let hash = password::hash(&Secret::from(&b"correct horse"[..]));
        let mailbox = |name: &str| MailboxSpec {
            name: name.into(),
            passwords: vec![Password { name: None, hash: hash.clone() }],
            trash: self.trash,
            ..MailboxSpec::default()
        };
        let devices = self.devices.iter().map(|name| (*name).to_owned()).collect();
        let sales = MailboxSpec {
            passwords: Vec::new(),
            members: self.members.clone(),
            release: self.release.filter(|_| !self.members.is_empty()),
            ..mailbox("sales")
        };
        let info = MailboxSpec {
            passwords: Vec::new(),
            members: vec![member("alice")],
            release: self.release,
            ..mailbox("info")
        };
        let mut spec = Spec {
            domains: vec![DomainSpec {
                name: "example.test".into(),
                postmaster: Some("boss".into()),
                ..DomainSpec::default()
            }],
            mailboxes: vec![
                MailboxSpec { devices, ..mailbox("alice") },
                mailbox("bob"),
                mailbox("boss"),
                MailboxSpec { receives: false, ..mailbox("desk") },
                sales,
            ],
            hostname: "mx.example.test".into(),
            ..Spec::default()
        };
        spec.mailboxes.extend(self.second.then_some(info));
        let (table, faults) = Table::build(&spec);
        table.unwrap_or_else(|| panic!("{faults:?}"))
    }
}

struct World {
    store: MemoryStore,
    directory: Directory,
    folder: TempDir,
    pickups: Pickups,
    concerns: Concerns,
    care: Care,
    lacks: Arc<AtomicU64>,
    events: Arc<Mutex<Vec<Event>>>,
    /// True time, and how far the wall clock is ahead of it.
    now_ms: Cell<u64>,
    ahead_ms: Cell<i64>,
    begun: Instant,
}

impl World {
    fn new(setup: &Setup) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // A clock that has run well.
        std::fs::write(folder.path().join("upkeep"), format!("time {START}\nsuspended 0\n"))
            .expect("written");
        let world = Self {
            store: MemoryStore::new(),
            directory: Directory::new(setup.table(), VerifierParams::default()),
            folder,
            pickups: Pickups::new(),
            concerns: Concerns::default(),
            care: Care {
                guard: Some(Guard { messages: 5, ..Guard::default() }),
                watchdog: Watchdog::default(),
            },
            lacks: Arc::default(),
            events: Arc::default(),
            now_ms: Cell::new(START),
            ahead_ms: Cell::new(0),
            begun: Instant::now(),
        };
        world.store.set_clock(START);
        world
    }

    /// As after a start.
    fn upkeep(&self) -> Upkeep<MemoryStore> {
        let path = self.folder.path();
        let (store, directory) = (self.store.clone(), self.directory.clone());
        let quarantine = watch::channel(Quarantine::default()).1;
        let expiring = Expiring::open(path.join("expiring"));
        let (events, lacks) = (self.events.clone(), self.lacks.clone());
        let caring = Caring {
            path: path.join("views"),
            care: watch::channel(self.care.clone()).1,
            pickups: self.pickups.clone(),
            concerns: self.concerns.clone(),
            lacks: Arc::new(move || lacks.load(Ordering::SeqCst)),
        };
        Upkeep::new(store, directory, "mx.example.test".into(), path.join("upkeep"), quarantine, expiring)
            .with_journeys(Journeys::new(move |event| events.lock().expect("sound").push(event)))
            .with_care(caring, &CancellationToken::new())
    }

    fn pass(&self, ms: u64) {
        self.now_ms.set(self.now_ms.get() + ms);
        self.store.set_clock(self.wall_ms());
    }

    fn wall_ms(&self) -> u64 {
        self.now_ms.get().saturating_add_signed(self.ahead_ms.get())
    }

    /// The wall clock is put so many days ahead of true time.
    fn put(&self, days: i64) {
        self.put_ms(days * DAY.cast_signed());
    }

    /// The same in milliseconds.
    fn put_ms(&self, ahead_ms: i64) {
        self.ahead_ms.set(ahead_ms);
        self.pass(0);
    }

    /// Looks now, as after a reload.
    async fn look(&self, upkeep: &mut Upkeep<MemoryStore>) {
        let now = self.begun + Duration::from_millis(self.now_ms.get() - START);
        upkeep.take_care(true, Duration::from_secs(1), self.wall_ms(), now).await;
    }

    /// Looks an hour later, and the clock has jumped ahead by so much.
    async fn jump(&self, upkeep: &mut Upkeep<MemoryStore>, ms: u64) {
        let ran = Duration::from_millis(self.now_ms.get() + HOUR - START);
        upkeep.take_care(true, Duration::from_secs(1), self.now_ms.get() + ms, self.begun + ran).await;
    }

    /// So much later, with a look every day.
    async fn later(&self, upkeep: &mut Upkeep<MemoryStore>, ms: u64) {
        let mut left = ms;
        while left > 0 {
            let step = left.min(DAY);
            left -= step;
            self.pass(step);
            self.look(upkeep).await;
        }
    }

    async fn mail(&self, mailbox: &str, count: usize) -> Vec<Uid> {
        let mut uids = Vec::new();
        for _ in 0..count {
            uids.extend(deliver(&self.store, b"some mail\r\n", &[mailbox]).await);
        }
        uids
    }

    async fn fetch(&self, of: &str, uids: &[Uid]) {
        let offered = *uids.last().expect("some");
        let group = Fetched { mailbox: name("sales"), view: view(of), uids: uids.to_vec(), offered };
        self.store.seen(group).await.expect("noted");
    }

    async fn delete(&self, mailbox: &str, of: &str, uids: &[Uid], unwanted: Unwanted) {
        let view = ViewName::kept(of).expect("a name");
        let group = Expunge { mailbox: name(mailbox), view, uids: uids.to_vec(), unwanted };
        self.store.delete(vec![group]).await.expect("deleted");
    }

    async fn trash(&self, mailbox: &str) -> Vec<Uid> {
        let trashed = self.store.trashed(&name(mailbox), Uid(0), 10_000).await.expect("told");
        trashed.iter().map(|trashed| trashed.uid).collect()
    }

    async fn views(&self, mailbox: &str) -> Vec<String> {
        let states = self.store.views(&name(mailbox)).await.expect("told");
        states.iter().map(|state| state.view.to_string()).collect()
    }

    /// What became of one message, in the words of its journey.
    fn journey(&self, uid: Uid) -> Vec<String> {
        let events = self.events.lock().expect("sound");
        let told = events.iter().filter_map(|event| match event {
            Event::Released { uids, reason, .. } => Some(("released", uids, reason)),
            Event::Trashed { uids, reason, .. } => Some(("trashed", uids, reason)),
            Event::Removed { uids, reason, .. } => Some(("removed", uids, reason)),
            _ => None,
        });
        let mine = told.filter(|(_, uids, _)| uids.contains(&uid));
        mine.map(|(word, _, reason)| format!("{word}: {reason}")).collect()
    }

    /// The reports that postmaster has got since this was asked.
    async fn reports(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for message in self.store.queued(None, 100).await.expect("readable") {
            let route = queue::contract::route(message.id, &["boss"]);
            self.store.deliver(vec![route]).await.expect("delivered");
        }
        let maildrop = self.store.open(&name("boss"), &ViewName::owner()).await.expect("opened");
        for index in 0..queue::Maildrop::len(&maildrop) {
            let octets = read(&maildrop, index).await;
            // Its lines are wrapped.
            let text = String::from_utf8_lossy(&octets).split_whitespace().collect::<Vec<_>>().join(" ");
            texts.push(text);
        }
        let all = listed(&self.store, "boss", "").await;
        self.store.purge(&name("boss"), all).await.expect("purged");
        texts
    }

    async fn overview(&self) -> Overview {
        self.overview_of("sales").await.expect("a team")
    }

    async fn overview_of(&self, mailbox: &str) -> Option<Overview> {
        let path = self.folder.path();
        let notebooks = Notebooks { clock: path.join("upkeep"), views: path.join("views") };
        let (store, directory, pickups) = (&self.store, &self.directory, &self.pickups);
        let found =
            crate::overview(store, directory, pickups, &notebooks, &name(mailbox), self.wall_ms()).await;
        found.expect("told")
    }
}
