//! The same life again and again, each time on a disk that says no at another operation.

use std::time::Duration;

use rustix::io::Errno;

use super::ledger::{Expected, Ledger};
use super::life::{Campaign, Opened, compare_index, empty, params};
use super::model::Model;
use super::script::Script;
use crate::Params;
use crate::disk::faulty::{Fault, Op};
use crate::disk::simulated::{Chance, Machine, SimulatedDisk};

/// What the disk does instead of what it was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Failure {
    Errno(Errno),
    /// A write takes a part of what it is given, and says so.
    Short,
}

/// What of a life may fail: everything, or operations of one kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    pub(super) failure: Failure,
    pub(super) only: Option<Op>,
    pub(super) lasting: bool,
    /// Every so manyth operation is tried.
    pub(super) stride: usize,
}

impl Order {
    fn give(self, disk: &SimulatedDisk, at: u64) {
        let Self { failure, only, lasting, stride: _ } = self;
        match failure {
            Failure::Errno(errno) => drop(disk.order(Some(Fault { only, at, lasting, errno }))),
            Failure::Short => disk.order_short(at, lasting),
        }
    }
}

/// What a life that has a fault begins with.
struct Base {
    machine: Machine,
    model: Model,
    number: u32,
}

impl Campaign {
    /// Every operation of one life fails once, or from it on for good. Of two seeds one begins with a store in
    /// use that was closed, killed or lost its power, so that what its start does fails too.
    pub(super) fn run_errors(&mut self, seed: u64, order: Order) {
        let mut chance = Chance::new(seed);
        let base = self.base(seed, &mut chance).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        let mut at = chance.below(order.stride) as u64;
        loop {
            match self.fail(seed, &base, order, at) {
                Ok(true) => at += order.stride as u64,
                Ok(false) => return,
                Err(why) => panic!("seed {seed}, {order:?} at {at}: {why}"),
            }
        }
    }

    fn base(&mut self, seed: u64, chance: &mut Chance) -> Result<Base, String> {
        if seed.is_multiple_of(2) {
            return Ok(Base { machine: empty(), model: Model::default(), number: 0 });
        }
        let (opened, model) = self.open_checked(empty(), &Expected::default(), chance)?;
        let script = self.act(&opened, model, 0, self.plan.generations, chance)?;
        let (number, expected) = (script.number, script.ledger.now());
        drop(script);
        let machine = opened.disk.machine();
        drop(opened);
        let machine = if chance.one_in(2) { machine } else { machine.power_cut(chance).0 };
        let (opened, model) = self.open_checked(machine.clone(), &expected, chance)?;
        drop(opened);
        Ok(Base { machine, model, number })
    }

    /// One life with one fault. False when the life was over before.
    fn fail(&mut self, seed: u64, base: &Base, order: Order, at: u64) -> Result<bool, String> {
        let mut chance = Chance::new(seed);
        let disk = SimulatedDisk::new(base.machine.clone(), seed);
        order.give(&disk, at);
        self.totals.lives += 1;
        let model = base.model.clone();
        // Where the disk says no for good, what waits for the index waits for ever.
        let params = Params { settle: Duration::from_millis(200), ..params() };
        let Ok(opened) = Self::open_as(disk.clone(), params, chance.one_in(2)) else {
            // Refused as a whole: that is an answer. The next start must find nothing wrong.
            disk.order(None);
            self.totals.errors += 1;
            let machine =
                if chance.one_in(2) { disk.machine() } else { disk.machine().power_cut(&mut chance).0 };
            let expected = Expected { model, index_lost: true, ..Expected::default() };
            return self.go_on(machine, &expected, base.number, chance).map(|()| true);
        };
        let script = self.suffer(&opened, model, base.number, chance.fork());
        let met = disk.order(None);
        let (script, closed) = script?;
        let expected = Expected { index_lost: true, ..script.ledger.now() };
        let number = script.number;
        let story = script.ledger.story();
        drop(script);
        if !met {
            return Ok(false);
        }
        self.totals.errors += 1;
        let (machine, what) = match chance.below(3) {
            0 if closed => (disk.machine(), "closed"),
            0 | 1 => (disk.machine().killed(None, &mut chance), "killed"),
            _ => (disk.machine().power_cut(&mut chance).0, "power cut"),
        };
        drop(opened);
        self.go_on(machine, &expected, number, chance).map_err(|why| format!("{why}\n{what}\n{story}"))?;
        Ok(true)
    }

    /// Some steps while things go wrong.
    fn suffer(
        &self,
        opened: &Opened,
        model: Model,
        number: u32,
        mut chance: Chance,
    ) -> Result<(Script, bool), String> {
        let mut script = Script {
            ground: opened.ground.clone(),
            params: opened.params.clone(),
            store: opened.store.clone(),
            ledger: Ledger::new(opened.disk.clone(), model),
            chance: chance.fork(),
            number,
            may_reopen: false,
            is_busy: false,
            held: None,
        };
        self.block_on(async {
            for _ in 0..8 {
                script.step().await?;
            }
            let close = chance.one_in(2);
            let closed = close && queue::Store::close(&script.store).await.is_ok();
            Ok((script, closed))
        })
    }

    /// Opens what is left, uses it, and pulls the plug once more.
    fn go_on(
        &mut self,
        machine: Machine,
        expected: &Expected,
        number: u32,
        mut chance: Chance,
    ) -> Result<(), String> {
        let (opened, model) = self.open_checked(machine, expected, &mut chance)?;
        compare_index(&opened.disk, &opened.store)?;
        let script = self.act(&opened, model, number, 0, &mut chance)?;
        // What a failed sync has left in the page cache is not on the platter, and no later sync brings it there: the
        // index that was read after a kill may be gone after a power cut. Then it is built again.
        let expected = Expected { index_lost: true, ..script.ledger.now() };
        drop(script);
        let (machine, torn) = opened.disk.machine().power_cut(&mut chance);
        drop(opened);
        self.totals.torn += u64::from(torn);
        self.open_checked(machine, &expected, &mut chance).map(drop).map_err(|why| format!("and then: {why}"))
    }
}
