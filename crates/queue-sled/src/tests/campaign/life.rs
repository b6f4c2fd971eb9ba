//! One life after the other: each is lived on a disk that keeps its trace, then cut at its operation points,
//! and every image is opened; some of them live on.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use queue::Store;

use super::ledger::{Expected, Ledger};
use super::model::Model;
use super::observe::Observed;
use super::script::{STORE, Script};
use crate::disk::Disk;
use crate::disk::simulated::{Action, Chance, Inode, Machine, SimulatedDisk, Step, Torn};
use crate::fold::Folder;
use crate::ground::{Ground, Sizes};
use crate::index::file_kv::FileIndex;
use crate::index::kv::MemoryKv;
use crate::index::rebuild::replay;
use crate::index::{Index, IndexKv, keys};
use crate::tests::{assert_holders, rows, rows_of};
use crate::{Params, SledStore, StartReport};

/// What a lane does with every life.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) steps: usize,
    /// Many at once all the time, so that batches have several records.
    pub(super) busy: bool,
    /// Images of power cuts at each operation point.
    pub(super) cuts: usize,
    /// The same where a batch is written and not synced yet: at most so many, no two of them the same there.
    pub(super) tails: usize,
    /// Every so manyth image is used, and as many are opened again.
    pub(super) used: usize,
    /// Every so manyth image lives on, for a shorter life that is cut in its turn.
    pub(super) live_on: usize,
    /// How many generations of that.
    pub(super) generations: usize,
}

/// What was tried.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) lives: u64,
    pub(super) points: u64,
    pub(super) images: u64,
    /// Images in which a part of a write is there and a part is not.
    pub(super) torn: u64,
    /// Images of an instant between write and sync of a batch in which it is not whole, each in its own way.
    pub(super) tails: u64,
    /// Those that were written over what an earlier life of the segment had left.
    pub(super) over_old: u64,
    /// Images whose start found a batch that was begun and not whole.
    pub(super) begun: u64,
    pub(super) rebuilt: u64,
    pub(super) errors: u64,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lives, points, images, torn, tails, over_old, begun, rebuilt, errors } = self;
        write!(
            f,
            "{lives} lives, {points} operation points, {images} images ({torn} power cuts that tear a write, \
             {tails} distinct torn tails, {over_old} of them over old octets; {begun} starts found a batch begun, \
             {rebuilt} rebuilt), {errors} errors injected, 0 failures"
        )
    }
}

/// Lives by seed. Any broken promise ends it, with the way that led there.
pub(super) struct Campaign {
    pub(super) plan: Plan,
    pub(super) totals: Totals,
    runtime: tokio::runtime::Runtime,
}

/// A store on a simulated disk.
pub(super) struct Opened {
    pub(super) disk: SimulatedDisk,
    pub(super) ground: Ground,
    pub(super) params: Params,
    pub(super) store: SledStore,
    pub(super) report: StartReport,
}

/// Whoever opened it is done with it: what still runs gets no further.
impl Drop for Opened {
    fn drop(&mut self) {
        self.disk.switch_off();
    }
}

pub(super) fn params() -> Params {
    // On a machine with much else to do a thread may wait for seconds before it gets its turn.
    let settle = Duration::from_secs(30);
    Params {
        segment_size: Some(64 << 10),
        spares: 1,
        min_free: 64 << 10,
        ballast: 4096,
        settle,
        ..Params::default()
    }
}

pub(super) fn ground(disk: &SimulatedDisk, deferred: bool) -> Ground {
    let sizes = Sizes { segment_min: 32 << 10, body_max: 8 << 10 };
    let (disk, index) = (Arc::new(disk.clone()), Arc::new(FileIndex { deferred }));
    Ground { disk, index, sizes, patience: Duration::from_millis(10) }
}

/// A disk with an empty folder for a store.
pub(super) fn empty() -> Machine {
    let disk = SimulatedDisk::new(Machine::default(), 0);
    disk.create_dir(Path::new(STORE)).expect("made");
    disk.fsync_dir(Path::new("/")).expect("synced");
    disk.machine()
}

