//! What a start finds in the state folder: the store, and who may log in.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use directory::{Directory, Table, VerifierParams};
use net::{ListenAddress, TlsError};
use queue_sled::{OpenError, SledStore, StartReport};
use tracing::{error, info, warn};

use super::params;
use crate::config::{self, Config, Overlay};

/// Why the appliance does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The state folder is not there and cannot be made, or is open to others.
    #[error("state folder {path}: {reason}", path = path.display())]
    StateDir {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The store cannot be opened.
    #[error("the store in {path}: {error}", path = path.display())]
    Store {
        /// Where.
        path: PathBuf,
        /// Why.
        error: OpenError,
    },
    /// A certificate or key cannot be used.
    #[error("[tls]: {0}")]
    Tls(#[from] TlsError),
    /// An address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(ListenAddress, io::Error),
    /// The system refuses what a server needs.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// The state folder is there, and nobody else's business.
pub(crate) fn prepare(path: &Path) -> Result<(), ServeError> {
    let fault = |reason: String| ServeError::StateDir { path: path.into(), reason };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| fault(error.to_string()))?;
    let found = fs::metadata(path).map_err(|error| fault(error.to_string()))?;
    if found.permissions().mode() & config::permission::STATE_DIR_OPEN != 0 {
        return Err(fault("others may look into it or write there: chmod 0700 it".into()));
    }
    Ok(())
}

/// The store, as its last run left it; the log is told what that was.
pub(super) async fn open(config: &Config) -> Result<SledStore, ServeError> {
    let (path, params) = (config.state_dir.join("store"), params::store(config));
    let folder = path.clone();
    let opened = tokio::task::spawn_blocking(move || SledStore::open(&folder, params)).await;
    let (store, report) =
        opened.map_err(io::Error::other)?.map_err(|error| ServeError::Store { path, error })?;
    tell(&report);
    Ok(store)
}

/// What the start of the store found, in the log.
fn tell(report: &StartReport) {
    if report.created {
        info!("a new store was made");
    } else {
        let (clean, replayed, torn_tail) = (report.clean, report.replayed, report.torn_tail);
        info!(clean, replayed, torn_tail, "the store is open");
    }
    if let Some(why) = &report.rebuilt {
        warn!(why, "the index was built again from the log");
    }
    for place in &report.damaged {
        error!(place, "part of the log is damaged and was set aside");
    }
}

/// Who may log in; a hash that a login has made stronger is kept.
pub(super) fn directory(table: Table, overlay: &Arc<Overlay>) -> Directory {
    let kept = overlay.clone();
    let strengthened = move |configured: &str, stronger: &str| {
        if let Err(error) = kept.keep(configured, stronger) {
            warn!(%error, "a stronger hash is not kept; it is made again at the next login");
        }
    };
    let overlay = overlay.load(|configured| table.has_hash(configured));
    Directory::new(table, VerifierParams { strengthened: Some(Arc::new(strengthened)), overlay })
}
