use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::error::{At, BackupError};
use super::freeze::Frozen;
use super::manifest::{Kept, MANIFEST, Manifest};
use super::place::{self, FOLDERS};
use super::{Progress, Told};
use crate::clock::wall_ms;
use crate::disk::{Disk, DiskFile, Open, RealDisk};
use crate::index::checkpoint::replace;
use crate::log::Lsn;
use crate::log::segment::segment_id;
use crate::start::identity::{Identity, STORE};

/// What a backup came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Files of the backup, and their octets.
    pub files: u64,
    /// See [`Report::files`].
    pub octets: u64,
    /// Files that were there from the last time.
    pub kept: u64,
    /// Files that share their octets with the store's.
    pub linked: u64,
    /// Files that were copied, and their octets.
    pub copied: u64,
    /// See [`Report::copied`].
    pub copied_octets: u64,
    /// Files that are not needed any more.
    pub removed: u64,
}

/// Brings the backup in `dir` up to a frozen store. What is there already is not copied again; until all of the
/// new state is there, the old one is whole. Cut off, it goes on where it was when it is called again.
pub fn take(frozen: &Frozen, dir: &Path, told: Told<'_>) -> Result<Report, BackupError> {
    let _lock = lock(dir)?;
    take_on(&RealDisk, frozen, dir, told)
}

pub(crate) fn take_on(
    disk: &dyn Disk,
    frozen: &Frozen,
    dir: &Path,
    told: Told<'_>,
) -> Result<Report, BackupError> {
    let from = &frozen.folder;
    let missing = || BackupError::Io { path: from.join(STORE), error: io::ErrorKind::NotFound.into() };
    let identity = Identity::read(disk, from).at(&from.join(STORE))?.ok_or_else(missing)?;
    place::claim(disk, dir, from.parent().unwrap_or(from), identity)?;
    // From here on the folder is ours, also when this is cut off.
    replace(disk, dir, STORE, identity.text().as_bytes()).at(dir)?;
    for folder in FOLDERS {
        disk.create_dir(&dir.join(folder)).at(dir)?;
    }
    let wanted = wanted(disk, frozen)?;
    let of = wanted.iter().map(|file| file.octets).sum();
    let before = match Manifest::read(disk, dir) {
        Err(BackupError::Damaged { .. }) | Ok(None) => BTreeMap::new(),
        Ok(Some(manifest)) => manifest.files,
        Err(error) => return Err(error),
    };
    let mut taking =
        Taking { disk, dir, before, told, progress: Progress { done: 0, of }, report: Report::default() };
    let files = wanted
        .into_iter()
        .map(|file| taking.one(&file).map(|kept| (file.name, kept)))
        .collect::<Result<BTreeMap<_, _>, _>>()?;
    for folder in FOLDERS.map(|folder| dir.join(folder)) {
        disk.fsync_dir(&folder).at(&folder)?;
    }
    let mut report = taking.report;
    let manifest = Manifest { store_id: identity.store_id, made_ms: wall_ms(), end: frozen.end, files };
    replace(disk, dir, MANIFEST, manifest.text().as_bytes()).at(dir)?;
    report.removed = place::clear(disk, dir, |name| manifest.files.contains_key(name)).at(dir)?;
    Ok(report)
}

/// A folder cannot be backed up into twice at once. Some network file systems lock no folders: then the store,
/// which freezes once at a time, is all there is.
fn lock(dir: &Path) -> Result<Option<std::fs::File>, BackupError> {
    let Ok(file) = std::fs::File::open(dir) else { return Ok(None) };
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => Err(BackupError::Busy),
        Ok(()) | Err(_) => Ok(Some(file)),
    }
}

/// A file that the backup needs.
struct Wanted {
    /// In the backup.
    name: String,
    from: PathBuf,
    octets: u64,
    /// Not all of it: it is still being written.
    part: bool,
}

