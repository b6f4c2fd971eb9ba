use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use directory::{Directory, Pickups};
use mail::{MailboxName, Uid, ViewName};
use queue::{Store, contract};
use tempfile::TempDir;

use super::engine::{Engine, shown};
use super::keeper::Keeper;
use super::office;
use crate::chance::{Chance, message};
use crate::client::{COURSES, Course, Device, Ended, Habit, Place};
use crate::spec::{Book, DAY, Fate, From, Ms, TEAM, Whose};
use crate::world::{Office, World};

/// How much happened.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) sent: usize,
    pub(crate) got: usize,
    sessions: usize,
    released: usize,
    undone: usize,
    restarts: usize,
    jumps: usize,
}

impl Told {
    pub(crate) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.got += other.got;
        self.sessions += other.sessions;
        self.released += other.released;
        self.undone += other.undone;
        self.restarts += other.restarts;
        self.jumps += other.jumps;
    }
}

/// Whose session, with which of her devices, and how it goes.
type Chosen = (String, usize, Course, Chance);

struct Life<E: Engine> {
    engine: E,
    world: World<E::Store>,
    place: Place,
    office: Office,
    devices: BTreeMap<String, Vec<Device>>,
    chance: Chance,
    /// True time, and how far the wall clock is ahead of it.
    now: Arc<AtomicU64>,
    ahead: i64,
    numbers: u64,
    keeper: Option<Keeper<E::Store>>,
    pickups: Pickups,
    folder: TempDir,
    base: Instant,
    born: Ms,
    /// The file has changed since the last look, or nobody has looked.
    again: bool,
    /// What came back for whom from the trash.
    back: BTreeSet<(String, Uid)>,
    told: Told,
}

pub(crate) fn life<E: Engine>(seed: u64, steps: u64, directory: Option<Directory>) -> (Told, Directory) {
    let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1);
    let office = office::office(&mut chance, E::MOVED);
    let (engine, born) = (E::default(), E::born());
    // A team has a member from the beginning.
    let mut office = office;
    let first = *chance.pick(&["alice", "bob", "carol", "robot", "robot"]);
    let member = office::member(first, born, E::MOVED, &mut chance);
    office.members.push((first.into(), member.clone()));
    let world = World::new(&office, directory, |runtime| engine.open(runtime));
    let now = Arc::new(AtomicU64::new(born));
    let clock = now.clone();
    let mut book = Book::new(format!("seed {seed}"), office.rule);
    book.joins(first, member);
    let place = Place {
        address: world.address,
        clock: Arc::new(move || clock.load(Ordering::SeqCst)),
        book: Arc::new(Mutex::new(book)),
        by_smtp: false,
    };
    let devices = BTreeMap::from([(first.to_owned(), office::devices(first, &mut chance))]);
    let mut life = Life {
        engine,
        world,
        place,
        office,
        devices,
        chance,
        now,
        ahead: 0,
        numbers: seed * 1000,
        keeper: None,
        pickups: Pickups::new(),
        folder: tempfile::tempdir().expect("a folder"),
        base: Instant::now(),
        born,
        again: true,
        back: BTreeSet::new(),
        told: Told::default(),
    };
    life.look();
    if first == "robot" {
        // What came before any person is not for those who join then.
        (0..6).for_each(|_| life.alone());
    }
    for _ in 0..3 {
        life.join((first == "robot").then_some(From::Now));
    }
    for _ in 0..steps {
        life.step();
    }
    life.end();
    (life.told, life.world.directory.clone())
}

impl<E: Engine> Life<E> {
    fn step(&mut self) {
        self.pass(1);
        match self.chance.below(40) {
            0..12 => self.arrive(),
            12..27 => self.sessions(),
            27..32 => {
                let by = *self.chance.pick(&[60_000, DAY / 24, DAY / 2, DAY, 4 * DAY]);
                self.pass(by);
                self.look();
            }
            32..34 => self.join(None),
            34 => self.leave(),
            35 => self.restart(),
            36 => self.jump(),
            37 | 38 => self.undo(),
            _ => self.look(),
        }
    }

