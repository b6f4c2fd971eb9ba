//! What `restante.toml` says, checked: every value has its type, and every key that may be absent its
//! default. `etc/restante/restante.toml` documents the keys; a test holds the two together.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use directory::Allowance;
use net::{ListenAddress, Networks};

use super::care::{Guard, Quarantine, Watchdog};
use super::telling::{Log, Metrics, Trace};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The machine: everything of `restante.toml`. Paths are absolute, or relative to where the process
/// stands when the configuration folder was named so.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Our name in greetings, Received fields and Authentication-Results.
    pub hostname: String,
    /// The folder of everything that the daemon writes.
    pub state_dir: PathBuf,
    /// Networks without limits per address, whose bare line feeds are normalised.
    pub trusted: Networks,
    /// Our own IP addresses, for `postmaster@[address]`.
    pub addresses: Vec<IpAddr>,
    /// `[smtp]`
    pub smtp: Smtp,
    /// `[lmtp]`
    pub lmtp: Lmtp,
    /// `[pop3]`
    pub pop3: Pop3,
    /// `[login]`
    pub login: LoginLimits,
    /// `[tls]`; none: nothing is encrypted, and nobody logs in but from the loopback.
    pub tls: Option<Tls>,
    /// `[limits]`
    pub limits: Limits,
    /// What cuts the detail off a local part; none: nothing does.
    pub detail_separator: Option<char>,
    /// `[authenticity]`
    pub authenticity: Authenticity,
    /// `[rspamd]`; none: no spam filter is asked.
    pub rspamd: Option<Scanner>,
    /// `[clamav]`; none: no virus scanner is asked.
    pub clamav: Option<Scanner>,
    /// `[dnsbl]`
    pub dnsbl: BlockLists,
    /// `[greylist]`
    pub greylist: Greylist,
    /// `[quarantine]`
    pub quarantine: Quarantine,
    /// `[guard]`
    pub guard: Guard,
    /// `[watchdog]`
    pub watchdog: Watchdog,
    /// `[store]`
    pub store: Store,
    /// `[log]`
    pub log: Log,
    /// `[trace]`
    pub trace: Trace,
    /// `[metrics]`
    pub metrics: Metrics,
    /// `[[relay]]`
    pub relays: Vec<Relay>,
}

impl Config {
    /// Whether a spam filter is asked.
    pub fn asks_spam_filter(&self) -> bool {
        self.rspamd.is_some()
    }

    /// Whether a virus scanner is asked.
    pub fn asks_virus_scanner(&self) -> bool {
        self.clamav.is_some()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hostname: String::new(),
            state_dir: "/var/lib/restante".into(),
            trusted: Networks::default(),
            addresses: Vec::new(),
            smtp: Smtp::default(),
            lmtp: Lmtp::default(),
            pop3: Pop3::default(),
            login: LoginLimits::default(),
            tls: None,
            limits: Limits::default(),
            detail_separator: Some('+'),
            authenticity: Authenticity::default(),
            rspamd: None,
            clamav: None,
            dnsbl: BlockLists::default(),
            greylist: Greylist::default(),
            quarantine: Quarantine::default(),
            guard: Guard::default(),
            watchdog: Watchdog::default(),
            store: Store::default(),
            log: Log::default(),
            trace: Trace::default(),
            metrics: Metrics::default(),
            relays: Vec::new(),
        }
    }
}

/// `[smtp]`: mail in from the world.
#[derive(Debug, Clone, PartialEq)]
pub struct Smtp {
    /// Where it listens.
    pub listen: Vec<ListenAddress>,
    /// What happens to bare CR, bare LF and NUL from strangers.
    pub bare_newline: BareNewline,
    /// Whether a message that the rules refuse for one recipient is refused for all.
    pub one_refuses_all: bool,
    /// `[smtp.limits]`
    pub limits: SmtpLimits,
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            listen: every_interface(25),
            bare_newline: BareNewline::Refuse,
            one_refuses_all: false,
            limits: SmtpLimits::default(),
        }
    }
}

/// What happens to a message with bare CR, bare LF or NUL in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BareNewline {
    /// 550 5.6.11 at the end of data.
    Refuse,
    /// They become CRLF before the octets count as received.
    Normalize,
}

