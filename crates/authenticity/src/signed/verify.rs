use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail::{ArcResult, AuthResult, DkimResult};
use mail_auth::common::crypto::HashAlgorithm;
use mail_auth::common::headers::Header;
use mail_auth::common::verify::VerifySignature;
use mail_auth::dkim::Signature;
use mail_auth::{AuthenticatedMessage, DkimResult as Verified, MessageAuthenticator, Parameters};

use super::body::{Hashes, leaves_some};
use super::names::newest_link;
use super::pick::{Picked, Unfit, signatures};
use super::{Keys, LINKS, SIGNED_NAMES, Signed};
use crate::section::{body_at, fields, section};

/// Verifies what a message was signed by. Long, and on one thread.
pub(crate) fn verify(library: &MessageAuthenticator, octets: &[u8], keys: &Keys) -> Signed {
    let body = &octets[body_at(octets)..];
    let mut hashes = Hashes::default();
    let mut message = AuthenticatedMessage {
        raw_message: octets,
        body_offset: u32::try_from(octets.len() - body.len()).unwrap_or(u32::MAX),
        headers: fields(section(octets)).map(|field| (field.name, field.value)).collect(),
        ..AuthenticatedMessage::default()
    };
    let mut dkim = Vec::new();
    for Picked { field, signature } in signatures(octets) {
        let signature = signature.and_then(|signature| worth_it(signature, keys, &mut hashes, body));
        dkim.push(match signature {
            Err(unfit) => result(unfit.signature.as_deref(), unfit.result, Some(unfit.reason)),
            Ok(signature) => {
                message.body_hashes.clone_from(&hashes.made);
                message.dkim_headers = vec![Header::new(field.name, field.value, signature)];
                let verified = at_once(library.verify_dkim(Parameters::new(&message).with_txt_cache(keys)));
                let verified = verified.as_ref().and_then(|outputs| outputs.first());
                let (answer, reason) = verified.map_or_else(cannot, |output| judged(output.result()));
                let signature = message.dkim_headers.first().map(|header| &header.header);
                let part = signature.filter(|signature| leaves_some(signature.l, body));
                match part {
                    Some(part) if answer == AuthResult::Pass => {
                        let why = format!("it covers the first {} octets of the body", part.l);
                        result(signature, AuthResult::Policy, Some(why))
                    }
                    Some(_) | None => result(signature, answer, reason),
                }
            }
        });
    }
    message.dkim_headers.clear();
    let arc = arc(library, octets, message, hashes, keys);
    Signed { dkim, arc }
}

/// What is known before any key is: it stays where no key comes in time.
pub(crate) fn pending(octets: &[u8]) -> Signed {
    let answer = |Picked { signature, .. }: Picked<'_>| match signature {
        Err(unfit) => result(unfit.signature.as_deref(), unfit.result, Some(unfit.reason)),
        Ok(signature) => {
            let (answer, reason) = cannot();
            result(Some(&signature), answer, reason)
        }
    };
    let arc = if is_chained(octets) { AuthResult::TempError } else { AuthResult::None };
    Signed {
        dkim: signatures(octets).into_iter().map(answer).collect(),
        arc: ArcResult { result: arc, sealer: None },
    }
}

/// Whether anybody passed it on with a word about it.
fn is_chained(octets: &[u8]) -> bool {
    const NAMES: [&str; 3] = ["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"];
    fields(section(octets)).any(|field| NAMES.iter().any(|name| field.is(name)))
}

/// What there is to know before a key is used.
fn worth_it(signature: Signature, keys: &Keys, hashes: &mut Hashes, body: &[u8]) -> Result<Signature, Unfit> {
    let unfit =
        |result, reason, signature| Err(Unfit { result, reason, signature: Some(Box::new(signature)) });
    let name = signature.domain_key();
    if let Some((result, reason)) = keys.missing(&name) {
        return unfit(result, reason, signature);
    }
    // RFC 8301 §3.2: not even whether it is right may be told.
    if let Some(reason) = keys.unfit(&name) {
        return unfit(AuthResult::Policy, reason.to_owned(), signature);
    }
    if !hashes.make(signature.cb, HashAlgorithm::from(signature.a), signature.l, body) {
        return unfit(AuthResult::Policy, "too many ways to hash the body".into(), signature);
    }
    Ok(signature)
}

