//! The plug is pulled under mixed load, again and again, and what the clients were told is held against what
//! is there afterwards: `kill -9` at any instant, also while it starts.
//!
//! `RESTANTE_KILLS` says how often (5), `RESTANTE_SEED` makes other instants.

mod book;
mod load;
mod verdict;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use book::Book;
use restante_tests::{Appliance, Setup};

/// What follows from a seed: the same every time.
#[derive(Debug, Clone)]
struct Chance(u64);

impl Chance {
    /// Below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |value| value.parse().expect("a number"))
}

#[test]
fn what_was_acknowledged_survives_every_kill_once_and_what_was_deleted_stays_away() {
    let (rounds, seed) = (number("RESTANTE_KILLS", 5), number("RESTANTE_SEED", 1));
    let mut chance = Chance(seed);
    let mut appliance = Appliance::with(Setup::of(&book::USERS));
    let book = Arc::new(Book::default());
    for round in 0..rounds {
        let load = load::start(&appliance, &book, chance.clone());
        // Some rounds see a checkpoint or two, so that starts begin at one and not only at the log's.
        let least = if round % 16 == 2 { 5_100 } else { 50 };
        thread::sleep(Duration::from_millis(least + chance.below(800)));
        appliance.kill();
        for worker in load {
            worker.join().expect("a worker ends when the server is gone");
        }
        if round % 3 == 1 {
            appliance.interrupt_start(Duration::from_millis(chance.below(150)));
        }
        appliance.restart();
        let whole = round % 10 == 9 || round + 1 == rounds;
        verdict::check(&appliance, &book, whole, &format!("round {round} of seed {seed}"));
    }
    let told = book.told();
    println!("seed {seed}: {rounds} kills, {told:?}; none lost, double, back or under another unique id");
    assert!(told.acknowledged > 20 * rounds && told.deleted > rounds, "too little load: {told:?}");
}
