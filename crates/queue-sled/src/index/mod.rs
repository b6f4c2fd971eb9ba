//! The index: what the log says, arranged for look-up. It is never the truth: whatever is wrong with it, it
//! is put aside and built again from the log.

mod applier;
pub(crate) mod apply;
pub(crate) mod ballast;
pub(crate) mod checkpoint;
pub(crate) mod chunk;
mod deferred;
mod delivery;
mod entries;
#[cfg(test)]
pub(crate) mod file_kv;
pub(crate) mod format2;
pub(crate) mod journal;
pub(crate) mod keys;
pub(crate) mod kv;
mod lag;
pub(crate) mod member;
mod packed_runs;
pub(crate) mod rebuild;
mod relocation;
mod removal;
pub(crate) mod rows;
mod sled_kv;
mod undo;
pub(crate) mod verify;
mod views;

pub(crate) use applier::{Applier, Published, queued_rows, read_queued};
pub(crate) use apply::{Effect, Index, Outcome};
pub(crate) use deferred::Deferred;
pub(crate) use kv::{IndexError, IndexKv, KvCell, OpenIndex};
pub(crate) use lag::Lag;
pub(crate) use sled_kv::SledIndex;
