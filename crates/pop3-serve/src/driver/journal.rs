use mail::{Client, shown};
use net::{Peer, TlsInfo};
use queue::{Maildrop, Store, StoreError};
use tracing::{debug, error, info};

use super::Reason;
use super::login::{Account, view_of};
use crate::session::{End, LoginRefused, Tally};

/// What the log will say of a connection: one line at its end, and one for each login that failed.
pub(super) struct Journal {
    peer: Peer,
    pub(super) tls: Option<TlsInfo>,
    pub(super) tally: Tally,
    /// What the user is called, and which of the passwords it was.
    login: Option<(String, String)>,
    /// What the login shows.
    parts: Vec<Shown>,
}

/// One view, with how many messages it had and how many of them were deleted.
struct Shown {
    view: String,
    messages: usize,
    deleted: usize,
}

impl Journal {
    pub(super) fn new(peer: &Peer) -> Self {
        Self { peer: *peer, tls: None, tally: Tally::default(), login: None, parts: Vec::new() }
    }

    pub(super) fn logged_in<S: Store>(&mut self, user: &str, account: &Account<S>) {
        let login = &account.login;
        let key = login.password.as_deref().map_or_else(String::new, shown);
        self.login = Some((shown(user), key));
        let parts = login.parts.iter().zip(account.drop.parts());
        let shown = parts.map(|(part, drop)| Shown { view: view_of(part), messages: drop.len(), deleted: 0 });
        self.parts = shown.collect();
    }

    /// So many are deleted of one of its parts.
    pub(super) fn deleted(&mut self, part: usize, messages: usize) {
        if let Some(part) = self.parts.get_mut(part) {
            part.deleted += messages;
        }
    }

    pub(super) fn login_refused(&self, user: &str, refused: LoginRefused) {
        let reason = match refused {
            LoginRefused::Denied => "wrong user or password",
            LoginRefused::Throttled => "too many failed logins from there or on that account",
            LoginRefused::Busy => "too many passwords to hash",
            LoginRefused::InUse => "too many sessions of this login",
            LoginRefused::Exclusive => "another session has this maildrop to itself",
            LoginRefused::Unavailable => "maildrop not available",
        };
        // As a string and not as its display, so that no name can pass for the fields behind it.
        let user = shown(user);
        info!(user, peer = %self.peer, tls = %self.version(), reason, "POP3 login refused");
    }

    /// Who collects, in the words of the trace.
    pub(super) fn client(&self) -> Client {
        let (login, key) = self.login.clone().unwrap_or_default();
        Client { login, password: Some(key).filter(|key| !key.is_empty()), ip: self.peer.ip() }
    }

    /// Our own failure, which no client is told more of than that there is one.
    pub(super) fn store_failed(&self, what: &str, cause: &StoreError) {
        let user = self.login.as_ref().map_or("", |(user, _)| user);
        self.failed(user, what, cause);
    }

    /// The same before there is a session: the password was right, and nothing can be shown.
    pub(super) fn not_opened(&self, user: &str, cause: &StoreError) {
        self.failed(&shown(user), "a maildrop cannot be opened", cause);
    }

    fn failed(&self, user: &str, what: &str, cause: &StoreError) {
        error!(user, peer = %self.peer, error = %cause, "POP3: {what}");
    }

    pub(super) fn ended(&self, reason: &Reason) {
        let (peer, tls) = (self.peer, self.version());
        let Some((user, key)) = &self.login else {
            match reason {
                // Worth a line only to those who look for it.
                Reason::Session(End::Quit) | Reason::Disconnected | Reason::Handshake | Reason::Shutdown => {
                    debug!(%peer, %tls, %reason, "POP3 session without login");
                }
                Reason::Session(_) | Reason::WriteTimeout | Reason::Store | Reason::TakenOver => {
                    info!(%peer, %tls, %reason, "POP3 session without login");
                }
            }
            return;
        };
        let Tally { tops, top_octets, retrs, retr_octets, marked: _, deleted, messages, octets } = self.tally;
        info!(
            user,
            key,
            view = self.views(),
            %peer,
            %tls,
            top = %format_args!("{tops}/{top_octets}"),
            retr = %format_args!("{retrs}/{retr_octets}"),
            del = %format_args!("{deleted}/{messages}"),
            size = octets,
            %reason,
            "POP3 session"
        );
    }

    /// Which views it showed; of several, what was deleted of how many in each.
    fn views(&self) -> String {
        match &self.parts[..] {
            [Shown { view, .. }] => view.clone(),
            parts => {
                let texts =
                    parts.iter().map(|part| format!("{} {}/{}", part.view, part.deleted, part.messages));
                texts.collect::<Vec<_>>().join(", ")
            }
        }
    }

    fn version(&self) -> &'static str {
        self.tls.as_ref().map_or("-", |tls| tls.version)
    }
}
