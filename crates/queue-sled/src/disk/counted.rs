use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Disk, DiskFile, Lock, Open, RealDisk, Space};

/// Octets that a store has written since it was opened, as its disk counts them; sled's own are not seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Into files that were there: records, and the heads of segments.
    pub records: u64,
    /// Into new files: the zeros of segments to come, long bodies, snaps and checkpoints.
    pub files: u64,
}

/// The disk of this machine, with what is written to it counted.
#[derive(Default)]
pub(crate) struct Counted {
    records: Arc<AtomicU64>,
    files: Arc<AtomicU64>,
}

impl Disk for Counted {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>> {
        let file = RealDisk.open(path, how)?;
        let written = match how {
            Open::Read => return Ok(file),
            Open::Write => &self.records,
            Open::Create | Open::CreateDirect => &self.files,
        };
        Ok(Arc::new(CountedFile { file, written: written.clone() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        RealDisk.exchange(one, other)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        RealDisk.unlink(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }

    fn fsync_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.fsync_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_folder(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        RealDisk.space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        RealDisk.lock(path)
    }

    fn written(&self) -> Written {
        Written { records: self.records.load(Ordering::Relaxed), files: self.files.load(Ordering::Relaxed) }
    }
}

struct CountedFile {
    file: Arc<dyn DiskFile>,
    written: Arc<AtomicU64>,
}

impl DiskFile for CountedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_cached(buffer, offset)
    }

    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let taken = self.file.write_vectored_at(buffers, offset)?;
        self.written.fetch_add(taken as u64, Ordering::Relaxed);
        Ok(taken)
    }

    fn fdatasync(&self) -> io::Result<()> {
        self.file.fdatasync()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn links(&self) -> io::Result<u64> {
        self.file.links()
    }
}