fn result(signature: Option<&Signature>, result: AuthResult, reason: Option<String>) -> DkimResult {
    let known = |part: fn(&Signature) -> &str| signature.map(part).unwrap_or_default().to_owned();
    DkimResult {
        result,
        domain: known(|signature| &signature.d).to_ascii_lowercase(),
        selector: known(|signature| &signature.s),
        // Six octets are eight letters (RFC 6008 §3).
        signature: signature.map(|of| STANDARD.encode(&of.b[..of.b.len().min(6)])).unwrap_or_default(),
        reason: reason.map(mail::shown),
    }
}

fn cannot() -> (AuthResult, Option<String>) {
    (AuthResult::TempError, Some("it could not be verified in time".into()))
}

/// As RFC 8601 §2.7.1 says it: what was tried and does not hold is a fail.
fn judged(verified: &Verified) -> (AuthResult, Option<String>) {
    match verified {
        Verified::Pass => (AuthResult::Pass, None),
        Verified::None => (AuthResult::None, None),
        Verified::Fail(why) | Verified::Neutral(why) => (AuthResult::Fail, Some(why.to_string())),
        Verified::PermError(why) => (AuthResult::PermError, Some(why.to_string())),
        Verified::TempError(why) => (AuthResult::TempError, Some(why.to_string())),
    }
}

/// The chain (RFC 8617 §5.2).
fn arc<'a>(
    library: &MessageAuthenticator,
    octets: &'a [u8],
    mut message: AuthenticatedMessage<'a>,
    mut hashes: Hashes,
    keys: &Keys,
) -> ArcResult {
    let with = |result, sealer| ArcResult { result, sealer };
    let of = |name| fields(section(octets)).filter(move |field| field.is(name)).take(LINKS + 1);
    let body = &octets[body_at(octets)..];
    if !is_chained(octets) {
        return with(AuthResult::None, None);
    }
    // A link that cannot be read, or too many of them, break the chain.
    let read = (|| {
        for field in of("ARC-Seal") {
            let seal = mail_auth::arc::Seal::parse(field.value).ok()?;
            message.as_headers.push(Header::new(field.name, field.value, seal));
        }
        for field in of("ARC-Message-Signature") {
            let signature = mail_auth::arc::Signature::parse(field.value).ok()?;
            message.ams_headers.push(Header::new(field.name, field.value, signature));
        }
        for field in of("ARC-Authentication-Results") {
            let results = mail_auth::arc::Results::parse(field.value).ok()?;
            message.aar_headers.push(Header::new(field.name, field.value, results));
        }
        message.as_headers.sort_by_key(|header| header.header.i);
        message.ams_headers.sort_by_key(|header| header.header.i);
        message.aar_headers.sort_by_key(|header| header.header.i);
        let newest = newest_link(octets)?;
        let fits = message.ams_headers.len() <= LINKS && newest.h.len() <= SIGNED_NAMES && newest.l == 0;
        let hashed = fits && hashes.make(newest.cb, HashAlgorithm::from(newest.a), newest.l, body);
        hashed.then_some(())
    })();
    let sealer = message.as_headers.last().map(|header| header.header.d.to_ascii_lowercase());
    if read.is_none() {
        return with(AuthResult::Fail, sealer);
    }
    message.body_hashes = hashes.made;
    let verified = at_once(library.verify_arc(Parameters::new(&message).with_txt_cache(keys)));
    let (answer, _) = verified.as_ref().map_or_else(cannot, |output| judged(output.result()));
    let answer = match answer {
        AuthResult::Pass | AuthResult::TempError | AuthResult::None => answer,
        // A chain holds or it does not.
        AuthResult::Fail
        | AuthResult::PermError
        | AuthResult::Policy
        | AuthResult::Neutral
        | AuthResult::SoftFail => AuthResult::Fail,
    };
    with(answer, sealer)
}

/// What is ready without waiting for anybody: all keys are there, so the library waits for none.
fn at_once<T>(judged: impl Future<Output = T>) -> Option<T> {
    match pin!(judged).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}