    /// Mail comes and is collected, and nobody joins.
    fn alone(&mut self) {
        self.pass(1);
        self.arrive();
        self.sessions();
    }

    fn now(&self) -> Ms {
        self.now.load(Ordering::SeqCst)
    }

    fn wall(&self) -> Ms {
        self.now().saturating_add_signed(self.ahead)
    }

    /// Time passes for everybody.
    fn pass(&mut self, by: Ms) {
        let now = self.now.fetch_add(by, Ordering::SeqCst) + by;
        E::clock(self.world.store(), now.saturating_add_signed(self.ahead));
    }

    /// The wall clock is put forward or back: by less than a day, or by far more.
    fn jump(&mut self) {
        if !E::MOVED {
            return;
        }
        let day = DAY.cast_signed();
        let by = *self.chance.pick(&[day / 2, 30 * day, -day / 2, -30 * day]);
        self.place.book().jumped(self.now(), by);
        self.ahead += by;
        self.told.jumps += 1;
        self.pass(1);
        self.look();
    }

    fn arrive(&mut self) {
        for _ in 0..=self.chance.below(3) {
            self.pass(1);
            self.numbers += 1;
            let to: &[&str] = match self.chance.below(8) {
                0 => &["alice"],
                1 | 2 => &[TEAM, "alice"],
                _ => &[TEAM],
            };
            let (store, number) = (self.world.store(), self.numbers);
            let uids = self.world.block_on(contract::deliver(store, &message(number), to));
            for (mailbox, uid) in to.iter().zip(uids) {
                let whose = if *mailbox == TEAM { Whose::Team } else { Whose::Own((*mailbox).into()) };
                self.place.book().came(&shown(uid), number, whose, self.now());
            }
            if to.len() > 1 {
                // What showed both may show the other one when one of them is deleted by itself.
                for device in self.devices.get_mut("alice").into_iter().flatten() {
                    *device.again.entry(number).or_default() += 1;
                }
            }
            self.told.sent += 1;
        }
    }

    fn active(&self) -> Vec<String> {
        self.office.members.iter().map(|(name, _)| name.clone()).collect()
    }

    /// One session, or some at the same time.
    fn sessions(&mut self) {
        let active = self.active();
        let mut chosen: Vec<Chosen> = Vec::new();
        for _ in 0..=self.chance.below(3) {
            let who = self.chance.pick(&active).clone();
            let devices = &self.devices[&who];
            let which = usize::try_from(self.chance.below(devices.len() as u64)).expect("small");
            let course = *self.chance.pick(&COURSES);
            let own = Chance(self.chance.below(1 << 31));
            // What two do for one member at once cannot be told apart.
            if !chosen.iter().any(|(other, ..)| *other == who) {
                chosen.push((who, which, course, own));
            }
        }
        self.run(&chosen);
    }

    fn run(&mut self, chosen: &[Chosen]) -> usize {
        let place = &self.place;
        let mut running = Vec::new();
        for (who, devices) in &mut self.devices {
            for (at, device) in devices.iter_mut().enumerate() {
                let found = chosen.iter().find(|(name, which, ..)| name == who && *which == at);
                running.extend(found.map(|(_, _, course, chance)| (device, *course, chance.clone())));
            }
        }
        let count = running.len();
        let got = thread::scope(|scope| {
            let started: Vec<_> = running
                .into_iter()
                .map(|(device, course, mut chance)| {
                    scope.spawn(move || device.session(place, course, &mut chance).expect("a session"))
                })
                .collect();
            let ended = started
                .into_iter()
                .map(|one| one.join().unwrap_or_else(|why| std::panic::resume_unwind(why)));
            ended
                .map(|ended| match ended {
                    Ended::Over(got) => got,
                    Ended::InUse => panic!("nobody else has this view"),
                })
                .sum::<usize>()
        });
        for (who, ..) in chosen {
            let view = ViewName::parse(who).expect("a name");
            self.pickups.note(&team(), &view, self.wall(), None);
        }
        self.told.sessions += count;
        self.told.got += got;
        self.world.ended(self.told.sessions);
        got
    }

