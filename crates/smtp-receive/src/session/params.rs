use std::fmt;
use std::time::Duration;

/// What a session must know beforehand. Each listener has its own; the defaults are those of a public MX,
/// and no limit is below RFC 5321 §4.5.3.1.
#[derive(Debug, Clone)]
pub struct Params {
    /// Our name in the greeting, in the answer to EHLO and at the end.
    pub hostname: String,
    /// What stands behind the name in the 220; nothing that tells a version unless the operator wants it
    /// (RFC 5321 §3.1).
    pub banner: String,
    /// Which protocol is spoken.
    pub dialect: Dialect,
    /// STARTTLS is offered (RFC 3207).
    pub starttls: bool,
    /// What happens to CR, LF and NUL where mail may not have them.
    pub bare_newline: BareNewline,
    /// Most octets of a message; SIZE announces it (RFC 1870 §4, RFC 5321 §4.5.3.1.7).
    pub message_size: u64,
    /// Most recipients of a message (RFC 5321 §4.5.3.1.8 wants at least 100).
    pub recipients: usize,
    /// Most transactions of a session; LIMITS announces it (RFC 9422 §4.1).
    pub mails: u32,
    /// Most octets of a command with its CRLF (RFC 5321 §2.3.8). RFC 5321 §4.5.3.1.4 wants 512, RFC 6531 §3.1
    /// and others room for parameters.
    pub command_line: usize,
    /// Most octets of a line of text without its CRLF. RFC 5321 §4.5.3.1.6 and RFC 6152 §3 want 998; real
    /// mail has more.
    pub text_line: usize,
    /// Most Received fields: a message with more goes round in circles (RFC 5321 §6.3).
    pub received: u32,
    /// How much nonsense is borne.
    pub errors: ErrorLimits,
    /// How much waiting is borne.
    pub patience: Patience,
    /// What is borne while connections are scarce; none: nothing changes then.
    pub stress: Option<Stress>,
}

/// Which protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 5321.
    Smtp,
    /// LHLO, and a reply for every recipient at the end of data (RFC 2033 §4.1, §4.2). Where there is a queue
    /// RFC 2033 §5 would rather have SMTP; an upstream that filters is better served with an answer for each.
    Lmtp,
}

/// As the log says it.
impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smtp => "SMTP",
            Self::Lmtp => "LMTP",
        })
    }
}

/// A CR or LF that is not half of a CRLF, or a NUL. A store never holds one, and none ever ends a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BareNewline {
    /// The message is refused at its end with 550 5.6.11; a command line with one is refused at once.
    Refuse,
    /// Before the octets count as received each bare CR and each bare LF becomes CRLF, and each NUL goes.
    /// A bare LF ends a command line.
    Normalize,
}

/// How much nonsense a session may hold. The limit-th occurrence ends it with a 421.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorLimits {
    /// Errors that are answered at once; each further one after `delay`.
    pub soft: u32,
    /// Errors that end the session.
    pub hard: u32,
    /// Unknown commands that end the session.
    pub unknown_commands: u32,
    /// Commands that lead to no mail (NOOP, RSET, VRFY and their like) before each further one is an
    /// error; an accepted message sets the count back.
    pub junk_commands: u32,
    /// Unknown recipients that are answered at once; each further one after `delay`.
    pub unknown_recipients_soft: u32,
    /// Unknown recipients that end the session.
    pub unknown_recipients: u32,
    /// How long an answer is held back.
    pub delay: Duration,
}

/// How long a session waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Silence before the 220. Who talks into it is turned away with a 554; zero does not listen for it.
    pub greeting: Duration,
    /// For one whole command (RFC 5321 §4.5.3.2.7 wants five minutes).
    pub command: Duration,
    /// Over this time a message must arrive with at least `data_rate` octets a second.
    pub data_window: Duration,
    /// See `data_window`.
    pub data_rate: u64,
    /// For a whole session, without what its mail takes.
    pub session: Duration,
    /// Octets of mail that buy a session one more second.
    pub session_rate: u64,
    /// For a TLS handshake.
    pub tls_handshake: Duration,
    /// For the peer to take what we write.
    pub write: Duration,
    /// For a message in flight once the service stops.
    pub drain: Duration,
}

/// What a session may do at most while connections are scarce: the slow and the confused have to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stress {
    /// For one whole command, and at least this from the moment on when connections became scarce.
    pub command: Duration,
    /// Errors that end the session.
    pub errors: u32,
}

