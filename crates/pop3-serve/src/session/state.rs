use std::time::Instant;

use super::command::auth::Exchange;
use super::dot_writer::DotWriter;
use super::maildrop::Maildrop;
use super::step::{Ask, Credentials, DeleteError, End, Fetch, FetchError, LoginRefused};
use super::top::TopCutter;
use crate::listing::{Kind, Opened};

/// Where a session is (RFC 1939 §3). A state owns what only it may know: nobody has a maildrop before the
/// login, nobody a user name after it.
pub(super) enum State {
    /// The greeting is due (RFC 1939 §4).
    Connected,
    /// Nobody is logged in.
    Authorization(Authorization),
    /// The next line is a SASL response.
    Exchange(Authorization, Exchange),
    /// The credentials wait to be handed out.
    LoggingIn(Authorization, Credentials),
    /// They were handed out at this instant.
    LoginAsked(Authorization, Instant),
    /// The login is decided; a refusal is told at that instant.
    LoginAnswered(Authorization, Instant, Result<(Opened, Option<u32>), LoginRefused>),
    /// STLS was answered; the handshake comes next.
    Securing,
    /// Somebody reads.
    Transaction(Transaction),
    /// The next page of a listing is due.
    Listing(Transaction, Kind, usize),
    /// A message waits to be asked for.
    Fetching(Transaction, Fetch),
    /// It was asked for.
    FetchAsked(Transaction, Fetch),
    /// It can or cannot be had.
    FetchAnswered(Transaction, Fetch, Result<(), FetchError>),
    /// Its octets pass.
    Sending(Transaction, Sending),
    /// QUIT: the deletions wait to be handed out.
    Updating(Transaction),
    /// They were handed out.
    UpdateAsked,
    /// They are durable, or that cannot be said.
    UpdateAnswered(Result<u64, DeleteError>),
    /// Nothing follows.
    Closed(End),
}

/// What is known before the login.
#[derive(Debug, Clone, Default)]
pub(super) struct Authorization {
    /// What USER said.
    pub(super) user: Option<String>,
    /// The client has said UTF8 (RFC 6856 §2).
    pub(super) utf8: bool,
}

/// What is known after it.
pub(super) struct Transaction {
    /// The messages, and which of them are marked as deleted.
    pub(super) maildrop: Maildrop,
    /// The client has said UTF8.
    pub(super) utf8: bool,
    /// Days that this login's mail is kept at least.
    pub(super) expire: Option<u32>,
}

/// One message on its way.
#[derive(Debug)]
pub(super) struct Sending {
    /// Which.
    pub(super) fetch: Fetch,
    /// Byte-stuffing.
    pub(super) dots: DotWriter,
    /// Where TOP ends; none for RETR.
    pub(super) top: Option<TopCutter>,
    /// Octets that have come from the store.
    pub(super) read: u64,
    /// All of it has.
    pub(super) complete: bool,
}

impl State {
    /// What must be handed out, and the state that waits for its answer.
    pub(super) fn ask(self, now: Instant) -> (Self, Option<Ask>) {
        match self {
            Self::LoggingIn(authorization, credentials) => {
                (Self::LoginAsked(authorization, now), Some(Ask::Login(credentials)))
            }
            Self::Fetching(transaction, fetch) => {
                (Self::FetchAsked(transaction, fetch), Some(Ask::Fetch(fetch)))
            }
            Self::Updating(transaction) => {
                let marked = transaction.maildrop.marked_places();
                (Self::UpdateAsked, Some(Ask::Delete(marked)))
            }
            other => (other, None),
        }
    }
}
