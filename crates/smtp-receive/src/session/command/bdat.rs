use std::mem;

use crate::session::Session;
use crate::session::reply::{Fault, Reply};
use crate::session::state::{Asked, Chunk, Passing, State, Transaction};
use crate::session::step::{Ask, Step};

/// RFC 3030 §2, RFC 2033 §4.3. Whatever becomes of a chunk, exactly its octets are consumed. Of a BDAT whose size cannot be
/// read nobody knows where the next command begins: it ends the session.
pub(super) fn run(session: &mut Session, arguments: &str) {
    let Some(chunk) = read(arguments) else {
        session.fault(Fault::Arguments);
        return session.close();
    };
    match mem::replace(&mut session.state, State::Closed) {
        State::Transaction(transaction) if !transaction.envelope.recipients.is_empty() => {
            first(session, transaction, chunk);
        }
        State::Chunks(receiving) => {
            // What came already may differ a little from what stands for it: the octets are counted again.
            if receiving.came.saturating_add(chunk.size) > session.params.message_size {
                session.due.push_back(Step::Abandon);
                return session.fail_chunk(receiving.transaction, &chunk, Reply::Fault(Fault::TooBig));
            }
            session.begin_chunk(receiving, chunk);
        }
        state => {
            let reply = Reply::Fault(state.lack(session.params.dialect));
            session.pass(Passing { left: chunk.size, reply, times: 1, then: Box::new(state) });
        }
    }
}

fn first(session: &mut Session, transaction: Transaction, chunk: Chunk) {
    if chunk.size > session.params.message_size {
        return session.fail_chunk(transaction, &chunk, Reply::Fault(Fault::TooBig));
    }
    // A last chunk is all of the message; another one has at least its own octets, whatever was declared.
    let expected = if chunk.last { Some(chunk.size) } else { transaction.declared.max(Some(chunk.size)) };
    session.ask(Asked::Chunk(transaction, chunk), Ask::Begin { expected });
}

fn read(arguments: &str) -> Option<Chunk> {
    let (size, last) = match arguments.split_once(' ') {
        None => (arguments, false),
        Some((size, word)) => (size, word.trim_matches(' ').eq_ignore_ascii_case("LAST").then_some(true)?),
    };
    let digits = !size.is_empty() && size.bytes().all(|octet| octet.is_ascii_digit());
    let size = size.parse().ok().filter(|_| digits)?;
    Some(Chunk { size, left: size, last })
}

#[cfg(test)]
mod tests {
    use super::read;

    /// RFC 3030 §2.
    #[test]
    fn a_size_is_digits() {
        let chunk = |text| read(text).map(|chunk| (chunk.size, chunk.last));
        assert_eq!(chunk("0"), Some((0, false)));
        assert_eq!(chunk("12 last"), Some((12, true)));
        for text in ["", "x", "-1", "+1", "1 x", "1 LAST x", "LAST", "0x10", "99999999999999999999", "1,"] {
            assert_eq!(chunk(text), None, "{text}");
        }
    }
}
