use std::io;
use std::path::{Path, PathBuf};

use super::error::{At, BackupError};
use super::manifest::{Kept, Manifest};
use super::place::{self, FOLDERS};
use super::take::store_name;
use super::{Progress, Told, swap};
use crate::clock::wall_ms;
use crate::disk::{Disk, Lock, Open, RealDisk, read_exact};
use crate::index::ballast;
use crate::index::checkpoint::replace;
use crate::log::Lsn;
use crate::log::segment::segment_id;
use crate::params::Params;
use crate::start::identity::{Identity, STORE};

/// Beside the backup: below which id no store that is made from it may begin any more.
const RESTORED: &str = "RESTORED";
/// Segments that a store begins in a second at most, for long: with the smallest ones, 256 MiB of mail.
const FAST: u64 = 16;
/// So long; whoever has run for longer than that has not been that fast all the time.
const FAST_SECONDS: u64 = 30 * 24 * 3600;
/// Ids left out in any case, and between two stores from one backup.
const MARGIN: u32 = 1 << 16;
const AGAIN: u32 = 1 << 20;

/// A user of the system and his group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// His number.
    pub uid: u32,
    /// His group's.
    pub gid: u32,
}

/// Gives a store that is made to whom it shall belong.
type Give<'a> = &'a dyn Fn(&Path) -> io::Result<()>;

/// What a restore came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// When the backup was made, ms since 1970.
    pub made_ms: u64,
    /// Files that were copied, and their octets.
    pub files: u64,
    /// See [`Restored::files`].
    pub octets: u64,
    /// Where the store is that was there before.
    pub aside: Option<PathBuf>,
    /// The clock is behind the backup: were it restored twice, one store might name other mail as the other does.
    pub clock_behind: bool,
}

/// Makes a store of the backup in `dir`: all of it, checked octet for octet, or nothing. A store that is there
/// already is moved aside if `over`; nothing is ever removed. Root says who the owner shall be.
///
/// Mail that came after the backup is not in it, but clients may have seen it. So that no new mail gets the uid
/// of such mail, the store goes on far beyond what the one before it can have reached.
pub fn restore(
    dir: &Path,
    store: &Path,
    over: bool,
    owner: Option<Owner>,
    told: Told<'_>,
) -> Result<Restored, BackupError> {
    let give = |draft: &Path| owner.map_or(Ok(()), |owner| give(draft, owner));
    restore_on(&RealDisk, dir, store, over, (wall_ms(), &give), told)
}

/// All of a folder and what is in it.
fn give(path: &Path, owner: Owner) -> io::Result<()> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            give(&entry?.path(), owner)?;
        }
    }
    std::os::unix::fs::lchown(path, Some(owner.uid), Some(owner.gid))
}

