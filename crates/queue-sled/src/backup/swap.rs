//! A restored store takes the place of the one that was there.

use std::io;
use std::path::{Path, PathBuf};

use super::error::{At, BackupError};
use crate::disk::Disk;

/// What a store has and a draft of one never had.
const OPENED: [&str; 3] = ["LOCK", "CKPT", "idx"];

/// Takes away what a restore that was cut off has left: a draft, or the store that had just been taken out of its
/// place. That one is moved aside: nothing is ever removed.
pub(super) fn clear(disk: &dyn Disk, draft: &Path, store: &Path, now_ms: u64) -> Result<(), BackupError> {
    let Ok(names) = disk.list(draft) else { return Ok(()) };
    if !names.iter().any(|name| OPENED.contains(&name.as_str())) {
        return disk.remove_folder(draft).at(draft);
    }
    let aside = aside(disk, store, now_ms);
    disk.rename(draft, &aside).at(&aside)?;
    tracing::warn!(aside = %aside.display(), "a restore was cut off: the store that was there before it is kept");
    Ok(())
}

/// Puts a draft where the store shall be, and what is there aside. There is a store at every moment where the file
/// system can swap two names in one step; elsewhere there is none between two renames.
pub(super) fn put(
    disk: &dyn Disk,
    draft: &Path,
    store: &Path,
    is_there: bool,
    now_ms: u64,
) -> Result<Option<PathBuf>, BackupError> {
    let parent = store.parent().unwrap_or(store);
    if !is_there {
        disk.rename(draft, store).at(store)?;
        disk.fsync_dir(parent).at(parent)?;
        return Ok(None);
    }
    let aside = aside(disk, store, now_ms);
    let kept = match disk.exchange(draft, store) {
        Ok(()) => {
            disk.fsync_dir(parent).at(parent)?;
            // The swap is done; the other name is for people.
            disk.rename(draft, &aside).map_or_else(|_| draft.to_owned(), |()| aside)
        }
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            disk.rename(store, &aside).at(&aside)?;
            if let Err(error) = disk.rename(draft, store) {
                let back = disk.rename(&aside, store);
                return Err(error).at(store).inspect_err(|_| drop(back));
            }
            aside
        }
        Err(error) => return Err(error).at(store),
    };
    disk.fsync_dir(parent).at(parent)?;
    Ok(Some(kept))
}

/// A name that nobody has.
fn aside(disk: &dyn Disk, store: &Path, now_ms: u64) -> PathBuf {
    let names = (now_ms / 1000..).map(|stamp| store.with_extension(format!("aside-{stamp}")));
    let mut free = names.filter(|aside| disk.list(aside).is_err());
    free.next().unwrap_or_else(|| store.with_extension("aside"))
}
