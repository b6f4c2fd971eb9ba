//! The way through the TRANSACTION and UPDATE states (RFC 1939 §5, §6).

use std::time::Instant;

use super::Session;
use super::command::{self, After, Context};
use super::dot_writer::DotWriter;
use super::response::{Fault, No, Responses};
use super::state::{Sending, State, Transaction};
use super::step::{DeleteError, End, Fetch};
use super::top::TopCutter;

impl Session {
    pub(super) fn after(
        &mut self,
        mut transaction: Transaction,
        line: Result<&[u8], Fault>,
        responses: Responses<'_>,
        now: Instant,
    ) -> State {
        self.commanded = now;
        if let Ok(line) = line {
            self.habits.after(line);
        }
        let mut context = Context { params: &self.params, peer: &self.peer, responses, last: false };
        let outcome = line
            .map_err(No::Fault)
            .and_then(|line| command::transaction(&mut transaction, line, &mut context));
        let mut responses = context.responses;
        self.tally.marked = transaction.maildrop.marked();
        match outcome {
            Ok(After::Stay { progress }) => {
                if progress {
                    self.progressed = now;
                }
                State::Transaction(transaction)
            }
            Ok(After::List(kind)) => {
                self.progressed = now;
                State::Listing(transaction, kind, 0)
            }
            Ok(After::Fetch(fetch)) => State::Fetching(transaction, fetch),
            // Nothing to make durable: a poll costs no write.
            Ok(After::Update) if transaction.maildrop.marked() == 0 => State::UpdateAnswered(Ok(0)),
            Ok(After::Update) => State::Updating(transaction),
            Err(no) if self.deny(no, self.params.faults_after_login, &mut responses) => {
                State::Closed(End::Faults)
            }
            Err(_) => State::Transaction(transaction),
        }
    }

    pub(super) fn sent(
        &mut self,
        transaction: Transaction,
        sending: &Sending,
        responses: &mut Responses<'_>,
        now: Instant,
    ) -> State {
        sending.dots.finish(responses.0);
        // A long message has taken its time: what counts is when its end went out.
        (self.commanded, self.progressed) = (now, now);
        match sending.fetch.lines {
            None => {
                self.tally.retrs += 1;
                self.tally.retr_octets += sending.read;
            }
            Some(_) => {
                self.tally.tops += 1;
                self.tally.top_octets += sending.read;
            }
        }
        State::Transaction(transaction)
    }

    pub(super) fn updated(&mut self, done: Result<u64, DeleteError>, responses: &mut Responses<'_>) -> State {
        match done {
            Ok(deleted) => {
                self.tally.deleted = deleted;
                responses.ok(format_args!("bye"));
                State::Closed(End::Quit)
            }
            Err(error) => {
                responses.refuse(error.refusal());
                State::Closed(End::NotDeleted)
            }
        }
    }
}

/// Begins the response of RETR or TOP.
pub(super) fn send(transaction: Transaction, fetch: Fetch, responses: &mut Responses<'_>) -> State {
    match fetch.lines {
        None => responses.ok(format_args!("{} octets", fetch.octets)),
        Some(_) => responses.ok(format_args!("top follows")),
    }
    let sending = Sending {
        fetch,
        dots: DotWriter::default(),
        top: fetch.lines.map(TopCutter::new),
        read: 0,
        complete: fetch.octets == 0,
    };
    State::Sending(transaction, sending)
}
