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

use crate::{Care, Caring, Concerns, Expiring, Guard, Overview, Quarantine, Upkeep, Watchdog};

const MINUTE: u64 = 60 * 1000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const START: u64 = 1_795_000_000_000;

fn days(days: u64) -> Duration {
    Duration::from_millis(days * DAY)
}

fn member(login: &str) -> MemberSpec {
    MemberSpec { login: login.into(), robot: false, mirrors: Some(false), from: JoinFrom::All }
}

fn release(when: When) -> Option<Release> {
    Some(Release { when, hold: days(14), max_age: Some(days(365)), ignore_absent: None })
}

/// sales is shared by whom `members` say; alice has what `devices` say; desk is a login of a robot. What goes stays a
/// week in the trash.
struct Setup {
    members: Vec<MemberSpec>,
    release: Option<Release>,
    devices: Vec<&'static str>,
    trash: Option<Duration>,
}

impl Default for Setup {
    fn default() -> Self {
        let members = vec![member("alice"), member("bob")];
        Self { members, release: release(When::AllFetched), devices: Vec::new(), trash: Some(days(7)) }
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
        let spec = Spec {
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
    now_ms: Cell<u64>,
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
        self.store.set_clock(self.now_ms.get());
    }

    /// Looks now, as after a reload.
    async fn look(&self, upkeep: &mut Upkeep<MemoryStore>) {
        let now = self.begun + Duration::from_millis(self.now_ms.get() - START);
        upkeep.take_care(true, Duration::from_secs(1), self.now_ms.get(), now).await;
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
        let (memo, now) = (self.folder.path().join("views"), self.now_ms.get());
        let sales = name("sales");
        let found = crate::overview(&self.store, &self.directory, &self.pickups, &memo, &sales, now).await;
        found.expect("told").expect("a team")
    }
}

#[tokio::test]
async fn what_everyone_has_fetched_is_held_and_trashed_and_goes() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    assert_eq!(world.views("sales").await, ["+released", "alice", "bob"]);
    let uids = world.mail("sales", 3).await;
    world.fetch("alice", &uids).await;
    world.look(&mut upkeep).await;
    assert!(world.journey(uids[0]).is_empty(), "bob has nothing yet");
    world.fetch("bob", &uids[..1]).await;
    world.delete("sales", "bob", &uids[1..2], Unwanted::Stays).await;
    world.pass(MINUTE);
    world.look(&mut upkeep).await;
    let released = "released: released: everyone has fetched it";
    assert_eq!(world.journey(uids[0]), [released]);
    assert_eq!(listed(&world.store, "sales", "alice").await, uids, "nobody sees a thing of it");
    let seen = world.overview().await;
    assert_eq!((seen.released.messages, seen.held_back.messages, seen.goes[0].messages), (2, 1, 2));
    let bob = &seen.members[1];
    assert_eq!((bob.waiting.messages, bob.fetched.messages, bob.done), (1, 1, 1));
    assert_eq!((bob.holds_back.messages, bob.holds_since_ms.is_some()), (1, true));
    world.later(&mut upkeep, 13 * DAY).await;
    assert!(world.trash("sales").await.is_empty());
    // The next start goes on where this one was.
    let mut upkeep = world.upkeep();
    world.later(&mut upkeep, DAY).await;
    assert_eq!(world.trash("sales").await, uids[..2]);
    assert_eq!(listed(&world.store, "sales", "alice").await, uids[2..]);
    world.later(&mut upkeep, 6 * DAY + 23 * HOUR).await;
    assert_eq!(world.trash("sales").await.len(), 2);
    world.later(&mut upkeep, HOUR).await;
    assert!(world.trash("sales").await.is_empty());
    let way = [released, "trashed: everyone had it, held for 14 days", "removed: in the trash for 7 days"];
    assert_eq!(world.journey(uids[0]), way);
    assert!(world.journey(uids[2]).is_empty());
    assert!(world.reports().await.is_empty(), "nothing to say");
}

