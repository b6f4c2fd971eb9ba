//! Backup and restore.
//!
//! ```text
//! DIR/
//!   MANIFEST                         what belongs to the backup; written last, it makes the backup valid
//!   STORE                            whose it is
//!   log/<segment:08x>.seg            linked where DIR is on the store's file system, copied elsewhere
//!   log/<segment:08x>.<end:08x>.part the segment that was being written, as far as it was durable
//!   big/<file:016x>.msg   snap/<lsn:016x>.idx
//! ```
//!
//! A running store is [frozen](freeze) first: hard links in a folder of its own hold one moment of it, while
//! nothing is freed for as long as it takes to make them. Links keep octets as they are: a segment that is full
//! is never written again, and one with a second name is never recycled. From there it is [taken](take) at
//! leisure, by whoever may write where the backup goes.
//!
//! No index goes in, and no checkpoint: a restored store builds its index from snap and log.

mod error;
mod freeze;
mod manifest;
mod place;
mod restore;
mod swap;
mod take;

pub use error::BackupError;
pub(crate) use freeze::{Freezer, unstage};
pub use freeze::{Frozen, Held};
pub(crate) use manifest::MANIFEST;
#[cfg(test)]
pub(crate) use restore::restore_on;
pub use restore::{Owner, Restored, restore};
#[cfg(test)]
pub(crate) use take::take_on;
pub use take::{Report, take};

/// How far something is, in octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Done.
    pub done: u64,
    /// Of all.
    pub of: u64,
}

/// Is told now and then how far it is.
pub type Told<'a> = &'a mut dyn FnMut(Progress);
