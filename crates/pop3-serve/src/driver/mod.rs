//! The loop between a connection, the session, the directory and the store: the only part with a socket
//! and a clock.

mod journal;
mod login;
mod message;
mod service;
mod slots;
mod strangers;
mod turnstile;

use std::fmt;

use bytes::Buf;
use mail::{Event, Uid};
use net::{Conn, ConnError, Permit, Tls};
use queue::{Expunge, Maildrop, Store, StoreError};
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::session::{Answer, Ask, DeleteError, End, Fetch, FetchError, Peer, Session, Step};
use journal::Journal;
use login::Account;
use message::Reading;

pub use login::whole_days;
pub use service::{Access, Pop3, Service};

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
    let (account, reading, fetched) = (None, None, Vec::new());
    let mut pickup = Pickup { service, permit, stop, account, reading, fetched, journal: &mut journal };
    let reason = match pickup.run(conn, implicit_tls).await {
        Ok(end) => Reason::Session(end),
        Err(reason) => reason,
    };
    journal.ended(&reason);
}

/// One connection's business beside its session.
struct Pickup<'s, S: Store> {
    service: &'s Service<S>,
    permit: &'s Permit,
    stop: &'s CancellationToken,
    account: Option<Account<S>>,
    reading: Option<Reading<S::Maildrop>>,
    /// What is put out in full, and not yet known to be written.
    fetched: Vec<Uid>,
    journal: &'s mut Journal,
}

impl<S: Store> Pickup<'_, S> {
    async fn run(&mut self, mut conn: Conn, implicit_tls: bool) -> Result<End, Reason> {
        let tls = self.service.tls.as_ref();
        if let (true, Some(tls)) = (implicit_tls, tls) {
            conn = self.secure(conn, tls).await?;
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
            if !matches!(step, Step::Content | Step::Write) {
                // What TOP did not want of a message is not kept while the client thinks.
                self.end_of_reading();
            }
            match step {
                Step::NeedInput => {
                    conn.flush(write).await?;
                    self.tell_fetched();
                    self.fill(&mut conn, &mut session, &mut scarce).await?;
                }
                Step::Write => conn.flush(write).await?,
                Step::StartTls => {
                    conn.flush(write).await?;
                    // The session offers it with a certificate at hand only.
                    let Some(tls) = tls else { return Err(Reason::Handshake) };
                    conn = self.secure(conn, tls).await?;
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
                    // A client that was told off may still be talking, and would never read why.
                    if matches!(end, End::Faults | End::LoginFailures | End::BehindStls) {
                        conn.linger(write).await;
                    }
                    conn.close(write).await;
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
                Ok(()) = scarce.changed() => continue,
                filled = conn.fill(session.deadline().into()) => filled,
            };
            return match filled {
                Ok(0) | Err(ConnError::Io(_)) => Err(Reason::Disconnected),
                // What became too late is the session's to say.
                Ok(_) | Err(ConnError::Timeout) => Ok(()),
            };
        }
    }

    async fn decide(&mut self, conn: &mut Conn, ask: Ask) -> Result<Answer, Reason> {
        match ask {
            Ask::Login(credentials) => {
                // The password may take its time: nobody waits for the answers before it.
                conn.flush(self.service.params.write_timeout).await?;
                Ok(Answer::Login(self.login(conn.peer(), &credentials).await))
            }
            Ask::Fetch(_) if self.stop.is_cancelled() => {
                conn.flush(self.service.params.write_timeout).await?;
                Err(Reason::Shutdown)
            }
            Ask::Fetch(fetch) => Ok(Answer::Fetch(self.fetch(fetch).await)),
            Ask::Delete(uids) => Ok(Answer::Delete(self.delete(uids).await)),
        }
    }

    async fn fetch(&mut self, fetch: Fetch) -> Result<(), FetchError> {
        let account = self.account.as_ref().ok_or(FetchError::Unavailable)?;
        let opened = Reading::open(account.maildrop.clone(), fetch).await;
        self.reading = Some(opened.map_err(|error| match error {
            message::OpenError::NeedsUtf8 => FetchError::NeedsUtf8,
            message::OpenError::Store(error) => {
                self.journal.store_failed("a message cannot be opened", &error);
                unread(&error)
            }
        })?);
        Ok(())
    }

    /// Hands the session what there is of the message, and reads on when nothing is.
    async fn content(&mut self, conn: &mut Conn, session: &mut Session) -> Result<(), Reason> {
        let reading = self.reading.as_mut().ok_or(Reason::Store)?;
        if reading.chunk.is_empty() {
            reading.chunk = match reading.next().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Err(self.broken(&StoreError::Damaged("a message is short".into()))),
                Err(error) => return Err(self.broken(&error)),
            };
        }
        let (_, out) = conn.parts();
        let taken = session.content(&reading.chunk, out);
        reading.chunk.advance(taken);
        Ok(())
    }

    /// The session has all that it wants of a message.
    fn end_of_reading(&mut self) {
        let Some(reading) = self.reading.take().filter(Reading::is_download) else { return };
        let entry = self.account.as_ref().and_then(|account| account.maildrop.entry(reading.index()));
        self.fetched.extend(entry.map(|entry| entry.uid));
    }

    /// All that was put out is written.
    fn tell_fetched(&mut self) {
        let Some(account) = &self.account else { return };
        for uid in self.fetched.drain(..) {
            let mailbox = account.login.mailbox.clone();
            self.service.journeys.tell(|| Event::Fetched { mailbox, uid, client: self.journal.client() });
        }
    }

    /// In the middle of a message there is no way to say so but to break off.
    fn broken(&self, error: &StoreError) -> Reason {
        self.journal.store_failed("a message cannot be read to its end", error);
        Reason::Store
    }

    async fn delete(&mut self, uids: Vec<Uid>) -> Result<(), DeleteError> {
        let Some(account) = &self.account else { return Err(DeleteError::NotDeleted) };
        let login = &account.login;
        let group = Expunge {
            mailbox: login.mailbox.clone(),
            view: login.view.clone(),
            uids: uids.clone(),
            unwanted: queue::Unwanted::Goes,
        };
        match self.service.store.delete(vec![group]).await {
            Ok(()) => {
                let (mailbox, client) = (login.mailbox.clone(), self.journal.client());
                self.service.journeys.tell(|| Event::Deleted { mailbox, uids, client });
                Ok(())
            }
            Err(error @ StoreError::Unsure(_)) => {
                self.journal.store_failed("messages may or may not be deleted", &error);
                Err(DeleteError::Unsure)
            }
            Err(error) => {
                self.journal.store_failed("messages cannot be deleted", &error);
                Err(DeleteError::NotDeleted)
            }
        }
    }
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
