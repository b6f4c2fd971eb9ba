use mail::Protocol;

use super::other;
use crate::session::params::Dialect;
use crate::session::reply::{Fault, Reply};
use crate::session::state::{Hello, State};
use crate::session::{Session, is_name};

/// RFC 5321 §2.2.1, §4.1.1.1.
pub(super) fn ehlo(session: &mut Session, name: &str) {
    greet(session, name, Dialect::Smtp, Protocol::Esmtp);
}

/// RFC 5321 §3.2, §4.1.1.1, for those who know no extensions.
pub(super) fn helo(session: &mut Session, name: &str) {
    greet(session, name, Dialect::Smtp, Protocol::Smtp);
}

/// RFC 2033 §4.1.
pub(super) fn lhlo(session: &mut Session, name: &str) {
    greet(session, name, Dialect::Lmtp, Protocol::Lmtp);
}

/// Begins anew (RFC 5321 §4.1.4). The name is not held against anybody who can at least spell one: it must
/// not be refused for being untrue.
fn greet(session: &mut Session, name: &str, service: Dialect, protocol: Protocol) {
    // RFC 2033 §4.1: a server has HELO and EHLO, or it has LHLO.
    if session.params.dialect != service {
        return other::unknown(session);
    }
    if !is_name(name) {
        return session.fault(Fault::Arguments);
    }
    if !matches!(session.state, State::Ungreeted) && !session.is_borne() {
        return;
    }
    session.reset();
    session.state = State::Idle(Hello::new(protocol, name));
    session.send(match protocol {
        Protocol::Smtp | Protocol::Local => Reply::Helo,
        Protocol::Esmtp | Protocol::Lmtp => Reply::Extensions { secured: session.tls.is_some() },
    });
}
