//! The store contract: what SMTP intake, routing and POP3 pickup may ask of the place where mail is kept,
//! and the engine in memory that shows it in the fewest lines.
//!
//! It knows no disk, no protocol and no configuration. Read [`Store`] first.
//!
//! # The states of a message
//!
//! | state | means | leaves it by |
//! |---|---|---|
//! | receiving | octets arrive in an [`Incoming`]; nothing is promised | [`Incoming::commit`], or dropped without a trace |
//! | queued | **the 250 was sent or may be: we owe the message** | [`Store::deliver`] |
//! | delivered | entries exist in mailboxes, the queue's record is gone | each view's [`Store::delete`] |
//! | done per view | that view no longer lists it; others do | the last view's delete, [`Store::trash`] |
//! | in trash | only the mailbox's trash lists it | [`Store::undo`], or [`Store::purge`] |
//! | gone | no mailbox holds it; its octets may be freed | |
//!
//! Every arrow is one atomic, durable step: a crash leaves a message on one side of it or the other, and
//! loses none (RFC 5321 §6.1, RFC 2033 §4.2, §4.3). The message becomes ours at the instant `commit` returns its
//! [`QueueId`](mail::QueueId). *On hold* is a mark on a queued message, not a state: the router passes it by.

#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod error;
mod memory;
mod octets;
mod record;
mod runs;
mod served;
mod store;

pub use error::StoreError;
pub use memory::MemoryStore;
pub use record::{
    Additions, Amount, Deletion, Delivered, Entry, Expunge, Fetched, Join, MailboxStatus, Queued, Route,
    RouteEntry, Stamp, Trashed, Undone, Unwanted, Usage, ViewState,
};
pub use runs::Runs;
pub use served::{Piece, Served};
pub use store::{Incoming, Maildrop, Message, Store};
