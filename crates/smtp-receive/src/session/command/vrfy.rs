use crate::session::Session;
use crate::session::reply::{Fault, Reply};

/// RFC 5321 §4.1.1.6: who is here is not for everybody to know (§7.3).
pub(super) fn run(session: &mut Session, arguments: &str) {
    if arguments.is_empty() {
        return session.fault(Fault::Arguments);
    }
    if session.is_borne() {
        session.send(Reply::CannotVerify);
    }
}
