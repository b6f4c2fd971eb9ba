//! Programs beside ours that look at whole messages: a spam filter, a virus scanner. They may be slow, down or
//! broken at any time, so each answer is bounded in octets and in time, and so is how many wait for one.

mod clamd;
mod lane;
#[cfg(test)]
mod real;
mod rspamd;
mod stream;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

pub use clamd::Clamd;
use mail::Known;
pub use rspamd::{About, Rspamd};

/// Where a scanner listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A host and a port: `127.0.0.1:11333`.
    Tcp(String),
    /// A Unix socket.
    Unix(PathBuf),
}

/// What it means that a scanner does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenDown {
    /// Nobody can tell, so what depends on it waits.
    Defer,
    /// As if there were no scanner.
    Accept,
}

/// How a scanner is asked.
#[derive(Debug, Clone)]
pub struct ScannerSettings {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// How long a message may take, its turn included.
    pub timeout: Duration,
    /// How many messages it looks at at once.
    pub at_once: usize,
    /// How many more may wait for their turn.
    pub waiting: usize,
    /// What it means that it does not answer.
    pub when_down: WhenDown,
}

impl ScannerSettings {
    /// The usual bounds for a scanner at an endpoint.
    pub fn new(endpoint: Endpoint) -> Self {
        let timeout = Duration::from_secs(30);
        Self { endpoint, timeout, at_once: 4, waiting: 32, when_down: WhenDown::Defer }
    }
}

/// What became of a question to a scanner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan<T> {
    /// Its answer. Without one: `Unknown`, or nothing at all, as [`WhenDown`] says.
    pub known: Known<Option<T>>,
    /// Why there is none, in one line, for the log and the trace.
    pub down: Option<String>,
}

/// Why a scanner gave no answer that counts.
#[derive(Debug, thiserror::Error)]
enum ScanFault {
    #[error("too many messages wait for it")]
    Busy,
    #[error("no answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    #[error("the connection broke off: {0}")]
    Broken(std::io::Error),
    #[error("it hung up in the middle of its answer")]
    Cut,
    #[error("its answer is too long")]
    TooLong,
    #[error("its answer makes no sense: {}", mail::shown(.0))]
    Garbage(String),
    #[error("it says: {}", mail::shown(.0))]
    Says(String),
}
