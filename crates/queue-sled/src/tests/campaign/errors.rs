//! The same life again and again, each time on a disk that says no at another operation.

use rustix::io::Errno;

use super::ledger::{Expected, Ledger};
use super::life::{Campaign, Opened, compare_index, empty, params};
use super::model::Model;
use super::script::Script;
use crate::disk::faulty::{Fault, Op};
use crate::disk::simulated::{Chance, Machine, SimulatedDisk};

/// What of a life may fail: everything, or what makes durable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    pub(super) errno: Errno,
    pub(super) only: Option<Op>,
    pub(super) lasting: bool,
    /// Every so manyth operation is tried.
    pub(super) stride: usize,
}

impl Campaign {
    /// Every operation of one life fails once, or from it on for good.
    pub(super) fn run_errors(&mut self, seed: u64, order: Order) {
        let mut at = Chance::new(seed).below(order.stride) as u64;
        loop {
            let fault = Fault { only: order.only, at, lasting: order.lasting, errno: order.errno };
            match self.fail(seed, fault) {
                Ok(true) => at += order.stride as u64,
                Ok(false) => return,
                Err(why) => panic!("seed {seed}, {fault:?}: {why}"),
            }
        }
    }

    /// One life with one fault. False when the life was over before.
    fn fail(&mut self, seed: u64, fault: Fault) -> Result<bool, String> {
        let mut chance = Chance::new(seed);
        let disk = SimulatedDisk::new(empty(), seed);
        disk.order(Some(fault));
        self.totals.lives += 1;
        let Ok(opened) = Self::open_as(disk.clone(), params(), chance.one_in(2)) else {
            // Refused as a whole: that is an answer. The next start must find nothing wrong.
            disk.order(None);
            self.totals.errors += 1;
            let machine =
                if chance.one_in(2) { disk.machine() } else { disk.machine().power_cut(&mut chance).0 };
            let expected = Expected { index_lost: true, ..Expected::default() };
            return self.go_on(machine, &expected, 0, chance).map(|()| true);
        };
        let script = self.suffer(&opened, chance.fork());
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
    fn suffer(&self, opened: &Opened, mut chance: Chance) -> Result<(Script, bool), String> {
        let mut script = Script {
            ground: opened.ground.clone(),
            params: opened.params.clone(),
            store: opened.store.clone(),
            ledger: Ledger::new(opened.disk.clone(), Model::default()),
            chance: chance.fork(),
            number: 0,
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
        let expected = script.ledger.now();
        drop(script);
        let (machine, torn) = opened.disk.machine().power_cut(&mut chance);
        drop(opened);
        self.totals.torn += u64::from(torn);
        self.open_checked(machine, &expected, &mut chance).map(drop).map_err(|why| format!("and then: {why}"))
    }
}
