//! The appliance at work: what ties the servers, the router and the store together, and lets them go again.
//!
//! It knows every crate and decides nothing of its own. Read [`Appliance`] first.

mod appliance;
mod certificate;
mod difference;
mod explain;
mod gate;
mod grey;
mod known;
mod listeners;
mod log;
mod log_writer;
mod manager;
mod params;
mod parsing;
mod reload;
mod rules;
mod signals;

pub(crate) use appliance::prepare;
pub use appliance::{Appliance, ServeError};
pub(crate) use explain::{Question, Reply, explain};
pub(crate) use params::store as store_params;
pub(crate) use rules::fall_back;
