//! `restante.toml`.

use std::net::IpAddr;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::time::Duration;

use net::{ListenAddress, Networks};
use toml::de::DeValue;

use super::care;
use super::section::Section;
use super::settings::{
    Authenticity, BareNewline, Config, Greylist, Limits, LoginLimits, Pop3, Pop3Limits, Relay, Scanner, Smtp,
    SmtpLimits, Store, Tls, Utf8Fallback, WhenDown,
};
use super::telling;
use super::value::{self, Problem, choice, count, duration, or_none, size};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Where the values stand that are checked later than the file is read.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    pub(super) hostname: Range<usize>,
    pub(super) state_dir: Range<usize>,
    pub(super) detail_separator: Range<usize>,
    pub(super) certificate: Range<usize>,
    pub(super) key: Range<usize>,
    /// Of each mailbox that is not watched.
    pub(super) ignored: Vec<Range<usize>>,
}

/// Reads the whole file. Relative paths are relative to `dir`.
pub(super) fn read(top: &mut Section<'_, '_>, dir: &Path) -> (Config, Places) {
    let mut config = Config::default();
    let mut places = Places {
        hostname: top.span_of("hostname"),
        state_dir: top.span_of("state-dir"),
        ..Places::default()
    };
    top.set("hostname", &mut config.hostname, value::hostname);
    if !top.has("hostname") {
        let problem = Problem::new("`hostname` is missing", "").hint("hostname = \"mx.example.com\"");
        top.notes.error(0..0, problem);
    }
    top.set("state-dir", &mut config.state_dir, value::path);
    config.state_dir = dir.join(&config.state_dir);
    config.trusted = networks(top, "trusted");
    top.set_list("addresses", &mut config.addresses, value::address);
    top.table("smtp", |s| smtp(s, &mut config.smtp));
    top.table("lmtp", |s| listeners(s, "listen", &mut config.lmtp.listen));
    top.table("pop3", |s| pop3(s, &mut config.pop3));
    top.table("login", |s| login(s, &mut config.login));
    config.tls = top.table("tls", |s| tls(s, dir, &mut places)).flatten();
    top.table("limits", |s| limits(s, &mut config.limits));
    top.table("directory", |s| {
        s.set("detail-separator", &mut config.detail_separator, value::separator);
        places.detail_separator = s.span_of("detail-separator");
    });
    top.table("authenticity", |s| authenticity(s, &mut config.authenticity));
    config.rspamd = top.table("rspamd", |s| scanner(s, dir)).flatten();
    config.clamav = top.table("clamav", |s| scanner(s, dir)).flatten();
    top.table("dnsbl", |s| {
        s.set_list("lists", &mut config.dnsbl.lists, value::domain);
        s.set("when-down", &mut config.dnsbl.when_down, choice(&WHEN_DOWN));
    });
    top.table("greylist", |s| greylist(s, &mut config.greylist));
    top.table("quarantine", |s| {
        s.set("keep", &mut config.quarantine.keep, duration(SECOND..=Duration::from_secs(36_525 * 86_400)));
        s.set("size", &mut config.quarantine.size, size(MIB..=TIB));
        s.set("digest", &mut config.quarantine.digest, value::time_of_day);
    });
    top.table("guard", |s| care::guard(s, &mut config.guard));
    let ignored = top.table("watchdog", |s| care::watchdog(s, &mut config.watchdog));
    places.ignored = ignored.unwrap_or_default();
    top.table("store", |s| store(s, &mut config.store));
    top.table("log", |s| telling::log(s, &mut config.log));
    top.table("trace", |s| telling::trace(s, &mut config.trace));
    top.table("metrics", |s| telling::metrics(s, &mut config.metrics));
    top.tables("relay", |s| relay(s, &mut config.relays));
    let sockets = [&mut config.smtp.listen, &mut config.lmtp.listen, &mut config.metrics.listen];
    for address in sockets.into_iter().chain([&mut config.pop3.listen, &mut config.pop3.listen_tls]).flatten()
    {
        if let ListenAddress::Unix(path) = address {
            *path = dir.join(&path);
        }
    }
    without_tls(top, &mut config);
    shared_sockets(top, &config);
    lmtp_by_smtp_port(top, &config);
    small_spool(top, &config);
    (config, places)
}

const WHEN_DOWN: [(&str, WhenDown); 2] = [("defer", WhenDown::Defer), ("accept", WhenDown::Accept)];

