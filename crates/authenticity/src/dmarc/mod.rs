//! Whether what was verified agrees with the From field (RFC 9989).
//!
//! The library finds the record, walks the tree and compares (RFC 9989 §4.10.1, §4.10.2). Here is what it is shown: one author's domain after the other, and
//! records that were asked for within the budget.

#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use mail::{AuthResult, DkimResult, DmarcPolicy, DmarcResult, SpfResult};
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::dkim::Signature;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::dmarc::{Dmarc, Policy};
use mail_auth::{
    AuthenticatedMessage, DkimOutput, DmarcResult as Compared, DnsError, DnssecStatus, Error,
    MessageAuthenticator, Parameters, RecordSet, ResolverCache, SpfOutput, Txt,
};

use crate::authors::Authors;
use crate::dns::{Answer, Budget, DnsFault};

/// Domains of one From field that are judged, each by itself.
const DOMAINS: usize = 4;

/// What is known before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verified<'a> {
    pub(crate) spf: Option<&'a SpfResult>,
    pub(crate) dkim: &'a [DkimResult],
}

/// The answer for a message. Where it has several authors, each domain must agree, and the strictest wish counts:
/// nobody hides behind a second author. Several From fields are nobody's mail.
pub(crate) async fn judge(
    library: &MessageAuthenticator,
    budget: &Budget,
    authors: &Authors,
    verified: Verified<'_>,
) -> DmarcResult {
    let domains = authors.domains();
    let mut worst: Option<DmarcResult> = None;
    for domain in domains.iter().take(DOMAINS) {
        let next = Walk { library, budget, verified, domain }.judge().await;
        worst = Some(worst.map_or(next.clone(), |worst| worse(worst, next)));
    }
    let nobody = || DmarcResult {
        result: AuthResult::None,
        from: String::new(),
        policy: DmarcPolicy::None,
        reason: Some("no author".into()),
    };
    let judged = worst.unwrap_or_else(nobody);
    let too_many = if authors.fields > 1 {
        "several From fields"
    } else if authors.more || domains.len() > DOMAINS {
        "more authors than are looked at"
    } else {
        return judged;
    };
    let policy = stricter(judged.policy, DmarcPolicy::Quarantine);
    DmarcResult { result: AuthResult::Fail, policy, reason: Some(too_many.into()), ..judged }
}

fn stricter(one: DmarcPolicy, other: DmarcPolicy) -> DmarcPolicy {
    let rank = |policy| match policy {
        DmarcPolicy::None => 0,
        DmarcPolicy::Quarantine => 1,
        DmarcPolicy::Reject => 2,
    };
    if rank(one) >= rank(other) { one } else { other }
}

/// The one that says more against the message.
fn worse(one: DmarcResult, other: DmarcResult) -> DmarcResult {
    let rank = |judged: &DmarcResult| {
        let result = match judged.result {
            AuthResult::Pass => 0,
            AuthResult::None | AuthResult::Neutral | AuthResult::Policy | AuthResult::SoftFail => 1,
            AuthResult::PermError => 2,
            AuthResult::TempError => 3,
            AuthResult::Fail => 4,
        };
        let policy = match judged.policy {
            DmarcPolicy::None => 0,
            DmarcPolicy::Quarantine => 1,
            DmarcPolicy::Reject => 2,
        };
        (result, policy)
    };
    if rank(&one) >= rank(&other) { one } else { other }
}

/// One domain's walk through the tree.
struct Walk<'a> {
    library: &'a MessageAuthenticator,
    budget: &'a Budget,
    verified: Verified<'a>,
    domain: &'a str,
}

impl Walk<'_> {
    async fn judge(&self) -> DmarcResult {
        let signatures = self.signatures();
        let dkim: Vec<DkimOutput<'_>> = signatures.iter().map(output).collect();
        let (spf, spf_domain) = self.spf();
        let message = AuthenticatedMessage {
            from: vec![format!("author@{}", self.domain)],
            ..AuthenticatedMessage::default()
        };

        let mut records = Records::default();
        records.ask(self.budget, steps(self.domain)).await;
        let others =
            signatures.iter().map(|(signature, _)| signature.d.as_str()).chain([spf_domain.as_str()]);
        // Whoever shares no record with the author has no organization in common with it.
        let related = others.filter(|other| records.are_above(other)).flat_map(steps).collect();
        records.ask(self.budget, related).await;

        let parameters = DmarcParameters::new(&message, &dkim, &spf_domain, &spf);
        let parameters = Parameters::new(parameters).with_txt_cache(&records).with_ipv4_cache(&Everywhere);
        let compared = self.library.verify_dmarc(parameters).await;
        let (result, reason) = match compared.result() {
            Compared::Pass => (AuthResult::Pass, None),
            Compared::Fail(_) => (AuthResult::Fail, None),
            Compared::None => (AuthResult::None, None),
            Compared::TempError(why) => (AuthResult::TempError, Some(why.to_string())),
            Compared::PermError(why) => (AuthResult::PermError, Some(why.to_string())),
        };
        let policy = self.policy(compared.policy(), compared.dmarc_record(), &records).await;
        DmarcResult { result, from: self.domain.to_owned(), policy, reason: reason.map(mail::shown) }
    }

    /// What is asked for, once it is known whether the domain is there at all (RFC 9989 §4.7, `np`).
    async fn policy(&self, policy: Policy, record: Option<&Dmarc>, records: &Records) -> DmarcPolicy {
        let policy = match record {
            Some(record)
                if record.p != Policy::Unspecified
                    && record.np != record.sp
                    && !records.has(self.domain)
                    && self.is_not_there().await =>
            {
                // A test asks for one step less.
                match record.np {
                    Policy::Reject if record.t => Policy::Quarantine,
                    Policy::Quarantine if record.t => Policy::None,
                    np => np,
                }
            }
            Some(_) | None => policy,
        };
        match policy {
            Policy::Reject => DmarcPolicy::Reject,
            Policy::Quarantine => DmarcPolicy::Quarantine,
            Policy::None | Policy::Unspecified => DmarcPolicy::None,
        }
    }

    /// There is no such name (RFC 8020), whatever is asked for.
    async fn is_not_there(&self) -> bool {
        matches!(self.budget.a(self.domain).await, Ok(Answer::NoName))
    }

    /// Signatures that count, or would if they could be told (RFC 9989 §5.3.6).
    fn signatures(&self) -> Vec<(Signature, AuthResult)> {
        let counts = |dkim: &&DkimResult| matches!(dkim.result, AuthResult::Pass | AuthResult::TempError);
        let signature = |dkim: &DkimResult| {
            let signature =
                Signature { d: dkim.domain.clone(), s: dkim.selector.clone(), ..Signature::default() };
            (signature, dkim.result)
        };
        self.verified.dkim.iter().filter(counts).map(signature).collect()
    }

    fn spf(&self) -> (SpfOutput, String) {
        use mail_auth::SpfResult as Of;
        let domain = self.verified.spf.map(|spf| spf.domain.to_ascii_lowercase()).unwrap_or_default();
        let result = match self.verified.spf.map(|spf| spf.result) {
            Some(AuthResult::Pass) => Of::Pass,
            Some(AuthResult::TempError) => Of::TempError,
            Some(
                AuthResult::Fail
                | AuthResult::SoftFail
                | AuthResult::Neutral
                | AuthResult::Policy
                | AuthResult::PermError
                | AuthResult::None,
            )
            | None => Of::None,
        };
        (SpfOutput::new(domain.clone()).with_result(result), domain)
    }
}

