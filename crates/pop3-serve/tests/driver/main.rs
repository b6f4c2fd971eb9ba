//! The driver with the store in memory.

mod collect;
mod journal;
mod overlong;
mod robots;
mod sessions;
mod teams;
mod tls;
mod world;