pub(crate) fn restore_on(
    disk: &dyn Disk,
    dir: &Path,
    store: &Path,
    over: bool,
    (now_ms, give): (u64, Give<'_>),
    told: Told<'_>,
) -> Result<Restored, BackupError> {
    let manifest = Manifest::read(disk, dir)?.ok_or_else(|| BackupError::Unfinished(dir.to_owned()))?;
    let identity = Identity::read(disk, dir).at(&dir.join(STORE))?;
    let identity = identity.ok_or_else(|| BackupError::Unfinished(dir.to_owned()))?;
    if identity.store_id != manifest.store_id {
        return Err(BackupError::OtherStore(dir.to_owned()));
    }
    for (name, kept) in &manifest.files {
        let path = dir.join(name);
        let octets = disk.open(&path, Open::Read).and_then(|file| file.len()).at(&path)?;
        if octets != kept.octets {
            return Err(damaged(&path, &format!("{octets} octets where {} were", kept.octets)));
        }
    }
    let old = old_store(disk, store, over, give)?;
    let noted = note(disk, dir);
    let ids_from = ids_from(&manifest, now_ms)
        .max(identity.ids_from)
        .max(noted.map_or(0, |noted| noted.saturating_add(AGAIN)))
        .max(old.as_ref().map_or(0, |old| old.last_id.saturating_add(MARGIN)));

    let draft = store.with_extension("restoring");
    swap::clear(disk, &draft, store, now_ms)?;
    has_room(disk, &manifest, identity, store.parent().unwrap_or(store))?;
    let mut make = || {
        disk.create_dir(&draft).at(&draft)?;
        let octets = copy_all(disk, &manifest, dir, &draft, told)?;
        replace(disk, &draft, STORE, Identity { ids_from, ..identity }.text().as_bytes()).at(&draft)?;
        give(&draft).at(&draft)?;
        Ok(octets)
    };
    // Half of a store would only take the room that is lacking.
    let octets = make().inspect_err(|_: &BackupError| drop(disk.remove_folder(&draft)))?;
    // A backup that cannot be written to keeps no such note; then the clock alone keeps two restores apart.
    if let Err(error) = replace(disk, dir, RESTORED, format!("{ids_from}\n").as_bytes()) {
        tracing::debug!(%error, "the restore is not noted beside the backup");
    }
    // Nobody opens the old one before it is out of the way.
    let lock = old.map(|old| old.lock);
    let aside = swap::put(disk, &draft, store, lock.is_some(), now_ms)?;
    drop(lock);
    let (made_ms, files) = (manifest.made_ms, manifest.files.len() as u64);
    Ok(Restored { made_ms, files, octets, aside, clock_behind: now_ms < made_ms })
}

fn damaged(path: &Path, what: &str) -> BackupError {
    BackupError::Damaged { path: path.to_owned(), what: what.to_owned() }
}

/// Beyond whatever the store may have reached that the backup is of: it never began more segments than that, or
/// followed the clock.
fn ids_from(manifest: &Manifest, now_ms: u64) -> u32 {
    let (made, now) = (manifest.made_ms / 1000, now_ms / 1000);
    let since = now.saturating_sub(made);
    let fast = since.min(FAST_SECONDS);
    let reached = u64::from(Lsn(manifest.end).segment()).max(made) + fast * FAST + (since - fast);
    u32::try_from(reached).unwrap_or(u32::MAX).saturating_add(MARGIN)
}

fn note(disk: &dyn Disk, dir: &Path) -> Option<u32> {
    let file = disk.open(&dir.join(RESTORED), Open::Read).ok()?;
    let mut text = vec![0; usize::try_from(file.len().ok()?).ok()?.min(32)];
    read_exact(&*file, &mut text, 0).ok()?;
    std::str::from_utf8(&text).ok()?.trim().parse().ok()
}

fn copy_all(
    disk: &dyn Disk,
    manifest: &Manifest,
    dir: &Path,
    draft: &Path,
    told: Told<'_>,
) -> Result<u64, BackupError> {
    let mut progress = Progress { done: 0, of: manifest.files.values().map(|kept| kept.octets).sum() };
    for folder in FOLDERS {
        disk.create_dir(&draft.join(folder)).at(draft)?;
    }
    for (name, kept) in &manifest.files {
        let (from, to) = (dir.join(name), draft.join(store_name(name)));
        let file = disk.open(&from, Open::Read).at(&from)?;
        let copied = place::copy(disk, &*file, &to, u64::MAX, false, |octets| {
            progress.done += octets;
            told(progress);
        });
        let (octets, crc) = copied.at(&to)?;
        if (Kept { octets, crc }) != *kept {
            return Err(damaged(&from, "its octets have changed since the backup"));
        }
    }
    for folder in FOLDERS {
        disk.fsync_dir(&draft.join(folder)).at(draft)?;
    }
    disk.fsync_dir(draft).at(draft)?;
    Ok(progress.done)
}

/// A store where the restored one shall be.
struct Old {
    last_id: u32,
    lock: Lock,
}

/// Finds it, and locks it; nobody may have it open. A folder with nothing in it is none.
fn old_store(disk: &dyn Disk, store: &Path, over: bool, give: Give<'_>) -> Result<Option<Old>, BackupError> {
    let names = match disk.list(store) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        names => names.at(store)?,
    };
    if names.is_empty() {
        return Ok(None);
    }
    let path = store.join("LOCK");
    let locked = || match disk.lock(&path) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(BackupError::Locked(store.to_owned())),
        lock => lock.at(store),
    };
    let was_opened = names.iter().any(|name| name == "LOCK");
    if !over {
        // That it is in use says more.
        if was_opened {
            drop(locked()?);
        }
        return Err(BackupError::Exists(store.to_owned()));
    }
    let lock = locked()?;
    if !was_opened && disk.open(&path, Open::Read).is_ok() {
        // Whoever puts that store back must be able to lock it.
        give(&path).at(&path)?;
    }
    let segments = disk.list(&store.join("log")).unwrap_or_default();
    let last_id = segments.iter().filter_map(|name| segment_id(name)).max().unwrap_or(0);
    let ids_from = Identity::read(disk, store).ok().flatten().map_or(0, |identity| identity.ids_from);
    Ok(Some(Old { last_id: last_id.max(ids_from), lock }))
}

/// Refuses where the copy would fit and nothing beside it: the store could not even be opened.
fn has_room(disk: &dyn Disk, manifest: &Manifest, identity: Identity, at: &Path) -> Result<(), BackupError> {
    let Params { ballast: least, spares, .. } = Params::default();
    let snaps = manifest.files.iter().filter(|(name, _)| name.starts_with("snap/"));
    let snap = snaps.map(|(_, kept)| kept.octets).max().unwrap_or(0);
    let copied: u64 = manifest.files.values().map(|kept| kept.octets).sum();
    let spares = spares as u64 * u64::from(identity.segment_size);
    let needed = copied.saturating_add(spares).saturating_add(ballast::beside(snap, least));
    let free = disk.space(at).at(at)?.free;
    if free < needed {
        return Err(BackupError::NoRoom { path: at.to_owned(), needed, free });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn ids_begin_beyond_whatever_can_have_been_reached() {
        let manifest = |end: u32, made: u64| Manifest {
            store_id: [0; 16],
            made_ms: made * 1000,
            end: Lsn::new(end, 0).0,
            files: BTreeMap::new(),
        };
        let (made, day) = (1_700_000_000, 24 * 3600);
        let from = |end, made, now: u64| u64::from(ids_from(&manifest(end, made), now * 1000));
        // It followed the clock, or it began several segments a second.
        assert!(from(1_700_000_000, made, made + day) > made + 10 * day);
        // It was ahead of the clock already.
        assert!(from(1_800_000_000, made, made + day) > 1_800_000_000 + 10 * day);
        // Later restores begin later, by more than the earlier one can have used.
        assert!(from(7, made, made + 60) >= from(7, made, made + 50) + 10 * FAST);
        // The clock is wrong: at least beyond what the backup knows.
        assert!(from(1_800_000_000, made, 5) > 1_800_000_000);
        assert!(from(u32::MAX - 5, made, made) == u64::from(u32::MAX));
        // Years later there are ids left.
        assert!(from(1_700_000_000, made, made + 3650 * day) < 0xF000_0000);
    }
}
