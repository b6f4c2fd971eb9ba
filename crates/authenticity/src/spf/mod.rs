//! Whether an address may send for a domain (RFC 7208).
//!
//! Evaluated is one identity (RFC 7208 §4, §5). The records are read and judged here and not by the library that does the rest: it counts no lookups that find
//! nothing, and cannot be held to a number of questions for one message.

mod check;
mod record;
mod spec;
#[cfg(test)]
mod suite;

use std::net::IpAddr;

use mail::AuthResult;

use crate::dns::Budget;

/// Who is asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity<'a> {
    /// The client.
    pub(crate) ip: IpAddr,
    /// What it called itself.
    pub(crate) helo: &'a str,
    /// The local part of the sender.
    pub(crate) local: &'a str,
    /// Its domain, or what the client called itself where there is no sender.
    pub(crate) domain: &'a str,
}

/// The answer, and why where it is no plain one.
pub(crate) async fn judge(budget: &Budget, who: Identity<'_>) -> (AuthResult, Option<String>) {
    check::Check::new(budget, who).run().await
}
