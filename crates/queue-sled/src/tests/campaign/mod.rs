//! The crash campaign: lives of a store on a simulated disk, cut at every operation, and held against a
//! model. See [`crate::disk::simulated`] for what a cut leaves.

mod errors;
mod ledger;
mod life;
mod model;
mod observe;
mod script;
mod single;

use std::ops::Range;
use std::time::Instant;

use errors::Order;
use life::{Campaign, Plan};
use rustix::io::Errno;

use crate::disk::faulty::Op;

/// Seeds as `from..to`, from the environment.
fn seeds() -> Range<u64> {
    let text = std::env::var("RESTANTE_SEEDS").unwrap_or_else(|_| "0..20".to_owned());
    let parts = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    parts.unwrap_or_else(|| panic!("RESTANTE_SEEDS={text} is not from..to"))
}

#[test]
fn a_life_is_cut_at_every_operation() {
    let mut campaign = Campaign::new(Plan { steps: 14, cuts: 1, live_on: 30, generations: 1 });
    (0..4).for_each(|seed| campaign.run(seed));
    println!("{}", campaign.totals);
}

#[test]
#[ignore = "as long as its seeds"]
fn soak_lives() {
    let (seeds, begun) = (seeds(), Instant::now());
    let mut campaign = Campaign::new(Plan { steps: 30, cuts: 2, live_on: 40, generations: 2 });
    seeds.clone().for_each(|seed| campaign.run(seed));
    println!("lives, seeds {seeds:?}: {} in {:?}", campaign.totals, begun.elapsed());
}

const SHORT: Plan = Plan { steps: 14, cuts: 1, live_on: 30, generations: 1 };

fn every_error(order: Order) {
    let mut campaign = Campaign::new(SHORT);
    (0..2).for_each(|seed| campaign.run_errors(seed, order));
    println!("{order:?}: {}", campaign.totals);
    assert!(campaign.totals.errors > 20, "the lives have few operations");
}

#[test]
fn no_room_at_an_operation() {
    every_error(Order { errno: Errno::NOSPC, only: None, lasting: false, stride: 3 });
}

#[test]
fn no_room_from_an_operation_on() {
    every_error(Order { errno: Errno::NOSPC, only: None, lasting: true, stride: 3 });
}

#[test]
fn an_error_at_an_operation() {
    every_error(Order { errno: Errno::IO, only: None, lasting: false, stride: 3 });
}

#[test]
fn an_error_from_an_operation_on() {
    every_error(Order { errno: Errno::IO, only: None, lasting: true, stride: 3 });
}

#[test]
fn a_sync_that_fails() {
    every_error(Order { errno: Errno::IO, only: Some(Op::Fdatasync), lasting: false, stride: 1 });
}