fn wanted(disk: &dyn Disk, frozen: &Frozen) -> Result<Vec<Wanted>, BackupError> {
    let end = Lsn(frozen.end);
    let mut wanted = Vec::new();
    for folder in FOLDERS {
        let path = frozen.folder.join(folder);
        let mut names = disk.list(&path).at(&path)?;
        names.sort();
        for name in names {
            let from = path.join(&name);
            let octets = disk.open(&from, Open::Read).and_then(|file| file.len()).at(&from)?;
            let part = folder == "log" && segment_id(&name) == Some(end.segment());
            wanted.push(if part {
                let name = part_name(end);
                Wanted { name, from, octets: octets.min(u64::from(end.offset())), part }
            } else {
                Wanted { name: format!("{folder}/{name}"), from, octets, part }
            });
        }
    }
    Ok(wanted)
}

fn part_name(end: Lsn) -> String {
    format!("log/{:08x}.{:08x}.part", end.segment(), end.offset())
}

/// What a file of a backup is called in a store.
pub(super) fn store_name(name: &str) -> String {
    let segment = name.strip_suffix(".part").and_then(|part| part.split_once('.'));
    segment.map_or_else(|| name.to_owned(), |(segment, _)| format!("{segment}.seg"))
}

struct Taking<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    before: BTreeMap<String, Kept>,
    told: Told<'a>,
    progress: Progress,
    report: Report,
}

impl Taking<'_> {
    fn one(&mut self, wanted: &Wanted) -> Result<Kept, BackupError> {
        let to = self.dir.join(&wanted.name);
        let from = self.disk.open(&wanted.from, Open::Read).at(&wanted.from)?;
        self.report.files += 1;
        self.report.octets += wanted.octets;
        if let Some(kept) = self.kept(wanted, &*from, &to)? {
            self.report.kept += 1;
            return Ok(kept);
        }
        let (folder, name) = wanted.name.split_once('/').unwrap_or(("", &wanted.name));
        let draft = self.dir.join(folder).join(format!("tmp-{name}"));
        crate::fold::forget(self.disk, &draft).at(&draft)?;
        let linked = !wanted.part && self.disk.link(&wanted.from, &draft).is_ok();
        let (octets, crc) = if linked {
            self.report.linked += 1;
            self.read(&*from).at(&wanted.from)?
        } else {
            let Self { disk, told, progress, .. } = self;
            let copied = place::copy(*disk, &*from, &draft, wanted.octets, true, |octets| {
                progress.done += octets;
                told(*progress);
            });
            let copied = copied.at(&draft)?;
            self.report.copied += 1;
            self.report.copied_octets += copied.0;
            copied
        };
        self.disk.rename(&draft, &to).at(&to)?;
        Ok(Kept { octets, crc })
    }

    /// A file that is there already: files have their names for life, so that it is the same if it is whole. It
    /// got its name when it was.
    fn kept(&mut self, wanted: &Wanted, from: &dyn DiskFile, to: &Path) -> Result<Option<Kept>, BackupError> {
        let there = match self.disk.open(to, Open::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.at(to)?,
        };
        if there.len().at(to)? != wanted.octets || !place::begin_alike(from, &*there).at(to)? {
            return Ok(None);
        }
        match self.before.get(&wanted.name).filter(|kept| kept.octets == wanted.octets) {
            Some(kept) => {
                self.progress.done += wanted.octets;
                (self.told)(self.progress);
                Ok(Some(*kept))
            }
            // From a run that was cut off.
            None => self.read(&*there).at(to).map(|(octets, crc)| Some(Kept { octets, crc })),
        }
    }

    fn read(&mut self, file: &dyn DiskFile) -> io::Result<(u64, u32)> {
        place::read_through(file, u64::MAX, |_, chunk| {
            self.progress.done += chunk.len() as u64;
            (self.told)(self.progress);
            Ok(())
        })
    }
}