impl Campaign {
    pub(super) fn new(plan: Plan) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { plan, totals: Totals::default(), runtime }
    }

    /// Lives one life from an empty disk on, and all that its cuts lead to.
    pub(super) fn run(&mut self, seed: u64) {
        let chance = Chance::new(seed);
        if let Err(why) = self.live(empty(), &Expected::default(), 0, self.plan.generations, chance) {
            panic!("seed {seed}: {why}");
        }
    }

    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    fn open(machine: Machine, chance: &mut Chance) -> Result<Opened, String> {
        let disk = SimulatedDisk::new(machine, chance.number());
        disk.write_short(chance.one_in(4));
        let mut params = params();
        if chance.one_in(4) {
            // So little that messages are received into files, and the queue is read from the disk.
            (params.memory, params.queue_memory) = (20_000, 2000);
        }
        Self::open_as(disk, params, chance.one_in(2))
    }

    pub(super) fn open_as(disk: SimulatedDisk, params: Params, deferred: bool) -> Result<Opened, String> {
        let ground = ground(&disk, deferred);
        let opened = SledStore::open_on(ground.clone(), Path::new(STORE), params.clone());
        let (store, report) = opened.map_err(|error| format!("it does not open: {error}"))?;
        Ok(Opened { disk, ground, params, store, report })
    }

    /// Opens an image, and finds in it what must be there.
    pub(super) fn open_checked(
        &mut self,
        machine: Machine,
        expected: &Expected,
        chance: &mut Chance,
    ) -> Result<(Opened, Model), String> {
        let opened = Self::open(machine, chance)?;
        let model = self.block_on(async { Observed::of(&opened.store).await?.settle(expected) });
        let model = model.map_err(|why| format!("{why}\nreport: {}", opened.report))?;
        if !opened.report.damaged.is_empty() {
            return Err(format!("a false alarm: {}", opened.report));
        }
        // Whatever becomes of the index, a checkpoint never says more than is on the platter.
        let is_behind = opened.report.rebuilt.as_deref().is_some_and(|why| why.contains("less"));
        if is_behind && !expected.index_lost {
            return Err(format!("G2: a checkpoint said too much: {}", opened.report));
        }
        self.totals.images += 1;
        self.totals.begun += u64::from(opened.report.torn_tail);
        self.totals.rebuilt += u64::from(opened.report.rebuilt.is_some());
        Ok((opened, model))
    }

    fn live(
        &mut self,
        mut machine: Machine,
        expected: &Expected,
        number: u32,
        generations: usize,
        mut chance: Chance,
    ) -> Result<(), String> {
        self.totals.lives += 1;
        let mut expected = expected.clone();
        if chance.one_in(8) {
            machine = without_index(machine);
            expected.index_lost = true;
        }
        let (opened, model) = self.open_checked(machine, &expected, &mut chance)?;
        let begun = opened.disk.position();
        let script = self.act(&opened, model, number, generations, &mut chance)?;
        let (number, ledger) = (script.number, script.ledger.clone());
        drop(script);
        let trace = opened.disk.trace();
        drop(opened);
        let mut machine = trace.first;
        for (position, step) in trace.steps.iter().map(Some).chain([None]).enumerate() {
            let expected = if position < begun { expected.clone() } else { ledger.at(position) };
            self.cut(&machine, step, &expected, number, generations, &mut chance).map_err(|why| {
                format!(
                    "{why}\n{}cut before operation {position} of generation {generations}, after\n{}",
                    ledger.story(),
                    told(&trace.steps, position)
                )
            })?;
            if let Some(step) = step {
                machine.apply(&step.action);
            }
        }
        Ok(())
    }

    /// Some steps, and often an end in good order.
    pub(super) fn act(
        &self,
        opened: &Opened,
        model: Model,
        number: u32,
        generations: usize,
        chance: &mut Chance,
    ) -> Result<Script, String> {
        let ledger = Ledger::new(opened.disk.clone(), model);
        let mut script = Script {
            ground: opened.ground.clone(),
            params: opened.params.clone(),
            store: opened.store.clone(),
            ledger,
            chance: chance.fork(),
            number,
            may_reopen: true,
            is_busy: self.plan.busy,
            held: None,
        };
        let steps = if generations == self.plan.generations { self.plan.steps } else { 1 + chance.below(5) };
        let close = chance.one_in(2);
        self.block_on(async {
            for _ in 0..steps {
                script.step().await?;
            }
            script.check().await?;
            let refusals = script.ledger.refusals();
            if !refusals.is_empty() {
                return Err(format!("it refuses without a reason: {refusals:?}"));
            }
            if close {
                script.store.close().await.map_err(|error| error.to_string())?;
            }
            Ok(script)
        })
    }

    /// All images of one operation point.
    fn cut(
        &mut self,
        machine: &Machine,
        next: Option<&Step>,
        expected: &Expected,
        number: u32,
        generations: usize,
        chance: &mut Chance,
    ) -> Result<(), String> {
        // Later generations are many: of each only some points.
        if generations < self.plan.generations && !chance.one_in(4) {
            return Ok(());
        }
        let tail = next.and_then(tail_of);
        let cuts = if tail.is_some() { self.plan.tails } else { self.plan.cuts };
        if cuts == 0 {
            return Ok(());
        }
        self.totals.points += 1;
        let mut seen = HashSet::new();
        for image in 0..=cuts {
            let mut chance = chance.fork();
            let (machine, what) = if image == 0 {
                (machine.killed(next.map(|step| &step.action), &mut chance), "killed")
            } else if let Some(file) = tail {
                let Torn { machine, print, is_whole, is_over_old } = machine.tear(file, &mut chance);
                if is_whole || !seen.insert(print) {
                    continue;
                }
                self.totals.tails += 1;
                self.totals.over_old += u64::from(is_over_old);
                (machine.power_cut(&mut chance).0, "torn")
            } else {
                let (machine, torn) = machine.power_cut(&mut chance);
                self.totals.torn += u64::from(torn);
                (machine, "power cut")
            };
            let outcome = if generations > 0 && chance.one_in(self.plan.live_on) {
                self.live(machine, expected, number, generations - 1, chance)
            } else {
                self.look(machine, expected, number, &mut chance)
            };
            outcome.map_err(|why| format!("{why}\n{what}"))?;
        }
        Ok(())
    }

    /// Opens an image, and by chance holds its index against one built from the log, uses it, opens it again.
    fn look(
        &mut self,
        mut machine: Machine,
        expected: &Expected,
        number: u32,
        chance: &mut Chance,
    ) -> Result<(), String> {
        let mut expected = expected.clone();
        if chance.one_in(8) {
            machine = without_index(machine);
            expected.index_lost = true;
        }
        let (opened, model) = self.open_checked(machine, &expected, chance)?;
        if chance.one_in(4) {
            compare_index(&opened.disk, &opened.store)?;
        }
        if chance.one_in(self.plan.used) {
            let expected = Expected { model: model.clone(), ..Expected::default() };
            let machine = opened.disk.machine();
            let again = if chance.one_in(2) { machine } else { machine.power_cut(chance).0 };
            self.open_checked(again, &expected, chance).map_err(|why| format!("opened twice: {why}"))?;
        }
        if chance.one_in(self.plan.used) {
            let script =
                self.act(&opened, model, number, 0, chance).map_err(|why| format!("in use again: {why}"))?;
            drop(script);
        }
        Ok(())
    }
}

