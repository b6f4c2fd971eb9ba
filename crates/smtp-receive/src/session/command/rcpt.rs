use std::mem;

use mail::ForwardPath;

use super::{after_keyword, parameters};
use crate::session::Session;
use crate::session::reply::{Fault, Reply};
use crate::session::state::{Asked, State, Transaction};
use crate::session::step::Ask;

/// RFC 5321 §3.3, §4.1.1.3.
pub(super) fn run(session: &mut Session, arguments: &str) {
    let mut transaction = match mem::replace(&mut session.state, State::Closed) {
        State::Transaction(transaction) => transaction,
        state => return session.misplaced(state),
    };
    transaction.tried = true;
    match read(arguments, &transaction, session.params.recipients) {
        Ok(path) => {
            let declared = transaction.declared;
            session.ask(Asked::Recipient(transaction), Ask::Recipient { path, declared });
        }
        Err(fault) => {
            session.state = State::Transaction(transaction);
            // A sender that goes on is told so for each recipient; that is no error of his (RFC 5321
            // §4.5.3.1.8, §4.5.3.1.10).
            if fault == Fault::TooManyRecipients {
                session.send(Reply::Fault(fault));
            } else {
                session.fault(fault);
            }
        }
    }
}

fn read(arguments: &str, transaction: &Transaction, most: usize) -> Result<ForwardPath, Fault> {
    let path = after_keyword(arguments, "TO:")?;
    let (path, rest) = ForwardPath::parse(path).map_err(|_| Fault::RecipientSyntax)?;
    // No extension of ours has a parameter here.
    if !parameters(rest)?.trim_matches(' ').is_empty() {
        return Err(Fault::Parameter);
    }
    // RFC 6531 §3.5.
    if !transaction.envelope.smtputf8 && path.address().is_some_and(|address| !address.is_ascii()) {
        return Err(Fault::NotAscii);
    }
    if transaction.envelope.recipients.len() >= most {
        return Err(Fault::TooManyRecipients);
    }
    Ok(path)
}
