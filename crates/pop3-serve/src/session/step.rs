use std::fmt;
use std::time::Instant;

use mail::Secret;

use super::response::Refusal;
use crate::listing::Opened;

/// What a session must know of the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Peer {
    /// TLS is under the connection already.
    pub tls: bool,
    /// STLS can put it there.
    pub tls_offered: bool,
    /// A password may come in the clear (RFC 2595 §2.2).
    pub plain_login: bool,
    /// Lines may end with a bare LF.
    pub bare_lf: bool,
}

impl Peer {
    /// A password may come now (RFC 2595 §2.3, RFC 5034 §4).
    pub(super) fn may_login(&self) -> bool {
        self.tls || self.plain_login
    }
}

/// What the driver does next. Responses may be waiting at any of them.
#[must_use]
#[derive(Debug)]
pub enum Step {
    /// Write what waits, then wait for more input, at most until [`super::Session::deadline`].
    NeedInput,
    /// Write what waits: it is enough.
    Write,
    /// Write what waits, shake hands, call [`super::Session::secured`].
    StartTls,
    /// Write what waits and do nothing until then.
    Pause(Instant),
    /// Decide, and call [`super::Session::answer`].
    Ask(Ask),
    /// Read on in the message that was asked for last and call [`super::Session::content`].
    Content,
    /// Write what waits and close the connection.
    Close(End),
}

/// A question to whoever knows logins and mail.
#[derive(Debug)]
pub enum Ask {
    /// Who is this, and what is in the maildrop? Answered by [`Answer::Login`].
    Login(Credentials),
    /// Have this message ready. Answered by [`Answer::Fetch`].
    Fetch(Fetch),
    /// Make these deletions durable, all or none: places in the maildrop, from 0, ascending. Answered by
    /// [`Answer::Delete`].
    Delete(Vec<usize>),
}

/// See [`Ask`].
pub enum Answer {
    /// The maildrop, with the days that its mail is kept at least, if it does not stay for ever.
    Login(Result<(Opened, Option<u32>), LoginRefused>),
    /// [`Step::Content`] may come.
    Fetch(Result<(), FetchError>),
    /// They are durable; and how many messages are listed no more by them.
    Delete(Result<u64, DeleteError>),
}

/// A user name and a password, as they came.
#[derive(Clone)]
pub struct Credentials {
    /// UTF-8 without control characters, not folded.
    pub user: String,
    /// Not empty.
    pub password: Secret,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({:?}, ****)", self.user)
    }
}

/// One message that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// Its place in the maildrop, from 0.
    pub index: usize,
    /// All its octets.
    pub octets: u64,
    /// TOP's lines of the body; none for RETR. The session takes no more octets than it needs.
    pub lines: Option<u64>,
    /// It is only wanted if its header is ASCII.
    pub ascii_only: bool,
}

/// Why nobody was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefused {
    /// No such user, or the wrong password.
    Denied,
    /// Too many wrong ones: this one was not looked at.
    Throttled,
    /// It cannot be looked at now.
    Busy,
    /// It was right, and there are too many sessions of this login (RFC 2449 §8.1.2).
    InUse,
    /// It was right, and what it opens is for one session at a time, which is open (RFC 2449 §8.1.2).
    Exclusive,
    /// It was right, and the maildrop cannot be opened now.
    Unavailable,
}

/// Why a message does not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchError {
    /// It cannot be read now.
    Unavailable,
    /// It is not any more what came in, and will not be by itself.
    Damaged,
    /// Its header is not ASCII.
    NeedsUtf8,
}

/// Why QUIT cannot say that its deletions were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteError {
    /// None was.
    NotDeleted,
    /// They were begun, and may yet be made.
    Unsure,
}

impl LoginRefused {
    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::Denied => Refusal::Denied,
            Self::Throttled => Refusal::Throttled,
            Self::Busy => Refusal::Busy,
            Self::InUse => Refusal::InUse,
            Self::Exclusive => Refusal::Exclusive,
            Self::Unavailable => Refusal::Unavailable,
        }
    }

    /// Whether it may have been a guess: answered late, and counted.
    pub(super) fn is_failure(self) -> bool {
        match self {
            Self::Denied | Self::Throttled => true,
            Self::Busy | Self::InUse | Self::Exclusive | Self::Unavailable => false,
        }
    }
}

impl FetchError {
    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::Unavailable => Refusal::Unavailable,
            Self::Damaged => Refusal::Damaged,
            Self::NeedsUtf8 => Refusal::NeedsUtf8,
        }
    }
}

impl DeleteError {
    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::NotDeleted => Refusal::NotDeleted,
            Self::Unsure => Refusal::Unsure,
        }
    }
}

/// Why a session closed the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// QUIT, and everything was done.
    Quit,
    /// QUIT, and the deletions were not made, or it is not known.
    NotDeleted,
    /// The client was silent for too long, or only kept itself alive.
    TimedOut,
    /// Too many lines that were no commands.
    Faults,
    /// Too many wrong passwords.
    LoginFailures,
    /// Octets came behind STLS.
    BehindStls,
    /// The driver did not do what a step said.
    Misused,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quit => "quit",
            Self::NotDeleted => "quit, deletions failed",
            Self::TimedOut => "timed out",
            Self::Faults => "too many bad commands",
            Self::LoginFailures => "too many failed logins",
            Self::BehindStls => "octets behind STLS",
            Self::Misused => "internal error",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_print_without_their_password() {
        let credentials =
            Credentials { user: "al\nice".into(), password: Secret::from(b"canary".as_slice()) };
        assert_eq!(format!("{credentials:?}"), r#"Credentials("al\nice", ****)"#);
    }
}
