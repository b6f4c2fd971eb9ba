mod argument;
mod capability;
mod command;
mod dot_writer;
mod habits;
mod line;
mod login;
mod maildrop;
mod params;
mod program;
mod response;
mod state;
mod step;
mod tally;
mod top;
mod transaction;

use std::sync::Arc;
use std::time::Instant;

use line::LineReader;
use response::{Fault, No, Responses};
use state::{Authorization, State};

pub use habits::Habits;
pub use params::{Params, Utf8Fallback};
pub use program::Program;
pub use step::{Answer, Ask, Credentials, DeleteError, End, Fetch, FetchError, LoginRefused, Peer, Step};
pub use tally::Tally;
pub(crate) use top::TopCutter;

/// One POP3 session (RFC 1939 §3): octets and answers in, responses and steps out.
///
/// Call [`Session::step`] until it wants something, do that, call it again.
pub struct Session {
    params: Arc<Params>,
    peer: Peer,
    state: State,
    lines: LineReader,
    started: Instant,
    /// Since when connections are scarce.
    scarce: Option<Instant>,
    /// When the last command came.
    commanded: Instant,
    /// When the session was last of use to somebody who collects mail.
    progressed: Instant,
    /// Lines that were no commands, in this state.
    faults: u32,
    /// Wrong passwords.
    failures: u32,
    tally: Tally,
    habits: Habits,
}

impl Session {
    /// Begins with a connection that was just made, or with implicit TLS just secured.
    pub fn new(params: Arc<Params>, peer: Peer, now: Instant) -> Self {
        Self {
            params,
            peer,
            state: State::Connected,
            lines: LineReader::default(),
            started: now,
            scarce: None,
            commanded: now,
            progressed: now,
            faults: 0,
            failures: 0,
            tally: Tally::default(),
            habits: Habits::default(),
        }
    }

    /// Goes on as far as it can. Takes whole lines from `input` and says how many octets they had; appends
    /// responses to `out`, at most [`Params::write_octets`] and the one that passes it.
    pub fn step(&mut self, input: &[u8], out: &mut Vec<u8>, now: Instant) -> (usize, Step) {
        let mut taken = 0;
        loop {
            if out.len() >= self.params.write_octets {
                return (taken, Step::Write);
            }
            // A state moves through here by value; what is left behind only shows if one panics.
            let state = std::mem::replace(&mut self.state, State::Closed(End::Misused));
            let (octets, state, step) = self.advance(state, &input[taken..], out, now);
            taken += octets;
            self.state = state;
            if let Some(step) = step {
                return (taken, step);
            }
        }
    }

    /// Takes the answer to the last [`Step::Ask`]. One that was not asked for ends the session.
    pub fn answer(&mut self, answer: Answer) {
        let state = std::mem::replace(&mut self.state, State::Closed(End::Misused));
        self.state = match (state, answer) {
            (State::LoginAsked(authorization, asked), Answer::Login(outcome)) => {
                self.login_answered(authorization, asked, outcome)
            }
            (State::FetchAsked(transaction, fetch), Answer::Fetch(outcome)) => {
                State::FetchAnswered(transaction, fetch, outcome)
            }
            (State::UpdateAsked, Answer::Delete(done)) => State::UpdateAnswered(done),
            _ => State::Closed(End::Misused),
        };
    }

    /// Takes the next octets of the message that [`Step::Content`] asks for, and says how many it took: it
    /// stops where `out` is long enough to be written, and at the end of what the client asked for.
    pub fn content(&mut self, octets: &[u8], out: &mut Vec<u8>) -> usize {
        let State::Sending(_, sending) = &mut self.state else { return 0 };
        // Stuffing makes at most half as much again.
        let room = self.params.write_octets.saturating_sub(out.len()).max(1);
        let left = usize::try_from(sending.fetch.octets - sending.read).unwrap_or(usize::MAX);
        let mut taken = octets.len().min(room).min(left);
        if let Some(top) = &mut sending.top {
            let (within, done) = top.take(&octets[..taken]);
            taken = within;
            sending.complete |= done;
        }
        sending.dots.write(&octets[..taken], out);
        sending.read += taken as u64;
        sending.complete |= sending.read == sending.fetch.octets;
        taken
    }

