use mail::MailboxName;

/// Where an address goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// To these mailboxes, each once.
    Deliver {
        /// In the order the directory names them.
        mailboxes: Vec<MailboxName>,
        /// An alias on the way asks for one copy per recipient.
        duplicate: bool,
    },
    /// Closed: 550 5.1.1 with this text.
    Refused {
        /// What the sender is told.
        text: String,
    },
    /// Our domain, nobody there: 550 5.1.1.
    Unknown,
    /// Not our domain: 550 5.7.1.
    NotLocal,
}

/// One step of the way, for `restante route`: what was looked at and what it gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The address or name at this point.
    pub at: String,
    /// Why it went on or ended there, in words.
    pub why: String,
}
