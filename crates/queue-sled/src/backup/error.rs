use std::io;
use std::path::{Path, PathBuf};

use queue::StoreError;

use crate::OpenError;

/// Why there is no backup, or no store from it. What was there before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// One at a time.
    #[error("another backup is under way")]
    Busy,
    /// The folder has something else in it.
    #[error("{0} is not empty, and no backup of this store")]
    NotEmpty(PathBuf),
    /// Another store's backup.
    #[error("{0} is the backup of another store")]
    OtherStore(PathBuf),
    /// A store, even if it was made from a backup of this one.
    #[error("{0} is a store, not a folder for backups")]
    IsStore(PathBuf),
    /// A backup inside its store, or around it.
    #[error("{0} and the store must not lie inside each other")]
    Inside(PathBuf),
    /// None there, or none that was finished.
    #[error("{0} has no finished backup")]
    Unfinished(PathBuf),
    /// A file of the backup is not what it was.
    #[error("{path}: {what}", path = path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Written by a later version.
    #[error("a later version has written {0}")]
    Newer(String),
    /// There is mail already where the backup shall go.
    #[error("there is a store already in {0}")]
    Exists(PathBuf),
    /// A process has the store.
    #[error("{0} is in use by another process")]
    Locked(PathBuf),
    /// It would not fit, or leave the store no room to live.
    #[error("{} has {} MiB free, and the restored store needs {} MiB", path.display(), free >> 20, needed.div_ceil(1 << 20))]
    NoRoom {
        /// Where.
        path: PathBuf,
        /// Octets of the copy, and of what a store keeps ready beside it.
        needed: u64,
        /// Octets that are there.
        free: u64,
    },
    /// The store could not be frozen.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system said no.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// To what.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Says where the system said no.
pub(super) trait At<T> {
    fn at(self, path: &Path) -> Result<T, BackupError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T, BackupError> {
        self.map_err(|error| BackupError::Io { path: path.to_owned(), error })
    }
}

impl<T> At<T> for Result<T, OpenError> {
    fn at(self, path: &Path) -> Result<T, BackupError> {
        self.map_err(|error| match error {
            OpenError::Newer(what) => BackupError::Newer(what),
            OpenError::Io(error) => BackupError::Io { path: path.to_owned(), error },
            error => BackupError::Damaged { path: path.to_owned(), what: error.to_string() },
        })
    }
}
