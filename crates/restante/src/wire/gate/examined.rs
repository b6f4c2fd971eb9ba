use std::sync::Arc;
use std::time::{Duration, Instant};

use authenticity::{HeaderFault, Prescan, relayed};
use mail::{About, AuthResult, AuthResults, Envelope, Known, QueueId, Recipient};
use queue::{Incoming, StoreError};
use routing::rules::{Content, Facts, Judgement};
use smtp_receive::{Inspection, PolicyRefusal, Verdict};
use tracing::{info, warn};

use super::Checkpoint;
use super::asking::Asking;
use super::fields;
use super::origin::Origin;
use super::outcome::{Decided, settle};
use crate::trace::{Judged, Judgements, Ruled, about};
use crate::wire::parsing::Whole;

/// Octets of a header section that the trace is given.
const HEADER: u64 = 32 << 10;
/// How long the rules may take on one message, all recipients together, in time of the processor.
const JUDGING: Duration = Duration::from_millis(100);
/// Octets that the copies of one message may take beside its body, as far as rules make them: a delivery is one step
/// of the store.
const COPIES_MAX: usize = 3 << 20;
/// What a copy takes beside what is added to it.
const COPY: usize = 1024;

/// One message while it arrives.
pub(crate) struct Examined {
    /// Until the end of the data.
    pub(super) prescan: Option<Prescan>,
    pub(super) case: Case,
}

/// What is known of it beside its octets.
pub(super) struct Case {
    pub(super) gate: Arc<Checkpoint>,
    pub(super) origin: Origin,
    pub(super) facts: Box<Facts>,
    pub(super) asking: Asking,
    pub(super) told: Option<Told>,
    /// What the trace is told of one that is not taken.
    pub(super) about: About,
}

impl Inspection for Examined {
    fn content(&mut self, octets: &[u8]) {
        self.prescan.iter_mut().for_each(|prescan| prescan.content(octets));
    }

    async fn finish<I: Incoming>(
        &mut self,
        envelope: &mut Envelope,
        octets: u64,
        content: &mut I,
    ) -> Verdict {
        let found = self.prescan.take().map(Prescan::finish).unwrap_or_default();
        if let Some(fault) = found.fault {
            return Verdict::Refuse(too_large(fault));
        }
        envelope.cuts = found.cuts;
        let too_complex = found.too_complex.is_some();
        match self.case.judge(envelope, octets, too_complex, content).await {
            Ok(verdict) => verdict,
            Err(error) => {
                warn!(%error, "a message that comes in cannot be read again: it is put off");
                Verdict::Refuse(not_now("store"))
            }
        }
    }

    fn kept(&mut self, id: QueueId) {
        let Case { gate, facts, told, .. } = &mut self.case;
        match (&gate.trace, told.take()) {
            (Some(trace), Some(Told { recipients, header })) => {
                let facts = std::mem::take(facts);
                trace.tell(Judged { judged: id.to_string(), facts, recipients }, header);
            }
            (Some(trace), None) => trace.miss(),
            (None, _) => {}
        }
    }

    fn refused(&mut self) -> About {
        std::mem::take(&mut self.case.about)
    }
}

/// What the trace is told of a message that is taken.
pub(super) struct Told {
    recipients: Vec<Ruled>,
    /// Its header section, for a trace that must read it itself.
    header: Vec<u8>,
}

impl Case {
    async fn judge<I: Incoming>(
        &mut self,
        envelope: &mut Envelope,
        octets: u64,
        too_complex: bool,
        content: &mut I,
    ) -> Result<Verdict, StoreError> {
        envelope.results = self.look(envelope, octets, too_complex, content).await?;
        let (decided, shadows) = self.decide(&envelope.recipients).into_iter().unzip();
        let verdict = settle(envelope, decided, self.gate.one_refuses_all);
        if matches!(verdict, Verdict::Refuse(_)) {
            // What only the trace wants to know changes no answer.
            self.about = self.about(content).await.unwrap_or_default();
            return Ok(verdict);
        }
        if weight(envelope) > COPIES_MAX {
            return Ok(Verdict::Refuse(too_many_copies()));
        }
        envelope.fields = fields::ruled(envelope, self.gate.limits.octets, content).await?;
        if self.gate.trace.as_ref().is_some_and(Judgements::has_room) {
            let is_read = self.gate.reads.content;
            let header = if is_read { Vec::new() } else { fields::section(HEADER, content).await? };
            self.told = Some(Told { recipients: self.ruled(&envelope.recipients, shadows), header });
        }
        Ok(verdict)
    }

