//! What is done to mailboxes while nobody looks: their owners are warned before one is full and told once a day of what
//! is held back from them, and mail goes that is older than its mailbox, its quarantine or its own rule keeps it.
//!
//! It knows no socket, no protocol and no configuration: the store is a [`queue::Store`], the directory says
//! what a mailbox may hold. Read [`Upkeep`] first, then `caretaker.rs` for what teams, devices and the trash need.

#[cfg(test)]
mod care_tests;
mod caretaker;
mod clock;
mod concerns;
mod days;
mod digest;
mod eras;
mod expiring;
mod expiry;
mod fullness;
mod memo;
mod notes;
mod notice;
mod overview;
mod quarantine;
mod report;
mod stumbles;
mod suspension;
mod team;
#[cfg(test)]
mod tests;
mod trash;
mod upkeep;
mod watchdog;
mod words;

pub use caretaker::{Care, Caring, Guard, Watchdog, lacks_nothing};
pub use clock::{AgeClock, Reading};
pub use concerns::{Concern, Concerns};
pub use days::Day;
pub use digest::{Head, ReadHead};
pub use expiring::Expiring;
pub use overview::{Notebooks, Overview, Rule, Seat, Sum, overview};
pub use quarantine::Quarantine;
pub use suspension::Suspension;
pub use team::joining::join;
pub use trash::Lacks;
pub use upkeep::Upkeep;