    /// Until when the driver waits for input at [`Step::NeedInput`]; then it calls [`Session::step`] again.
    pub fn deadline(&self) -> Instant {
        match &self.state {
            State::Transaction(_) => self.idle_deadline(),
            _ => self.login_deadline(),
        }
    }

    /// Connections are scarce, or are not any more: who has not logged in must be quick while they are.
    pub fn stress(&mut self, scarce: bool, now: Instant) {
        self.scarce = scarce.then(|| self.scarce.unwrap_or(now));
    }

    /// The handshake of [`Step::StartTls`] is done: everything said before is forgotten (RFC 2595 §4), only
    /// what was done wrong is not.
    pub fn secured(&mut self) {
        self.peer.tls = true;
        self.state = match std::mem::replace(&mut self.state, State::Closed(End::Misused)) {
            State::Securing => State::Authorization(Authorization::default()),
            _ => State::Closed(End::Misused),
        };
    }

    /// What it did so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// How the client goes about it.
    pub fn habits(&self) -> &Habits {
        &self.habits
    }

    fn advance(
        &mut self,
        state: State,
        input: &[u8],
        out: &mut Vec<u8>,
        now: Instant,
    ) -> (usize, State, Option<Step>) {
        let (state, ask) = state.ask(now);
        if let Some(ask) = ask {
            return (0, state, Some(Step::Ask(ask)));
        }
        let mut responses = Responses(out);
        match state {
            State::Connected => {
                responses.ok(format_args!("{} POP3 ready", self.params.hostname));
                (0, State::Authorization(Authorization::default()), None)
            }
            State::Authorization(authorization) => {
                let (octets, line) = self.line(input, self.params.command_octets);
                match line {
                    Some(line) => {
                        let last = octets == input.len();
                        (octets, self.before(authorization, line, last, responses), None)
                    }
                    None => self.wait(octets, State::Authorization(authorization), now),
                }
            }
            State::Exchange(authorization, exchange) => {
                let (octets, line) = self.line(input, self.params.sasl_octets);
                match line {
                    Some(line) => {
                        (octets, self.exchange(authorization, exchange, line, &mut responses), None)
                    }
                    None => self.wait(octets, State::Exchange(authorization, exchange), now),
                }
            }
            State::LoginAnswered(_, at, _) if now < at => (0, state, Some(Step::Pause(at))),
            State::LoginAnswered(authorization, _, Ok((opened, expire))) => {
                (0, self.logged_in(authorization.utf8, opened, expire, &mut responses, now), None)
            }
            State::LoginAnswered(authorization, _, Err(refused)) => {
                (0, self.not_logged_in(authorization, refused, &mut responses), None)
            }
            State::Transaction(transaction) => {
                let (octets, line) = self.line(input, self.params.command_octets);
                match line {
                    Some(line) => (octets, self.after(transaction, line, responses, now), None),
                    None => self.wait(octets, State::Transaction(transaction), now),
                }
            }
            State::Listing(transaction, kind, page) => {
                if transaction.maildrop.page(kind, page, responses.0) {
                    return (0, State::Listing(transaction, kind, page + 1), None);
                }
                responses.end();
                (0, State::Transaction(transaction), None)
            }
            State::FetchAnswered(transaction, fetch, Ok(())) => {
                (0, transaction::send(transaction, fetch, &mut responses), None)
            }
            State::FetchAnswered(transaction, _, Err(error)) => {
                responses.refuse(error.refusal());
                (0, State::Transaction(transaction), None)
            }
            State::Sending(transaction, sending) if sending.complete => {
                (0, self.sent(transaction, &sending, &mut responses, now), None)
            }
            State::UpdateAnswered(done) => (0, self.updated(done, &mut responses), None),
            State::Securing => (0, state, Some(Step::StartTls)),
            State::Sending(..) => (0, state, Some(Step::Content)),
            State::Closed(end) => (0, state, Some(Step::Close(end))),
            // Stepped on without the answer that it waits for.
            State::LoggingIn(..)
            | State::LoginAsked(..)
            | State::Fetching(..)
            | State::FetchAsked(..)
            | State::Updating(_)
            | State::UpdateAsked => (0, State::Closed(End::Misused), None),
        }
    }

