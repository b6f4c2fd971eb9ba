//! The loop between a connection, the session, the directory and the store: the only part with a socket
//! and a clock.

mod fetched;
mod journal;
mod login;
mod message;
mod offered;
mod opening;
mod overlong;
mod poison;
mod receipts;
mod registry;
mod robots;
mod service;
mod sessions;
mod slots;
mod strangers;
mod turnstile;
mod update;

use std::collections::BTreeSet;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use net::{Conn, ConnError, Permit, Tls};
use queue::{Store, StoreError};
use tokio::select;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::session::{Answer, Ask, End, Fetch, FetchError, Peer, Program, Session, Step};
use journal::Journal;
use login::Account;
use message::Reading;
use receipts::Receipts;
use robots::Hold;

pub use login::whole_days;
pub use registry::Registry;
pub use service::{Access, Pop3, Service};
pub use sessions::Present;

/// Why a connection ended.
#[derive(Debug)]
enum Reason {
    /// The session said so.
    Session(End),
    /// The client closed, or the connection broke.
    Disconnected,
    /// It did not take what we sent (RFC 2449 §6.6).
    WriteTimeout,
    /// The handshake failed.
    Handshake,
    /// The store failed in the middle of a message.
    Store,
    /// Another session has taken over a view that is for one at a time.
    TakenOver,
    /// We are shutting down.
    Shutdown,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(end) => end.fmt(f),
            Self::Disconnected => f.write_str("disconnected"),
            Self::WriteTimeout => f.write_str("client does not read"),
            Self::Handshake => f.write_str("TLS handshake failed"),
            Self::Store => f.write_str("store failed"),
            Self::TakenOver => f.write_str("silent, another session took over"),
            Self::Shutdown => f.write_str("shutting down"),
        }
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

/// Serves one connection to its end. A session that does not get as far as the end of QUIT deletes nothing;
/// once `stop` is cancelled it gets the response it is in, and no more.
pub async fn serve<S: Store>(
    conn: Conn,
    permit: &Permit,
    service: &Service<S>,
    implicit_tls: bool,
    stop: &CancellationToken,
) {
    let mut journal = Journal::new(conn.peer());
    let mut pickup = Pickup {
        service,
        permit,
        stop,
        account: None,
        reading: None,
        download: None,
        receipts: Receipts::default(),
        fetched: BTreeSet::new(),
        untold: BTreeSet::new(),
        telling: None,
        untellable: false,
        program: Program::Unknown,
        journal: &mut journal,
    };
    let reason = match pickup.run(conn, implicit_tls).await {
        Ok(end) => Reason::Session(end),
        Err(reason) => reason,
    };
    pickup.finish(&reason).await;
    journal.ended(&reason);
}

/// One connection's business beside its session.
struct Pickup<'s, S: Store> {
    service: &'s Service<S>,
    permit: &'s Permit,
    stop: &'s CancellationToken,
    account: Option<Account<S>>,
    /// What is on its way, with its place.
    reading: Option<(usize, Reading<S::Maildrop>)>,
    /// What was asked for last, where it was a whole message that has not been deleted since.
    download: Option<usize>,
    receipts: Receipts,
    /// What a robot has certainly got.
    fetched: BTreeSet<usize>,
    /// What somebody has certainly got, and the store does not know yet.
    untold: BTreeSet<usize>,
    /// The store is being told of some.
    telling: Option<JoinHandle<Result<(), StoreError>>>,
    /// It could not be told, which the log says once.
    untellable: bool,
    /// What the client seems to be.
    program: Program,
    journal: &'s mut Journal,
}

