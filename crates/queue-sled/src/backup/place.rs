//! The folder of a backup: whose it may be, and what is done with its files.

use std::io;
use std::path::{Path, PathBuf};

use super::error::{At, BackupError};
use super::manifest::MANIFEST;
use crate::disk::{Disk, DiskFile, Open, read_exact, write_all};
use crate::log::segment::PAGE;
use crate::start::identity::{Identity, STORE};

/// The folders in it.
pub(super) const FOLDERS: [&str; 3] = ["log", "big", "snap"];
/// Octets that are copied at once, and the piece that is left out when it is all zeros.
const CHUNK: usize = 1 << 20;
const HOLE: usize = 64 << 10;

/// Refuses a folder that is not for backups of this store; makes one that is not there.
pub(super) fn claim(
    disk: &dyn Disk,
    dir: &Path,
    store: &Path,
    identity: Identity,
) -> Result<(), BackupError> {
    // What is not there yet would be inside all the same.
    if contains(store, dir.parent().unwrap_or(dir)).at(dir)? {
        return Err(BackupError::Inside(dir.to_owned()));
    }
    disk.create_dir(dir).at(dir)?;
    // Where we may not look into what is around it, its name is durable when the system likes.
    let _ = dir.parent().map(|parent| disk.fsync_dir(parent));
    if contains(store, dir).at(dir)? || contains(dir, store).at(dir)? {
        return Err(BackupError::Inside(dir.to_owned()));
    }
    let names = disk.list(dir).at(dir)?;
    if ["LOCK", "CKPT", "idx"].iter().any(|ours| names.iter().any(|name| name == ours)) {
        return Err(BackupError::IsStore(dir.to_owned()));
    }
    match Identity::read(disk, dir).at(&dir.join(STORE))? {
        Some(found) if found.store_id == identity.store_id => Ok(()),
        Some(_) => Err(BackupError::OtherStore(dir.to_owned())),
        // What a file system of its own begins with, and what a first run was cut off at.
        None if names.iter().all(|name| name == "lost+found" || name == "tmp-STORE") => Ok(()),
        None => Err(BackupError::NotEmpty(dir.to_owned())),
    }
}

fn contains(outer: &Path, inner: &Path) -> io::Result<bool> {
    Ok(canonical(inner)?.starts_with(canonical(outer)?))
}

/// A simulated disk has no paths of the system's: there they are what they say.
fn canonical(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        outcome => outcome,
    }
}

/// Reads a file to its end, at most `limit` octets: how many there were, and their crc32c.
pub(super) fn read_through(
    file: &dyn DiskFile,
    limit: u64,
    mut each: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<(u64, u32)> {
    let octets = file.len()?.min(limit);
    let mut chunk = vec![0; CHUNK];
    let (mut at, mut crc) = (0, 0);
    while at < octets {
        let part = usize::try_from(octets - at).unwrap_or(usize::MAX).min(CHUNK);
        read_exact(file, &mut chunk[..part], at)?;
        crc = crc32c::crc32c_append(crc, &chunk[..part]);
        each(at, &chunk[..part])?;
        at += part as u64;
    }
    Ok((octets, crc))
}

/// Copies at most `limit` octets into a new file and makes them durable. With `holes`, zeros take no room.
pub(super) fn copy(
    disk: &dyn Disk,
    from: &dyn DiskFile,
    to: &Path,
    limit: u64,
    holes: bool,
    mut each: impl FnMut(u64),
) -> io::Result<(u64, u32)> {
    crate::fold::forget(disk, to)?;
    let file = disk.open(to, Open::Create)?;
    let mut end = 0;
    let (octets, crc) = read_through(from, limit, |at, chunk| {
        for (piece, at) in chunk.chunks(HOLE).zip((at..).step_by(HOLE)) {
            if !holes || piece.iter().any(|octet| *octet != 0) {
                write_all(&*file, piece, at)?;
                end = at + piece.len() as u64;
            }
        }
        each(chunk.len() as u64);
        Ok(())
    })?;
    if end < octets {
        write_all(&*file, &[0], octets - 1)?;
    }
    file.fdatasync()?;
    Ok((octets, crc))
}

/// Whether two files begin alike: a segment's first page has the salt that no other has.
pub(super) fn begin_alike(one: &dyn DiskFile, other: &dyn DiskFile) -> io::Result<bool> {
    let page = |file: &dyn DiskFile| {
        let octets = usize::try_from(file.len()?).unwrap_or(usize::MAX).min(PAGE as usize);
        let mut page = vec![0; octets];
        read_exact(file, &mut page, 0).map(|()| page)
    };
    Ok(page(one)? == page(other)?)
}

/// Removes what is of ours and belongs to no backup any more: how many files.
pub(super) fn clear(disk: &dyn Disk, dir: &Path, keep: impl Fn(&str) -> bool) -> io::Result<u64> {
    let mut removed = 0;
    for folder in FOLDERS {
        let mut changed = false;
        for name in disk.list(&dir.join(folder))? {
            let ours = [".seg", ".part", ".msg", ".idx"].iter().any(|end| name.ends_with(end));
            if (ours || name.starts_with("tmp-")) && !keep(&format!("{folder}/{name}")) {
                disk.unlink(&dir.join(folder).join(&name))?;
                changed = true;
                removed += u64::from(ours);
            }
        }
        if changed {
            disk.fsync_dir(&dir.join(folder))?;
        }
    }
    crate::fold::forget(disk, &dir.join(format!("tmp-{MANIFEST}")))?;
    Ok(removed)
}