    fn join(&mut self, from: Option<From>) {
        let place = self.place.clone();
        let new = office::PEOPLE.iter().find(|name| !place.book().members.contains_key(**name));
        let Some(name) = new else { return };
        self.pass(1);
        let mut member = office::member(name, self.now(), E::MOVED, &mut self.chance);
        member.from = from.unwrap_or(member.from);
        place.book().joins(name, member.clone());
        self.office.members.push(((*name).into(), member));
        let mut devices = office::devices(name, &mut self.chance);
        // Of what came back there may be two, and whoever joins now may get both.
        for entry in place.book().entries.values().filter(|entry| matches!(entry.whose, Whose::Back(_))) {
            for device in &mut devices {
                *device.again.entry(entry.number.expect("known")).or_default() += 1;
            }
        }
        self.devices.insert((*name).into(), devices);
        self.reload();
    }

    fn leave(&mut self) {
        // The last one cannot leave: a team has members.
        if self.office.members.len() < 2 {
            return;
        }
        let which = usize::try_from(self.chance.below(self.office.members.len() as u64)).expect("small");
        let (name, _) = self.office.members.remove(which);
        self.place.book().leaves(&name, self.now());
        self.reload();
    }

    fn reload(&mut self) {
        self.world.reload(&self.office);
        self.again = true;
        self.look();
        self.pass(1);
    }

    fn restart(&mut self) {
        self.keeper = None;
        let engine = &self.engine;
        self.world.restart(|runtime, store| engine.again(runtime, store));
        self.pass(60_000);
        self.told.restarts += 1;
        self.look();
    }

    /// The product looks after its mailboxes, and what it has done is held against what it may.
    fn look(&mut self) {
        let wall = self.wall();
        let true_time = self.base + Duration::from_millis(self.now() - self.born);
        let keeper = self.keeper.get_or_insert_with(|| {
            let (store, directory) = (self.world.store().clone(), self.world.directory.clone());
            self.again = true;
            Keeper::new(store, directory, self.pickups.clone(), self.folder.path(), E::MOVED)
        });
        keeper.look(std::mem::take(&mut self.again), wall, true_time);
        let held: Vec<String> = self.world.held(&team()).into_iter().map(shown).collect();
        self.place.book().holds(&held, self.now());
    }

    fn undo(&mut self) {
        let people: Vec<String> = self.active().into_iter().filter(|name| self.is_person(name)).collect();
        if people.is_empty() {
            return;
        }
        let who = self.chance.pick(&people).clone();
        let view = ViewName::parse(&who).expect("a name");
        let store = self.world.store();
        let told = self.world.block_on(store.deletions(&team(), &view, 0)).expect("told");
        let deleted: Vec<Uid> = told.into_iter().flat_map(|deletion| deletion.uids).collect();
        let trashed = self.world.block_on(store.trashed(&team(), Uid(0), 1000)).expect("told");
        let known = |uid: &Uid| self.place.book().entries.contains_key(&shown(*uid));
        let all: Vec<Uid> =
            deleted.into_iter().chain(trashed.iter().map(|one| one.uid)).filter(known).collect();
        if all.is_empty() {
            return;
        }
        let uid = *self.chance.pick(&all);
        let undone = self.world.block_on(store.undo(&team(), &view, vec![uid])).expect("undone");
        // What is in the trash stays there for the others, and comes back once for each.
        let is_trashed = trashed.iter().any(|one| one.uid == uid);
        if is_trashed && self.back.contains(&(who.clone(), uid)) {
            assert!(undone.is_empty(), "{uid} came back for {who} a second time");
            return;
        }
        assert_eq!(undone.len(), 1, "{uid} is there, and was not brought back for {who}");
        if is_trashed {
            self.back.insert((who.clone(), uid));
        }
        let number = self.place.book().entries[&shown(uid)].number.expect("known");
        self.place.book().came_back(&who, &shown(uid), &shown(undone[0].now), self.now());
        for device in self.devices.get_mut(&who).into_iter().flatten() {
            *device.again.entry(number).or_default() += 1;
        }
        self.told.undone += 1;
    }

