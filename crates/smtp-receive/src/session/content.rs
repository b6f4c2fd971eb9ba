use std::mem;

use super::dot_reader::{DotReader, Found};
use super::reply::{Fault, Reply};
use super::state::{Asked, Chunk, Passing, Receiving, State, Transaction};
use super::step::{Ask, Step};
use super::{Progress, Session};

/// The octets of messages: what follows DATA and BDAT. Their end is answered as soon as it can be (RFC 5321
/// §6.1), and what is refused there is gone (RFC 5321 §4.2.5). What stands behind it in the same packet is the
/// next command (RFC 2920 §3.1).
impl Session {
    pub(super) fn begin_data(&mut self, transaction: Transaction) {
        self.state = State::Data(Receiving::new(transaction, &self.params), DotReader::new());
        self.send(Reply::StartData);
    }

    pub(super) fn begin_chunk(&mut self, receiving: Receiving, chunk: Chunk) {
        self.state = State::Chunk(receiving, chunk);
    }

    /// A BDAT is refused: its octets are consumed and never obeyed (RFC 3030 §2), and the transaction is
    /// over. By LMTP the last one is answered for each recipient (RFC 2033 §4.3).
    pub(super) fn fail_chunk(&mut self, transaction: Transaction, chunk: &Chunk, reply: Reply) {
        let times = if chunk.last { self.replies(&transaction) } else { 1 };
        self.pass(Passing { left: chunk.left, reply, times, then: Box::new(State::Idle(transaction.hello)) });
    }

    /// Lets the octets of a refused BDAT go by, unless that would take for ever.
    pub(super) fn pass(&mut self, passing: Passing) {
        if passing.left > self.params.message_size.saturating_mul(2) {
            self.due.extend(vec![passing.reply; passing.times].into_iter().map(Step::Send));
            return self.close();
        }
        self.state = State::Passing(passing);
    }

    pub(super) fn data<'i>(&mut self, input: &'i [u8]) -> (usize, Progress<'i>) {
        let State::Data(receiving, dots) = &mut self.state else { return (0, Progress::Again) };
        if receiving.clear > 0 {
            return self.content(input);
        }
        match dots.read(input) {
            Found::TooLittle => (0, Progress::Starved),
            Found::Text(octets) => {
                receiving.clear = octets as u64;
                self.content(input)
            }
            Found::StuffedDot => {
                receiving.came += 1;
                self.clock.received(1);
                (1, Progress::Again)
            }
            Found::End => (3, self.finish()),
        }
    }

    pub(super) fn chunk<'i>(&mut self, input: &'i [u8]) -> (usize, Progress<'i>) {
        let State::Chunk(receiving, chunk) = &mut self.state else { return (0, Progress::Again) };
        if chunk.left > 0 {
            receiving.clear = chunk.left;
            let (octets, progress) = self.content(input);
            if let State::Chunk(_, chunk) = &mut self.state {
                chunk.left -= octets as u64;
            }
            return (octets, progress);
        }
        if chunk.last {
            return (0, self.finish());
        }
        let size = chunk.size;
        match mem::replace(&mut self.state, State::Closed) {
            State::Chunk(receiving, _) => match receiving.verdict(&self.params) {
                None => {
                    self.state = State::Chunks(receiving);
                    self.send(Reply::Chunk(size));
                }
                Some(fault) => {
                    self.state = State::Idle(receiving.transaction.hello);
                    self.send(Reply::Fault(fault));
                }
            },
            state => self.state = state,
        }
        (0, Progress::Again)
    }

    pub(super) fn passing<'i>(&mut self, input: &[u8]) -> (usize, Progress<'i>) {
        let State::Passing(passing) = &mut self.state else { return (0, Progress::Again) };
        if passing.left > 0 {
            let octets = within(input, passing.left).len();
            passing.left -= octets as u64;
            self.clock.received(octets);
            return (octets, if octets == 0 { Progress::Starved } else { Progress::Again });
        }
        if let State::Passing(passing) = mem::replace(&mut self.state, State::Closed) {
            self.state = *passing.then;
            match passing.reply {
                Reply::Fault(fault) if passing.times == 1 => self.fault(fault),
                reply => self.due.extend(vec![reply; passing.times].into_iter().map(Step::Send)),
            }
        }
        (0, Progress::Again)
    }

    /// Takes some of the octets that are known to be the message's.
    fn content<'i>(&mut self, input: &'i [u8]) -> (usize, Progress<'i>) {
        let (State::Data(receiving, _) | State::Chunk(receiving, _)) = &mut self.state else {
            return (0, Progress::Again);
        };
        let octets = within(input, receiving.clear);
        if octets.is_empty() {
            return (0, Progress::Starved);
        }
        let before = receiving.fault;
        let (taken, text) = receiving.take(octets, &self.params);
        self.clock.received(taken);
        if before.is_none() && receiving.fault.is_some() {
            self.due.push_back(Step::Abandon);
        }
        if receiving.came > self.params.message_size.saturating_mul(2) {
            return (taken, self.drown());
        }
        (taken, if text.is_empty() { Progress::Again } else { Progress::Step(Step::Content(text)) })
    }

    /// The peer does not stop sending: it is told why it need not, and left.
    fn drown<'i>(&mut self) -> Progress<'i> {
        if let State::Data(receiving, _) | State::Chunk(receiving, _) =
            mem::replace(&mut self.state, State::Closed)
        {
            let times = self.replies(&receiving.transaction);
            let reply = Reply::Fault(receiving.verdict(&self.params).unwrap_or(Fault::TooBig));
            self.due.extend(vec![reply; times].into_iter().map(Step::Send));
        }
        Progress::Again
    }

    /// The end of data.
    fn finish<'i>(&mut self) -> Progress<'i> {
        self.clock.served();
        let mut receiving = match mem::replace(&mut self.state, State::Closed) {
            State::Data(receiving, _) | State::Chunk(receiving, _) => receiving,
            state => {
                self.state = state;
                return Progress::Again;
            }
        };
        let before = receiving.fault;
        let rest = receiving.finish(&self.params);
        let verdict = receiving.verdict(&self.params);
        let replies = self.replies(&receiving.transaction);
        let transaction = receiving.transaction;
        if let Some(fault) = verdict {
            if before.is_none() {
                self.due.push_back(Step::Abandon);
            }
            self.state = State::Idle(transaction.hello);
            self.report(replies, Reply::Fault(fault), Vec::new());
            return Progress::Again;
        }
        if !rest.is_empty() {
            self.due.push_back(Step::Content(rest));
        }
        let ask = Ask::Finish { envelope: transaction.envelope, octets: receiving.octets };
        self.ask(Asked::Finish(transaction.hello, replies), ask);
        Progress::Again
    }
}

/// The part of the input that lies within the next `octets`.
fn within(input: &[u8], octets: u64) -> &[u8] {
    usize::try_from(octets).ok().and_then(|octets| input.get(..octets)).unwrap_or(input)
}
