//! Mailboxes as sessions see them: in memory, never from the index.

mod age;
mod backlog;
mod list;
mod load;
mod pending;
mod views;

pub(crate) use age::older_than;
pub(crate) use backlog::Backlog;
use list::List;
pub(crate) use list::{Place, Snapshot};
pub(crate) use load::load;
pub(crate) use pending::Pending;
pub(crate) use views::{Found, Mailboxes};
