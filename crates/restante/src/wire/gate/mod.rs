//! What SMTP asks before the 250 beyond its own protocol: the pre-scan, authenticity, and the rules.
//!
//! Phase by phase the facts come together: what the connection tells, then the sender, then the octets. Name servers
//! are asked while the client goes on talking. At RCPT only what the rules can refuse without the octets is refused;
//! at the end of data the rules are searched once for each recipient, and what they decide is written into the
//! envelope, for the router to carry out. What is refused is refused here, while its sender listens (RFC 8601 §4.2).
//! Read [`Gatekeeper`] first.

mod asking;
mod examined;
mod explain;
mod fields;
mod lists;
mod origin;
mod outcome;
mod scanning;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use authenticity::{HeaderLimits, Verifier};
use directory::Directory;
use mail::ForwardPath;
use net::Peer;
use routing::rules::{Reads, RuleSet, To};
use smtp_receive::Policy;

use super::parsing::Parsing;
use crate::config::{Authenticity, Relay};
use crate::trace::Judgements;
use origin::Origin;
pub(crate) use scanning::{Scanning, greylist_settings};
use session::Visit;

pub(crate) use explain::{Explained, explain};
pub(crate) use session::now_ms;

/// Everything that is asked of mail before it is ours, as one configuration says it. A session keeps the one that it
/// began with.
#[derive(Clone)]
pub(crate) struct Gatekeeper(Arc<Checkpoint>);

/// See [`Gatekeeper`].
pub(crate) struct Checkpoint {
    /// What the pre-scan bears.
    pub(crate) limits: HeaderLimits,
    /// The name of our own results.
    pub(crate) authserv_id: String,
    pub(crate) directory: Directory,
    pub(crate) rules: Arc<RuleSet>,
    /// What the rules look at: nothing else is found out for them.
    pub(crate) reads: Reads,
    /// Asks name servers; nothing when authenticity is off.
    pub(crate) verifier: Option<Verifier>,
    pub(crate) authenticity: Authenticity,
    /// Who else is asked.
    pub(crate) scanning: Scanning,
    pub(crate) relays: Vec<Relay>,
    pub(crate) parsing: Arc<Parsing>,
    /// A refusal for one recipient is one for all.
    pub(crate) one_refuses_all: bool,
    /// Who comes is a server of ours, whatever its address.
    pub(crate) lmtp: bool,
    /// Who is told what was known of a message that is ours.
    pub(crate) trace: Option<Judgements>,
}

impl Gatekeeper {
    pub(crate) fn new(gate: Checkpoint) -> Self {
        Self(Arc::new(gate))
    }
}

impl Policy for Gatekeeper {
    type Session = Visit;

    fn session(&self, peer: &Peer) -> Visit {
        Visit::new(self.0.clone(), Origin::of(&self.0, peer))
    }
}

impl Checkpoint {
    fn to(&self, path: &ForwardPath) -> To {
        To {
            address: path.to_string(),
            detail: self.directory.detail(path),
            protected: self.directory.always_open(path),
        }
    }
}
