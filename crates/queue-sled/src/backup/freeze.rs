use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use queue::StoreError;
use serde::{Deserialize, Serialize};

use super::error::BackupError;
use crate::disk::Disk;
use crate::fold::{Folder, snap_path};
use crate::index::Published;
use crate::index::rows::Digest;
use crate::log::Lsn;
use crate::log::segment::segment_id;
use crate::log::segments::Segments;
use crate::start::identity::STORE;

/// Where the links are, inside the store.
const FOLDER: &str = "backup-tmp";
/// A snap may be replaced while it is linked; the one in its place is looked for so often.
const SNAPS: usize = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// One moment of a store, in a folder that looks like one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Where.
    pub folder: PathBuf,
    /// The place in the log up to which it was durable; the newest segment may go on behind it.
    pub end: u64,
    /// Up to where the index was, and what it then came to.
    pub(crate) applied: u64,
    pub(crate) queue: Digest,
    pub(crate) mailboxes: Digest,
}

/// A moment as long as this is held.
pub struct Held {
    frozen: Frozen,
    disk: Arc<dyn Disk>,
    busy: Arc<AtomicBool>,
}

impl Held {
    /// What is held.
    pub fn frozen(&self) -> &Frozen {
        &self.frozen
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Err(error) = remove(&*self.disk, &self.frozen.folder) {
            tracing::warn!(%error, "what a backup has left is removed at the next start");
        }
        self.busy.store(false, Ordering::SeqCst);
    }
}

/// Holds moments of one store, one at a time.
pub(crate) struct Freezer<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    pub(crate) folder: &'a Folder,
    pub(crate) segments: &'a Segments,
    pub(crate) published: &'a Published,
    pub(crate) durable: &'a AtomicU64,
    pub(crate) busy: &'a Arc<AtomicBool>,
}

impl Freezer<'_> {
    /// What is not there yet when this is called may be missing; all that was durable is there.
    pub(crate) fn freeze(&self) -> Result<Held, BackupError> {
        if self.busy.swap(true, Ordering::SeqCst) {
            return Err(BackupError::Busy);
        }
        let folder = self.folder.store.join(FOLDER);
        let nothing = Digest::default();
        let frozen = Frozen { folder, end: 0, applied: 0, queue: nothing, mailboxes: nothing };
        // From here on whatever goes wrong is tidied away.
        let mut held = Held { frozen, disk: self.disk.clone(), busy: self.busy.clone() };
        self.link_all(&mut held.frozen)?;
        Ok(held)
    }

    fn link_all(&self, frozen: &mut Frozen) -> Result<(), StoreError> {
        let (disk, store) = (&**self.disk, &self.folder.store);
        remove(disk, &frozen.folder)?;
        disk.create_dir(&frozen.folder)?;
        for folder in ["log", "big", "snap"] {
            disk.create_dir(&frozen.folder.join(folder))?;
        }
        let _kept = self.segments.keep();
        // In this order: whatever the snap says is in the log before `end`, and whatever the log says up to
        // there is in files that are linked after.
        self.link_snap(&frozen.folder)?;
        let state = self.published.state();
        (frozen.applied, frozen.queue, frozen.mailboxes) = (state.applied, state.queue, state.mailboxes);
        frozen.end = self.durable.load(Ordering::SeqCst);
        let newest = Lsn(frozen.end).segment();
        for name in disk.list(&store.join("log"))? {
            if segment_id(&name).is_some_and(|id| id <= newest) {
                disk.link(&store.join("log").join(&name), &frozen.folder.join("log").join(&name))?;
            }
        }
        for name in disk.list(&store.join("big"))? {
            if name.ends_with(".msg") {
                disk.link(&store.join("big").join(&name), &frozen.folder.join("big").join(&name))?;
            }
        }
        Ok(disk.link(&store.join(STORE), &frozen.folder.join(STORE))?)
    }

    fn link_snap(&self, frozen: &Path) -> Result<(), StoreError> {
        for _ in 0..SNAPS {
            let durable = Lsn(self.durable.load(Ordering::SeqCst));
            match self.folder.base(durable)? {
                Some(snap) => {
                    // A copy is as good, and gets the name of what it is a copy of.
                    match self.disk.link(&snap.path, &snap_path(&frozen.join("snap"), snap.lsn)) {
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                        outcome => return Ok(outcome?),
                    }
                }
                None if self.segments.unbroken(Lsn(0), durable) => return Ok(()),
                None => {}
            }
            // A newer one is taking its place at this moment.
            std::thread::sleep(PAUSE);
        }
        Err(StoreError::Damaged("neither a snap nor the log says what came first".to_owned()))
    }
}

/// Removes what a run that was cut off has left: as long as its links are there, what is freed takes room.
pub(crate) fn unstage(disk: &dyn Disk, store: &Path) -> io::Result<()> {
    remove(disk, &store.join(FOLDER))
}

fn remove(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    match disk.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => disk.remove_folder(folder),
    }
}