fn output((signature, result): &(Signature, AuthResult)) -> DkimOutput<'_> {
    let output = match result {
        AuthResult::Pass => DkimOutput::pass(),
        AuthResult::None
        | AuthResult::Fail
        | AuthResult::SoftFail
        | AuthResult::Neutral
        | AuthResult::Policy
        | AuthResult::TempError
        | AuthResult::PermError => DkimOutput::temp_err(unknown("the key could not be asked for".into())),
    };
    output.with_signature(signature)
}

fn unknown(why: String) -> Error {
    Error::Dns(DnsError::Resolver(why))
}

/// The one policy record of a name (RFC 9989 §4.10: several are none).
fn record(answer: Result<Answer<Vec<u8>>, DnsFault>) -> Txt {
    let texts = match answer {
        Ok(answer) => answer.into_found(),
        Err(fault) => return Txt::Error(unknown(fault.to_string())),
    };
    let mut records = texts.iter().map(|text| Dmarc::parse(text)).filter(|read| {
        // A text of something else.
        !matches!(read, Err(Error::Dns(DnsError::InvalidRecordType)))
    });
    match (records.next(), records.next()) {
        (Some(Ok(record)), None) => Txt::Dmarc(Arc::new(record)),
        (Some(Err(error)), None) => Txt::Error(error),
        (None | Some(_), _) => Txt::Error(Error::Dns(DnsError::InvalidRecordType)),
    }
}

/// The names that are asked for a domain's sake, from itself up to the top: eight at most (RFC 9989 §4.10).
fn steps(domain: &str) -> Vec<String> {
    let labels: Vec<&str> = domain.split('.').filter(|label| !label.is_empty()).collect();
    let mut counts = vec![labels.len()];
    counts.extend((1..labels.len().min(8)).rev());
    let above = |count: usize| format!("_dmarc.{}.", labels[labels.len() - count..].join("."));
    if labels.len() < 2 { Vec::new() } else { counts.into_iter().map(above).collect() }
}

/// The records that are known. There are no others: what the library wants besides reaches no name server.
#[derive(Default)]
struct Records {
    known: HashMap<Box<str>, Txt>,
}

impl Records {
    async fn ask(&mut self, budget: &Budget, mut names: Vec<String>) {
        names.sort_unstable();
        names.dedup();
        names.retain(|name| !self.known.contains_key(name.as_str()));
        for (name, answer) in budget.texts(names).await {
            self.known.insert(name.into_boxed_str(), record(answer));
        }
    }

    /// Whether the domain has a policy record of its own.
    fn has(&self, domain: &str) -> bool {
        matches!(self.known.get(format!("_dmarc.{domain}.").as_str()), Some(Txt::Dmarc(_)))
    }

    /// Whether one of them is of the domain or of one above.
    fn are_above(&self, domain: &str) -> bool {
        steps(domain).iter().any(|step| matches!(self.known.get(step.as_str()), Some(Txt::Dmarc(_))))
    }
}

impl ResolverCache<Box<str>, Txt> for Records {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let none = || Txt::Error(Error::Dns(DnsError::InvalidRecordType));
        Some(self.known.get(name).cloned().unwrap_or_else(none))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

/// Says that every name has an address: whether one is there at all is asked for here.
struct Everywhere;

impl ResolverCache<Box<str>, RecordSet<Ipv4Addr>> for Everywhere {
    fn get<Q>(&self, _: &Q) -> Option<RecordSet<Ipv4Addr>>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Some(RecordSet { rrset: Arc::from([]), dnssec_status: DnssecStatus::Indeterminate })
    }

    fn remove<Q>(&self, _: &Q) -> Option<RecordSet<Ipv4Addr>>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: RecordSet<Ipv4Addr>, _: Instant) {}
}
