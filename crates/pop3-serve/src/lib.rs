//! POP3 pickup: a session without a socket, the listings it prints, and the driver that reads maildrops.
//!
//! It knows no SMTP, no rules and no configuration file. The [`Session`] knows no socket, no clock and no
//! store either: octets and answers go in, steps come out. Read [`Session`] first.

mod driver;
#[cfg(test)]
mod fixture;
mod format;
mod listing;
mod session;

pub use driver::{Access, Pop3, Service, serve, whole_days};
pub use listing::{ListingCache, Messages, Opened};
pub use session::{
    Answer, Ask, Credentials, DeleteError, End, Fetch, FetchError, LoginRefused, Params, Peer, Session, Step,
    Tally, Utf8Fallback,
};
