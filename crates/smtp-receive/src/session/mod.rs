//! One SMTP or LMTP session without a socket, a clock or a store: octets and answers go in, steps come out.
//! What it decides is the protocol; what it cannot know it asks.

mod clock;
mod command;
mod content;
mod dot_reader;
mod extension;
mod hops;
mod line;
pub(crate) mod params;
pub(crate) mod reply;
mod state;
pub(crate) mod step;
pub(crate) mod text_reader;

use std::collections::VecDeque;
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use mail::{Envelope, TlsFacts};

use clock::Clock;
use line::{Line, LineReader};
use params::{Dialect, Params, Probes, Stress};
use reply::{Ending, Fault, Refusal, Reply};
use state::{Asked, Hello, Receiving, State, Transaction};
use step::{Answer, Ask, Step};

/// One session. The driver calls [`Session::step`] again and again with all the input it has not consumed.
/// Each command has one reply, in its turn (RFC 5321 §4.2, RFC 2920 §3.2).
#[derive(Debug)]
pub struct Session {
    params: Arc<Params>,
    peer: Option<IpAddr>,
    tls: Option<TlsFacts>,
    state: State,
    lines: LineReader,
    clock: Clock,
    counts: Counts,
    /// Connections are scarce: what is borne then.
    stress: Option<Stress>,
    probes: Probes,
    /// Steps that are decided and not yet taken.
    due: VecDeque<Step<'static>>,
}

/// What a session has done so far, against its limits.
#[derive(Debug, Default)]
struct Counts {
    errors: u32,
    unknown_commands: u32,
    junk: u32,
    unknown_recipients: u32,
    mails: u32,
}

/// What became of one look at the input.
enum Progress<'i> {
    /// A step for the driver.
    Step(Step<'i>),
    /// Look again.
    Again,
    /// The input does not suffice.
    Starved,
}

impl Session {
    /// A session that has just been connected from `peer`; without an address it is on this machine.
    pub fn new(params: Arc<Params>, peer: Option<IpAddr>, now: Instant) -> Self {
        let clock = Clock::new(params.patience, now);
        Self {
            params,
            peer,
            tls: None,
            state: State::Connected,
            lines: LineReader::default(),
            clock,
            counts: Counts::default(),
            stress: None,
            probes: Probes::Borne,
            due: VecDeque::new(),
        }
    }

