//! What SMTP asks before the 250 beyond its own protocol: today the pre-scan, later authenticity and rules.

use authenticity::{HeaderFault, HeaderLimits, Prescan};
use mail::Envelope;
use net::Peer;
use queue::Incoming;
use smtp_receive::{Inspection, Policy, PolicyRefusal, SessionPolicy, Verdict};

/// Refuses what no parser should have to hold, and hides what only we may write.
#[derive(Debug, Clone)]
pub(crate) struct Gatekeeper {
    limits: HeaderLimits,
    authserv_id: String,
}

impl Gatekeeper {
    pub(crate) fn new(limits: HeaderLimits, authserv_id: &str) -> Self {
        Self { limits, authserv_id: authserv_id.to_owned() }
    }
}

impl Policy for Gatekeeper {
    type Session = Self;

    fn session(&self, _: &Peer) -> Self {
        self.clone()
    }
}

impl SessionPolicy for Gatekeeper {
    type Inspection = Examined;

    fn begin(&mut self, _envelope: &Envelope) -> Examined {
        Examined(Prescan::new(self.limits.clone(), &self.authserv_id))
    }
}

/// One message while it arrives.
pub(crate) struct Examined(Prescan);

impl Inspection for Examined {
    fn content(&mut self, octets: &[u8]) {
        self.0.content(octets);
    }

    async fn finish<I: Incoming>(self, envelope: &mut Envelope, _octets: u64, _content: &mut I) -> Verdict {
        let found = self.0.finish();
        if let Some(fault) = found.fault {
            return Verdict::Refuse(refusal(fault));
        }
        envelope.cuts = found.cuts;
        Verdict::Accept
    }
}

fn refusal(fault: HeaderFault) -> PolicyRefusal {
    PolicyRefusal {
        // Too much of something, and too big for this system (RFC 3463 §3.4).
        code: 552,
        enhanced: "5.3.4".into(),
        text: fault.to_string().into(),
        rule: "header-limits".into(),
    }
}
