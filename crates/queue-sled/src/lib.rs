//! The durable engine behind the store contract: a segment log that is the truth, made durable by one
//! `fdatasync` per batch, and a sled index behind it that is only ever looked things up in.
//!
//! It knows no protocol, no rules and no configuration. Read [`SledStore`] first, then
//! `log/committer.rs` (how a message becomes durable), `index/applier.rs` (how it becomes visible) and
//! `start/mod.rs` (how a store comes back after whatever happened to it).
//!
//! ```text
//! store/
//!   STORE   LOCK   CKPT   BALLAST   DAMAGE
//!   log/<segment:08x>.seg   log/spare-*     records of messages and of every change of state
//!   big/<file:016x>.msg                     bodies over 4 MiB
//!   big/orphans/                            such files that no record names, for seven days
//!   snap/<place:016x>.idx   .copy           what the log comes to, from which it can be freed; twice
//!   idx/                                    sled: can be removed at any time, and is built again
//! ```

pub mod backup;
mod big;
mod buffers;
mod clock;
mod disk;
mod fold;
pub mod fsck;
mod ground;
mod health;
mod index;
mod inflight;
mod log;
mod mailbox;
mod params;
mod reader;
mod space;
mod start;
mod store;
#[cfg(test)]
mod tests;

pub use disk::Written;
pub use params::Params;
pub use space::Tidied;
pub use start::{OpenError, StartReport};
pub use store::{DiskSpace, Figures, Files, SledIncoming, SledMaildrop, SledMessage, SledStore};