#[tokio::test]
async fn age_lets_go_whoever_wants_it_and_without_a_trash_what_goes_is_gone() {
    let world = World::new(&Setup { trash: None, ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    world.later(&mut upkeep, 364 * DAY).await;
    assert_eq!(listed(&world.store, "sales", "bob").await, uids);
    world.later(&mut upkeep, 2 * DAY).await;
    assert!(listed(&world.store, "sales", "bob").await.is_empty() && world.trash("sales").await.is_empty());
    assert_eq!(world.journey(uids[0]), ["removed: older than the team's max-age of 365 days"]);
    // And a team that says nothing of it keeps everything.
    let world = World::new(&Setup { release: None, ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    for of in ["alice", "bob"] {
        world.delete("sales", of, &uids, Unwanted::Stays).await;
    }
    world.later(&mut upkeep, 400 * DAY).await;
    assert_eq!((world.store.usage(&name("sales")).messages, world.journey(uids[0]).len()), (1, 0));
}

#[tokio::test]
async fn what_was_undone_is_held_back_until_its_member_has_it_again() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    for of in ["alice", "bob"] {
        world.delete("sales", of, &uids, Unwanted::Stays).await;
    }
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 15 * DAY).await;
    assert_eq!(world.trash("sales").await, uids);
    let undone = world.store.undo(&name("sales"), &view("alice"), uids.clone()).await.expect("undone");
    let again = undone[0].now;
    world.later(&mut upkeep, 30 * DAY).await;
    assert_eq!(listed(&world.store, "sales", "alice").await, [again]);
    assert!(world.journey(again).is_empty());
    world.fetch("alice", &[again]).await;
    world.later(&mut upkeep, 15 * DAY).await;
    assert_eq!(world.trash("sales").await, [again]);
}

#[tokio::test]
async fn a_member_who_leaves_frees_what_only_she_held_and_not_before_the_hold() {
    let setup = Setup::default();
    let world = World::new(&setup);
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    world.fetch("alice", &uids).await;
    let alone = Setup { members: vec![member("alice")], ..Setup::default() };
    world.directory.replace(alone.table());
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 13 * DAY).await;
    assert_eq!(world.views("sales").await, ["+released", "alice", "bob"]);
    assert_eq!(world.overview().await.members[1].left_ms, Some(START));
    // Back in time, bob goes on as he was, and his time begins anew.
    world.directory.replace(setup.table());
    world.look(&mut upkeep).await;
    world.directory.replace(alone.table());
    world.look(&mut upkeep).await;
    let mut upkeep = world.upkeep();
    world.later(&mut upkeep, 13 * DAY).await;
    assert!(world.journey(uids[0]).is_empty());
    world.later(&mut upkeep, 2 * DAY).await;
    assert_eq!(world.views("sales").await, ["+released", "alice"]);
    assert_eq!(world.journey(uids[0]).len(), 1, "alice alone has a say now");
    let left = |event: &Event| matches!(event, Event::Left { view, .. } if view.as_str() == "bob");
    assert_eq!(world.events.lock().expect("sound").iter().filter(|event| left(event)).count(), 1);
    assert!(world.reports().await[0].contains("sales: the view `bob` has left, 14 days after"));
    // When the last has left, the mailbox is plain again, and keeps what nobody was to let go.
    let plain = Setup { members: Vec::new(), ..Setup::default() };
    world.directory.replace(plain.table());
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 31 * DAY).await;
    assert!(world.views("sales").await.is_empty());
    assert_eq!(listed(&world.store, "sales", "").await, uids);
}

#[tokio::test]
async fn who_joins_sees_what_the_file_says_and_devices_begin_with_their_owner() {
    let back = |login: &str, from| MemberSpec { from, ..member(login) };
    let world = World::new(&Setup::default());
    let old = world.mail("sales", 1).await;
    world.pass(10 * DAY);
    let new = world.mail("sales", 1).await;
    let members =
        vec![back("alice", JoinFrom::All), back("bob", JoinFrom::Back(days(7))), back("desk", JoinFrom::Now)];
    world.directory.replace(Setup { members, devices: vec!["phone"], ..Setup::default() }.table());
    let mine = world.mail("alice", 1).await;
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    assert_eq!(listed(&world.store, "sales", "alice").await, [old[0], new[0]]);
    assert_eq!(listed(&world.store, "sales", "bob").await, new);
    assert!(listed(&world.store, "sales", "desk").await.is_empty());
    assert_eq!(world.views("alice").await, ["", "phone"]);
    world.delete("alice", "", &mine, Unwanted::ToTrash).await;
    assert_eq!(listed(&world.store, "alice", "phone").await, mine);
    // A phone that is taken out holds nothing back after a month.
    world.directory.replace(Setup::default().table());
    world.look(&mut upkeep).await;
    world.later(&mut upkeep, 29 * DAY).await;
    assert_eq!(world.views("alice").await, ["", "phone"]);
    world.later(&mut upkeep, 2 * DAY).await;
    assert_eq!((world.views("alice").await.len(), world.trash("alice").await), (0, mine));
}

