use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use authenticity::Prescan;
use mail::{Envelope, Known, Recipient};
use routing::rules::{Facts, Judgement, Phase};
use smtp_receive::{Decision, PolicyRefusal, SessionPolicy};

use super::Checkpoint;
use super::asking::Asking;
use super::examined::{Case, Examined};
use super::origin::Origin;

/// One connection, and what is known of the transaction that is under way.
pub(crate) struct Visit {
    gate: Arc<Checkpoint>,
    origin: Origin,
    facts: Facts,
    asking: Asking,
}

impl Visit {
    pub(super) fn new(gate: Arc<Checkpoint>, origin: Origin) -> Self {
        Self { gate, origin, facts: Facts::default(), asking: Asking::Nothing }
    }

    /// What name servers said goes into the facts. False when it is there already, or nobody is asked.
    async fn learn(&mut self) -> bool {
        if !matches!(self.facts.spf, Known::NotYet) {
            return false;
        }
        let said = self.asking.said().await;
        self.facts.iprev = Known::Is(said.map(|said| said.iprev.clone()));
        self.facts.spf = Known::Is(said.map(|said| said.spf.clone()));
        true
    }
}

impl SessionPolicy for Visit {
    type Inspection = Examined;

    async fn sender(&mut self, envelope: &Envelope) -> Decision {
        let (trace, sender) = (&envelope.trace, &envelope.reverse_path);
        self.facts = Facts {
            now_ms: now_ms(),
            ip: self.origin.ip(),
            listed: Known::Is(Vec::new()),
            helo: Known::Is(trace.helo.clone()),
            tls: Known::Is(trace.tls.as_ref().map(|tls| tls.version.clone())),
            sender: Known::Is(sender.address().map(ToString::to_string).unwrap_or_default()),
            ..Facts::default()
        };
        self.asking = match (&self.origin, &self.gate.verifier) {
            (Origin::Stranger(ip), Some(verifier)) => Asking::begin(verifier, *ip, &trace.helo, sender),
            (Origin::Ours(_) | Origin::Relay(_) | Origin::Stranger(_), _) => Asking::Nothing,
        };
        // A relay says in the header what it found.
        if matches!(self.asking, Asking::Nothing) && !matches!(self.origin, Origin::Relay(_)) {
            (self.facts.iprev, self.facts.spf) = (Known::Is(None), Known::Is(None));
        }
        Ok(())
    }

    async fn recipient(&mut self, _: &Envelope, recipient: &Recipient) -> Decision {
        if self.gate.reads.refuses_from > Some(Phase::Recipient) || self.gate.reads.refuses_from.is_none() {
            return Ok(());
        }
        let to = self.gate.to(&recipient.path);
        let mut judgement = self.gate.rules.judge(&self.facts, Some(&to));
        let waits = matches!(judgement, Judgement::Wait) && !matches!(self.origin, Origin::Relay(_));
        if waits && self.gate.reads.sender_by_dns && self.learn().await {
            judgement = self.gate.rules.judge(&self.facts, Some(&to));
        }
        match judgement {
            Judgement::Refuse { rule, code, enhanced, text } => {
                Err(PolicyRefusal { code, enhanced: enhanced.into(), text: text.into(), rule: rule.into() })
            }
            // What is not decided here is asked again at the end of the data.
            Judgement::Wait | Judgement::Defer { .. } | Judgement::Decided(_) => Ok(()),
        }
    }

    fn begin(&mut self, _: &Envelope) -> Examined {
        Examined {
            prescan: Some(Prescan::new(self.gate.limits.clone(), &self.gate.authserv_id)),
            case: Case {
                gate: self.gate.clone(),
                origin: self.origin.clone(),
                // The next MAIL begins anew.
                facts: std::mem::take(&mut self.facts),
                asking: std::mem::replace(&mut self.asking, Asking::Nothing),
                told: None,
            },
        }
    }
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
