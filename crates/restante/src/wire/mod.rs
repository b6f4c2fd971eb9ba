//! The appliance at work: what ties the servers, the router and the store together, and lets them go again.
//!
//! It knows every crate and decides nothing of its own. Read [`Appliance`] first.

mod appliance;
mod certificate;
mod details;
mod difference;
mod explain;
mod gate;
mod grey;
mod handlers;
mod hooks;
mod known;
mod listeners;
mod log;
mod log_fields;
mod log_writer;
mod manager;
mod opening;
mod params;
mod parsing;
mod pickups;
mod reload;
mod replay;
mod rules;
mod signals;
#[cfg(test)]
mod waiting;

use std::path::Path;

pub use appliance::Appliance;
pub(crate) use explain::{Question, Reply, explain};
pub use opening::ServeError;
pub(crate) use opening::prepare;
pub(crate) use params::{store as store_params, trace as trace_bounds};
pub(crate) use pickups::recall as recall_pickups;
pub(crate) use replay::Replay;
pub(crate) use rules::fall_back;
use upkeep::Notebooks;

/// Where the look after mailboxes keeps what the next run must know.
pub(crate) fn notebooks(state_dir: &Path) -> Notebooks {
    Notebooks { clock: state_dir.join("upkeep"), views: state_dir.join("upkeep-views") }
}

/// The wall clock, in milliseconds since 1970.
pub(crate) fn wall_ms() -> u64 {
    u64::try_from(known::since_1970().as_millis()).unwrap_or(u64::MAX)
}
