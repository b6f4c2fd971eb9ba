//! The fold: what all records up to a place come to, made from the log alone and kept as a snap. What is freed
//! is decided from this and never from sled, which may have lost rows without a word.

mod liveness;
mod rescue;
mod snap;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use snap::{Snap, snap_lsn, snap_path};

use crate::disk::{Disk, is_exhausted, is_no_space};
use crate::index::format2::{FORMAT_2, upgrade};
use crate::index::kv::{EachRow, Op};
use crate::index::rows::StateRow;
use crate::index::{Deferred, Index, IndexError, IndexKv};
use crate::log::Lsn;
use crate::log::change::Change;
use crate::log::metas::{BadMetas, scan_metas};
use crate::log::record::{BESIDE, Kind, RecordHeader};
use crate::log::scan::{Extent, Image, Stop};
use crate::log::segment::PAGE;
use crate::log::segments::Segments;
use snap::{SnapWriter, copy_path};

/// Segments that are folded into one snap at most: bounds what is held in memory meanwhile.
const SEGMENTS_MAX: usize = 32;

/// Why there is no new snap.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoldError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("the record at {0} was written by a later version")]
    Newer(Lsn),
    #[error("the log is damaged at {0}")]
    Damaged(Lsn),
    #[error("the log lacks what came after {0}")]
    Gap(Lsn),
    #[error("the log and the index disagree about what came up to {0}")]
    Disagree(Lsn),
    #[error("no snap can be believed, the log lacks what came first, and the index does not add up: {0}")]
    Unproven(IndexError),
    #[error("the store is closing")]
    Stopped,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FoldError {
    /// Whether room on the disk would have helped.
    pub(crate) fn is_no_space(&self) -> bool {
        match self {
            Self::Index(error) => error.is_no_space(),
            Self::Io(error) => is_no_space(error),
            Self::Damaged(_)
            | Self::Newer(_)
            | Self::Gap(_)
            | Self::Disagree(_)
            | Self::Unproven(_)
            | Self::Stopped => false,
        }
    }
}

/// Makes snaps of one store.
pub(crate) struct Folder {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) store: PathBuf,
    pub(crate) store_id: [u8; 16],
    pub(crate) segments: Arc<Segments>,
}

/// What a fold has found.
pub(crate) struct Folded {
    pub(crate) snap: Arc<Snap>,
    /// Files beside the log that the records it read have named.
    pub(crate) named: BTreeSet<u64>,
}

impl Folder {
    fn folder(&self) -> PathBuf {
        self.store.join("snap")
    }

    /// The newest snap that is whole; its copy where it is not.
    pub(crate) fn newest(&self) -> io::Result<Option<Arc<Snap>>> {
        self.find(&|_| true)
    }

    /// The newest one from which the log goes on without a gap up to `end`.
    pub(crate) fn base(&self, end: Lsn) -> io::Result<Option<Arc<Snap>>> {
        self.find(&|lsn| self.segments.unbroken(lsn, end))
    }