    fn line<'i>(&mut self, input: &'i [u8], limit: usize) -> (usize, Option<Result<&'i [u8], Fault>>) {
        self.lines.next(input, limit, self.peer.bare_lf)
    }

    /// The client's turn, for as long as it may take.
    fn wait(&self, taken: usize, state: State, now: Instant) -> (usize, State, Option<Step>) {
        let deadline = match &state {
            State::Transaction(_) => self.idle_deadline(),
            _ => self.login_deadline(),
        };
        // RFC 1939 §3: no UPDATE state and no response.
        if now >= deadline {
            return (taken, State::Closed(End::TimedOut), None);
        }
        (taken, state, Some(Step::NeedInput))
    }

    fn login_deadline(&self) -> Instant {
        let patient = self.started + self.params.login_timeout;
        let hurried = |since| self.started.max(since) + self.params.stressed_login_timeout;
        self.scarce.map_or(patient, |since| patient.min(hurried(since)))
    }

    fn idle_deadline(&self) -> Instant {
        (self.commanded + self.params.idle_timeout).min(self.progressed + self.params.progress_timeout)
    }

    /// Answers what was no command or was not done, and counts the faults: true when there were too many.
    fn deny(&mut self, no: No, limit: u32, responses: &mut Responses<'_>) -> bool {
        match no {
            No::Refusal(refusal) => {
                responses.refuse(refusal);
                false
            }
            No::Fault(fault) => {
                responses.fault(fault);
                self.faults += 1;
                self.faults >= limit
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Shelf;
    use crate::listing::Opened;

    /// A session that has begun to send a message of seven octets.
    fn sending(write_octets: usize) -> Session {
        let params = Arc::new(Params { write_octets, ..Params::default() });
        let peer = Peer { tls: true, ..Peer::default() };
        let mut session = Session::new(params, peer, Instant::now());
        let mut out = Vec::new();
        let mut input = &b"USER alice\r\nPASS secret\r\nRETR 1\r\n"[..];
        loop {
            out.clear();
            let (taken, step) = session.step(input, &mut out, Instant::now());
            input = &input[taken..];
            match step {
                Step::Ask(Ask::Login(_)) => {
                    let opened = Opened::new(Arc::new(Shelf::numbered(1)));
                    session.answer(Answer::Login(Ok((opened, None))));
                }
                Step::Ask(Ask::Fetch(_)) => session.answer(Answer::Fetch(Ok(()))),
                Step::Content => return session,
                Step::Write => {}
                step => panic!("{step:?}"),
            }
        }
    }

    #[test]
    fn no_more_is_taken_than_the_message_has() {
        let (mut session, mut out) = (sending(1 << 16), Vec::new());
        assert_eq!(session.content(b"abc", &mut out), 3);
        assert_eq!(session.content(b"defg and what is not its own", &mut out), 4);
        assert_eq!(session.content(b"more", &mut out), 0);
        assert_eq!(out, b"abcdefg");
    }

    #[test]
    fn what_waits_to_be_written_is_bounded_and_something_is_always_taken() {
        let (mut session, mut out) = (sending(4), b"+OK".to_vec());
        assert_eq!(session.content(b"abcdefg", &mut out), 1);
        assert_eq!(session.content(b"bcdefg", &mut out), 1, "what is more than enough is never for ever");
        out.clear();
        assert_eq!(session.content(b"cdefg", &mut out), 4);
    }

    /// Plays `input` over two messages of seven and fourteen octets, with the clock at `now`.
    fn play(session: &mut Session, input: &[u8], now: Instant) -> Vec<u8> {
        play_over(2, session, input, now)
    }

    /// Plays `input` over `count` messages; only the first two can be had.
    fn play_over(count: usize, session: &mut Session, mut input: &[u8], now: Instant) -> Vec<u8> {
        const MESSAGES: [&[u8]; 2] = [b"AB: c\r\n", b"A: b\r\n\r\nbody\r\n"];
        let (mut all, mut rest) = (Vec::new(), &b""[..]);
        loop {
            let mut out = Vec::new();
            let (taken, step) = session.step(input, &mut out, now);
            input = &input[taken..];
            match step {
                Step::Ask(Ask::Login(_)) => {
                    let opened = Opened::new(Arc::new(Shelf::numbered(count)));
                    session.answer(Answer::Login(Ok((opened, None))));
                }
                Step::Ask(Ask::Fetch(fetch)) => {
                    rest = MESSAGES[fetch.index];
                    session.answer(Answer::Fetch(Ok(())));
                }
                Step::Ask(Ask::Delete(indexes)) => {
                    session.answer(Answer::Delete(Ok(indexes.len() as u64)));
                }
                Step::Content => rest = &rest[session.content(rest, &mut out)..],
                Step::Write => {}
                Step::NeedInput | Step::Close(End::Quit) => {
                    all.extend(out);
                    return all;
                }
                step => panic!("{step:?}"),
            }
            all.extend(out);
        }
    }

    fn begun(now: Instant) -> Session {
        Session::new(Arc::new(Params::default()), Peer { tls: true, ..Peer::default() }, now)
    }

    #[test]
    fn a_tally_says_what_was_sent_and_deleted() {
        let now = Instant::now();
        let mut session = begun(now);
        play(&mut session, b"USER alice\r\nPASS secret\r\n", now);
        let before = Tally { messages: 2, octets: 21, ..Tally::default() };
        assert_eq!(session.tally(), before);
        play(&mut session, b"RETR 1\r\nRETR 2\r\nTOP 2 0\r\nTOP 1 9\r\nDELE 1\r\n", now);
        let sent = Tally { retrs: 2, retr_octets: 21, tops: 2, top_octets: 15, marked: 1, ..before };
        assert_eq!(session.tally(), sent);
        play(&mut session, b"QUIT\r\n", now);
        assert_eq!(session.tally(), Tally { deleted: 1, ..sent });
    }

    /// RFC 1939 §5, §7.
    #[test]
    fn a_listing_of_many_pages_ends_once_and_has_all_of_them() {
        let now = Instant::now();
        let mut session = begun(now);
        let count = 2 * crate::listing::PAGE + 1;
        play_over(count, &mut session, b"USER alice\r\nPASS secret\r\n", now);
        for command in [&b"LIST\r\n"[..], b"UIDL\r\n"] {
            let listing = play(&mut session, command, now);
            let lines: Vec<&[u8]> = listing.split_inclusive(|octet| *octet == b'\n').collect();
            assert_eq!(lines.len(), 1 + count + 1);
            let numbered = |(at, line): (usize, &&[u8])| line.starts_with(format!("{} ", at + 1).as_bytes());
            assert!(lines[1..=count].iter().enumerate().all(numbered));
            assert_eq!(lines[count + 1], b".\r\n");
        }
    }

    /// RFC 1939 §3.
    #[test]
    fn only_who_has_not_logged_in_must_hurry_when_connections_are_scarce() {
        let start = Instant::now();
        let at = |seconds| start + std::time::Duration::from_secs(seconds);
        let mut session = begun(start);
        play(&mut session, b"USER alice\r\n", start);
        assert_eq!(session.deadline(), at(60));
        session.stress(true, at(20));
        session.stress(true, at(25));
        assert_eq!(session.deadline(), at(30), "from the moment on when they became so");
        session.stress(false, at(26));
        assert_eq!(session.deadline(), at(60));
        session.stress(true, at(55));
        assert_eq!(session.deadline(), at(60), "never more");
        play(&mut session, b"PASS secret\r\n", at(57));
        assert_eq!(session.deadline(), at(657));
        play(&mut session, b"NOOP\r\n", at(600));
        play(&mut session, b"NOOP\r\n", at(1_199));
        play(&mut session, b"NOOP\r\n", at(1_798));
        assert_eq!(session.deadline(), at(1_857), "NOOP is no progress");
        play(&mut session, b"STAT\r\n", at(1_800));
        assert_eq!(session.deadline(), at(2_400));
    }
}