/// What happens once in a connection's life is boxed: thousands of connections wait, and each holds room for the longest
/// that it could be at.
impl<S: Store> Pickup<'_, S> {
    async fn run(&mut self, mut conn: Conn, implicit_tls: bool) -> Result<End, Reason> {
        let tls = self.service.tls.as_ref();
        if let (true, Some(tls)) = (implicit_tls, tls) {
            conn = Box::pin(self.secure(conn, tls)).await?;
        }
        let peer = Peer {
            tls: implicit_tls,
            tls_offered: tls.is_some() && !implicit_tls,
            plain_login: self.service.access.plain_login(conn.peer()),
            bare_lf: conn.peer().trusted,
        };
        let params = self.service.params.clone();
        let write = params.write_timeout;
        let mut scarce = self.permit.gate().stress();
        let mut session = Session::new(params, peer, Instant::now().into_std());
        loop {
            let (input, out) = conn.parts();
            let (taken, step) = session.step(input, out, Instant::now().into_std());
            conn.consume(taken);
            self.journal.tally = session.tally();
            self.receipts.commanded(session.habits().commands());
            self.confirm();
            self.give_way()?;
            if !matches!(step, Step::Content | Step::Write) {
                // What TOP did not want of a message is not kept while the client thinks.
                self.end_of_reading();
            }
            match step {
                Step::NeedInput => {
                    conn.flush(write).await?;
                    self.receipts.reads(session.habits().commands(), conn.input().is_empty());
                    self.did(&session);
                    self.fill(&mut conn, &mut session, &mut scarce).await?;
                }
                Step::Write => conn.flush(write).await?,
                Step::StartTls => {
                    conn.flush(write).await?;
                    // The session offers it with a certificate at hand only.
                    let Some(tls) = tls else { return Err(Reason::Handshake) };
                    conn = Box::pin(self.secure(conn, tls)).await?;
                    session.secured();
                }
                Step::Pause(until) => {
                    conn.flush(write).await?;
                    select! {
                        () = sleep_until(until.into()) => {}
                        () = self.stop.cancelled() => return Err(Reason::Shutdown),
                    }
                }
                Step::Ask(ask) => {
                    let answer = self.decide(&mut conn, ask).await?;
                    session.answer(answer);
                }
                Step::Content => self.content(&mut conn, &mut session).await?,
                Step::Close(end) => {
                    self.did(&session);
                    if end == End::Quit {
                        // Before its answer: the next session of a robot may follow at once.
                        self.robot_has_quit();
                        if conn.flush(write).await.is_ok() {
                            self.receipts.quits();
                            self.confirm();
                        }
                    }
                    // A client that was told off may still be talking, and would never read why.
                    if matches!(end, End::Faults | End::LoginFailures | End::BehindStls) {
                        Box::pin(conn.linger(write)).await;
                    }
                    Box::pin(conn.close(write)).await;
                    return Ok(end);
                }
            }
        }
    }

    async fn secure(&mut self, conn: Conn, tls: &Tls) -> Result<Conn, Reason> {
        let handshake = conn.start_tls(tls, self.service.access.handshake_timeout);
        let (conn, info) = handshake.await.map_err(|_| Reason::Handshake)?;
        self.journal.tls = Some(info);
        Ok(conn)
    }

    /// Waits for input until the session's deadline, which is another while connections are scarce.
    async fn fill(
        &mut self,
        conn: &mut Conn,
        session: &mut Session,
        scarce: &mut watch::Receiver<bool>,
    ) -> Result<(), Reason> {
        loop {
            let is_scarce = *scarce.borrow_and_update();
            session.stress(is_scarce, Instant::now().into_std());
            let filled = select! {
                biased;
                () = self.stop.cancelled() => return Err(Reason::Shutdown),
                () = taken_over(self.hold()) => return Err(Reason::TakenOver),
                Ok(()) = scarce.changed() => continue,
                filled = conn.fill(session.deadline().into()) => filled,
            };
            return match filled {
                Ok(0) => {
                    if self.receipts.await_close() && Box::pin(conn.has_read_all()).await {
                        self.receipts.closed();
                        self.confirm();
                    }
                    Err(Reason::Disconnected)
                }
                Err(ConnError::Io(_)) => Err(Reason::Disconnected),
                Ok(_) => {
                    self.receipts.read();
                    Ok(())
                }
                // What became too late is the session's to say.
                Err(ConnError::Timeout) => Ok(()),
            };
        }
    }

    async fn decide(&mut self, conn: &mut Conn, ask: Ask) -> Result<Answer, Reason> {
        match ask {
            Ask::Login(credentials) => {
                // The password may take its time: nobody waits for the answers before it.
                conn.flush(self.service.params.write_timeout).await?;
                Ok(Answer::Login(Box::pin(self.login(conn.peer(), &credentials)).await))
            }
            Ask::Fetch(_) if self.stop.is_cancelled() => {
                conn.flush(self.service.params.write_timeout).await?;
                Err(Reason::Shutdown)
            }
            Ask::Fetch(fetch) => Ok(Answer::Fetch(self.fetch(fetch).await)),
            Ask::Delete(places) => {
                self.download = self.download.filter(|index| !places.contains(index));
                // Whoever did not take what it asked for deletes nothing.
                if self.receipts.is_waiting() {
                    conn.flush(self.service.params.write_timeout).await?;
                }
                self.receipts.quits();
                self.confirm();
                if self.hold().is_some_and(|hold| !hold.begin_update()) {
                    return Err(Reason::TakenOver);
                }
                Ok(Answer::Delete(Box::pin(self.delete(&places)).await))
            }
        }
    }

    async fn fetch(&mut self, fetch: Fetch) -> Result<(), FetchError> {
        let account = self.account.as_ref().ok_or(FetchError::Unavailable)?;
        let (maildrop, index) = account.drop.at(fetch.index).ok_or(FetchError::Unavailable)?;
        let opened = Reading::open(maildrop.clone(), Fetch { index, ..fetch }).await;
        let reading = opened.map_err(|error| match error {
            message::OpenError::NeedsUtf8 => FetchError::NeedsUtf8,
            message::OpenError::Store(error) => {
                self.journal.store_failed("a message cannot be opened", &error);
                unread(&error)
            }
        })?;
        self.download = Some(fetch.index).filter(|_| fetch.is_download());
        self.reading = Some((fetch.index, reading));
        Ok(())
    }

    /// Hands the session what there is of the message, and reads on when nothing is.
    async fn content(&mut self, conn: &mut Conn, session: &mut Session) -> Result<(), Reason> {
        let (_, reading) = self.reading.as_mut().ok_or(Reason::Store)?;
        if reading.chunk.is_empty() {
            reading.chunk = match reading.next().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Err(self.broken(&StoreError::Damaged("a message is short".into()))),
                Err(error) => return Err(self.broken(&error)),
            };
        }
        let (_, out) = conn.parts();
        let taken = session.content(&reading.chunk, out);
        reading.took(taken);
        Ok(())
    }

    /// The session has all that it wants of a message.
    fn end_of_reading(&mut self) {
        if let Some((index, _)) = self.reading.take().filter(|(_, reading)| reading.is_download()) {
            self.receipts.put_out(index);
        }
    }

    fn hold(&self) -> Option<&Hold> {
        self.account.as_ref()?.hold.as_ref()
    }

    /// Whoever has a view to itself shows that it is there, or learns that another has it now.
    fn give_way(&self) -> Result<(), Reason> {
        match self.hold() {
            Some(hold) if hold.over().is_cancelled() => Err(Reason::TakenOver),
            Some(hold) => {
                hold.heard(Instant::now());
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// For whoever asks who is there.
    fn did(&mut self, session: &Session) {
        self.program = session.habits().program();
        if let Some(account) = &self.account {
            account.row.did(&session.tally(), self.program);
        }
    }

    /// In the middle of a message there is no way to say so but to break off.
    fn broken(&self, error: &StoreError) -> Reason {
        self.journal.store_failed("a message cannot be read to its end", error);
        Reason::Store
    }
}

/// When another session has taken over.
async fn taken_over(hold: Option<&Hold>) {
    match hold {
        Some(hold) => hold.over().cancelled().await,
        None => std::future::pending().await,
    }
}

/// Milliseconds since 1970.
fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Whether it is worth the client's while to ask again.
fn unread(error: &StoreError) -> FetchError {
    match error {
        StoreError::Damaged(_) => FetchError::Damaged,
        StoreError::Full(_)
        | StoreError::ReadOnly(_)
        | StoreError::Unsure(_)
        | StoreError::TooLarge(_)
        | StoreError::Unavailable
        | StoreError::NoView
        | StoreError::Io(_) => FetchError::Unavailable,
    }
}
