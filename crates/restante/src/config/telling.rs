//! `[log]`, `[trace]` and `[metrics]`: what is told, and to whom.

use std::time::Duration;

use net::ListenAddress;

use super::machine::listeners;
use super::section::Section;
use super::value::{choice, duration, size};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// The least that is logged.
    pub level: LogLevel,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: LogLevel::Info }
    }
}

/// `[trace]`: what became of each message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// How long it is kept.
    pub keep: Duration,
    /// What all of it may take; the oldest days go first.
    pub size: u64,
}

impl Default for Trace {
    fn default() -> Self {
        Self { keep: 30 * DAY, size: GIB }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people and the journal.
    Text,
    /// One JSON object a line.
    Json,
}

/// The least that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Only what we failed at.
    Error,
    /// And what wants a look.
    Warn,
    /// And what happened to each message and session.
    Info,
    /// And what peers did wrong.
    Debug,
    /// Everything.
    Trace,
}

/// `[metrics]`: figures for a monitoring system that asks for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Where they are asked for; nowhere by default.
    pub listen: Vec<ListenAddress>,
}

const FORMATS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];
const LEVELS: [(&str, LogLevel); 5] = [
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

pub(super) fn log(s: &mut Section<'_, '_>, log: &mut Log) {
    s.set("format", &mut log.format, choice(&FORMATS));
    s.set("level", &mut log.level, choice(&LEVELS));
}

pub(super) fn trace(s: &mut Section<'_, '_>, trace: &mut Trace) {
    s.set("keep", &mut trace.keep, duration(DAY..=3660 * DAY));
    s.set("size", &mut trace.size, size(MIB..=TIB));
}

pub(super) fn metrics(s: &mut Section<'_, '_>, metrics: &mut Metrics) {
    listeners(s, "listen", &mut metrics.listen);
    let is_far = |address: &&ListenAddress| match address {
        ListenAddress::Tcp(address) => !address.ip().to_canonical().is_loopback(),
        ListenAddress::Unix(_) => false,
    };
    if let Some(address) = metrics.listen.iter().find(is_far) {
        let message = format!("whoever reaches {address} can read the names of all mailboxes");
        let hint = "\"127.0.0.1:9125\", or a Unix socket; nobody logs in there, and nothing is encrypted";
        s.notes.warn(s.span_of("listen"), message, hint);
    }
}
