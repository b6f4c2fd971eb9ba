//! The driver with the store in memory.

mod journal;
mod sessions;
mod tls;
mod world;