    async fn about<I: Incoming>(&self, content: &mut I) -> Result<About, StoreError> {
        if !self.gate.trace.as_ref().is_some_and(Judgements::has_room) {
            return Ok(About::default());
        }
        let known = self.facts.content.known().filter(|content| !content.headers.is_empty());
        let header = if known.is_some() { Vec::new() } else { fields::section(HEADER, content).await? };
        Ok(about(known, &header))
    }

    fn ruled(&self, recipients: &[Recipient], shadows: Vec<Vec<String>>) -> Vec<Ruled> {
        let ruled = |(recipient, shadow): (&Recipient, Vec<String>)| Ruled {
            to: self.gate.to(&recipient.path),
            ruling: recipient.ruling.clone().unwrap_or_default(),
            shadow,
        };
        recipients.iter().zip(shadows).map(ruled).collect()
    }

    /// Completes the facts, and gives what goes into the results field.
    pub(super) async fn look<I: Incoming>(
        &mut self,
        envelope: &Envelope,
        octets: u64,
        too_complex: bool,
        content: &mut I,
    ) -> Result<Option<AuthResults>, StoreError> {
        let whole = self.whole(octets, content).await?;
        let results = self.authenticate(whole.as_ref(), content).await?;
        self.facts.content = self.content(octets, too_complex, whole.as_ref()).await;
        let Checkpoint { scanning, reads, .. } = &*self.gate;
        self.facts.verdicts = scanning.scan(reads, &self.facts, envelope, whole.as_ref()).await;
        Ok(results)
    }

    /// All of the message, where somebody wants to look at it.
    async fn whole<I: Incoming>(
        &self,
        octets: u64,
        content: &mut I,
    ) -> Result<Option<Known<Whole>>, StoreError> {
        let verified = matches!(self.origin, Origin::Stranger(_)) && self.gate.verifier.is_some();
        if !verified && !self.gate.reads.content && !self.gate.scanning.wants(&self.gate.reads) {
            return Ok(None);
        }
        self.gate.parsing.whole(octets, content).await.map(Some)
    }

    /// Finds out who the message is from: the facts get it, and what we found ourselves is given for the results
    /// field.
    async fn authenticate<I: Incoming>(
        &mut self,
        whole: Option<&Known<Whole>>,
        content: &mut I,
    ) -> Result<Option<AuthResults>, StoreError> {
        if let Origin::Relay(Some(id)) = &self.origin {
            let header = fields::section(self.gate.limits.octets, content).await?;
            let found = relayed(&header, id);
            self.learn(found);
            return Ok(None);
        }
        let said = self.asking.said().await.cloned();
        if let Some(said) = &said {
            self.facts.listed = said.listed.clone();
        }
        let (Origin::Stranger(_), Some(verifier)) = (&self.origin, &self.gate.verifier) else {
            self.learn(AuthResults::default());
            return Ok(None);
        };
        let (spf, iprev) = said.map(|said| (said.spf, said.iprev)).unwrap_or_default();
        let mut results = AuthResults { spf, iprev, ..AuthResults::default() };
        if let Some(Known::Is(whole)) = whole {
            let message = verifier.message(whole.octets().clone(), results.spf.as_ref()).await;
            results.dkim = message.dkim;
            (results.dmarc, results.arc) = (Some(message.dmarc), Some(message.arc));
        }
        self.learn(results.clone());
        if let Some(Known::Unknown(why)) = whole {
            self.cannot_verify(why);
        }
        Ok(Some(results))
    }

    /// Who signed it nobody can tell, which is not the same as that nobody did.
    fn cannot_verify(&mut self, why: &str) {
        let facts = &mut self.facts;
        facts.dkim = Known::Unknown(why.to_owned());
        facts.dmarc = Known::Unknown(why.to_owned());
        facts.arc = Known::Unknown(why.to_owned());
        facts.trusted_forwarder = Known::Unknown(why.to_owned());
    }

