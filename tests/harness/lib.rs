//! What the end-to-end tests share: the real binary on the loopback with a folder of its own, and clients
//! that speak to it octet by octet.
//!
//! It knows the program only from outside: its files, its ports, its log and its signals. Read
//! [`Appliance`] first.

mod appliance;
mod client;
mod tls;

pub use appliance::{Appliance, PASSWORD, Setup};
pub use client::{Client, Listed, deliver, pop3, smtp};
