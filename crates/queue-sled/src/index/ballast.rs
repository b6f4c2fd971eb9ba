use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk::{Disk, Open, write_all};

/// A file that is only there to be removed: on a full disk sled can neither open nor flush, and without it
/// nothing can be deleted.
pub(crate) struct Ballast {
    disk: Arc<dyn Disk>,
    store: PathBuf,
    octets: u64,
    low_water: u64,
    there: AtomicBool,
}

impl Ballast {
    pub(crate) fn new(disk: Arc<dyn Disk>, store: PathBuf, octets: u64, low_water: u64) -> Self {
        let length = disk.open(&store.join("BALLAST"), Open::Read).and_then(|file| file.len());
        let there = AtomicBool::new(octets == 0 || length.is_ok_and(|length| length == octets));
        Self { disk, store, octets, low_water, there }
    }

    fn path(&self) -> PathBuf {
        self.store.join("BALLAST")
    }

    /// Whether intake may go on: what was let go has been made again.
    pub(crate) fn is_there(&self) -> bool {
        self.there.load(Ordering::Relaxed)
    }

    /// Lets it go. False when it was gone already.
    pub(crate) fn release(&self) -> bool {
        let was = self.there.swap(self.octets == 0, Ordering::Relaxed) && self.octets > 0;
        if was {
            tracing::warn!("the disk is full: the ballast is let go, no mail is taken until it is back");
            let gone = self.disk.unlink(&self.path()).and_then(|()| self.disk.fsync_dir(&self.store));
            if let Err(error) = gone {
                tracing::error!(%error, "the ballast could not be removed");
            }
        }
        was
    }

    /// Makes it again when there is room for it above the low water mark.
    pub(crate) fn restore(&self) {
        let room = self.disk.space(&self.store).is_ok_and(|space| space.free > self.octets + self.low_water);
        if self.is_there() || !room {
            return;
        }
        match make(&*self.disk, &self.path(), self.octets) {
            Ok(()) => self.there.store(true, Ordering::Relaxed),
            Err(error) => {
                tracing::warn!(%error, "the ballast could not be made");
                let _ = self.disk.unlink(&self.path());
            }
        }
    }
}

fn make(disk: &dyn Disk, path: &Path, octets: u64) -> io::Result<()> {
    const PART: usize = 1 << 20;
    match disk.unlink(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let file = disk.open(path, Open::Create)?;
    // Written, not reserved: room that a file system hands out twice is no ballast.
    let zeros = vec![0; PART];
    for at in (0..octets).step_by(PART) {
        let part = usize::try_from(octets - at).unwrap_or(PART).min(PART);
        write_all(&*file, &zeros[..part], at)?;
    }
    file.fdatasync()
}
