use std::fmt;

/// When something is known of a message, and so when a rule can be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// From the connection on.
    Connection,
    /// From MAIL on.
    Sender,
    /// From RCPT on.
    Recipient,
    /// At the end of the data.
    Content,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "connection",
            Self::Sender => "MAIL",
            Self::Recipient => "RCPT",
            Self::Content => "end of data",
        })
    }
}
