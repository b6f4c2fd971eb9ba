use crate::session::Session;
use crate::session::reply::{Fault, Reply};

/// RFC 5321 §4.1.1.5.
pub(super) fn run(session: &mut Session, arguments: &str) {
    if !arguments.is_empty() {
        return session.fault(Fault::Arguments);
    }
    session.reset();
    if session.is_borne() {
        session.send(Reply::Ok);
    }
}
