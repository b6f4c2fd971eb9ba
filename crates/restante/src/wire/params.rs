//! From what the configuration says to what each crate takes: one translation, in one place.

use authenticity::{DnsSettings, HeaderLimits, Resolver, Verifier, VerifierLimits, results_field};
use directory::{Directory, Expiry};
use net::{GateParams, LoginBudgetParams, Networks, ProbeLimits};
use pop3_serve::{Access, Utf8Fallback as Fallback};
use routing::Host;
use smtp_receive::{BareNewline as Newline, ErrorLimits, Patience};
use tracing::error;
use upkeep::{Care, Guard, Quarantine, Watchdog};

use crate::config::{self, Authenticity, BareNewline, Config, Utf8Fallback};
use crate::trace::Bounds;

/// What the pre-scan bears.
pub(super) fn header_limits(config: &Config) -> HeaderLimits {
    HeaderLimits {
        octets: config.limits.header_size,
        lines: u32::try_from(config.limits.header_lines).unwrap_or(u32::MAX),
        field: config.limits.header_field,
    }
}

/// What the router writes on top of copies.
pub(super) fn host(config: &Config) -> Host {
    Host { name: config.hostname.clone(), results: results_field }
}

/// Who asks name servers; nobody where nothing is to be asked, or the system names no server.
pub(super) fn resolver(config: &Config) -> Option<Resolver> {
    let asked = &config.authenticity;
    if !asked.enabled && config.dnsbl.lists.is_empty() {
        return None;
    }
    let settings = DnsSettings {
        servers: asked.resolvers.clone(),
        timeout: asked.question_timeout,
        ..DnsSettings::default()
    };
    Resolver::new(&settings)
        .inspect_err(|error| {
            error!(%error, "no SPF, DKIM, DMARC and block lists: authenticity.resolvers may name servers");
        })
        .ok()
}

/// Who says whom mail is from; nobody where authenticity is off.
pub(super) fn verifier(asked: &Authenticity, resolver: Option<&Resolver>) -> Option<Verifier> {
    let limits = VerifierLimits {
        spf: asked.spf_timeout,
        message: asked.message_timeout,
        questions: asked.questions,
        ..VerifierLimits::default()
    };
    resolver.filter(|_| asked.enabled).map(|resolver| Verifier::new(resolver.clone(), limits))
}

/// Octets of messages that are looked at as a whole at once: two of the longest fit.
pub(super) fn parsing_memory(config: &Config) -> u64 {
    config.limits.message_size.saturating_mul(2).max(config.store.message_memory)
}

/// How long mail is held back, and how much of it.
pub(super) fn quarantine(config: &Config) -> Quarantine {
    let config::Quarantine { keep, size, digest } = config.quarantine;
    Quarantine { keep, octets: size, digest }
}

/// How views, trash and pickups are looked after. Mailboxes that nobody has are ignored by themselves.
pub(super) fn care(config: &Config, directory: &Directory) -> Care {
    let (guard, watchdog) = (&config.guard, &config.watchdog);
    let ignore = watchdog.ignore.iter().filter_map(|name| directory.mailbox_named(name));
    Care {
        guard: guard.messages.map(|messages| Guard { messages, kept: guard.kept, trash: guard.trash }),
        watchdog: Watchdog { mailbox: watchdog.mailbox, robot: watchdog.robot, ignore: ignore.collect() },
    }
}

/// How much of the trace is kept.
pub(crate) fn trace(config: &Config) -> Bounds {
    let days = config.trace.keep.as_secs().div_ceil(24 * 60 * 60);
    Bounds { days: u32::try_from(days).unwrap_or(u32::MAX), octets: config.trace.size }
}

/// A public SMTP listener.
pub(super) fn smtp(config: &Config) -> smtp_receive::Params {
    let limits = &config.smtp.limits;
    smtp_receive::Params {
        hostname: config.hostname.clone(),
        dialect: smtp_receive::Dialect::Smtp,
        // With a certificate at hand; the one of before a reload counts.
        starttls: true,
        bare_newline: match config.smtp.bare_newline {
            BareNewline::Refuse => Newline::Refuse,
            BareNewline::Normalize => Newline::Normalize,
        },
        message_size: config.limits.message_size,
        recipients: limits.recipients,
        mails: limits.messages,
        command_line: limits.command_line,
        text_line: config.limits.line_length,
        received: config.limits.received,
        errors: ErrorLimits {
            soft: limits.errors_before_delay,
            hard: limits.errors,
            unknown_commands: limits.unknown_commands,
            junk_commands: limits.junk_commands,
            unknown_recipients_soft: limits.unknown_recipients_before_delay,
            unknown_recipients: limits.unknown_recipients,
            delay: limits.delay,
        },
        patience: Patience {
            greeting: limits.greeting_delay,
            command: limits.command_timeout,
            data_rate: limits.data_rate,
            session: limits.session_time,
            session_rate: limits.session_rate,
            tls_handshake: limits.tls_timeout,
            write: limits.write_timeout,
            drain: limits.stop_time,
            ..Patience::default()
        },
        ..smtp_receive::Params::default()
    }
}