    fn is_person(&self, name: &str) -> bool {
        self.office.members.iter().any(|(member, is)| member == name && !is.robot)
    }

    /// All collect until there is nothing new, then all that can go must go, and nothing else.
    fn end(&mut self) {
        self.collect_all();
        self.everybody_has_everything();
        self.wait(2 * self.office.rule.hold + 5 * DAY);
        self.went();
        for device in self.devices.values_mut().flatten() {
            device.habit = if device.habit == Habit::Numbers { Habit::Numbers } else { Habit::Delete };
        }
        self.collect_all();
        self.wait(2 * self.office.rule.hold + 5 * DAY);
        self.went();
        if let Some(max) = self.office.rule.max_age {
            self.wait(max + 5 * DAY);
            self.went();
        }
        self.wait(self.office.trash + 3 * DAY);
        self.all_is_gone();
        let gone = self.place.book().entries.values().filter(|entry| entry.gone).count();
        self.told.released += gone;
    }

    fn collect_all(&mut self) {
        for who in self.active() {
            for which in 0..self.devices[&who].len() {
                for round in 0.. {
                    assert!(round < 20, "{who} has always more to get");
                    let own = Chance(self.chance.below(1 << 31));
                    if self.run(&[(who.clone(), which, Course::Whole, own)]) == 0 {
                        break;
                    }
                }
            }
        }
    }

    /// Every message that is due to a member has come to one of her devices, and to each of them once.
    fn everybody_has_everything(&mut self) {
        let book = self.place.book();
        for who in self.active() {
            let devices = &self.devices[&who];
            for (uid, entry) in &book.entries {
                let number = entry.number.expect("known");
                let has = devices.iter().any(|device| device.got.contains_key(&number));
                let lapses = book.rule.max_age.is_some() || book.rule.absent.is_some();
                let excused = (lapses && entry.may_be_gone) || book.may_be_parked(&who, uid);
                let due = book.due(&who, entry) == crate::spec::Due::Yes;
                let before = entry.may_be_gone && entry.came < book.members[&who].joined;
                let own =
                    matches!(entry.whose, Whose::Own(_)) && !devices.iter().any(|device| device.login == who);
                assert!(
                    !due || has || excused || before || own,
                    "{}: {who} never got {uid} {entry:?}",
                    book.context
                );
            }
            for device in devices {
                for (number, times) in &device.got {
                    let most = 1 + device.again.get(number).copied().unwrap_or(0);
                    assert!(
                        *times <= most,
                        "{}: {who} got {number} {times} times by {device:?}",
                        book.context
                    );
                }
            }
        }
    }

    fn wait(&mut self, time: Ms) {
        for _ in 0..time / (DAY / 2) + 1 {
            self.pass(DAY / 2);
            self.look();
        }
    }

    fn went(&self) {
        let book = self.place.book();
        for (uid, entry) in book.team_entries() {
            let fate = book.fate(uid, self.now());
            assert!(fate != Fate::Goes, "{}: {uid} does not go: {entry:?}", book.context);
        }
    }

    /// What has gone is not kept anywhere.
    fn all_is_gone(&self) {
        let book = self.place.book();
        let left = book.team_entries().count() as u64;
        assert_eq!(self.world.store().usage(&team()).messages, left, "{}", book.context);
        let trashed = self.world.block_on(self.world.store().trashed(&team(), Uid(0), 1000)).expect("told");
        assert!(trashed.is_empty(), "{}: {trashed:?} stays in the trash", book.context);
    }
}

fn team() -> MailboxName {
    MailboxName::parse(TEAM).expect("a name")
}
