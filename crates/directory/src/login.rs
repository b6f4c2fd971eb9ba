use std::net::IpAddr;

use mail::{MailboxName, ViewName};

/// A password that was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Whose mail.
    pub mailbox: MailboxName,
    /// Which view of it.
    pub view: ViewName,
    /// The name of the password that was used, for log and trace.
    pub password: Option<String>,
    /// It was answered from the cache of verified logins.
    pub cached: bool,
}

/// Why nobody was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// No such user, or the password is wrong: the peer is told the same for both.
    #[error("authentication failed")]
    Denied {
        /// The same wrong password as just before: a forgotten device, not a guess.
        repeated: bool,
    },
    /// No hashing permit in time (RFC 3206 SYS/TEMP).
    #[error("too many logins at once")]
    Busy,
}

/// Where a login comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(pub Option<IpAddr>);
