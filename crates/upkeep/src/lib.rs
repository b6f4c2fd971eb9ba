//! What is done to mailboxes while nobody looks: their owners are warned before one is full, and mail that is
//! older than its mailbox keeps it goes.
//!
//! It knows no socket, no protocol and no configuration: the store is a [`queue::Store`], the directory says
//! what a mailbox may hold. Read [`Upkeep`] first.

mod clock;
mod expiry;
mod fullness;
mod notes;
mod notice;
#[cfg(test)]
mod tests;
mod upkeep;

pub use upkeep::Upkeep;