fn smtp(s: &mut Section<'_, '_>, smtp: &mut Smtp) {
    listeners(s, "listen", &mut smtp.listen);
    let words = &[("refuse", BareNewline::Refuse), ("normalize", BareNewline::Normalize)];
    s.set("bare-newline", &mut smtp.bare_newline, choice(words));
    s.set("one-refuses-all", &mut smtp.one_refuses_all, value::flag);
    s.table("limits", |s| smtp_limits(s, &mut smtp.limits));
}

fn smtp_limits(s: &mut Section<'_, '_>, limits: &mut SmtpLimits) {
    s.set("connections", &mut limits.connections, many(1, 100_000));
    s.set("connections-per-address", &mut limits.connections_per_address, many(1, 100_000));
    s.set("connections-per-network", &mut limits.connections_per_network, many(1, 100_000));
    s.set("connections-per-minute", &mut limits.connections_per_minute, count(1..=1_000_000));
    s.set("greeting-delay", &mut limits.greeting_delay, duration(Duration::ZERO..=60 * SECOND));
    s.set("command-timeout", &mut limits.command_timeout, duration(SECOND..=HOUR));
    s.set("write-timeout", &mut limits.write_timeout, duration(SECOND..=HOUR));
    s.set("tls-timeout", &mut limits.tls_timeout, duration(SECOND..=HOUR));
    s.set("data-rate", &mut limits.data_rate, size(1..=GIB));
    s.set("session-time", &mut limits.session_time, duration(SECOND..=DAY));
    s.set("session-rate", &mut limits.session_rate, size(1..=GIB));
    s.set("stop-time", &mut limits.stop_time, duration(SECOND..=HOUR));
    s.set("command-line", &mut limits.command_line, length(512..=64 * KIB));
    s.set("recipients", &mut limits.recipients, many(1, 10_000));
    s.set("messages", &mut limits.messages, count(1..=1_000_000));
    s.set("errors-before-delay", &mut limits.errors_before_delay, count(0..=10_000));
    s.set("errors", &mut limits.errors, count(1..=10_000));
    s.set("unknown-commands", &mut limits.unknown_commands, count(1..=10_000));
    s.set("junk-commands", &mut limits.junk_commands, count(1..=1_000_000));
    let before_delay = &mut limits.unknown_recipients_before_delay;
    s.set("unknown-recipients-before-delay", before_delay, count(0..=10_000));
    s.set("unknown-recipients", &mut limits.unknown_recipients, count(1..=10_000));
    s.set("unknown-recipients-per-day", &mut limits.unknown_recipients_per_day, count(1..=1_000_000));
    s.set("ban-time", &mut limits.ban_time, duration(SECOND..=30 * DAY));
    s.set("delay", &mut limits.delay, duration(Duration::ZERO..=60 * SECOND));
    if limits.recipients < 100 {
        let hint = "senders split what is longer, if they know how";
        s.notes.warn(s.span_of("recipients"), "RFC 5321 §4.5.3.1.8 asks for at least 100 recipients", hint);
    }
}

fn pop3(s: &mut Section<'_, '_>, pop3: &mut Pop3) {
    listeners(s, "listen", &mut pop3.listen);
    listeners(s, "listen-tls", &mut pop3.listen_tls);
    s.set("plain-on-loopback", &mut pop3.plain_on_loopback, value::flag);
    s.set("plain-on-trusted", &mut pop3.plain_on_trusted, value::flag);
    let words = &[("serve", Utf8Fallback::Serve), ("refuse", Utf8Fallback::Refuse)];
    s.set("utf8-fallback", &mut pop3.utf8_fallback, choice(words));
    s.table("limits", |s| pop3_limits(s, &mut pop3.limits));
}

fn pop3_limits(s: &mut Section<'_, '_>, limits: &mut Pop3Limits) {
    s.set("connections", &mut limits.connections, many(1, 100_000));
    s.set("connections-per-address", &mut limits.connections_per_address, many(1, 100_000));
    s.set("connections-per-network", &mut limits.connections_per_network, many(1, 100_000));
    s.set("connections-per-minute", &mut limits.connections_per_minute, count(1..=1_000_000));
    s.set("sessions-per-login", &mut limits.sessions_per_login, many(1, 100_000));
    s.set("login-timeout", &mut limits.login_timeout, duration(SECOND..=HOUR));
    s.set("idle-timeout", &mut limits.idle_timeout, duration(SECOND..=DAY));
    s.set("write-timeout", &mut limits.write_timeout, duration(SECOND..=HOUR));
    s.set("tls-timeout", &mut limits.tls_timeout, duration(SECOND..=HOUR));
    s.set("progress-timeout", &mut limits.progress_timeout, duration(SECOND..=DAY));
    s.set("bad-commands-before-login", &mut limits.bad_commands_before_login, count(1..=10_000));
    s.set("bad-commands", &mut limits.bad_commands, count(1..=10_000));
    if limits.idle_timeout < 10 * 60 * SECOND {
        let hint = "clients that sort mail in between may lose their session";
        s.notes.warn(s.span_of("idle-timeout"), "RFC 1939 §3 asks for at least 10 minutes", hint);
    }
}

