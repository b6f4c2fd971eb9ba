//! Mailboxes as sessions see them: in memory, never from the index.

mod age;
mod backlog;
mod list;
mod load;
mod pending;
mod snapshot;
mod views;

pub(crate) use age::older_than;
pub(crate) use backlog::Backlog;
use list::List;
pub(crate) use list::Place;
pub(crate) use load::load;
pub(crate) use pending::Pending;
pub(crate) use snapshot::Snapshot;
pub(crate) use views::{Found, Loaded, Mailboxes};
