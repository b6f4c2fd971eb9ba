use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use authenticity::Prescan;
use mail::{About, AuthResult, Envelope, Known, Recipient};
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
    facts: Box<Facts>,
    asking: Asking,
}

impl Visit {
    pub(super) fn new(gate: Arc<Checkpoint>, origin: Origin) -> Self {
        Self { gate, origin, facts: Box::default(), asking: Asking::Nothing }
    }

    /// What name servers said goes into the facts. False when it is there already, or nobody is asked.
    async fn learn(&mut self) -> bool {
        if !matches!(self.facts.listed, Known::NotYet) {
            return false;
        }
        let said = self.asking.said().await;
        self.facts.iprev = Known::Is(said.and_then(|said| said.iprev.clone()));
        self.facts.spf = Known::Is(said.and_then(|said| said.spf.clone()));
        self.facts.listed = said.map_or(Known::Is(Vec::new()), |said| said.listed.clone());
        true
    }

    /// What the rules can refuse without the octets.
    async fn refused(&mut self, recipient: &Recipient) -> Decision {
        let to = self.gate.to(&recipient.path);
        let mut judgement = self.gate.rules.judge(&self.facts, Some(&to));
        let waits = matches!(judgement, Judgement::Wait);
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

    /// Whoever is new comes again, unless SPF says that it may send.
    async fn greyed(&mut self, envelope: &Envelope, recipient: &Recipient) -> Decision {
        let Origin::Stranger(ip) = self.origin else { return Ok(()) };
        if self.gate.directory.always_open(&recipient.path) {
            return Ok(());
        }
        self.learn().await;
        let spf = self.facts.spf.known().and_then(Option::as_ref);
        let authentic = spf.is_some_and(|spf| spf.result == AuthResult::Pass);
        let (helo, sender) = (&envelope.trace.helo, &envelope.reverse_path);
        let to = recipient.path.to_string();
        match self.gate.scanning.greyed(ip, helo, sender, &to, authentic) {
            None => Ok(()),
            Some(time) => Err(PolicyRefusal {
                code: 451,
                enhanced: "4.7.1".into(),
                text: format!("greylisted, try again in {} s", time.as_secs().max(1)).into(),
                rule: "greylist".into(),
            }),
        }
    }
}

impl SessionPolicy for Visit {
    type Inspection = Examined;

    async fn sender(&mut self, envelope: &Envelope) -> Decision {
        let (trace, sender) = (&envelope.trace, &envelope.reverse_path);
        *self.facts = Facts {
            now_ms: now_ms(),
            ip: self.origin.ip(),
            helo: Known::Is(trace.helo.clone()),
            tls: Known::Is(trace.tls.as_ref().map(|tls| tls.version.clone())),
            sender: Known::Is(sender.address().map(ToString::to_string).unwrap_or_default()),
            ..Facts::default()
        };
        let gate = &self.gate;
        self.asking = match &self.origin {
            Origin::Stranger(ip) => {
                let lists = gate.scanning.lists.as_ref().filter(|_| gate.reads.listed);
                Asking::begin(gate.verifier.as_ref(), lists, *ip, &trace.helo, sender)
            }
            Origin::Ours(_) | Origin::Relay(_) => Asking::Nothing,
        };
        if matches!(self.asking, Asking::Nothing) {
            self.facts.listed = Known::Is(Vec::new());
            // A relay says in the header what it found.
            if !matches!(self.origin, Origin::Relay(_)) {
                (self.facts.iprev, self.facts.spf) = (Known::Is(None), Known::Is(None));
            }
        }
        Ok(())
    }

    async fn recipient(&mut self, envelope: &Envelope, recipient: &Recipient) -> Decision {
        if self.gate.reads.refuses_from.is_some_and(|phase| phase <= Phase::Recipient) {
            self.refused(recipient).await?;
        }
        if self.gate.scanning.greys() {
            self.greyed(envelope, recipient).await?;
        }
        Ok(())
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
                about: About::default(),
            },
        }
    }
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
