//! The loop between a connection, the session, the directory, the policy and the store: the only part with
//! a socket and a clock.

mod journal;
mod message;
mod receiving;
mod recipient;
mod service;

use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::task::Poll;

use mail::TlsFacts;
use net::{Conn, ConnError, Permit};
use queue::{Store, StoreError};
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::policy::{Policy, SessionPolicy};
use crate::session::Session;
use crate::session::reply::{Ending, Refusal, Reply};
use crate::session::step::{Answer, Ask, Step};
use journal::Journal;
use message::Message;
use receiving::Claim;

pub use receiving::Receiving;
pub use service::{Service, Smtp};

/// Replies wait for each other up to so many octets.
const COALESCE: usize = 16 << 10;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// The peer said QUIT.
    Quit,
    /// The session ended it.
    Ended(Ending),
    /// The session closed after a fault that leaves no other way.
    Fault,
    /// There was no service for it.
    TurnedAway,
    /// The peer closed, or the connection broke.
    Disconnected,
    /// The peer did not take what we sent.
    WriteTimeout,
    /// The handshake failed.
    Handshake,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quit => "quit",
            Self::Ended(ending) => ending.text(),
            Self::Fault => "protocol fault",
            Self::TurnedAway => "turned away",
            Self::Disconnected => "disconnected",
            Self::WriteTimeout => "peer does not read",
            Self::Handshake => "TLS handshake failed",
        })
    }
}

impl From<ConnError> for Reason {
    fn from(error: ConnError) -> Self {
        match error {
            ConnError::Timeout => Self::WriteTimeout,
            ConnError::Io(_) => Self::Disconnected,
        }
    }
}

/// Serves one connection to its end. Once `stop` is cancelled the message that is coming in is finished and
/// answered, and the peer is told 421.
pub async fn serve<S: Store, P: Policy>(
    conn: Conn,
    permit: &Permit,
    service: &Service<S, P>,
    stop: &CancellationToken,
) {
    let params = service.params(conn.peer());
    let journal = Journal::new(conn.peer(), params.dialect, service.journeys.clone());
    let session = Session::new(params, conn.peer().ip(), Instant::now().into_std());
    let policy = service.policy.session(conn.peer());
    let scarce = permit.gate().stress();
    let (message, claim, promised) = (None, None, false);
    let mut intake =
        Intake { service, permit, stop, scarce, session, policy, message, claim, promised, journal };
    let reason = intake.run(conn).await;
    if let Some(message) = intake.message.take() {
        message.cut_off(&mut intake.journal, reason);
    }
    intake.journal.ended(reason);
}

/// One connection's business beside its session.
struct Intake<'s, S: Store, P: Policy> {
    service: &'s Service<S, P>,
    permit: &'s Permit,
    stop: &'s CancellationToken,
    /// Whether connections are scarce.
    scarce: watch::Receiver<bool>,
    session: Session,
    policy: P::Session,
    /// Boxed: a connection that waits has none.
    message: Option<Box<Message<S, P>>>,
    /// What the transaction may bring to its mailboxes, from its first recipient on.
    claim: Option<Claim>,
    /// The 250 for a message waits to be written.
    promised: bool,
    journal: Journal,
}

