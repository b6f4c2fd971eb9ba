//! From the queue into mailboxes: which mailboxes get a message, what is put on top of each copy, and the
//! router that empties the queue.
//!
//! It knows no socket, no protocol and no configuration: the store is a [`queue::Store`], the directory
//! says who is still there. Read [`Router`] first.

pub mod content;
mod plan;
mod prelude;
mod router;
pub mod rules;

pub use plan::{Plan, plan};
pub use prelude::Host;
pub use router::{Expiring, Router};
