//! The fold: what all records up to a place come to, made from the log alone and kept as a snap. What is freed
//! is decided from this and never from sled, which may have lost rows without a word.

mod liveness;
mod snap;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use liveness::Liveness;
pub(crate) use snap::{Snap, snap_lsn, snap_path};

use crate::disk::Disk;
use crate::index::rows::StateRow;
use crate::index::{Deferred, Index, IndexError, IndexKv};
use crate::log::Lsn;
use crate::log::change::Change;
use crate::log::metas::{BadMetas, scan_metas};
use crate::log::record::{BESIDE, Kind, RecordHeader};
use crate::log::scan::{Extent, Image, Stop};
use crate::log::segment::PAGE;
use crate::log::segments::Segments;
use snap::SnapWriter;

/// Segments that are folded into one snap at most: bounds what is held in memory meanwhile.
const SEGMENTS_MAX: usize = 32;

/// Why there is no new snap.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoldError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("the record at {0} was written by a later version")]
    Newer(Lsn),
    #[error("the log lacks what came after {0}")]
    Gap(Lsn),
    #[error("the log and the index disagree about what came up to {0}")]
    Disagree(Lsn),
    #[error("the store is closing")]
    Stopped,
    #[error(transparent)]
    Io(#[from] io::Error),
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

    /// The newest snap that is whole.
    pub(crate) fn newest(&self) -> io::Result<Option<Arc<Snap>>> {
        let mut found: Vec<_> = match self.disk.list(&self.folder()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            names => names?.iter().filter_map(|name| snap_lsn(name)).collect(),
        };
        found.sort_unstable();
        for lsn in found.into_iter().rev() {
            match Snap::open(&*self.disk, &snap_path(&self.folder(), lsn), self.store_id) {
                Ok(snap) if snap.lsn == lsn => return Ok(Some(Arc::new(snap))),
                Ok(_) => tracing::error!(%lsn, "a snap of another place"),
                Err(error) => tracing::error!(%lsn, %error, "a snap cannot be believed"),
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
        let mut folded: Option<Folded> = None;
        let mut named = BTreeSet::new();
        let mut base = base;
        let end_lsn = Lsn(end.applied);
        loop {
            let from = base.as_ref().map_or(Lsn(0), |snap| snap.lsn);
            let to = self.step(from, end_lsn)?;
            let (index, rows) = self.apply(base, to, &mut named, pace)?;
            if to == end_lsn && !index.agrees(&end) {
                return Err(FoldError::Disagree(to));
            }
            // A snap on the way is only believed together with the one at the end.
            let snap = self.write(&rows, to, pace)?;
            let done = to == end_lsn;
            base = Some(snap.clone());
            folded = Some(Folded { snap, named: std::mem::take(&mut named) }).map(|new| match folded {
                Some(old) => Folded { named: old.named.into_iter().chain(new.named).collect(), ..new },
                None => new,
            });
            if done {
                return folded.ok_or(FoldError::Stopped);
            }
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

    fn apply(
        &self,
        base: Option<Arc<Snap>>,
        to: Lsn,
        named: &mut BTreeSet<u64>,
        pace: &dyn Fn() -> bool,
    ) -> Result<(Index, Arc<dyn IndexKv>), FoldError> {
        let rows: Arc<dyn IndexKv> = Arc::new(Deferred::overlay(base)?);
        let mut index = Index::load(rows.clone(), self.store_id)?;
        let all = self.segments.all();
        if let Some(first) = all.iter().find(|header| header.id > index.applied().segment())
            && Lsn::new(first.previous, first.prev_end) > index.applied()
            && index.applied().segment() < to.segment()
            && self.segments.header(index.applied().segment()).is_none()
        {
            return Err(FoldError::Gap(index.applied()));
        }
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
                if record.lsn.0 % 61 == 0 && !pace() {
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
                Err(Scan::Metas(BadMetas::Damaged(lsn))) => {
                    tracing::error!(%lsn, "the log is damaged here: what comes behind is looked for");
                    image.load(&*file, until)?;
                    let scanned = image.scan(header, from.offset(), Extent::Sealed(until), &mut each);
                    scanned.map_err(|stop| match stop {
                        Stop::Newer(lsn) => FoldError::Newer(lsn),
                        Stop::Caller(error) => error,
                    })?;
                }
                Err(Scan::Metas(BadMetas::Io(error))) => return Err(error.into()),
                Err(Scan::Metas(BadMetas::Newer(lsn))) => return Err(FoldError::Newer(lsn)),
                Err(Scan::Fold(error)) => return Err(error),
                Ok(()) => {}
            }
            if !pace() {
                return Err(FoldError::Stopped);
            }
        }
        index.reached(to)?;
        Ok((index, rows))
    }

    /// Writes rows as a snap, and reads it again before it gets its name.
    fn write(&self, rows: &Arc<dyn IndexKv>, lsn: Lsn, pace: &dyn Fn() -> bool) -> Result<Arc<Snap>, FoldError> {
        let folder = self.folder();
        self.disk.create_dir(&folder)?;
        let (draft, path) = (folder.join("tmp-snap"), snap_path(&folder, lsn));
        forget(&*self.disk, &draft)?;
        let mut writer = SnapWriter::create(&*self.disk, &draft, self.store_id, lsn)?;
        let mut count = 0u32;
        rows.scan(&[], &[], &mut |key, value| {
            writer.push(key, value)?;
            count = count.wrapping_add(1);
            if count % 256 == 0 && !pace() { Err(IndexError::Damaged("stopped")) } else { Ok(true) }
        })?;
        writer.finish()?;
        Snap::open(&*self.disk, &draft, self.store_id)?;
        self.disk.rename(&draft, &path)?;
        self.disk.fsync_dir(&folder)?;
        Ok(Arc::new(Snap::open(&*self.disk, &path, self.store_id)?))
    }

    /// Removes all snaps but one, and what a fold that was cut off has left.
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

/// What the caller of [`scan_metas`] may fail with.
enum Scan {
    Metas(BadMetas),
    Fold(FoldError),
}

impl From<BadMetas> for Scan {
    fn from(error: BadMetas) -> Self {
        Self::Metas(error)
    }
}

impl From<FoldError> for Scan {
    fn from(error: FoldError) -> Self {
        Self::Fold(error)
    }
}

/// Takes a file away if it is there.
pub(crate) fn forget(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.unlink(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}