/// Takes the index away, as an admin may, or a bad disk.
pub(super) fn lose_index(disk: &SimulatedDisk) {
    let idx = PathBuf::from(STORE).join("idx");
    if disk.list(&idx).is_ok() {
        disk.remove_folder(&idx).expect("removed");
    }
}

fn without_index(machine: Machine) -> Machine {
    let disk = SimulatedDisk::new(machine, 0);
    lose_index(&disk);
    disk.machine()
}

/// The index is, key for key, what the newest snap and the log behind it make; made twice it is the same.
pub(super) fn compare_index(disk: &SimulatedDisk, store: &SledStore) -> Result<(), String> {
    let live = rows(store);
    assert_holders(&live);
    let (segments, end) = store.log();
    let Some(header) = segments.all().pop() else { return Ok(()) };
    let kv: Arc<dyn IndexKv> = Arc::new(MemoryKv::default());
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let folder = Folder { disk, store: STORE.into(), store_id: header.store, segments };
    if let Some(snap) = folder.newest().map_err(|error| format!("no snap: {error}"))? {
        let rows = rows_of(&*snap).into_iter().map(|(key, value)| (key, Some(value)));
        let state = snap.get(keys::STATE).expect("whole");
        kv.apply(rows.chain([(keys::STATE.to_vec(), state)]).collect()).expect("in memory");
    }
    let segments = folder.segments;
    let mut index = Index::load(kv.clone(), header.store).map_err(|error| format!("I5: {error}"))?;
    if !segments.unbroken(index.applied(), end) {
        return Err("I5: the log is not whole".to_owned());
    }
    replay(&mut index, &segments, end).map_err(|error| format!("I5: the log cannot be replayed: {error}"))?;
    if rows_of(&*kv) != live {
        return Err("I5: the index is not what the log makes".to_owned());
    }
    let again = replay(&mut index, &segments, end).map_err(|error| error.to_string())?;
    if again.records == 0 && rows_of(&*kv) == live { Ok(()) } else { Err("I5: twice is not once".to_owned()) }
}

/// The segment that has a batch or a header written, when the next step is to sync it.
fn tail_of(next: &Step) -> Option<Inode> {
    let is_segment = next.path.extension().is_some_and(|end| end == "seg");
    match next.action {
        Action::Sync { file } | Action::LostSync { file, .. } if is_segment => Some(file),
        Action::Sync { .. }
        | Action::LostSync { .. }
        | Action::Make { .. }
        | Action::Rename { .. }
        | Action::Exchange { .. }
        | Action::Link { .. }
        | Action::Unlink { .. }
        | Action::Write { .. }
        | Action::SyncFolder { .. } => None,
    }
}

/// The last operations before a cut.
fn told(steps: &[Step], position: usize) -> String {
    let from = position.saturating_sub(12);
    let line = |step: &Step| format!("  {:?} {}\n", step.op, step.path.display());
    steps[from..position].iter().map(line).collect()
}
