use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

/// Disk that is never used up, in octets.
const RESERVE: u64 = 2 << 30;

/// What the whole run may write to the disk, in octets: what stands there, and what was written over.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    folder: PathBuf,
    overwritten: u64,
}

impl Budget {
    /// No more than the disk can take, whatever was asked for.
    pub(crate) fn new(wanted: u64, folder: &Path) -> io::Result<Self> {
        let disk = statvfs(folder)?;
        let free = disk.f_bavail * disk.f_frsize;
        let limit = wanted.min(free.saturating_sub(RESERVE));
        Ok(Self { limit, folder: folder.to_owned(), overwritten: 0 })
    }

    /// Counts what was written over, and so is not seen in the folder.
    pub(crate) fn add(&mut self, octets: u64) {
        self.overwritten += octets;
    }

    pub(crate) fn spent(&self) -> io::Result<u64> {
        Ok(self.overwritten + occupied(&self.folder)?)
    }

    /// Whether nothing more may be written.
    pub(crate) fn is_spent(&self) -> io::Result<bool> {
        Ok(self.spent()? >= self.limit)
    }
}

/// Octets of disk under a folder. The server works in it meanwhile: files may go while we look.
fn occupied(folder: &Path) -> io::Result<u64> {
    let mut octets = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match fs::symlink_metadata(&path) {
            Ok(data) if data.is_dir() => octets += occupied(&path)?,
            Ok(data) => octets += data.blocks() * 512,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(octets)
}