/// What happens once in a connection's life, or with a message alone, is boxed: thousands of connections wait, and each
/// holds room for the longest that it could be at.
impl<S: Store, P: Policy> Intake<'_, S, P> {
    async fn run(&mut self, mut conn: Conn) -> Reason {
        let mut last = Reason::Fault;
        let mut now = Instant::now();
        loop {
            let (taken, step) = self.session.step(conn.input(), now.into_std());
            // What is only put down takes no time.
            let is_brief = matches!(step, Step::Send(_) | Step::Abandon);
            if self.session.envelope().is_none() && !matches!(step, Step::Ask(Ask::Finish { .. })) {
                self.claim = None;
            }
            let done = match step {
                Step::Content(octets) => {
                    if let Some(message) = &mut self.message {
                        message.content(octets).await;
                        let came = message.octets();
                        self.claim.iter_mut().for_each(|claim| claim.came(came));
                    }
                    conn.consume(taken);
                    Ok(())
                }
                Step::Send(reply) => {
                    conn.consume(taken);
                    last = reason(&reply).unwrap_or(last);
                    self.send(&mut conn, &reply).await
                }
                Step::NeedInput => {
                    conn.consume(taken);
                    self.fill(&mut conn).await
                }
                Step::Ask(ask) => {
                    conn.consume(taken);
                    self.ask(&mut conn, ask).await
                }
                Step::Pause(time) => {
                    conn.consume(taken);
                    let flushed = self.flush(&mut conn).await;
                    sleep(time).await;
                    flushed
                }
                Step::Abandon => {
                    conn.consume(taken);
                    self.abandon();
                    Ok(())
                }
                Step::StartTls => {
                    conn.consume(taken);
                    match Box::pin(self.start_tls(conn)).await {
                        Ok(secured) => conn = secured,
                        Err(reason) => return reason,
                    }
                    Ok(())
                }
                Step::Close => {
                    conn.consume(taken);
                    Box::pin(self.close(conn, last)).await;
                    return last;
                }
            };
            if let Err(reason) = done {
                return reason;
            }
            if !is_brief || conn.queued() == 0 {
                now = Instant::now();
            }
        }
    }

    async fn send(&mut self, conn: &mut Conn, reply: &Reply) -> Result<(), Reason> {
        reply.write(self.session.params(), conn.parts().1);
        self.journal.replied(reply);
        self.promised |= matches!(reply, Reply::Queued(_));
        if conn.queued() > COALESCE { self.flush(conn).await } else { Ok(()) }
    }

    async fn flush(&mut self, conn: &mut Conn) -> Result<(), Reason> {
        self.promised = false;
        Ok(conn.flush(self.session.params().patience.write).await?)
    }

    /// Decides, and lets nobody wait meanwhile for the 250 of an earlier message: a peer that is cut off before
    /// it hears that would send the message again (RFC 5321 §6.1). Decided at once, the answers leave together.
    async fn ask(&mut self, conn: &mut Conn, ask: Ask) -> Result<(), Reason> {
        let (promised, write) = (mem::take(&mut self.promised), self.session.params().patience.write);
        let (answer, told) = {
            let mut decision = pin!(self.decide(ask));
            match poll_fn(|context| Poll::Ready(decision.as_mut().poll(context))).await {
                Poll::Ready(answer) => (answer, Ok(promised)),
                Poll::Pending => {
                    let told = if promised { conn.flush(write).await } else { Ok(()) };
                    // What was begun has its end, and its line in the log.
                    (decision.await, told.map(|()| false))
                }
            }
        };
        self.session.answer(answer);
        self.promised = told?;
        Ok(())
    }

    /// Waits for input until the session's deadline, or until we stop: both are the session's to judge. The
    /// deadline is another while connections are scarce.
    async fn fill(&mut self, conn: &mut Conn) -> Result<(), Reason> {
        self.flush(conn).await?;
        loop {
            let scarce = *self.scarce.borrow_and_update();
            self.session.stress(scarce, Instant::now().into_std());
            let deadline = Instant::from_std(self.session.deadline());
            let filled = select! {
                biased;
                () = self.stop.cancelled(), if !self.session.is_stopping() => {
                    self.session.stop(Instant::now().into_std());
                    return Ok(());
                }
                Ok(()) = self.scarce.changed() => continue,
                filled = conn.fill(deadline) => filled,
            };
            return match filled {
                Ok(0) | Err(ConnError::Io(_)) => Err(Reason::Disconnected),
                Ok(_) | Err(ConnError::Timeout) => Ok(()),
            };
        }
    }

    async fn decide(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Connected => match self.policy.connected().await {
                Ok(()) => Answer::Proceed,
                Err(refusal) => {
                    let refusal = Refusal::Policy(refusal);
                    self.journal.turned_away(&refusal);
                    Answer::Refused(refusal)
                }
            },
            Ask::Sender { reverse_path, declared } => match self.sender(declared).await {
                Ok(()) => Answer::Proceed,
                Err(refusal) => {
                    self.journal.sender_refused(&reverse_path, &refusal);
                    Answer::Refused(refusal)
                }
            },
            Ask::Recipient { path, declared } => self.recipient(path, declared).await,
            Ask::Begin { expected } => self.begin(expected),
            Ask::Finish { envelope, octets } => {
                let answer = Box::pin(self.finish(envelope, octets)).await;
                // Now the store counts it, or nobody does.
                self.claim = None;
                answer
            }
        }
    }

    async fn sender(&mut self, declared: Option<u64>) -> Result<(), Refusal> {
        let admitted = self.service.store.admit(declared.unwrap_or(0));
        admitted.map_err(|error| self.store_refuses("admit", &error))?;
        let Some(envelope) = self.session.envelope() else { return Err(Refusal::Unavailable) };
        self.policy.sender(envelope).await.map_err(Refusal::Policy)
    }

    /// Our failure in the words of a reply; the log is told more.
    fn store_refuses(&self, what: &str, error: &StoreError) -> Refusal {
        self.journal.store_failed(what, error);
        message::refusal(error)
    }

    async fn start_tls(&mut self, mut conn: Conn) -> Result<Conn, Reason> {
        let Some(tls) = &self.service.tls else { return Err(Reason::Handshake) };
        self.flush(&mut conn).await?;
        let limit = self.session.params().patience.tls_handshake;
        let (conn, info) = conn.start_tls(tls, limit).await.map_err(|error| {
            self.journal.handshake_failed(&error);
            Reason::Handshake
        })?;
        self.journal.secured(info.version);
        self.session.secured(TlsFacts { version: info.version.into(), cipher: info.cipher });
        Ok(conn)
    }

    async fn close(&mut self, mut conn: Conn, reason: Reason) {
        let write = self.session.params().patience.write;
        if !conn.input().is_empty() || reason != Reason::Quit {
            conn.linger(write).await;
        }
        conn.close(write).await;
    }
}

/// What a last reply says about the end of a session.
fn reason(reply: &Reply) -> Option<Reason> {
    match reply {
        Reply::Goodbye => Some(Reason::Quit),
        Reply::Ended(ending) => Some(Reason::Ended(*ending)),
        Reply::TurnedAway(_) => Some(Reason::TurnedAway),
        Reply::Greeting
        | Reply::Helo
        | Reply::Extensions { .. }
        | Reply::Sender
        | Reply::Recipient
        | Reply::StartData
        | Reply::Chunk(_)
        | Reply::Queued(_)
        | Reply::Ok
        | Reply::CannotVerify
        | Reply::Help
        | Reply::ReadyForTls
        | Reply::Fault(_)
        | Reply::Refused(_) => None,
    }
}
