use std::io::{self, IsTerminal};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::log_fields::Fields;
use super::log_writer::LogWriter;
use crate::config::{Log, LogFormat, LogLevel};

/// Sends everything that is logged to standard error, one line each. Under a service manager that keeps
/// the log itself a line has no time of its own. What it returns must be flushed before the process ends.
pub(super) fn begin(log: &Log) -> io::Result<LogWriter> {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // Libraries talk to their developers below warnings, and rustls warns of whatever a peer gets wrong: that
    // is the session's to log, at its level.
    let quiet = [
        ("sled", LevelFilter::WARN),
        ("mio", LevelFilter::WARN),
        ("rustls", LevelFilter::ERROR),
        ("tokio_rustls", LevelFilter::ERROR),
    ];
    let filter = Targets::new()
        .with_default(level)
        .with_targets(quiet.map(|(library, most)| (library, level.min(most))));
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let writer = LogWriter::start(io::stderr())?;
    let layer =
        fmt::layer().with_writer(writer.clone()).with_target(false).with_ansi(io::stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(filter);
    // A second call in one process (only tests do that) keeps the first's.
    let _ = match (&log.format, journal) {
        (LogFormat::Text, false) => registry.with(layer.fmt_fields(Fields)).try_init(),
        (LogFormat::Text, true) => registry.with(layer.without_time().fmt_fields(Fields)).try_init(),
        (LogFormat::Json, _) => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    Ok(writer)
}