    /// The next step, and how many octets at the start of the input are done with. An `Ask` must be
    /// answered, and a `StartTls` done, before the step after it.
    pub fn step<'i>(&mut self, input: &'i [u8], now: Instant) -> (usize, Step<'i>) {
        let mut taken = 0;
        loop {
            if let Some(step) = self.due.pop_front() {
                // What was sent behind STARTTLS was not protected (RFC 3207 §4, §4.2).
                return (if step == Step::StartTls { input.len() } else { taken }, step);
            }
            let (octets, progress) = self.advance(&input[taken..], now);
            taken += octets;
            match progress {
                Progress::Step(step) => return (taken, step),
                Progress::Again => {}
                Progress::Starved => match self.wait(now) {
                    Some(ending) => self.end(ending),
                    None => return (taken, Step::NeedInput),
                },
            }
        }
    }

    /// Answers the [`Ask`] that was the last step.
    pub fn answer(&mut self, answer: Answer) {
        match mem::replace(&mut self.state, State::Closed) {
            State::Asked(asked) => self.resolve(asked, answer),
            state => self.state = state,
        }
    }

    /// When [`Step::NeedInput`] stops waiting: step again then, whatever has come.
    pub fn deadline(&self) -> Instant {
        self.clock.deadline(self.waits_for())
    }

    /// TLS is on: all that was said before is forgotten (RFC 3207 §4.2).
    pub fn secured(&mut self, tls: TlsFacts) {
        if matches!(self.state, State::Securing) {
            self.tls = Some(tls);
            self.state = State::Ungreeted;
        }
    }

    /// Connections are scarce, or are not any more: what [`Params::stress`] says holds or does not.
    pub fn stress(&mut self, scarce: bool, now: Instant) {
        self.stress = self.params.stress.filter(|_| scarce);
        self.clock.hurry(self.stress.map(|stress| stress.command), now);
    }

    /// What becomes of the peer if it asks for one more address that is not there, the one asked for now
    /// included.
    pub fn probed(&mut self, probes: Probes) {
        self.probes = probes;
    }

    /// The service stops: a message or a chunk whose octets are coming is finished, as long as
    /// [`params::Patience::drain`] allows, and whoever would wait for another command is told 421, between
    /// two BDAT too: nothing of that message has been promised yet.
    pub fn stop(&mut self, now: Instant) {
        self.clock.stop(now);
    }

    /// [`Session::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.clock.is_stopping()
    }

    /// The envelope as far as it has come, inside a transaction.
    pub fn envelope(&self) -> Option<&Envelope> {
        let transaction = match &self.state {
            State::Transaction(transaction)
            | State::Asked(Asked::Sender(transaction) | Asked::Recipient(transaction))
            | State::Asked(Asked::Data(transaction) | Asked::Chunk(transaction, _)) => transaction,
            State::Data(receiving, _) | State::Chunks(receiving) | State::Chunk(receiving, _) => {
                &receiving.transaction
            }
            State::Connected
            | State::Welcome
            | State::TurnedAway
            | State::Ungreeted
            | State::Idle(_)
            | State::Passing(_)
            | State::Securing
            | State::Asked(Asked::Connected | Asked::Finish(..))
            | State::Closed => return None,
        };
        Some(&transaction.envelope)
    }

    /// What it was told at the start.
    pub fn params(&self) -> &Arc<Params> {
        &self.params
    }

    fn advance<'i>(&mut self, input: &'i [u8], now: Instant) -> (usize, Progress<'i>) {
        match self.state {
            State::Connected => {
                self.ask(Asked::Connected, Ask::Connected);
                (0, Progress::Again)
            }
            State::Welcome => (0, self.greet(input, now)),
            State::TurnedAway
            | State::Ungreeted
            | State::Idle(_)
            | State::Transaction(_)
            | State::Chunks(_) => self.command(input),
            State::Data(..) => self.data(input),
            State::Chunk(..) => self.chunk(input),
            State::Passing(_) => self.passing(input),
            State::Asked(_) | State::Securing => (0, Progress::Step(Step::NeedInput)),
            State::Closed => (0, Progress::Step(Step::Close)),
        }
    }

    fn greet<'i>(&mut self, input: &[u8], now: Instant) -> Progress<'i> {
        if self.clock.is_silent(now) {
            if input.is_empty() {
                return Progress::Starved;
            }
            // RFC 5321 §3.1 would wait for QUIT: here is nobody to wait for.
            self.end(Ending::EarlyTalker);
            return Progress::Again;
        }
        self.state = State::Ungreeted;
        Progress::Step(Step::Send(Reply::Greeting))
    }

    fn command<'i>(&mut self, input: &'i [u8]) -> (usize, Progress<'i>) {
        let (octets, line) = self.lines.read(input, self.params.command_line, self.params.bare_newline);
        match line {
            Line::TooLittle => return (octets, Progress::Starved),
            Line::Command(text) if matches!(self.state, State::TurnedAway) => {
                command::turned_away(self, text);
            }
            Line::Command(text) => command::run(self, text),
            Line::Bad(fault) => self.fault(fault),
            Line::BadChunk(fault) => {
                self.fault(fault);
                self.close();
            }
            Line::Endless => self.end(Ending::TooManyErrors),
        }
        self.clock.served();
        (octets, Progress::Again)
    }

    fn resolve(&mut self, asked: Asked, answer: Answer) {
        match (asked, answer) {
            (Asked::Connected, Answer::Proceed) => self.state = State::Welcome,
            (Asked::Sender(transaction), Answer::Proceed) => {
                self.counts.mails += 1;
                self.state = State::Transaction(transaction);
                self.send(Reply::Sender);
            }
            (Asked::Recipient(mut transaction), Answer::Recipient(recipient)) => {
                transaction.envelope.recipients.push(recipient);
                self.state = State::Transaction(transaction);
                self.send(Reply::Recipient);
            }
            (Asked::Data(transaction), Answer::Proceed) => self.begin_data(transaction),
            (Asked::Chunk(transaction, chunk), Answer::Proceed) => {
                self.begin_chunk(Receiving::new(transaction, &self.params), chunk);
            }
            (Asked::Finish(hello, recipients), Answer::Queued { id, refused }) => {
                self.state = State::Idle(hello);
                self.counts.junk = 0;
                self.report(recipients, Reply::Queued(id), refused);
            }
            (Asked::Finish(hello, recipients), Answer::RefusedEach(refused)) => {
                self.state = State::Idle(hello);
                let first = refused.first().cloned().unwrap_or(Refusal::Unavailable);
                self.report(recipients, Reply::Refused(first), refused.into_iter().enumerate().collect());
            }
            (asked, Answer::Refused(refusal)) => self.refused(asked, refusal),
            // A driver that answers another question than was asked has decided nothing.
            (
                asked,
                Answer::Proceed | Answer::Recipient(_) | Answer::Queued { .. } | Answer::RefusedEach(_),
            ) => {
                self.refused(asked, Refusal::Unavailable);
            }
        }
    }

    fn refused(&mut self, asked: Asked, refusal: Refusal) {
        match asked {
            Asked::Connected => self.turn_away(refusal),
            Asked::Sender(transaction) => {
                self.state = State::Idle(transaction.hello);
                self.send(Reply::Refused(refusal));
            }
            Asked::Recipient(transaction) => {
                self.state = State::Transaction(transaction);
                self.refuse_recipient(refusal);
            }
            Asked::Data(transaction) => {
                self.state = State::Transaction(transaction);
                self.send(Reply::Refused(refusal));
            }
            Asked::Chunk(transaction, chunk) => self.fail_chunk(transaction, &chunk, Reply::Refused(refusal)),
            Asked::Finish(hello, recipients) => {
                self.state = State::Idle(hello);
                self.report(recipients, Reply::Refused(refusal), Vec::new());
            }
        }
    }

    /// There is no service for this peer, now or ever. Told the latter, it has the last word (RFC 5321 §3.1).
    fn turn_away(&mut self, refusal: Refusal) {
        let reply = Reply::TurnedAway(refusal);
        self.state = if reply.code() < 500 { State::Closed } else { State::TurnedAway };
        self.send(reply);
    }

    fn refuse_recipient(&mut self, refusal: Refusal) {
        let limits = self.params.errors;
        if refusal.is_probe() {
            self.counts.unknown_recipients += 1;
            let slow = self.probes != Probes::Borne;
            if slow || self.counts.unknown_recipients > limits.unknown_recipients_soft {
                self.due.push_back(Step::Pause(limits.delay));
            }
            let ended = self.probes == Probes::Ended;
            if ended || self.counts.unknown_recipients >= limits.unknown_recipients {
                return self.end(Ending::TooManyUnknownRecipients);
            }
        }
        self.send(Reply::Refused(refusal));
    }

    /// Says at the end of data what became of the message: once (RFC 5321 §4.1.1.4), and by LMTP to each
    /// recipient (RFC 2033 §4.2).
    fn report(&mut self, recipients: usize, reply: Reply, refused: Vec<(usize, Refusal)>) {
        if self.params.dialect == Dialect::Smtp {
            return self.send(reply);
        }
        let mut replies = vec![reply; recipients];
        for (place, refusal) in refused {
            if let Some(reply) = replies.get_mut(place) {
                *reply = Reply::Refused(refusal);
            }
        }
        self.due.extend(replies.into_iter().map(Step::Send));
    }

    /// How many replies the end of data has.
    fn replies(&self, transaction: &Transaction) -> usize {
        match self.params.dialect {
            Dialect::Smtp => 1,
            Dialect::Lmtp => transaction.envelope.recipients.len(),
        }
    }

    fn send(&mut self, reply: Reply) {
        self.due.push_back(Step::Send(reply));
    }

    fn ask(&mut self, asked: Asked, ask: Ask) {
        self.state = State::Asked(asked);
        self.due.push_back(Step::Ask(ask));
    }

    /// Tells the peer what it did wrong; too often is too often.
    fn fault(&mut self, fault: Fault) {
        if self.bear() {
            self.send(Reply::Fault(fault));
        }
    }

    /// Counts an error; false when the session has ended over it, against RFC 5321 §3.8 and by RFC 5321 §7.8.
    fn bear(&mut self) -> bool {
        let limits = self.params.errors;
        self.counts.errors = self.counts.errors.saturating_add(1);
        if self.stress.is_some_and(|stress| self.counts.errors >= stress.errors) {
            self.end(Ending::TooManyErrors);
            return false;
        }
        if self.counts.errors > limits.soft {
            self.due.push_back(Step::Pause(limits.delay));
        }
        if self.counts.errors >= limits.hard {
            self.end(Ending::TooManyErrors);
            return false;
        }
        true
    }

    fn end(&mut self, ending: Ending) {
        self.send(Reply::Ended(ending));
        self.close();
    }

    fn close(&mut self) {
        self.state = State::Closed;
    }

    /// Forgets the transaction, if there is one: the state after RSET.
    fn reset(&mut self) {
        self.state = match mem::replace(&mut self.state, State::Closed) {
            State::Transaction(transaction) => State::Idle(transaction.hello),
            State::Chunks(receiving) => {
                self.due.push_back(Step::Abandon);
                State::Idle(receiving.transaction.hello)
            }
            state => state,
        };
    }

    /// Begins or goes on waiting; why it must not.
    fn wait(&mut self, now: Instant) -> Option<Ending> {
        let waits_for = self.waits_for();
        self.clock.wait(waits_for, now)
    }

    fn waits_for(&self) -> clock::WaitsFor {
        match &self.state {
            State::Connected | State::Welcome => clock::WaitsFor::Greeting,
            State::TurnedAway => clock::WaitsFor::Farewell,
            State::Data(..) | State::Chunk(..) | State::Passing(_) => clock::WaitsFor::Content,
            State::Ungreeted
            | State::Idle(_)
            | State::Transaction(_)
            | State::Chunks(_)
            | State::Asked(_)
            | State::Securing
            | State::Closed => clock::WaitsFor::Command,
        }
    }
}

/// Whether a peer that greets calls itself something that can stand in a Received field.
fn is_name(text: &str) -> bool {
    let literal = text.starts_with('[') && text.ends_with(']');
    let inner = if literal { &text[1..text.len() - 1] } else { text };
    // Against the letter there is little that is not in use; what has a meaning in a header field is not.
    let plain = |c: char| c.is_alphanumeric() || (c.is_ascii_graphic() && !"()<>[]\\\";,".contains(c));
    !inner.is_empty() && text.len() <= 255 && inner.chars().all(plain)
}

impl Hello {
    fn new(protocol: mail::Protocol, name: &str) -> Self {
        Self { protocol, name: name.into() }
    }
}
