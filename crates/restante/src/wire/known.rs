//! The sources that logged in of late, kept over a restart: when everybody polls at once after a start, they
//! wait for a hashing permit instead of failing.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use directory::{Directory, Source};
use tokio_util::sync::CancellationToken;
use tracing::warn;

const NAME: &str = "known-sources";
/// How often what is known is written down.
const EVERY: Duration = Duration::from_secs(600);

/// Tells the directory whom the last run knew. A file that is not there or not readable costs some clients a
/// second try, no more.
pub(super) fn recall(state_dir: &Path, directory: &Directory) {
    let Ok(text) = fs::read_to_string(state_dir.join(NAME)) else { return };
    let now = since_1970();
    for line in text.lines() {
        let Some((seconds, ip)) = line.split_once(' ') else { continue };
        if let (Ok(seconds), Ok(ip)) = (seconds.parse::<u64>(), ip.parse::<IpAddr>()) {
            directory.remember_source(Source(Some(ip)), now.saturating_sub(Duration::from_secs(seconds)));
        }
    }
}

/// Writes down whom the directory knows, now and then and at the end.
pub(super) async fn keep(state_dir: PathBuf, directory: Directory, stop: CancellationToken) {
    loop {
        let stopped = stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none();
        let (folder, known) = (state_dir.clone(), directory.known_sources());
        let written = tokio::task::spawn_blocking(move || write(&folder, &known)).await;
        if let Ok(Err(error)) = written {
            warn!(%error, "the sources of late logins are not written down");
        }
        if stopped {
            return;
        }
    }
}

fn write(state_dir: &Path, known: &[(IpAddr, Duration)]) -> std::io::Result<()> {
    let now = since_1970();
    let line = |(ip, ago): &(IpAddr, Duration)| format!("{} {ip}\n", now.saturating_sub(*ago).as_secs());
    replace(state_dir, NAME, &known.iter().map(line).collect::<String>())
}

/// Renamed into place, so that it is whole; not synced, since losing it loses no mail.
pub(super) fn replace(state_dir: &Path, name: &str, text: &str) -> std::io::Result<()> {
    let fresh = state_dir.join(format!("{name}.new"));
    fs::write(&fresh, text)?;
    fs::rename(fresh, state_dir.join(name))
}

pub(super) fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