/// How much more of a search for addresses is borne. [`ErrorLimits`] know one session alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Probes {
    /// As much as [`ErrorLimits`] say.
    #[default]
    Borne,
    /// The same, and no answer comes at once.
    Slowed,
    /// Nothing.
    Ended,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            hostname: "localhost".into(),
            banner: "ESMTP".into(),
            dialect: Dialect::Smtp,
            starttls: false,
            bare_newline: BareNewline::Refuse,
            message_size: 35 << 20,
            recipients: 100,
            mails: 100,
            command_line: 1_000,
            text_line: 64 << 10,
            received: 100,
            errors: ErrorLimits::default(),
            patience: Patience::default(),
            stress: Some(Stress::default()),
        }
    }
}

impl Params {
    /// The defaults for LMTP: the peer is a mail server of ours that hands over what it has accepted, so
    /// nothing of it is held against the session.
    pub fn lmtp() -> Self {
        Self {
            banner: "LMTP".into(),
            dialect: Dialect::Lmtp,
            bare_newline: BareNewline::Normalize,
            mails: u32::MAX,
            errors: ErrorLimits::unlimited(),
            patience: Patience { session: Duration::from_secs(24 * 3600), ..Patience::default() },
            stress: None,
            ..Self::default()
        }
    }

    /// The same for a peer that belongs to us or to somebody we trust: what it gets wrong is put right.
    #[must_use]
    pub fn trusting(&self) -> Self {
        Self {
            bare_newline: BareNewline::Normalize,
            errors: ErrorLimits::unlimited(),
            patience: Patience { greeting: Duration::ZERO, ..self.patience },
            stress: None,
            ..self.clone()
        }
    }
}

impl Default for ErrorLimits {
    fn default() -> Self {
        Self {
            soft: 5,
            hard: 10,
            unknown_commands: 3,
            junk_commands: 20,
            unknown_recipients_soft: 3,
            unknown_recipients: 10,
            delay: Duration::from_secs(1),
        }
    }
}

impl ErrorLimits {
    /// Everything is borne, at once.
    pub fn unlimited() -> Self {
        Self {
            soft: u32::MAX,
            hard: u32::MAX,
            unknown_commands: u32::MAX,
            junk_commands: u32::MAX,
            unknown_recipients_soft: u32::MAX,
            unknown_recipients: u32::MAX,
            delay: Duration::ZERO,
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            greeting: Duration::ZERO,
            command: Duration::from_secs(300),
            data_window: Duration::from_secs(60),
            data_rate: 500,
            session: Duration::from_secs(600),
            session_rate: 50_000,
            tls_handshake: Duration::from_secs(15),
            write: Duration::from_secs(60),
            drain: Duration::from_secs(30),
        }
    }
}

impl Default for Stress {
    fn default() -> Self {
        Self { command: Duration::from_secs(10), errors: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_shortens_patience_with_strangers_alone() {
        let strangers = Params::default();
        assert_eq!(strangers.stress, Some(Stress { command: Duration::from_secs(10), errors: 1 }));
        assert_eq!((strangers.trusting().stress, Params::lmtp().stress), (None, None));
    }

    #[test]
    fn nothing_is_held_against_a_server_of_ours() {
        let lmtp = Params::lmtp();
        let day = Duration::from_secs(86_400);
        assert_eq!(lmtp.patience, Patience { session: day, ..Patience::default() });
        assert_eq!((lmtp.bare_newline, lmtp.mails), (BareNewline::Normalize, u32::MAX));
        assert_eq!(lmtp.errors, ErrorLimits::unlimited());
    }

    #[test]
    fn whom_we_trust_is_greeted_at_once_and_put_right() {
        let patience = Patience {
            greeting: Duration::from_secs(5),
            command: Duration::from_secs(7),
            ..Patience::default()
        };
        let strangers = Params { hostname: "mx.example.test".into(), patience, ..Params::default() };
        let trusted = strangers.trusting();
        assert_eq!(trusted.patience, Patience { greeting: Duration::ZERO, ..patience });
        assert_eq!(
            (trusted.bare_newline, trusted.errors),
            (BareNewline::Normalize, ErrorLimits::unlimited())
        );
        assert_eq!((trusted.hostname, trusted.mails), (strangers.hostname, strangers.mails));
    }
}