/// `[smtp.limits]`
#[derive(Debug, Clone, PartialEq)]
pub struct SmtpLimits {
    /// At once.
    pub connections: usize,
    /// At once from one address (IPv6: one /64).
    pub connections_per_address: usize,
    /// At once from one network (IPv4: /24, IPv6: /48).
    pub connections_per_network: usize,
    /// New ones from one address in a minute.
    pub connections_per_minute: u32,
    /// Silence before the greeting; zero: none.
    pub greeting_delay: Duration,
    /// For a command to arrive.
    pub command_timeout: Duration,
    /// For the peer to take a reply.
    pub write_timeout: Duration,
    /// For a TLS handshake.
    pub tls_timeout: Duration,
    /// The slowest a message may arrive, in octets per second over a minute.
    pub data_rate: u64,
    /// A session's longest time, apart from its messages.
    pub session_time: Duration,
    /// How many octets of mail buy a session one more second.
    pub session_rate: u64,
    /// How long messages in flight have when the service stops.
    pub stop_time: Duration,
    /// Octets of a command line.
    pub command_line: usize,
    /// Of one message.
    pub recipients: usize,
    /// Of one session.
    pub messages: u32,
    /// Errors after which every further reply waits for `delay`.
    pub errors_before_delay: u32,
    /// Errors that end a session.
    pub errors: u32,
    /// Commands that nobody knows that end a session.
    pub unknown_commands: u32,
    /// Commands that lead to no mail (NOOP, RSET, VRFY) after which each further one is an error.
    pub junk_commands: u32,
    /// Unknown recipients after which every further reply to one waits for `delay`.
    pub unknown_recipients_before_delay: u32,
    /// Unknown recipients that end a session.
    pub unknown_recipients: u32,
    /// Unknown recipients in a day that ban an address (IPv6: a /64).
    pub unknown_recipients_per_day: u32,
    /// How long it stays banned.
    pub ban_time: Duration,
    /// How long such a reply waits.
    pub delay: Duration,
}

impl Default for SmtpLimits {
    fn default() -> Self {
        Self {
            connections: 500,
            connections_per_address: 10,
            connections_per_network: 30,
            connections_per_minute: 60,
            greeting_delay: Duration::ZERO,
            command_timeout: 5 * MINUTE,
            write_timeout: MINUTE,
            tls_timeout: Duration::from_secs(15),
            data_rate: 500,
            session_time: 10 * MINUTE,
            session_rate: 50_000,
            stop_time: Duration::from_secs(30),
            command_line: 1_000,
            recipients: 100,
            messages: 100,
            errors_before_delay: 5,
            errors: 10,
            unknown_commands: 3,
            junk_commands: 20,
            unknown_recipients_before_delay: 3,
            unknown_recipients: 10,
            unknown_recipients_per_day: 35,
            ban_time: 60 * MINUTE,
            delay: Duration::from_secs(1),
        }
    }
}

/// `[lmtp]`: mail in from a server that we trust (RFC 2033).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lmtp {
    /// Where it listens; nowhere by default.
    pub listen: Vec<ListenAddress>,
}

/// `[pop3]`: mail out.
#[derive(Debug, Clone, PartialEq)]
pub struct Pop3 {
    /// Where it listens for plain connections and STLS.
    pub listen: Vec<ListenAddress>,
    /// Where it listens for implicit TLS; nowhere without `[tls]`.
    pub listen_tls: Vec<ListenAddress>,
    /// Whether a login from the loopback needs no TLS.
    pub plain_on_loopback: bool,
    /// Whether a login from the trusted networks needs none: for copiers and scanners that know no TLS.
    pub plain_on_trusted: bool,
    /// What a client without UTF8 gets of internationalised mail.
    pub utf8_fallback: Utf8Fallback,
    /// `[pop3.limits]`
    pub limits: Pop3Limits,
}

impl Default for Pop3 {
    fn default() -> Self {
        Self {
            listen: every_interface(110),
            listen_tls: every_interface(995),
            plain_on_loopback: true,
            plain_on_trusted: false,
            utf8_fallback: Utf8Fallback::Serve,
            limits: Pop3Limits::default(),
        }
    }
}

