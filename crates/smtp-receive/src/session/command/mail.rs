use std::mem;

use mail::{Body, Envelope, ReversePath, Trace};

use super::{after_keyword, parameters};
use crate::session::Session;
use crate::session::extension::MailParameters;
use crate::session::reply::{Ending, Fault};
use crate::session::state::{Asked, Hello, State, Transaction};
use crate::session::step::Ask;

/// RFC 5321 §3.3, §4.1.1.2, §4.1.4; RFC 9422 §4.1.
pub(super) fn run(session: &mut Session, arguments: &str) {
    let hello = match mem::replace(&mut session.state, State::Closed) {
        State::Idle(hello) => hello,
        state @ State::Transaction(_) => {
            session.state = state;
            return session.fault(Fault::NestedMail);
        }
        state => return session.misplaced(state),
    };
    match read(arguments, &hello, session.params.message_size) {
        Ok(_) if session.counts.mails >= session.params.mails => session.end(Ending::TooManyMails),
        Ok((reverse_path, parameters)) => ask(session, hello, reverse_path, &parameters),
        Err(fault) => {
            session.state = State::Idle(hello);
            session.fault(fault);
        }
    }
}

fn read(arguments: &str, hello: &Hello, most: u64) -> Result<(ReversePath, MailParameters), Fault> {
    let path = after_keyword(arguments, "FROM:")?;
    let (reverse_path, rest) = ReversePath::parse(path).map_err(|_| Fault::SenderSyntax)?;
    let rest = parameters(rest)?;
    if !rest.is_empty() && !hello.is_extended() {
        return Err(Fault::Parameter);
    }
    let parameters = MailParameters::read(rest)?;
    // An estimate, which tells nothing of where the message ends (RFC 1870 §6, §6.1).
    if parameters.size.is_some_and(|size| size > most) {
        return Err(Fault::TooBig);
    }
    // RFC 6531 §3.5.
    if !parameters.smtputf8 && reverse_path.address().is_some_and(|address| !address.is_ascii()) {
        return Err(Fault::SenderNotAscii);
    }
    Ok((reverse_path, parameters))
}

fn ask(session: &mut Session, hello: Hello, reverse_path: ReversePath, parameters: &MailParameters) {
    let envelope = Envelope {
        reverse_path: reverse_path.clone(),
        recipients: Vec::new(),
        body: parameters.body.unwrap_or(Body::SevenBit),
        smtputf8: parameters.smtputf8,
        trace: Trace {
            protocol: hello.protocol,
            peer: session.peer,
            helo: hello.name.clone(),
            tls: session.tls.clone(),
            received_ms: 0,
        },
        cuts: Vec::new(),
        unterminated: false,
        results: None,
        fields: Vec::new(),
    };
    let declared = parameters.size;
    let transaction = Transaction { hello, envelope: Box::new(envelope), declared, tried: false };
    session.ask(Asked::Sender(transaction), Ask::Sender { reverse_path, declared });
}
