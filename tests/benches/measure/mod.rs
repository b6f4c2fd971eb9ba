//! What is measured, one file for each part. Every part runs one round at a time, so that all of them
//! meet the same weather.

mod big;
mod budget;
mod idle;
mod kept;
mod poll;
mod retr;
mod smtp;
mod store;
mod subject;
mod team;

pub(crate) use big::BigPart;
pub(crate) use budget::Budget;
pub(crate) use idle::IdlePart;
pub(crate) use poll::PollPart;
pub(crate) use retr::RetrPart;
pub(crate) use smtp::SmtpPart;
pub(crate) use store::StorePart;
pub(crate) use subject::start;
pub(crate) use team::TeamPart;

use std::io;

use crate::report::Table;

/// One part of the benchmark.
pub(crate) trait Part {
    /// Measures every column once; stops early when the budget is spent.
    fn round(&mut self, budget: &mut Budget) -> io::Result<()>;

    fn tables(&self) -> Vec<&Table>;
}

const MICRO: f64 = 1e6;
const MEBI: f64 = (1 << 20) as f64;

/// Octets for people.
fn size_name(octets: usize) -> String {
    match octets {
        mebis if mebis >= 1 << 20 && mebis % (1 << 20) == 0 => format!("{} MiB", mebis >> 20),
        kibis if kibis % (1 << 10) == 0 => format!("{} KiB", kibis >> 10),
        odd => format!("{odd} octets"),
    }
}