fn login(s: &mut Section<'_, '_>, login: &mut LoginLimits) {
    s.set("failures-per-session", &mut login.failures_per_session, count(1..=100));
    s.set_list("failure-delays", &mut login.failure_delays, duration(Duration::ZERO..=60 * SECOND));
    s.set("failures-per-minute", &mut login.failures_per_minute, count(1..=1_000_000));
    s.set("failures-per-day", &mut login.failures_per_day, count(1..=1_000_000));
    s.set("mailbox-failures-per-day", &mut login.mailbox_failures_per_day, count(1..=1_000_000));
    s.set("known-source-time", &mut login.known_source_time, duration(SECOND..=366 * DAY));
}

fn tls(s: &mut Section<'_, '_>, dir: &Path, places: &mut Places) -> Option<Tls> {
    let certificate = s.get("certificate", value::path);
    let key = s.get("key", value::path);
    for name in ["certificate", "key"] {
        if !s.has(name) {
            s.notes.error(
                s.span(),
                Problem::new(format!("`{name}` is missing in `tls`"), "").hint("[tls] needs both files"),
            );
        }
    }
    places.certificate = s.span_of("certificate");
    places.key = s.span_of("key");
    Some(Tls { certificate: dir.join(certificate?), key: dir.join(key?) })
}

fn limits(s: &mut Section<'_, '_>, limits: &mut Limits) {
    s.set("message-size", &mut limits.message_size, size(64 * KIB..=4 * GIB));
    s.set("header-size", &mut limits.header_size, size(4 * KIB..=16 * MIB));
    s.set("header-lines", &mut limits.header_lines, many(50, 100_000));
    s.set("header-field", &mut limits.header_field, size(KIB..=16 * MIB));
    s.set("line-length", &mut limits.line_length, length(1_000..=16 * MIB));
    s.set("received", &mut limits.received, count(10..=1_000));
    s.set("quota", &mut limits.quota, or_none(size(QUOTA)));
    s.set("quota-messages", &mut limits.quota_messages, or_none(count(QUOTA_MESSAGES)));
    s.set("expire", &mut limits.expire, or_none(duration(EXPIRE)));
    warn_of_hasty(s);
    s.set("trash", &mut limits.trash, or_none(duration(EXPIRE)));
    s.set("min-free-disk", &mut limits.min_free_disk, size(0..=TIB));
    s.set("min-free-inodes", &mut limits.min_free_inodes, count(0..=1_000_000_000));
}

/// What a mailbox may be limited to.
pub(super) const QUOTA: RangeInclusive<u64> = MIB..=1024 * TIB;
/// The same in messages.
pub(super) const QUOTA_MESSAGES: RangeInclusive<u64> = 1..=1_000_000_000;
/// How long it may keep them.
pub(super) const EXPIRE: RangeInclusive<Duration> = SECOND..=Duration::from_secs(36_525 * 86_400);

/// Says of an age under a day what becomes of mail that is not collected at once.
pub(super) fn warn_of_hasty(s: &mut Section<'_, '_>) {
    let Some(age) = s.peek("expire", or_none(duration(EXPIRE))).flatten().filter(|age| *age < DAY) else {
        return;
    };
    let message = format!("mail goes {} after it came, collected or not", mail::Span(age));
    let hint = "CAPA says EXPIRE 0, by which clients know that nothing can be left here";
    s.notes.warn(s.span_of("expire"), message, hint);
}

fn store(s: &mut Section<'_, '_>, store: &mut Store) {
    s.set("index-cache", &mut store.index_cache, size(MIB..=64 * GIB));
    s.set("message-memory", &mut store.message_memory, size(4 * MIB..=64 * GIB));
    s.set("message-spool", &mut store.message_spool, size(MIB..=TIB));
}