    fn find(&self, serves: &dyn Fn(Lsn) -> bool) -> io::Result<Option<Arc<Snap>>> {
        let mut found: Vec<_> = match self.disk.list(&self.folder()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            names => names?.into_iter().filter_map(|name| Some((snap_lsn(&name)?, name))).collect(),
        };
        found.retain(|(lsn, _)| serves(*lsn));
        // A snap comes before its copy: `idx` after `copy`, from the end.
        found.sort_unstable();
        for (lsn, name) in found.into_iter().rev() {
            match Snap::open(&*self.disk, &self.folder().join(&name), self.store_id) {
                Ok(snap) if snap.lsn == lsn => return Ok(Some(Arc::new(snap))),
                // Its store is one of that version by now.
                Err(error @ IndexError::Newer(_)) => {
                    let text = format!("snap/{name}: {error}");
                    return Err(io::Error::new(io::ErrorKind::Unsupported, text));
                }
                // That passes, and says nothing of the file.
                Err(IndexError::Io(error)) if is_exhausted(&error) => return Err(error),
                // A newer one has just taken its place.
                Err(IndexError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Ok(_) => tracing::error!(snap = %name, "a snap of another place"),
                Err(error) => tracing::error!(snap = %name, %error, "a snap cannot be believed"),
            }
        }
        Ok(None)
    }

    /// Folds the log from a snap on up to `end`, where the live index has told what it then was. Only a snap
    /// that agrees with it counts. `pace` is called now and then; false stops the work.
    pub(crate) fn fold(
        &self,
        base: Option<Arc<Snap>>,
        end: StateRow,
        pace: &dyn Fn() -> bool,
    ) -> Result<Folded, FoldError> {
        let mut named = BTreeSet::new();
        let mut base = base;
        let end_lsn = Lsn(end.applied);
        loop {
            let from = base.as_ref().map_or(Lsn(0), |snap| snap.lsn);
            let to = self.step(from, end_lsn)?;
            let (index, rows) = self.apply(base, to, &mut named, pace)?;
            if to < end_lsn {
                base = Some(self.write(&rows, to, &format!("tmp-part-{:016x}", to.0), pace)?);
                continue;
            }
            if index.state() != end {
                return Err(FoldError::Disagree(to));
            }
            let draft = self.write(&rows, to, "tmp-snap", pace)?;
            let snap = self.name(&draft, &snap_path(&self.folder(), to))?;
            return Ok(Folded { snap, named });
        }
    }

    /// How far to go at once.
    fn step(&self, from: Lsn, end: Lsn) -> Result<Lsn, FoldError> {
        let all = self.segments.all();
        let due: Vec<_> = all.iter().filter(|header| header.id > from.segment()).collect();
        match due.get(SEGMENTS_MAX) {
            Some(next) if next.id <= end.segment() && next.previous != 0 => {
                Ok(Lsn::new(next.previous, next.prev_end))
            }
            Some(_) | None => Ok(end),
        }
    }

    /// What a snap and the log behind it come to at one place.
    pub(crate) fn apply(
        &self,
        base: Option<Arc<Snap>>,
        to: Lsn,
        named: &mut BTreeSet<u64>,
        pace: &dyn Fn() -> bool,
    ) -> Result<(Index, Arc<dyn IndexKv>), FoldError> {
        let rows = over(base)?;
        let mut index = Index::load(rows.clone(), self.store_id)?;
        if !self.segments.unbroken(index.applied(), to) {
            return Err(FoldError::Gap(index.applied()));
        }
        let all = self.segments.all();
        let mut image = Image::default();
        for (ordinal, header) in all.iter().enumerate() {
            let from = index.applied().max(Lsn::new(header.id, PAGE));
            let next = all.get(ordinal + 1);
            let sealed = next.filter(|next| next.previous == header.id).map(|next| next.prev_end);
            let until = if header.id == to.segment() { to.offset() } else { sealed.unwrap_or(0) };
            if header.id > to.segment() || from.segment() > header.id || from.offset() >= until {
                continue;
            }
            let file = self.segments.file(header.id)?;
            let mut each = |record: &RecordHeader, meta: &[u8]| {
                if record.lsn.0.is_multiple_of(61) && !pace() {
                    return Err(FoldError::Stopped);
                }
                if record.kind == Kind::Big || record.flags & BESIDE != 0 {
                    named.insert(record.id);
                }
                let change = Change::decode(record, meta).map_err(|_| FoldError::Newer(record.lsn))?;
                index.apply(record, change)?;
                drop(index.take_effects());
                Ok(())
            };
            match scan_metas(&*file, header, from.offset(), until, &mut each) {
                // What cannot be read counts as damaged.
                Err(error @ (FoldError::Damaged(_) | FoldError::Io(_))) => {
                    let segment = format_args!("{:08x}", header.id);
                    tracing::error!(%error, segment, "the log is damaged: what comes behind is looked for");
                    image.load(&*file, until)?;
                    let scanned = image.scan(header, from.offset(), Extent::Sealed(until), &mut each);
                    scanned.map_err(|stop| match stop {
                        Stop::Newer(lsn) => FoldError::Newer(lsn),
                        Stop::Caller(error) => error,
                    })?;
                }
                Err(error) => return Err(error),
                Ok(()) => {}
            }
            if !pace() {
                return Err(FoldError::Stopped);
            }
        }
        index.reached(to)?;
        Ok((index, rows))
    }

    /// Writes rows as a snap that does not count yet, and reads it again.
    fn write(
        &self,
        rows: &Arc<dyn IndexKv>,
        lsn: Lsn,
        name: &str,
        pace: &dyn Fn() -> bool,
    ) -> Result<Arc<Snap>, FoldError> {
        self.begin(rows, lsn, name, pace)?.finish()?;
        Ok(Arc::new(Snap::open(&*self.disk, &self.folder().join(name), self.store_id)?))
    }

    /// Writes all rows and leaves the end to the caller.
    fn begin(
        &self,
        rows: &Arc<dyn IndexKv>,
        lsn: Lsn,
        name: &str,
        pace: &dyn Fn() -> bool,
    ) -> Result<SnapWriter, FoldError> {
        let folder = self.folder();
        self.disk.create_dir(&folder)?;
        self.disk.fsync_dir(&self.store)?;
        let draft = folder.join(name);
        forget(&*self.disk, &draft)?;
        let mut writer = SnapWriter::create(&*self.disk, &draft, self.store_id, lsn)?;
        let mut count = 0u32;
        rows.scan(&[], &[], &mut |key, value| {
            writer.push(key, value)?;
            count = count.wrapping_add(1);
            if count.is_multiple_of(256) && !pace() { Err(IndexError::Damaged("stopped")) } else { Ok(true) }
        })?;
        Ok(writer)
    }

    /// Gives a draft the name by which it counts.
    fn name(&self, draft: &Snap, path: &Path) -> Result<Arc<Snap>, FoldError> {
        self.disk.rename(&draft.path, path)?;
        self.disk.fsync_dir(&self.folder())?;
        Ok(Arc::new(Snap::open(&*self.disk, path, self.store_id)?))
    }

    /// Sees to it that a snap that was just read is there twice, and whole both times: of what was freed by its
    /// word there is nothing else, and one bad sector is enough for one file. True when one of the two had rotted.
    pub(crate) fn double(&self, snap: &Arc<Snap>, pace: &dyn Fn() -> bool) -> Result<bool, FoldError> {
        let folder = self.folder();
        let mut rotten = false;
        for path in [snap_path(&folder, snap.lsn), copy_path(&folder, snap.lsn)] {
            if path == snap.path {
                continue;
            }
            match Snap::open(&*self.disk, &path, self.store_id) {
                Ok(other) if other.lsn == snap.lsn => continue,
                Err(IndexError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Ok(_) | Err(_) => rotten = true,
            }
            let draft = self.write(&over(Some(snap.clone()))?, snap.lsn, "tmp-copy", pace)?;
            self.name(&draft, &path)?;
        }
        Ok(rotten)
    }

    /// Removes all snaps but one and its copy, and what a fold that was cut off has left.
    pub(crate) fn keep_only(&self, kept: Lsn) -> io::Result<()> {
        for name in self.disk.list(&self.folder())? {
            let old = snap_lsn(&name).is_some_and(|lsn| lsn != kept);
            if old || name.starts_with("tmp-") {
                forget(&*self.disk, &self.folder().join(name))?;
            }
        }
        Ok(())
    }
}

impl From<BadMetas> for FoldError {
    fn from(error: BadMetas) -> Self {
        match error {
            BadMetas::Io(error) => Self::Io(error),
            BadMetas::Damaged(lsn) => Self::Damaged(lsn),
            BadMetas::Newer(lsn) => Self::Newer(lsn),
        }
    }
}

/// The rows to go on from: those of a snap, or none.
struct Base(Option<Arc<Snap>>);

impl IndexKv for Base {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.0.as_ref().map_or(Ok(None), |snap| snap.get(key))
    }

    fn apply(&self, _: Vec<Op>) -> Result<(), IndexError> {
        Err(IndexError::Damaged("what a fold goes on from never changes"))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], each: EachRow<'_>) -> Result<(), IndexError> {
        self.0.as_ref().map_or(Ok(()), |snap| snap.scan(prefix, from, each))
    }

    fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }
}

/// Rows in memory that begin with those of a snap, in today's format.
pub(crate) fn over(base: Option<Arc<Snap>>) -> Result<Arc<dyn IndexKv>, IndexError> {
    let earlier = base.as_ref().is_some_and(|snap| snap.format == FORMAT_2);
    let rows = Deferred::new(Base(base), usize::MAX)?;
    if earlier {
        upgrade(&rows)?;
    }
    Ok(Arc::new(rows))
}

/// Takes a file away if it is there.
pub(crate) fn forget(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.unlink(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}