    fn learn(&mut self, results: AuthResults) {
        let AuthResults { spf, dkim, dmarc, arc, iprev } = results;
        let forwarder = arc.as_ref().filter(|arc| arc.result == AuthResult::Pass);
        let forwarder = forwarder.and_then(|arc| arc.sealer.as_ref());
        let trusted = &self.gate.authenticity.trusted_forwarders;
        let trusted =
            forwarder.is_some_and(|sealer| trusted.iter().any(|domain| domain.eq_ignore_ascii_case(sealer)));
        self.facts.trusted_forwarder = Known::Is(trusted);
        self.facts.spf = Known::Is(spf);
        self.facts.iprev = Known::Is(iprev);
        self.facts.dkim = Known::Is(dkim);
        self.facts.dmarc = Known::Is(dmarc);
        self.facts.arc = Known::Is(arc);
    }

    /// Whoever takes the message apart has bounds of its own, and knows better than the pre-scan, for which a text with
    /// many lines that begin with two hyphens has many parts.
    async fn content(&self, octets: u64, too_complex: bool, whole: Option<&Known<Whole>>) -> Known<Content> {
        let reads = &self.gate.reads;
        if !reads.content {
            return Known::Is(Content { size: octets, too_complex, ..Content::default() });
        }
        match whole {
            Some(Known::Is(whole)) => self.gate.parsing.content(whole, reads.body).await,
            Some(Known::Unknown(why)) => Known::Unknown(why.clone()),
            Some(Known::NotYet) | None => Known::Unknown("the message was not read".into()),
        }
    }

    /// Searches the rules for each recipient: what is decided, and which rules in shadow would have matched.
    pub(super) fn decide(&self, recipients: &[Recipient]) -> Vec<(Decided, Vec<String>)> {
        let (until, used) = (Instant::now() + JUDGING, thread_time());
        // On a busy machine others may have had the time: only what was used counts, and asking that costs more.
        let out_of_time = || Instant::now() > until && thread_time().saturating_sub(used) > JUDGING;
        let examination = self.gate.rules.examine(&self.facts).until(&out_of_time);
        let decide = |recipient: &Recipient| {
            let to = self.gate.to(&recipient.path);
            let mut shadow = Vec::new();
            let decided = match examination.judge(Some(&to)) {
                Judgement::Decided(decision) => {
                    shadow = decision.shadow;
                    Decided::Ruled(decision.ruling)
                }
                Judgement::Refuse { rule, code, enhanced, text } => {
                    let refusal = PolicyRefusal {
                        code,
                        enhanced: enhanced.into(),
                        text: text.into(),
                        rule: rule.into(),
                    };
                    if code < 500 { Decided::Deferred(refusal) } else { Decided::Refused(refusal) }
                }
                Judgement::Defer { rule, why } => {
                    info!(rule, why = %mail::shown(why), to = %mail::shown(&to.address), "cannot tell now");
                    Decided::Deferred(not_now(&rule))
                }
                Judgement::Wait => Decided::Deferred(not_now("-")),
            };
            (decided, shadow)
        };
        recipients.iter().map(decide).collect()
    }
}

/// What this thread has had of the processor.
fn thread_time() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(used).unwrap_or_default()
}

/// An estimate, on the high side, of what the copies take beside the body.
fn weight(envelope: &Envelope) -> usize {
    if envelope.recipients.iter().all(|to| to.ruling.is_none()) {
        return 0;
    }
    let copies = envelope.copies();
    let added = |copy: &mail::MailboxCopy| {
        let ruling = &copy.ruling;
        let fields = ruling.add.iter().map(|(name, value)| name.len() + value.len() + 4);
        let tags = ruling.tags.iter().map(String::len);
        fields.chain(tags).sum::<usize>() + 300 * copy.recipients.len()
    };
    copies.iter().map(|copy| COPY + added(copy)).sum()
}

pub(super) fn too_large(fault: HeaderFault) -> PolicyRefusal {
    PolicyRefusal {
        // Too much of something, and too big for this system (RFC 3463 §3.4).
        code: 552,
        enhanced: "5.3.4".into(),
        text: fault.to_string().into(),
        rule: "header-limits".into(),
    }
}

fn not_now(rule: &str) -> PolicyRefusal {
    PolicyRefusal {
        code: 451,
        enhanced: "4.7.1".into(),
        text: "cannot tell now what is to be done with this message, try again later".into(),
        rule: rule.to_owned().into(),
    }
}

fn too_many_copies() -> PolicyRefusal {
    PolicyRefusal {
        code: 452,
        enhanced: "4.5.3".into(),
        text: "too many copies of one message, send it to fewer recipients".into(),
        rule: "copies".into(),
    }
}
