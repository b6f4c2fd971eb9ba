use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

/// Disk that is never used up, in octets.
const RESERVE: u64 = 4 << 30;

/// What the whole run may write to the disk, in octets, as those count it who write.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    folder: PathBuf,
    spent: u64,
}

impl Budget {
    pub(crate) fn new(limit: u64, folder: &Path) -> Self {
        Self { limit, folder: folder.to_owned(), spent: 0 }
    }

    pub(crate) fn add(&mut self, octets: u64) {
        self.spent += octets;
    }

    pub(crate) fn spent(&self) -> u64 {
        self.spent
    }

    /// Whether nothing more may be written, or the disk has no room for more.
    pub(crate) fn is_spent(&self) -> io::Result<bool> {
        let disk = statvfs(&self.folder)?;
        Ok(self.spent >= self.limit || disk.f_bavail * disk.f_frsize < RESERVE)
    }
}
