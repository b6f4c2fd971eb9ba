use mail_auth::common::crypto::Algorithm;
use mail_auth::dkim::Signature;

use super::{SIGNATURES, SIGNED_NAMES};
use crate::section::{Field, fields, section};

/// A DKIM signature, or why it is none.
pub(super) struct Picked<'a> {
    pub(super) field: Field<'a>,
    pub(super) signature: Result<Signature, Unfit>,
}

/// A signature that nobody needs to verify.
pub(super) struct Unfit {
    pub(super) result: mail::AuthResult,
    pub(super) reason: String,
    /// As far as it could be read.
    pub(super) signature: Option<Box<Signature>>,
}

/// The first signatures of a message (RFC 6376 §6.1.1).
pub(super) fn signatures(octets: &[u8]) -> Vec<Picked<'_>> {
    let signed = fields(section(octets)).filter(|field| field.is("DKIM-Signature"));
    signed.take(SIGNATURES).map(|field| Picked { field, signature: fit(field.value) }).collect()
}

fn fit(value: &[u8]) -> Result<Signature, Unfit> {
    use mail::AuthResult::{Neutral, PermError, Policy};
    let unfit = |result, reason: String, signature| Err(Unfit { result, reason, signature });
    let mut signature = match Signature::parse(value) {
        Ok(signature) => signature,
        Err(error) => return unfit(Neutral, error.to_string(), None),
    };
    // Both would have the library ask name servers of its own.
    signature.atps = None;
    signature.r = false;
    if signature.v != 1 {
        return unfit(Neutral, "a version that is not 1".into(), Some(signature.into()));
    }
    if !mail_names(&signature.d) || !mail_names(&signature.s) {
        return unfit(PermError, "no name of a key".into(), Some(signature.into()));
    }
    if signature.h.len() > SIGNED_NAMES {
        return unfit(Policy, format!("more than {SIGNED_NAMES} names of fields"), Some(signature.into()));
    }
    if !signature.h.iter().any(|name| name.eq_ignore_ascii_case("from")) {
        return unfit(PermError, "the From field is not signed".into(), Some(signature.into()));
    }
    if !of_domain(&signature.i, &signature.d) {
        return unfit(PermError, "the identity is of another domain".into(), Some(signature.into()));
    }
    // RFC 8301 §3.1.
    if matches!(signature.a, Algorithm::RsaSha1) {
        return unfit(Policy, "rsa-sha1 is not believed any more".into(), Some(signature.into()));
    }
    Ok(signature)
}

fn mail_names(name: &str) -> bool {
    crate::dns::can_be_asked(&crate::dns::lower(name)) || !name.is_ascii()
}

/// Whether `i=` is of `d=` or of a domain below; it may be absent (RFC 6376 §3.5).
fn of_domain(identity: &str, domain: &str) -> bool {
    let Some((_, of)) = identity.rsplit_once('@') else { return identity.is_empty() };
    let (of, domain) = (of.to_ascii_lowercase(), domain.to_ascii_lowercase());
    of.strip_suffix(&domain).is_some_and(|below| below.is_empty() || below.ends_with('.'))
}
