//! The service manager: what it hands us, and what it wants to hear (sd_notify(3)). Without one, nothing of
//! this does anything.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use listenfd::ListenFd;
use net::Bound;
use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::control::Desk;
use crate::control::report::Report;

/// How often the words of `systemctl status` are looked at.
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// The sockets it has bound for us, by the names of the socket unit. Inside a tokio runtime.
pub(crate) fn sockets() -> io::Result<HashMap<String, Vec<Bound>>> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names: Vec<&str> = names.split(':').collect();
    let mut handed = ListenFd::from_env();
    let mut found: HashMap<String, Vec<Bound>> = HashMap::new();
    for index in 0..handed.len() {
        let name = names.get(index).copied().unwrap_or_default();
        // Each call leaves a descriptor of the other kind where it is.
        let bound = match handed.take_tcp_listener(index) {
            Ok(Some(listener)) => Bound::inherit(listener.into())?,
            Ok(None) => continue,
            Err(_) => match handed.take_unix_listener(index)? {
                Some(listener) => Bound::inherit(listener.into())?,
                None => continue,
            },
        };
        found.entry(name.to_owned()).or_default().push(bound);
    }
    Ok(found)
}

/// What we do now, in words, for `systemctl status`.
pub(crate) fn status(words: &str) {
    tell(&[NotifyState::Status(words)]);
}

/// Keeps the words current while we serve.
pub(crate) async fn keep_status(desk: Arc<Desk>, stop: CancellationToken) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let mut told = String::new();
    let mut ticks = tokio::time::interval(STATUS_EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let words = match Report::of(&desk).await {
            Ok(report) => report.line(),
            Err(fault) => format!("degraded: {fault}"),
        };
        if words != told {
            status(&words);
            told = words;
        }
    }
}

/// We serve.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// We read our configuration again; [`ready`] ends it.
pub(crate) fn reloading() {
    if let Ok(stamp) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, stamp]);
    }
}

/// We end.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Shows at half its patience that the runtime still turns, until all has ended: a stop may take its time.
pub(crate) async fn watchdog(stop: CancellationToken) {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval((patience / 2).max(Duration::from_millis(100)));
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    // It may be gone, or never have been there: we serve all the same.
    let _ = sd_notify::notify(states);
}
