use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, Open, read_exact, write_all};

/// Where files go that no record names.
const ORPHANS: &str = "orphans";

/// Bodies too long for the log, one file each, in `big/`.
#[derive(Clone)]
pub(crate) struct BigFiles {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
}

impl BigFiles {
    pub(crate) fn new(disk: Arc<dyn Disk>, store: &Path) -> Self {
        Self { disk, folder: store.join("big") }
    }

    /// Removes what was being received when the last run ended. Files that no record names are left: that is
    /// for whoever knows all records.
    pub(crate) fn sweep(&self) -> io::Result<()> {
        for name in self.disk.list(&self.folder)? {
            if name.starts_with("tmp-") {
                self.disk.unlink(&self.folder.join(name))?;
            }
        }
        Ok(())
    }

    /// A file to receive into.
    pub(crate) fn receive(&self) -> io::Result<Spill> {
        let mut id = [0; 8];
        getrandom::fill(&mut id).map_err(io::Error::other)?;
        let id = u64::from_be_bytes(id);
        let path = self.folder.join(format!("tmp-{id:016x}"));
        let file = self.disk.open(&path, Open::Create)?;
        Ok(Spill { files: self.clone(), id, path: Some(path), file, octets: 0 })
    }

    fn path(&self, id: u64) -> PathBuf {
        self.folder.join(file_name(id))
    }

    /// The files that are there.
    pub(crate) fn ids(&self) -> io::Result<Vec<u64>> {
        let names = self.disk.list(&self.folder)?;
        let id = |name: &String| name.strip_suffix(".msg").and_then(|id| u64::from_str_radix(id, 16).ok());
        Ok(names.iter().filter_map(id).collect())
    }

    /// Moves a file to where nobody looks for it, under a name that says since when.
    pub(crate) fn set_aside(&self, id: u64, now_ms: u64) -> io::Result<()> {
        let orphans = self.folder.join(ORPHANS);
        self.disk.create_dir(&orphans)?;
        match self.disk.rename(&self.path(id), &orphans.join(format!("{now_ms:013}-{}", file_name(id)))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            outcome => outcome?,
        }
        self.disk.fsync_dir(&orphans)?;
        self.disk.fsync_dir(&self.folder)
    }

    /// The names of these, and since when they are there.
    pub(crate) fn orphans(&self) -> io::Result<Vec<(String, u64)>> {
        let names = match self.disk.list(&self.folder.join(ORPHANS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            names => names?,
        };
        let since = |name: &str| name.split_once('-').and_then(|(stamp, _)| stamp.parse().ok());
        Ok(names.into_iter().filter_map(|name| since(&name).map(|since| (name, since))).collect())
    }

    /// Removes one of them.
    pub(crate) fn remove_orphan(&self, name: &str) -> io::Result<()> {
        crate::fold::forget(&*self.disk, &self.folder.join(ORPHANS).join(name))
    }

    /// Removes a file; one that is gone already is no error.
    pub(crate) fn remove(&self, id: u64) -> io::Result<()> {
        crate::fold::forget(&*self.disk, &self.path(id))
    }

    pub(crate) fn open(&self, id: u64) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(&self.path(id), Open::Read)
    }
}

pub(crate) fn file_name(id: u64) -> String {
    format!("{id:016x}.msg")
}

/// A message that is received into a file. Dropped, it leaves nothing.
pub(crate) struct Spill {
    files: BigFiles,
    id: u64,
    path: Option<PathBuf>,
    file: Arc<dyn DiskFile>,
    octets: u64,
}

impl Spill {
    pub(crate) fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        write_all(&*self.file, octets, self.octets)?;
        self.octets += octets.len() as u64;
        Ok(())
    }

    /// Octets written so far.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// The file, for whoever reads while it is still being written.
    pub(crate) fn file(&self) -> Arc<dyn DiskFile> {
        self.file.clone()
    }

    /// Reads all of it back: it was spilled for want of memory, and is short enough for the log.
    pub(crate) fn read_back(&self) -> io::Result<Vec<u8>> {
        let mut body = vec![0; usize::try_from(self.octets).map_err(io::Error::other)?];
        read_exact(&*self.file, &mut body, 0)?;
        Ok(body)
    }

    /// Makes it durable under its name for life. Only then may a record name it.
    pub(crate) fn keep(mut self) -> io::Result<u64> {
        self.file.fdatasync()?;
        let Some(path) = self.path.take() else { return Err(io::ErrorKind::NotFound.into()) };
        self.files.disk.rename(&path, &self.files.path(self.id))?;
        self.files.disk.fsync_dir(&self.files.folder)?;
        Ok(self.id)
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            // What cannot be removed now is swept at the next start.
            let _ = self.files.disk.unlink(&path);
        }
    }
}
