use crate::session::Session;
use crate::session::reply::{Ending, Fault};

/// Commands of RFCs whose extensions we do not offer.
const NOT_OFFERED: &[&str] =
    &["AUTH", "ATRN", "BURL", "ETRN", "EXPN", "SAML", "SEND", "SOML", "TURN", "XCLIENT", "XFORWARD"];
/// Commands of another protocol: a browser was sent here, and what follows was written by a stranger.
const HTTP: &[&str] = &["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

/// What is in no table (RFC 5321 §3.8, §4.1.5, §4.2.4).
pub(super) fn run(session: &mut Session, verb: &str) {
    let is_in = |verbs: &[&str]| verbs.iter().any(|name| name.eq_ignore_ascii_case(verb));
    if is_in(HTTP) {
        return session.end(Ending::NotSmtp);
    }
    if is_in(NOT_OFFERED) {
        return session.fault(Fault::NotOffered);
    }
    unknown(session);
}

/// Nobody has such a command here.
pub(super) fn unknown(session: &mut Session) {
    session.counts.unknown_commands = session.counts.unknown_commands.saturating_add(1);
    if session.counts.unknown_commands >= session.params.errors.unknown_commands {
        return session.end(Ending::TooManyErrors);
    }
    session.fault(Fault::UnknownCommand);
}
