//! What is measured, one file for each part. Every part runs one round at a time, so that all of them
//! meet the same weather.

mod budget;
mod poll;
mod retr;
mod smtp;
mod subject;

pub(crate) use budget::Budget;
pub(crate) use poll::PollPart;
pub(crate) use retr::RetrPart;
pub(crate) use smtp::SmtpPart;
pub(crate) use subject::start;

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