fn authenticity(s: &mut Section<'_, '_>, authenticity: &mut Authenticity) {
    s.set("enabled", &mut authenticity.enabled, value::flag);
    s.set("loopback", &mut authenticity.loopback, value::flag);
    s.set_list("resolvers", &mut authenticity.resolvers, value::name_server);
    s.set("question-timeout", &mut authenticity.question_timeout, duration(SECOND..=60 * SECOND));
    s.set("spf-timeout", &mut authenticity.spf_timeout, duration(SECOND..=60 * SECOND));
    s.set("message-timeout", &mut authenticity.message_timeout, duration(SECOND..=120 * SECOND));
    s.set("questions", &mut authenticity.questions, many(10, 1_000));
    s.set_list("trusted-forwarders", &mut authenticity.trusted_forwarders, value::domain);
}

fn scanner(s: &mut Section<'_, '_>, dir: &Path) -> Option<Scanner> {
    let mut scanner = Scanner {
        address: ListenAddress::Unix(dir.into()),
        timeout: 30 * SECOND,
        at_once: 4,
        waiting: 32,
        when_down: WhenDown::Defer,
    };
    s.set("timeout", &mut scanner.timeout, duration(SECOND..=300 * SECOND));
    s.set("at-once", &mut scanner.at_once, many(1, 1_000));
    s.set("waiting", &mut scanner.waiting, many(0, 10_000));
    s.set("when-down", &mut scanner.when_down, choice(&WHEN_DOWN));
    if !s.has("address") {
        let problem = Problem::new(format!("`address` is missing in `{}`", s.name()), "");
        s.notes.error(s.span(), problem.hint("address = \"127.0.0.1:11333\", or \"unix:/path\""));
    }
    scanner.address = match s.get("address", value::listen)? {
        ListenAddress::Unix(path) => ListenAddress::Unix(dir.join(path)),
        address @ ListenAddress::Tcp(_) => address,
    };
    Some(scanner)
}

fn greylist(s: &mut Section<'_, '_>, greylist: &mut Greylist) {
    s.set("enabled", &mut greylist.enabled, value::flag);
    s.set("wait", &mut greylist.wait, duration(SECOND..=12 * HOUR));
    s.set("within", &mut greylist.within, duration(HOUR..=7 * DAY));
    s.set("known", &mut greylist.known, duration(HOUR..=366 * DAY));
    s.set("most", &mut greylist.most, many(1_000, 10_000_000));
}

fn relay(s: &mut Section<'_, '_>, relays: &mut Vec<Relay>) {
    let relay = Relay { networks: networks(s, "networks"), authserv_id: s.get("authserv-id", value::line) };
    if !s.has("networks") {
        let hint = "networks = [\"192.0.2.0/24\"]";
        s.notes.error(s.span(), Problem::new("`networks` is missing in `relay`", "").hint(hint));
    }
    relays.push(relay);
}

fn networks(s: &mut Section<'_, '_>, key: &'static str) -> Networks {
    let mut list = Vec::new();
    s.set_list(key, &mut list, value::network);
    Networks::new(list)
}

/// Reads a list of places; the same place twice cannot work.
pub(super) fn listeners(s: &mut Section<'_, '_>, key: &'static str, place: &mut Vec<ListenAddress>) {
    let Some(found) = s.list(key, value::listen) else { return };
    let mut places: Vec<ListenAddress> = Vec::new();
    for (address, span) in found {
        if places.contains(&address) && !is_any_port(&address) {
            s.notes
                .error(span, Problem::new(format!("`{key}` has {address} twice"), "").hint("take one out"));
            continue;
        }
        places.push(address);
    }
    *place = places;
}

/// Says of every address that a service cannot have because another, or itself, has it already.
fn shared_sockets(top: &mut Section<'_, '_>, config: &Config) {
    let services = [
        ("smtp", "listen", &config.smtp.listen),
        ("lmtp", "listen", &config.lmtp.listen),
        ("pop3", "listen", &config.pop3.listen),
        ("pop3", "listen-tls", &config.pop3.listen_tls),
        ("metrics", "listen", &config.metrics.listen),
    ];
    let sockets = services.iter().flat_map(|(table, key, list)| list.iter().map(move |a| (*table, *key, a)));
    let sockets: Vec<_> = sockets.collect();
    for (at, (table, key, address)) in sockets.iter().enumerate() {
        let Some((other_table, other_key, other)) = sockets[..at].iter().find(|(.., a)| clash(a, address))
        else {
            continue;
        };
        // A default stands nowhere in the file; then the other does.
        let place = top.find(table, key).or_else(|| top.find(other_table, other_key)).unwrap_or_default();
        let message = format!("`{table}.{key}` has {address}, but `{other_table}.{other_key}` has {other}");
        let hint = "an address with its port is one listener's, and \"[::]\" is every address of the machine";
        top.notes.error(place, Problem::new(message, "").hint(hint));
    }
}

