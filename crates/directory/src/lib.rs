//! Who there is: domains, mailboxes, aliases and refused addresses; where an address goes, and who may
//! collect.
//!
//! It knows no store, no socket and no file format: configuration hands it a [`Spec`], and it answers with
//! a checked [`Table`] or with every [`Fault`] at once. Read [`Directory`] first.

mod ask;
mod build;
mod directory;
mod expiry;
mod fault;
mod glob;
mod login;
mod parts;
pub mod password;
mod pickups;
mod recipients;
mod resolve;
mod spec;
mod table;
mod team;
mod verify;

pub use directory::Directory;
pub use expiry::Expiry;
pub use fault::{Fault, Field, Item, Severity};
pub use login::{Dele, Login, LoginError, Nearly, Part, Source};
pub use pickups::{Pickup, Pickups};
pub use recipients::Known;
pub use resolve::{Resolution, Step};
pub use spec::{Alias, Allowance, DomainSpec, MailboxSpec, MemberSpec, OnDele, Password, Refuse, Spec};
pub use table::Table;
pub use team::{JoinFrom, Member, Release, Team, When};
pub use verify::{Strengthened, VerifierParams};