#[tokio::test]
async fn an_absent_member_is_told_of_and_then_counts_no_more_until_she_is_back() {
    let ignore_absent = Some(days(60));
    let rule = release(When::AllFetched).map(|release| Release { ignore_absent, ..release });
    let world = World::new(&Setup { release: rule, ..Setup::default() });
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 1).await;
    world.fetch("alice", &uids).await;
    for day in 1..=60 {
        world.pickups.note(&name("sales"), &view("alice"), world.now_ms.get(), None);
        world.later(&mut upkeep, DAY).await;
        let lapses = world.overview().await.members[1].lapses_ms;
        assert_eq!(lapses.is_some(), day >= 53, "day {day}");
        assert_eq!(world.journey(uids[0]).len(), usize::from(day == 60), "day {day}");
        if day == 55 {
            let reports = world.reports().await;
            assert!(
                reports.len() == 1 && reports[0].contains("bob has collected nothing for 53 days"),
                "{reports:?}"
            );
            upkeep = world.upkeep();
        }
    }
    assert!(world.overview().await.members[1].is_absent);
    let more = world.mail("sales", 1).await;
    world.fetch("alice", &more).await;
    world.pickups.note(&name("sales"), &view("bob"), world.now_ms.get(), None);
    world.later(&mut upkeep, DAY).await;
    assert!(world.journey(more[0]).is_empty(), "he is back");
    assert!(world.reports().await.is_empty());
}

#[tokio::test]
async fn a_trash_grows_old_and_nothing_does_while_the_clock_is_in_doubt() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    // What comes into one that was just emptied goes as well: no look sees it empty.
    for uid in world.mail("alice", 2).await {
        world.delete("alice", "", &[uid], Unwanted::ToTrash).await;
        world.later(&mut upkeep, 7 * DAY).await;
    }
    assert!(world.trash("alice").await.is_empty());
    let uids = world.mail("alice", 4).await;
    world.delete("alice", "", &uids[2..], Unwanted::ToTrash).await;
    world.later(&mut upkeep, 3 * DAY).await;
    world.delete("alice", "", &uids[..1], Unwanted::ToTrash).await;
    world.later(&mut upkeep, 4 * DAY - HOUR).await;
    assert_eq!(world.trash("alice").await.len(), 3);
    world.later(&mut upkeep, HOUR).await;
    assert_eq!(world.trash("alice").await, uids[..1]);
    assert_eq!(world.journey(uids[2]), ["removed: in the trash for 7 days"]);
    // It jumps to 2038: an upkeep whose own clock did not run along.
    let jumped = world.now_ms.get() + 12 * 365 * DAY;
    let now = world.begun + Duration::from_millis(world.now_ms.get() - START) + Duration::from_secs(3600);
    upkeep.take_care(true, Duration::from_secs(1), jumped, now).await;
    assert_eq!(world.trash("alice").await, uids[..1]);
}

#[tokio::test]
async fn old_mail_that_is_deleted_all_at_once_is_kept_longer_and_told_once() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let old = world.mail("alice", 6).await;
    world.later(&mut upkeep, 20 * DAY).await;
    let young = world.mail("alice", 6).await;
    // Young mail, and a little old mail, is what people delete every day.
    world.delete("alice", "", &young, Unwanted::ToTrash).await;
    world.pass(MINUTE);
    world.delete("alice", "", &old[..1], Unwanted::ToTrash).await;
    world.look(&mut upkeep).await;
    world.pass(MINUTE);
    world.delete("alice", "", &old[1..], Unwanted::ToTrash).await;
    world.look(&mut upkeep).await;
    world.pass(2 * MINUTE);
    world.look(&mut upkeep).await;
    let reports = world.reports().await;
    assert_eq!(reports.len(), 1);
    assert!(reports[0].contains("alice: alice deleted 5 messages in one session"), "{reports:?}");
    assert!(reports[0].contains("`restante undo --login alice --last TIME`"));
    let mut upkeep = world.upkeep();
    world.later(&mut upkeep, 8 * DAY).await;
    assert_eq!(world.trash("alice").await, old[1..]);
    world.later(&mut upkeep, 21 * DAY).await;
    assert_eq!(world.trash("alice").await, old[1..]);
    world.later(&mut upkeep, 2 * DAY).await;
    assert!(world.trash("alice").await.is_empty());
    assert!(world.reports().await.is_empty());
}

#[tokio::test]
async fn a_member_who_deletes_all_at_once_is_guarded_too_and_release_is_not() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let uids = world.mail("sales", 6).await;
    world.later(&mut upkeep, 20 * DAY).await;
    world.fetch("alice", &uids).await;
    world.delete("sales", "bob", &uids, Unwanted::Stays).await;
    world.later(&mut upkeep, DAY).await;
    world.later(&mut upkeep, HOUR).await;
    let reports = world.reports().await;
    assert!(reports.len() == 1 && reports[0].contains("--login bob --mailbox sales"), "{reports:?}");
    // Released and held, it would go after 14 + 7 days; it stays for 30 since it was deleted.
    world.later(&mut upkeep, 23 * DAY).await;
    assert_eq!(world.trash("sales").await, uids);
    world.later(&mut upkeep, 8 * DAY).await;
    assert!(world.trash("sales").await.is_empty());
    assert!(world.reports().await.is_empty(), "what is released at once is nobody's mistake");
}