/// What a POP3 client that did not say UTF8 gets of internationalised mail (RFC 6856).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Utf8Fallback {
    /// The octets as stored.
    Serve,
    /// `-ERR [UTF8]`.
    Refuse,
}

/// `[pop3.limits]`
#[derive(Debug, Clone, PartialEq)]
pub struct Pop3Limits {
    /// At once.
    pub connections: usize,
    /// At once from one address (IPv6: one /64).
    pub connections_per_address: usize,
    /// At once from one network (IPv4: /24, IPv6: /48).
    pub connections_per_network: usize,
    /// New ones from one address in a minute.
    pub connections_per_minute: u32,
    /// At once of one login.
    pub sessions_per_login: usize,
    /// From the greeting to a login.
    pub login_timeout: Duration,
    /// Between two commands.
    pub idle_timeout: Duration,
    /// For the client to take what is sent to it.
    pub write_timeout: Duration,
    /// For a TLS handshake.
    pub tls_timeout: Duration,
    /// For a session that only keeps itself alive.
    pub progress_timeout: Duration,
    /// Bad commands before a login that end a session.
    pub bad_commands_before_login: u32,
    /// Bad commands after it that do.
    pub bad_commands: u32,
}

impl Default for Pop3Limits {
    fn default() -> Self {
        Self {
            connections: 500,
            connections_per_address: 50,
            connections_per_network: 150,
            connections_per_minute: 300,
            sessions_per_login: 20,
            login_timeout: MINUTE,
            idle_timeout: 10 * MINUTE,
            write_timeout: MINUTE,
            tls_timeout: Duration::from_secs(15),
            progress_timeout: 30 * MINUTE,
            bad_commands_before_login: 3,
            bad_commands: 20,
        }
    }
}

/// `[login]`: wrong passwords.
#[derive(Debug, Clone, PartialEq)]
pub struct LoginLimits {
    /// Wrong passwords that end a session.
    pub failures_per_session: u32,
    /// How long the answer to the first, second, … wrong password waits; the last counts for the rest.
    pub failure_delays: Vec<Duration>,
    /// Wrong passwords from one address (IPv6: one /64) in a minute.
    pub failures_per_minute: u32,
    /// The same in a day.
    pub failures_per_day: u32,
    /// Wrong passwords for one mailbox in a day, from everywhere.
    pub mailbox_failures_per_day: u32,
    /// How long a source that logged in counts as known.
    pub known_source_time: Duration,
}

impl Default for LoginLimits {
    fn default() -> Self {
        Self {
            failures_per_session: 3,
            failure_delays: [2, 4, 8, 15].map(Duration::from_secs).to_vec(),
            failures_per_minute: 10,
            failures_per_day: 50,
            mailbox_failures_per_day: 100,
            known_source_time: 14 * DAY,
        }
    }
}

/// `[tls]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The chain in PEM, our own certificate first.
    pub certificate: PathBuf,
    /// Its key in PEM.
    pub key: PathBuf,
}

/// `[limits]`: of a message, of a mailbox, of the disk. Sizes in octets.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// A message.
    pub message_size: u64,
    /// A header block.
    pub header_size: u64,
    /// The lines of a header block.
    pub header_lines: usize,
    /// One header field, with its folded lines.
    pub header_field: u64,
    /// One line of a body.
    pub line_length: usize,
    /// Received fields: more are a loop.
    pub received: u32,
    /// A mailbox that names no quota of its own; none: no limit.
    pub quota: Option<u64>,
    /// The same in messages.
    pub quota_messages: Option<u64>,
    /// The age at which a message goes from a mailbox that names none of its own; none: no message does.
    pub expire: Option<Duration>,
    /// How long what was deleted stays in the trash of a mailbox that says nothing of it; none: it goes for good.
    pub trash: Option<Duration>,
    /// Disk that stays free; never less than twice `message_size` or a fiftieth of the disk.
    pub min_free_disk: u64,
    /// Inodes that stay free.
    pub min_free_inodes: u64,
}