/// RFC 2033 §5: who takes LMTP for SMTP there loses mail or doubles it.
fn lmtp_by_smtp_port(top: &mut Section<'_, '_>, config: &Config) {
    let taken = |address: &&ListenAddress| matches!(address, ListenAddress::Tcp(at) if at.port() == 25);
    let Some(address) = config.lmtp.listen.iter().find(taken) else { return };
    let message = format!("`lmtp.listen` has {address}, but port 25 is for SMTP alone");
    let hint = "another port, such as \"127.0.0.1:2424\", or a Unix socket";
    top.notes.error(top.find("lmtp", "listen").unwrap_or_default(), Problem::new(message, "").hint(hint));
}

/// A message that is longer than all that may be in flight would be put off for ever.
fn small_spool(top: &mut Section<'_, '_>, config: &Config) {
    if config.store.message_spool >= config.limits.message_size {
        return;
    }
    let place = top.find("store", "message-spool").or_else(|| top.find("limits", "message-size"));
    let message = "`store.message-spool` is less than `limits.message-size`";
    let hint = "it must hold one message at least, and better many";
    top.notes.error(place.unwrap_or_default(), Problem::new(message, "").hint(hint));
}

/// Whether the system would refuse the second of two: sockets on `[::]` take IPv4 too.
fn clash(one: &ListenAddress, other: &ListenAddress) -> bool {
    let (ListenAddress::Tcp(a), ListenAddress::Tcp(b)) = (one, other) else { return one == other };
    let (port, ips) = (a.port() == b.port() && a.port() != 0, (a.ip().to_canonical(), b.ip().to_canonical()));
    let covers = |all: IpAddr, one: IpAddr| all.is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    port && (ips.0 == ips.1 || covers(ips.0, ips.1) || covers(ips.1, ips.0))
}

fn is_any_port(address: &ListenAddress) -> bool {
    matches!(address, ListenAddress::Tcp(address) if address.port() == 0)
}

/// Without a certificate there is no TLS to listen with, and no login from elsewhere. That is a way to
/// start, so it is said and stops nothing.
fn without_tls(top: &mut Section<'_, '_>, config: &mut Config) {
    if top.has("tls") {
        return;
    }
    let place = top.find("pop3", "listen-tls").unwrap_or_default();
    let elsewhere = |address: &ListenAddress| match address {
        ListenAddress::Tcp(address) => !address.ip().to_canonical().is_loopback(),
        ListenAddress::Unix(_) => false,
    };
    let hint = "[tls] names a certificate and its key; `restante init` makes a pair";
    if !config.pop3.listen_tls.is_empty() {
        top.notes.warn(
            place,
            "without [tls] `listen-tls` is not opened, and only this machine can log in",
            hint,
        );
    } else if config.pop3.listen.iter().any(elsewhere) {
        top.notes.warn(0..0, "without [tls] only this machine can log in", hint);
    }
    config.pop3.listen_tls = Vec::new();
}

/// Our own addresses, as far as the file names them.
pub(super) fn literals(config: &Config) -> Vec<IpAddr> {
    let listeners = config.smtp.listen.iter().chain(&config.lmtp.listen);
    let bound = listeners.filter_map(|address| match address {
        ListenAddress::Tcp(address) if !address.ip().is_unspecified() => Some(address.ip().to_canonical()),
        ListenAddress::Tcp(_) | ListenAddress::Unix(_) => None,
    });
    config.addresses.iter().copied().chain(bound).collect()
}

fn many(least: usize, most: usize) -> impl Fn(&DeValue<'_>) -> Result<usize, Problem> {
    count(least..=most)
}

/// A size of something that is held in memory.
fn length(range: RangeInclusive<u64>) -> impl Fn(&DeValue<'_>) -> Result<usize, Problem> {
    let size = size(range);
    move |value| size(value).map(|octets| usize::try_from(octets).unwrap_or(usize::MAX))
}