#[tokio::test]
async fn a_full_disk_takes_the_oldest_of_the_trash_first_and_no_more_than_it_needs() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    let old = world.mail("bob", 5).await;
    world.later(&mut upkeep, 15 * DAY).await;
    world.delete("bob", "", &old, Unwanted::ToTrash).await;
    world.later(&mut upkeep, DAY).await;
    let uids = world.mail("alice", 3).await;
    for uid in &uids {
        world.delete("alice", "", &[*uid], Unwanted::ToTrash).await;
        world.pass(MINUTE);
    }
    let octets = world.store.trashed(&name("alice"), Uid(0), 1).await.expect("told")[0].octets;
    world.lacks.store(octets + 1, Ordering::SeqCst);
    world.look(&mut upkeep).await;
    assert_eq!(world.trash("alice").await, uids[2..]);
    assert_eq!(world.journey(uids[0]), ["removed: in the trash when the disk ran low"]);
    assert!(world.concerns.standing()[0].text.contains("2 messages of the trash went before their time"));
    world.pass(MINUTE);
    world.look(&mut upkeep).await;
    assert_eq!(world.trash("alice").await, uids[2..], "what went does not show as room at once");
    world.pass(10 * MINUTE);
    world.look(&mut upkeep).await;
    // What may have been a mistake goes last.
    assert!(world.trash("alice").await.is_empty());
    assert_eq!(world.trash("bob").await.len(), 4);
    world.lacks.store(0, Ordering::SeqCst);
    world.pass(10 * MINUTE);
    world.look(&mut upkeep).await;
    assert_eq!((world.trash("bob").await.len(), world.concerns.standing().len()), (4, 0));
}

#[tokio::test]
async fn whoever_stays_away_is_told_once_and_stands_in_status_until_he_is_back() {
    let robot = MemberSpec { robot: true, ..member("desk") };
    let world = World::new(&Setup { members: vec![member("alice"), robot], ..Setup::default() });
    let mut upkeep = world.upkeep();
    let collect = |mailbox: &str, of: &str| {
        let of = ViewName::kept(of).expect("a name");
        world.pickups.note(&name(mailbox), &of, world.now_ms.get(), None);
    };
    for _ in 0..6 {
        collect("sales", "desk");
        collect("bob", "");
        world.pass(2 * MINUTE);
    }
    world.look(&mut upkeep).await;
    let standing = || world.concerns.standing().into_iter().map(|it| it.text).collect::<Vec<_>>();
    assert!(standing().is_empty());
    world.pass(20 * MINUTE);
    world.look(&mut upkeep).await;
    assert_eq!(standing(), ["the poller of desk stopped: it has not collected sales for 22 minutes"]);
    // A mailbox of which all was collected is silent for good reason.
    world.later(&mut upkeep, 27 * HOUR).await;
    assert_eq!(standing().len(), 1);
    let mut envelope = queue::contract::envelope(&["bob"]);
    envelope.trace.received_ms = world.now_ms.get();
    let id = world.store.incoming(None).expect("admitted").commit(envelope).await.expect("committed");
    world.store.deliver(vec![queue::contract::route(id, &["bob"])]).await.expect("delivered");
    world.pass(MINUTE);
    world.look(&mut upkeep).await;
    assert_eq!(standing()[0], "bob@example.test was not collected by anyone for 27 hours");
    let mut upkeep = world.upkeep();
    world.later(&mut upkeep, DAY).await;
    let reports = world.reports().await.join("\n");
    assert_eq!(reports.matches("the poller of desk stopped").count(), 1, "{reports}");
    assert_eq!(reports.matches("bob@example.test was not collected").count(), 1, "{reports}");
    collect("sales", "desk");
    collect("bob", "");
    world.look(&mut upkeep).await;
    assert!(standing().is_empty());
}

#[tokio::test]
async fn postmaster_hears_once_a_day_at_most_over_starts_too() {
    let world = World::new(&Setup::default());
    let mut upkeep = world.upkeep();
    world.concerns.note("first");
    world.look(&mut upkeep).await;
    assert!(world.reports().await.is_empty(), "others may follow");
    world.concerns.note("second");
    world.pass(2 * MINUTE);
    world.look(&mut upkeep).await;
    let reports = world.reports().await;
    assert!(reports.len() == 1 && reports[0].contains("first second"), "{reports:?}");
    world.concerns.note("third");
    world.later(&mut upkeep, 23 * HOUR).await;
    let mut upkeep = world.upkeep();
    world.look(&mut upkeep).await;
    assert!(world.reports().await.is_empty());
    world.later(&mut upkeep, HOUR).await;
    assert!(world.reports().await[0].contains("third"));
    world.later(&mut upkeep, 3 * DAY).await;
    assert!(world.reports().await.is_empty(), "nothing to say");
}