impl Limits {
    /// Of a mailbox that names none of its own.
    pub(super) fn allowance(&self) -> Allowance {
        Allowance { octets: self.quota, messages: self.quota_messages, age: self.expire }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_size: 35 * MIB,
            header_size: 128 * KIB,
            header_lines: 1_000,
            header_field: 64 * KIB,
            line_length: 64 * 1024,
            received: 100,
            quota: Some(2 * GIB),
            quota_messages: None,
            expire: None,
            trash: Some(7 * DAY),
            min_free_disk: 256 * MIB,
            min_free_inodes: 1_000,
        }
    }
}

/// `[authenticity]`: who mail is from, as far as name servers tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticity {
    /// Whether anybody is asked.
    pub enabled: bool,
    /// Whether mail that comes from this machine itself is judged like a stranger's.
    pub loopback: bool,
    /// The name servers; none are those of the system.
    pub resolvers: Vec<SocketAddr>,
    /// How long one server has for one question.
    pub question_timeout: Duration,
    /// How long SPF may take.
    pub spf_timeout: Duration,
    /// How long all may take that is judged by the octets of a message.
    pub message_timeout: Duration,
    /// Questions for one message: this many for SPF, and as many again for the rest.
    pub questions: usize,
    /// Domains whose ARC seals say enough: mail that they forward is not held back for DMARC.
    pub trusted_forwarders: Vec<String>,
}

impl Default for Authenticity {
    fn default() -> Self {
        Self {
            enabled: true,
            loopback: false,
            resolvers: Vec::new(),
            question_timeout: Duration::from_secs(3),
            spf_timeout: Duration::from_secs(10),
            message_timeout: Duration::from_secs(15),
            questions: 50,
            trusted_forwarders: Vec::new(),
        }
    }
}

/// `[rspamd]` or `[clamav]`: a program that looks at whole messages.
#[derive(Debug, Clone, PartialEq)]
pub struct Scanner {
    /// Where it listens.
    pub address: ListenAddress,
    /// How long a message may take, its turn included.
    pub timeout: Duration,
    /// How many messages it looks at at once.
    pub at_once: usize,
    /// How many more may wait for their turn.
    pub waiting: usize,
    /// What it means that it does not answer.
    pub when_down: WhenDown,
}

/// `[dnsbl]`: who is named by lists of senders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockLists {
    /// Their domains.
    pub lists: Vec<String>,
    /// What it means that one of them does not answer.
    pub when_down: WhenDown,
}

impl Default for BlockLists {
    fn default() -> Self {
        Self { lists: Vec::new(), when_down: WhenDown::Accept }
    }
}

/// What it means that a scanner or a block list does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenDown {
    /// Nobody can tell, so mail that depends on it is put off.
    Defer,
    /// As if there were none.
    Accept,
}

/// `[greylist]`: who is new has to come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greylist {
    /// Whether anybody has to.
    pub enabled: bool,
    /// After how long.
    pub wait: Duration,
    /// And no later than.
    pub within: Duration,
    /// How long who came again is known.
    pub known: Duration,
    /// How many of both are remembered.
    pub most: usize,
}

impl Default for Greylist {
    fn default() -> Self {
        Self { enabled: false, wait: 5 * MINUTE, within: DAY, known: 35 * DAY, most: 100_000 }
    }
}

/// `[store]`
#[derive(Debug, Clone, PartialEq)]
pub struct Store {
    /// Memory for the index's pages, in octets.
    pub index_cache: u64,
    /// Memory for messages that are being received; past it they go to disk first. Octets.
    pub message_memory: u64,
    /// The same in memory and on disk together; past it senders are put off. Octets.
    pub message_spool: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self { index_cache: 64 * MIB, message_memory: 64 * MIB, message_spool: 512 * MIB }
    }
}

/// `[[relay]]`: a server in front of us.
#[derive(Debug, Clone, PartialEq)]
pub struct Relay {
    /// Where it comes from.
    pub networks: Networks,
    /// The name under which its Authentication-Results are believed.
    pub authserv_id: Option<String>,
}

fn every_interface(port: u16) -> Vec<ListenAddress> {
    vec![ListenAddress::Tcp(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))]
}
