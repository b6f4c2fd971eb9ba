use mail_auth::common::verify::VerifySignature;

use super::pick::signatures;
use super::{LINKS, SIGNATURES};
use crate::section::{fields, section};

/// The names of all keys that are needed, each once.
pub(crate) fn wanted(octets: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut want = |name: String, most: usize| {
        if !names.contains(&name) && names.len() < most {
            names.push(name);
        }
    };
    for picked in signatures(octets) {
        if let Ok(signature) = picked.signature {
            want(signature.domain_key(), SIGNATURES);
        }
    }
    for field in fields(section(octets)).filter(|field| field.is("ARC-Seal")).take(LINKS) {
        if let Ok(seal) = mail_auth::arc::Seal::parse(field.value) {
            want(seal.domain_key(), SIGNATURES + LINKS);
        }
    }
    // Of all message signatures the newest alone is verified.
    if let Some(newest) = newest_link(octets) {
        want(newest.domain_key(), SIGNATURES + LINKS);
    }
    names
}

/// The message signature that was added last.
pub(super) fn newest_link(octets: &[u8]) -> Option<mail_auth::arc::Signature> {
    fields(section(octets))
        .filter(|field| field.is("ARC-Message-Signature"))
        .take(LINKS)
        .filter_map(|field| mail_auth::arc::Signature::parse(field.value).ok())
        .max_by_key(|signature| signature.i)
}
