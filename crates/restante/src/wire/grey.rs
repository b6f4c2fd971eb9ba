//! The grey list, kept over a restart: whoever has come again once need not do so after every update.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use authenticity::Greylist;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::gate::greylist_settings;
use super::known::{replace, since_1970};
use crate::config::Config;

const NAME: &str = "greylist";
/// How often it is written down.
const EVERY: Duration = Duration::from_secs(300);

/// One for all configurations of a run.
pub(crate) type SharedGreylist = Arc<Mutex<Greylist>>;

/// Whom the last run knew. A file that is not there or not readable costs senders one more wait.
pub(super) fn recall(config: &Config) -> SharedGreylist {
    let mut greylist = Greylist::new(greylist_settings(config));
    if let Ok(text) = fs::read_to_string(config.state_dir.join(NAME)) {
        greylist.recall(&text, Instant::now(), since_1970());
    }
    Arc::new(Mutex::new(greylist))
}

/// Writes it down now and then and at the end.
pub(super) async fn keep(state_dir: PathBuf, greylist: SharedGreylist, stop: CancellationToken) {
    loop {
        let stopped = stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none();
        let (folder, greylist) = (state_dir.clone(), greylist.clone());
        let written = tokio::task::spawn_blocking(move || write(&folder, &greylist)).await;
        if let Ok(Err(error)) = written {
            warn!(%error, "the grey list is not written down");
        }
        if stopped {
            return;
        }
    }
}

fn write(state_dir: &Path, greylist: &SharedGreylist) -> std::io::Result<()> {
    let now = Instant::now();
    // Sessions wait for no more than this.
    let remembered = greylist.lock().unwrap_or_else(PoisonError::into_inner).remembered(now);
    if remembered.is_empty() && !state_dir.join(NAME).exists() {
        return Ok(());
    }
    replace(state_dir, NAME, &remembered.text(now, since_1970()))
}
