use crate::session::Session;
use crate::session::reply::{Fault, Reply};
use crate::session::state::State;
use crate::session::step::Step;

/// RFC 3207 §4.
pub(super) fn run(session: &mut Session, arguments: &str) {
    if !session.params.starttls {
        return session.fault(Fault::NotOffered);
    }
    if !arguments.is_empty() {
        return session.fault(Fault::Arguments);
    }
    if session.tls.is_some() {
        return session.fault(Fault::SecuredAlready);
    }
    if matches!(session.state, State::Ungreeted) {
        return session.fault(Fault::GreetFirst);
    }
    session.reset();
    session.state = State::Securing;
    session.send(Reply::ReadyForTls);
    session.due.push_back(Step::StartTls);
}