/// An LMTP listener: the same message limits, and a peer that is a mail server of ours.
pub(super) fn lmtp(config: &Config) -> smtp_receive::Params {
    let public = smtp(config);
    smtp_receive::Params {
        hostname: public.hostname,
        message_size: public.message_size,
        recipients: public.recipients,
        text_line: public.text_line,
        received: public.received,
        starttls: false,
        ..smtp_receive::Params::lmtp()
    }
}

/// The POP3 listeners, for mail that is kept as `expiry` says.
pub(super) fn pop3(config: &Config, expiry: Expiry) -> (pop3_serve::Params, Access) {
    let limits = &config.pop3.limits;
    let params = pop3_serve::Params {
        hostname: config.hostname.clone(),
        login_timeout: limits.login_timeout,
        idle_timeout: limits.idle_timeout,
        write_timeout: limits.write_timeout,
        progress_timeout: limits.progress_timeout,
        faults_before_login: limits.bad_commands_before_login,
        faults_after_login: limits.bad_commands,
        login_failures: config.login.failures_per_session,
        failure_delays: config.login.failure_delays.clone(),
        expire: expiry.least.map(pop3_serve::whole_days),
        expire_differs: expiry.differs,
        utf8_fallback: match config.pop3.utf8_fallback {
            Utf8Fallback::Serve => Fallback::Serve,
            Utf8Fallback::Refuse => Fallback::Refuse,
        },
        ..pop3_serve::Params::default()
    };
    let access = Access {
        plain_on_loopback: config.pop3.plain_on_loopback,
        plain_on_trusted: config.pop3.plain_on_trusted,
        sessions_per_login: limits.sessions_per_login,
        handshake_timeout: limits.tls_timeout,
        ..Access::default()
    };
    (params, access)
}

/// Who may connect to SMTP: relays in front of us carry the mail of many, so they have no limits per address.
pub(super) fn smtp_gate(config: &Config) -> GateParams {
    let limits = &config.smtp.limits;
    let relays = config.relays.iter().fold(Networks::default(), |all, relay| all.and(&relay.networks));
    GateParams {
        total: limits.connections,
        per_address: limits.connections_per_address,
        per_network: limits.connections_per_network,
        rate_per_minute: limits.connections_per_minute,
        probes: Some(ProbeLimits { per_day: limits.unknown_recipients_per_day, ban: limits.ban_time }),
        trusted: config.trusted.and(&relays),
    }
}

/// Who may connect to LMTP: whoever can reach the socket.
pub(super) fn lmtp_gate(config: &Config) -> GateParams {
    let total = config.smtp.limits.connections;
    GateParams {
        total,
        per_address: total,
        per_network: total,
        rate_per_minute: u32::MAX,
        probes: None,
        trusted: config.trusted.clone(),
    }
}

/// Who may ask for figures: whoever reaches them, a few at a time.
pub(super) fn metrics_gate(config: &Config) -> GateParams {
    GateParams { total: 16, per_address: 16, per_network: 16, ..lmtp_gate(config) }
}

/// Who may connect to POP3.
pub(super) fn pop3_gate(config: &Config) -> GateParams {
    let limits = &config.pop3.limits;
    GateParams {
        total: limits.connections,
        per_address: limits.connections_per_address,
        per_network: limits.connections_per_network,
        rate_per_minute: limits.connections_per_minute,
        probes: None,
        trusted: config.trusted.clone(),
    }
}

/// How many wrong passwords are looked at.
pub(super) fn login_budget(config: &Config) -> LoginBudgetParams {
    LoginBudgetParams {
        per_minute: config.login.failures_per_minute,
        per_day: config.login.failures_per_day,
        account_per_day: config.login.mailbox_failures_per_day,
        trust: config.login.known_source_time,
        ..LoginBudgetParams::default()
    }
}

/// How much of the machine the store may use. Of the disk stays free what the file says, and never less than
/// two of the longest messages or a fiftieth of it.
pub(crate) fn store(config: &Config) -> queue_sled::Params {
    let disk = rustix::fs::statvfs(&config.state_dir).map_or(0, |disk| disk.f_blocks * disk.f_frsize);
    queue_sled::Params {
        cache: config.store.index_cache,
        memory: usize::try_from(config.store.message_memory).unwrap_or(usize::MAX),
        inflight: config.store.message_spool,
        min_free: config.limits.min_free_disk.max(2 * config.limits.message_size).max(disk / 50),
        min_inodes: config.limits.min_free_inodes,
        ..queue_sled::Params::default()
    }
}
