use mail::Envelope;
use net::Peer;
use queue::{Incoming, MemoryStore, Store, StoreError};
use routing::rules::{Explanation, Facts, To};
use smtp_receive::{Inspection as _, Policy as _, SessionPolicy as _, Verdict};

use super::Gatekeeper;
use super::examined::Examined;
use super::outcome::settle;

/// What the gate makes of a message, with the way to it.
pub(crate) struct Explained {
    /// What was known of it at the end of the data.
    pub(crate) facts: Facts,
    /// For each recipient of the envelope, in its order: who it is, and every rule's trial.
    pub(crate) recipients: Vec<(To, Explanation)>,
    /// What the sender would be told.
    pub(crate) verdict: Verdict,
}

/// Takes a message through the gate as a session would; nothing is kept of it. The envelope gets what a real one would
/// get.
pub(crate) async fn explain(
    gatekeeper: &Gatekeeper,
    peer: &Peer,
    envelope: &mut Envelope,
    octets: &[u8],
) -> Result<Explained, StoreError> {
    let mut visit = gatekeeper.session(peer);
    // What an early phase refuses, the end of the data refuses too.
    let _ = visit.sender(envelope).await;
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
    let explain = |to: To| {
        let explanation = examination.explain(Some(&to));
        (to, explanation)
    };
    let recipients = envelope.recipients.iter().map(|to| explain(case.gate.to(&to.path))).collect();
    let verdict = match found.fault {
        Some(fault) => Verdict::Refuse(super::examined::too_large(fault)),
        None => {
            let decided = case.decide(&envelope.recipients).into_iter().map(|(decided, _)| decided);
            settle(envelope, decided.collect(), case.gate.one_refuses_all)
        }
    };
    envelope.fields = super::fields::ruled(envelope, case.gate.limits.octets, &mut content).await?;
    Ok(Explained { facts: case.facts, recipients, verdict })
}
