//! What the end-to-end tests share: the real binary on the loopback with a folder of its own, and clients
//! that speak to it octet by octet.
//!
//! It knows the program only from outside: its files, its ports, its log and its signals. Read
//! [`Appliance`] first.

mod appliance;
mod client;
pub mod dns;
pub mod hostile;
mod maildrop;
mod message;
mod program;
pub mod scanners;
mod setup;
pub mod spf_suite;
mod tls;

pub use appliance::{Appliance, Shared};
pub use client::{Client, Listed};
pub use maildrop::{Collected, collect, pop3};
pub use message::{
    Prelude, assert_same, below, deliver, deliver_chunks, envelope, hidden, smtp, stuffed, with_crlf,
};
pub use program::{Ended, finish, found, free_port, run, skipped};
pub use setup::{PASSWORD, Setup, certificate};
pub use tls::{Handshake, TlsStream, secure};
