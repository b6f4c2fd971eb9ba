//! POP3 pickup: a session without a socket, the listings it prints, and the driver that reads maildrops.
//!
//! It knows no SMTP, no rules and no configuration file. The [`Session`] knows no socket, no clock and no
//! store either: octets and answers go in, steps come out. Read [`Session`] first.

mod collect;
mod driver;
#[cfg(test)]
mod fixture;
mod format;
mod listing;
mod session;

pub use driver::{Access, Pop3, Present, Registry, Service, serve, whole_days};
pub use listing::{ListingCache, Messages, Opened, Source};
pub use session::{
    Answer, Ask, Credentials, DeleteError, End, Fetch, FetchError, Habits, LoginRefused, Params, Peer,
    Program, Session, Step, Tally, Utf8Fallback,
};
