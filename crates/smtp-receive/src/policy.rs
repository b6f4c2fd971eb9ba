//! What intake must ask before the 250 beyond the protocol, the directory and the store. The program wires
//! it to the pre-scan, authenticity and the rules; this crate knows none of them.

use std::future::Future;

use mail::{About, Envelope, QueueId, Recipient};
use net::Peer;
use queue::Incoming;

use crate::session::reply::PolicyRefusal;

/// Nothing against it, or why not: a refusal of 4xx puts off.
pub type Decision = Result<(), PolicyRefusal>;

/// Looks at connections, senders, recipients and messages as they come.
pub trait Policy: Clone + Send + Sync + 'static {
    /// What it knows of one connection.
    type Session: SessionPolicy;

    /// Somebody has connected.
    fn session(&self, peer: &Peer) -> Self::Session;
}

/// One connection's examination, phase by phase. Whoever is long in one of these keeps the peer waiting, and its
/// pipelined commands with it; one that asks nobody is ready at once.
pub trait SessionPolicy: Send + 'static {
    /// One message's examination.
    type Inspection: Inspection;

    /// Before the greeting. Whom it refuses is told 554, or 421 for now (RFC 5321 §3.1).
    fn connected(&mut self) -> impl Future<Output = Decision> + Send {
        async { Ok(()) }
    }

    /// At MAIL: a transaction begins, and the one before is forgotten. The envelope has no recipients yet.
    fn sender(&mut self, _envelope: &Envelope) -> impl Future<Output = Decision> + Send {
        async { Ok(()) }
    }

    /// At RCPT, for a recipient that the directory knows.
    fn recipient(
        &mut self,
        _envelope: &Envelope,
        _recipient: &Recipient,
    ) -> impl Future<Output = Decision> + Send {
        async { Ok(()) }
    }

    /// A message begins, at DATA or the first BDAT: all of its recipients are known, and how it came.
    fn begin(&mut self, envelope: &Envelope) -> Self::Inspection;
}

/// One message while it arrives. Dropped when the message is given up.
pub trait Inspection: Send + 'static {
    /// The next octets as they are stored, in runs of any length. Whoever is long here keeps the sender
    /// waiting.
    fn content(&mut self, octets: &[u8]);

    /// The message is complete, with `octets` octets, which `content` can read again. What is changed of the
    /// envelope is stored: [`Envelope::cuts`], [`Envelope::results`], [`Envelope::fields`] and each
    /// [`Recipient::ruling`] are for that.
    fn finish<I: Incoming>(
        &mut self,
        envelope: &mut Envelope,
        octets: u64,
        content: &mut I,
    ) -> impl Future<Output = Verdict> + Send;

    /// It is ours, and called so.
    fn kept(&mut self, _id: QueueId) {}

    /// It is not, and that is to be told: of what?
    fn refused(&mut self) -> About {
        About::default()
    }
}

/// What a policy decides of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Take it.
    Accept,
    /// Take it, but not for these recipients, by their place in the envelope. LMTP tells each of them
    /// (RFC 2033 §4.2). By SMTP nobody can be told, and it is taken for all: there whoever decides rules what
    /// becomes of their copies.
    AcceptExcept(Vec<(usize, PolicyRefusal)>),
    /// Take it for nobody.
    Refuse(PolicyRefusal),
}

/// Takes everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct AcceptAll;

impl Policy for AcceptAll {
    type Session = Self;

    fn session(&self, _: &Peer) -> Self {
        *self
    }
}

impl SessionPolicy for AcceptAll {
    type Inspection = Self;

    fn begin(&mut self, _: &Envelope) -> Self {
        *self
    }
}

impl Inspection for AcceptAll {
    fn content(&mut self, _: &[u8]) {}

    async fn finish<I: Incoming>(&mut self, _: &mut Envelope, _: u64, _: &mut I) -> Verdict {
        Verdict::Accept
    }
}
