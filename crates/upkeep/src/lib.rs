//! What is done to mailboxes while nobody looks: their owners are warned before one is full and told once a day of what
//! is held back from them, and mail goes that is older than its mailbox, its quarantine or its own rule keeps it.
//!
//! It knows no socket, no protocol and no configuration: the store is a [`queue::Store`], the directory says
//! what a mailbox may hold. Read [`Upkeep`] first.

mod clock;
mod digest;
mod expiring;
mod expiry;
mod fullness;
mod notes;
mod notice;
mod quarantine;
#[cfg(test)]
mod tests;
mod upkeep;

pub use digest::{Head, ReadHead};
pub use expiring::Expiring;
pub use quarantine::Quarantine;
pub use upkeep::Upkeep;
