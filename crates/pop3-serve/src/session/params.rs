use std::time::Duration;

/// What an operator may decide about every session.
#[derive(Debug, Clone)]
pub struct Params {
    /// Named in the greeting.
    pub hostname: String,
    /// What CAPA's IMPLEMENTATION says.
    pub implementation: String,
    /// From the connection to the login; a session that takes longer is closed.
    pub login_timeout: Duration,
    /// The same while connections are scarce, and at least this from the moment on when they became so; the
    /// first line that is no command closes then. Who has logged in is not hurried (RFC 1939 §3).
    pub stressed_login_timeout: Duration,
    /// Between two commands once logged in: at least 10 minutes (RFC 1939 §3).
    pub idle_timeout: Duration,
    /// For the client to take up to [`Params::write_octets`].
    pub write_timeout: Duration,
    /// For a session that only keeps itself alive.
    pub progress_timeout: Duration,
    /// Octets of a command line with its CRLF (RFC 2449 §4).
    pub command_octets: usize,
    /// Octets of a SASL response with its CRLF: the longest PLAIN message (RFC 2595 §6, RFC 5034 §4) in
    /// base64.
    pub sasl_octets: usize,
    /// Commands that are none, before the login: the last one closes.
    pub faults_before_login: u32,
    /// The same after it.
    pub faults_after_login: u32,
    /// Failed logins: the last one closes.
    pub login_failures: u32,
    /// How long after its arrival a wrong password is answered: the first one, the second, and so on; the
    /// last one for all that follow.
    pub failure_delays: Vec<Duration>,
    /// Days that every login's mail is kept at least (RFC 2449 §6.7); none: nothing expires.
    pub expire: Option<u32>,
    /// Not every login's mail is kept equally long.
    pub expire_differs: bool,
    /// What a client gets that has not said UTF8 and asks for a message with UTF-8 in its header (RFC 6856
    /// §2.1, §4).
    pub utf8_fallback: Utf8Fallback,
    /// Responses are written when that many octets of them wait, or when the client's turn has come.
    pub write_octets: usize,
}

/// See [`Params::utf8_fallback`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Utf8Fallback {
    /// The octets as they are stored.
    Serve,
    /// `-ERR [UTF8]` (RFC 6856 §5).
    Refuse,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            hostname: "localhost".into(),
            implementation: "restante".into(),
            login_timeout: Duration::from_secs(60),
            stressed_login_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(600),
            write_timeout: Duration::from_secs(60),
            progress_timeout: Duration::from_secs(1800),
            command_octets: 255,
            sasl_octets: 1026,
            faults_before_login: 3,
            faults_after_login: 20,
            login_failures: 3,
            failure_delays: [2, 4, 8, 15].map(Duration::from_secs).to_vec(),
            expire: None,
            expire_differs: false,
            utf8_fallback: Utf8Fallback::Serve,
            write_octets: 64 * 1024,
        }
    }
}

impl Utf8Fallback {
    /// Whether a client gets nothing with UTF-8 in its header.
    pub(super) fn refuses(self, utf8: bool) -> bool {
        match self {
            Self::Serve => false,
            Self::Refuse => !utf8,
        }
    }
}
