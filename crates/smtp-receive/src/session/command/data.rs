use std::mem;

use crate::session::Session;
use crate::session::reply::Fault;
use crate::session::state::{Asked, State};
use crate::session::step::Ask;

/// RFC 5321 §4.1.1.4, §4.3.2. Without a recipient there is no 354 (RFC 2920 §3.2).
pub(super) fn run(session: &mut Session, arguments: &str) {
    if !arguments.is_empty() {
        return session.fault(Fault::Arguments);
    }
    match mem::replace(&mut session.state, State::Closed) {
        State::Transaction(transaction) if !transaction.envelope.recipients.is_empty() => {
            let expected = transaction.declared;
            session.ask(Asked::Data(transaction), Ask::Begin { expected });
        }
        state => session.misplaced(state),
    }
}
