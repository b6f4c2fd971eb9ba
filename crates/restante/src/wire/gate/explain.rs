use mail::{Envelope, Recipient};
use net::Peer;
use queue::{Incoming, MemoryStore, Store, StoreError};
use routing::rules::{Explanation, Facts, To};
use smtp_receive::{Inspection as _, Policy as _, PolicyRefusal, SessionPolicy as _, Verdict};

use super::Gatekeeper;
use super::examined::Examined;
use super::outcome::settle;

/// What the gate makes of a message, with the way to it.
pub(crate) struct Explained {
    /// What was known of it at the end of the data.
    pub(crate) facts: Facts,
    /// For each recipient, in their order: who it is, every rule's trial, and what it is refused with at RCPT.
    pub(crate) recipients: Vec<(To, Explanation, Option<PolicyRefusal>)>,
    /// What the sender would be told.
    pub(crate) verdict: Verdict,
}

/// Takes a message through the gate as a session would; nothing is kept of it. The envelope gets what a real one would
/// get, and loses the recipients that get no 250.
pub(crate) async fn explain(
    gatekeeper: &Gatekeeper,
    peer: &Peer,
    envelope: &mut Envelope,
    octets: &[u8],
) -> Result<Explained, StoreError> {
    let mut visit = gatekeeper.session(peer);
    // Nobody is refused before RCPT.
    let _ = visit.sender(envelope).await;
    let asked = std::mem::take(&mut envelope.recipients);
    let mut refusals = Vec::with_capacity(asked.len());
    for recipient in &asked {
        let answer = visit.recipient(envelope, recipient).await;
        if answer.is_ok() {
            envelope.recipients.push(recipient.clone());
        }
        refusals.push(answer.err());
    }
    let mut examined = visit.begin(envelope);
    let mut content = MemoryStore::new().incoming(None)?;
    content.write(octets).await?;
    examined.content(octets);
    let Examined { prescan, mut case } = examined;
    let found = prescan.map(authenticity::Prescan::finish).unwrap_or_default();
    envelope.cuts = found.cuts;
    let too_complex = found.too_complex.is_some();
    envelope.results = case.look(envelope, octets.len() as u64, too_complex, &mut content).await?;
    let examination = case.gate.rules.examine(&case.facts);
    let nobody = refusals.first().cloned().flatten().filter(|_| envelope.recipients.is_empty());
    let explain = |(to, refusal): (&Recipient, Option<PolicyRefusal>)| {
        let to = case.gate.to(&to.path);
        let explanation = examination.explain(Some(&to));
        (to, explanation, refusal)
    };
    let recipients = asked.iter().zip(refusals).map(explain).collect();
    let verdict = match (nobody, found.fault) {
        (Some(refusal), _) => Verdict::Refuse(refusal),
        (None, Some(fault)) => Verdict::Refuse(super::examined::too_large(fault)),
        (None, None) => {
            let decided = case.decide(&envelope.recipients).into_iter().map(|(decided, _)| decided);
            settle(envelope, decided.collect(), case.gate.one_refuses_all)
        }
    };
    envelope.fields = super::fields::ruled(envelope, case.gate.limits.octets, &mut content).await?;
    Ok(Explained { facts: *case.facts, recipients, verdict })
}
