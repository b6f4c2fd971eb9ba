use crate::session::Session;
use crate::session::reply::{Fault, Reply};

/// RFC 5321 §3.5.1, §3.5.3, §4.1.1.6: who is here is not for everybody to know (RFC 5321 §7.3), nor for who
/// says SMTPUTF8 (RFC 6531 §3.7.4.2).
pub(super) fn run(session: &mut Session, arguments: &str) {
    if arguments.is_empty() {
        return session.fault(Fault::Arguments);
    }
    if session.is_borne() {
        session.send(Reply::CannotVerify);
    }
}
