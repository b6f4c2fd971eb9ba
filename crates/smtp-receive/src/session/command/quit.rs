use crate::session::Session;
use crate::session::reply::{Fault, Reply};

/// RFC 5321 §4.1.1.10; what is pipelined behind it is ignored.
pub(super) fn run(session: &mut Session, arguments: &str) {
    if !arguments.is_empty() {
        return session.fault(Fault::Arguments);
    }
    session.reset();
    session.send(Reply::Goodbye);
    session.close();
}
