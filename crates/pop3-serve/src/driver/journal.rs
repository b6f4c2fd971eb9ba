use std::fmt::{self, Write};
use std::net::IpAddr;

use directory::Login;
use net::TlsInfo;
use queue::StoreError;
use tracing::{debug, error, info};

use super::Reason;
use crate::session::{End, LoginRefused, Tally};

/// What the log will say of a connection: one line at its end, and one for each login that failed.
pub(super) struct Journal {
    peer: Option<IpAddr>,
    pub(super) tls: Option<TlsInfo>,
    pub(super) tally: Tally,
    /// What the user is called, and which of the passwords it was.
    login: Option<(String, String)>,
}

impl Journal {
    pub(super) fn new(peer: &net::Peer) -> Self {
        Self { peer: peer.ip(), tls: None, tally: Tally::default(), login: None }
    }

    pub(super) fn logged_in(&mut self, user: &str, login: &Login) {
        let key = login.password.as_deref().map_or_else(String::new, |name| Shown(name).to_string());
        self.login = Some((Shown(user).to_string(), key));
    }

    pub(super) fn login_refused(&self, user: &str, refused: LoginRefused) {
        let reason = match refused {
            LoginRefused::Denied => "wrong user or password",
            LoginRefused::Throttled => "too many failed logins from there or on that account",
            LoginRefused::Busy => "too many passwords to hash",
            LoginRefused::InUse => "too many sessions of this login",
            LoginRefused::Unavailable => "maildrop not available",
        };
        // As a string and not as its display, so that no name can pass for the fields behind it.
        let user = Shown(user).to_string();
        info!(user, peer = %Peer(self.peer), tls = %self.version(), reason, "POP3 login refused");
    }

    /// Our own failure, which no client is told more of than that there is one.
    pub(super) fn store_failed(&self, what: &str, cause: &StoreError) {
        let user = self.login.as_ref().map_or("", |(user, _)| user);
        error!(user, peer = %Peer(self.peer), error = %cause, "POP3: {what}");
    }

    pub(super) fn ended(&self, reason: &Reason) {
        let (peer, tls) = (Peer(self.peer), self.version());
        let Some((user, key)) = &self.login else {
            match reason {
                // Worth a line only to those who look for it.
                Reason::Session(End::Quit) | Reason::Disconnected | Reason::Handshake | Reason::Shutdown => {
                    debug!(%peer, %tls, %reason, "POP3 session without login");
                }
                Reason::Session(_) | Reason::WriteTimeout | Reason::Store => {
                    info!(%peer, %tls, %reason, "POP3 session without login");
                }
            }
            return;
        };
        let Tally { tops, top_octets, retrs, retr_octets, deleted, messages, octets } = self.tally;
        info!(
            user,
            key,
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

    fn version(&self) -> &'static str {
        self.tls.as_ref().map_or("-", |tls| tls.version)
    }
}

struct Peer(Option<IpAddr>);

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("local"),
        }
    }
}

/// What a client sent, as a log may hold it: no control character, at most 256 octets.
struct Shown<'t>(&'t str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut octets = 0;
        for character in self.0.chars() {
            let mut text = String::new();
            if character.is_control() || is_directional(character) {
                text.extend(character.escape_unicode());
            } else {
                text.push(character);
            }
            octets += text.len();
            if octets > 256 - '…'.len_utf8() {
                return f.write_char('…');
            }
            f.write_str(&text)?;
        }
        Ok(())
    }
}

/// Turns the rest of a line around on a terminal.
fn is_directional(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_obeyed_by_no_terminal() {
        assert_eq!(Shown("alice").to_string(), "alice");
        assert_eq!(
            Shown("a\x1b[2J\r\n\u{9b}\u{202e}b").to_string(),
            "a\\u{1b}[2J\\u{d}\\u{a}\\u{9b}\\u{202e}b"
        );
        let long = Shown(&"ü".repeat(500)).to_string();
        assert!(long.len() <= 256 && long.ends_with('…'));
    }
}
