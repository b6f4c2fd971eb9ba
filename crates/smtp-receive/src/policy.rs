//! What intake must ask before the 250 beyond the protocol, the directory and the store. The program wires
//! it to the pre-scan and the rules; this crate knows neither.

use std::future::Future;

use mail::Envelope;

use crate::session::reply::PolicyRefusal;

/// Looks at messages while they arrive.
pub trait Policy: Clone + Send + Sync + 'static {
    /// One message's examination.
    type Inspection: Inspection;

    /// A message begins, at DATA or the first BDAT: all of its recipients are known, and how it came.
    fn begin(&self, envelope: &Envelope) -> Self::Inspection;
}

/// One message while it arrives. Dropped when the message is given up.
pub trait Inspection: Send + 'static {
    /// The next octets as they are stored, in runs of any length. Whoever is long here keeps the sender
    /// waiting.
    fn content(&mut self, octets: &[u8]);

    /// The message is complete, with `octets` octets. May set [`Envelope::cuts`]; what else it changes is
    /// stored too.
    fn finish(self, envelope: &mut Envelope, octets: u64) -> impl Future<Output = Verdict> + Send;
}

/// What a policy decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Take it.
    Accept,
    /// Take it, but not for these recipients, by their place in the envelope. LMTP tells each of them
    /// (RFC 2033 §4.2); by SMTP nobody can be told, and it is taken for all.
    AcceptExcept(Vec<(usize, PolicyRefusal)>),
    /// Take it for nobody.
    Refuse(PolicyRefusal),
}

/// Takes everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct AcceptAll;

impl Policy for AcceptAll {
    type Inspection = Self;

    fn begin(&self, _: &Envelope) -> Self {
        *self
    }
}

impl Inspection for AcceptAll {
    fn content(&mut self, _: &[u8]) {}

    async fn finish(self, _: &mut Envelope, _: u64) -> Verdict {
        Verdict::Accept
    }
}
