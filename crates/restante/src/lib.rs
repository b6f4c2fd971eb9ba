//! The program: configuration, the command line, and what ties the servers to the store.
//!
//! It knows every other crate of the house, and none knows it. Read [`config::Config`] first: it is what
//! an admin can say.

pub mod cli;
pub mod config;
pub mod control;
pub mod identity;
mod metrics;
pub mod migrate;
mod trace;
pub mod wire;
