use mail::{
    ArcResult, AuthResult, AuthResults, DkimResult, DmarcPolicy, DmarcResult, IprevResult, SpfResult,
};

use super::grammar::{Method, Results, read, same};
use crate::section::{Field, fields};

/// Most signatures that a relay may tell about.
const SIGNATURES: usize = 10;

/// What a relay of ours that the operator named (RFC 8601 §4.1) says in its own Authentication-Results, of those fields that it can have added itself: those
/// above the topmost Received, or else those right below it, before anything else. What stands further down came
/// from outside, whatever it calls itself (RFC 8601 §5, §7.1). Must be asked only of mail that came from the relay's
/// own network.
pub fn relayed(header: &[u8], authserv_id: &str) -> AuthResults {
    let mut above: Vec<Results> = Vec::new();
    let mut below: Vec<Results> = Vec::new();
    let mut passed_received = false;
    for field in fields(header) {
        if field.is("Received") {
            if passed_received {
                break;
            }
            passed_received = true;
            continue;
        }
        match its_own(&field, authserv_id) {
            Some(results) if passed_received => below.push(results),
            Some(results) => above.push(results),
            None if passed_received => break,
            None => {}
        }
    }
    let mut found = AuthResults::default();
    // Whatever passed a relay has its Received: without one, nothing shows where the relay's own fields end.
    if !passed_received {
        return found;
    }
    let believed = if above.is_empty() { below } else { above };
    for method in believed.iter().flat_map(|results| &results.methods) {
        take(&mut found, method);
    }
    found
}

fn its_own(field: &Field<'_>, authserv_id: &str) -> Option<Results> {
    if !field.is("Authentication-Results") {
        return None;
    }
    read(field.value).filter(|results| same(&results.authserv_id, authserv_id))
}

/// The topmost word on each method counts. What is not registered (a method, a word, a property) counts for nothing
/// (RFC 8601 §2.3, §2.7.6, §2.7.7, §4.1).
fn take(found: &mut AuthResults, method: &Method) {
    let Some(result) = word(&method.result) else { return };
    match method.name.as_str() {
        "spf" if found.spf.is_none() => {
            let mailfrom = method.property("smtp.mailfrom").or_else(|| method.property("smtp.mail"));
            let helo = method.property("smtp.helo");
            found.spf = Some(SpfResult {
                result,
                of_helo: mailfrom.is_none_or(str::is_empty) && helo.is_some(),
                domain: mailfrom
                    .filter(|value| !value.is_empty())
                    .or(helo)
                    .map(domain_of)
                    .unwrap_or_default(),
                reason: method.reason.clone(),
            });
        }
        // What is not signed has no signature to tell about.
        "dkim" if found.dkim.len() < SIGNATURES && result != AuthResult::None => {
            let property = |name| method.property(name).unwrap_or_default().to_owned();
            let domain = method.property("header.d").or_else(|| method.property("header.i"));
            found.dkim.push(DkimResult {
                result,
                domain: domain.map(domain_of).unwrap_or_default(),
                selector: property("header.s"),
                signature: property("header.b"),
                reason: method.reason.clone(),
            });
        }
        "dmarc" if found.dmarc.is_none() => {
            found.dmarc = Some(DmarcResult {
                result,
                from: method.property("header.from").map(domain_of).unwrap_or_default(),
                policy: policy(method),
                reason: method.reason.clone(),
            });
        }
        "arc" if found.arc.is_none() => found.arc = Some(ArcResult { result, sealer: None }),
        "iprev" if found.iprev.is_none() => found.iprev = Some(IprevResult { result, name: None }),
        // Another method, or a second word on one that was told about.
        _ => {}
    }
}

fn word(text: &str) -> Option<AuthResult> {
    // Of RFC 5451, and still written.
    let text = if text == "hardfail" { "fail" } else { text };
    AuthResult::ALL.into_iter().find(|result| result.as_str() == text)
}

fn domain_of(value: &str) -> String {
    let domain = value.rsplit_once('@').map_or(value, |(_, domain)| domain);
    domain.trim_end_matches('.').to_ascii_lowercase()
}

/// The property, or the `p=` that most write into a comment.
fn policy(method: &Method) -> DmarcPolicy {
    let comments = method.comments.to_ascii_lowercase();
    let in_comment = || comments.split([' ', ',', ';', '(', ')']).find_map(|word| word.strip_prefix("p="));
    match method.property("policy.dmarc").map(str::to_ascii_lowercase).as_deref().or_else(in_comment) {
        Some("reject") => DmarcPolicy::Reject,
        Some("quarantine") => DmarcPolicy::Quarantine,
        Some(_) | None => DmarcPolicy::None,
    }
}
