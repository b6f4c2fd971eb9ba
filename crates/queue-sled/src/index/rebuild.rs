use std::path::Path;
use std::sync::Arc;

use super::checkpoint::Checkpoint;
use super::kv::{IndexError, IndexKv, OpenIndex};
use super::{Index, keys};
use crate::disk::{Disk, is_no_space};
use crate::fold::{Snap, over};
use crate::log::Lsn;
use crate::log::change::Change;
use crate::log::record::RecordHeader;
use crate::log::scan::{Damage, Extent, Image, Stop};
use crate::log::segments::Segments;

/// Why the log could not be replayed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("the log cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("the record at {0} was written by a later version")]
    Newer(Lsn),
    #[error("neither a snap nor the log says what came first")]
    Gap,
}

impl ReplayError {
    /// Whether room on the disk would have helped.
    pub(crate) fn is_no_space(&self) -> bool {
        match self {
            Self::Index(error) => error.is_no_space(),
            Self::Io(error) => is_no_space(error),
            Self::Newer(_) | Self::Gap => false,
        }
    }
}

/// What a replay did.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// Where it began.
    pub(crate) from: Lsn,
    pub(crate) records: u64,
    pub(crate) damage: Vec<Damage>,
}

/// Applies the records from the index's own place up to `end`, where the last segment's valid octets end.
pub(crate) fn replay(index: &mut Index, segments: &Segments, end: Lsn) -> Result<Replayed, ReplayError> {
    let mut replayed = Replayed { from: index.applied(), ..Replayed::default() };
    let mut image = Image::default();
    let all = segments.all();
    for (ordinal, header) in all.iter().enumerate() {
        let from = index.applied().max(Lsn::new(header.id, crate::log::segment::PAGE));
        let sealed = all.get(ordinal + 1).filter(|next| next.previous == header.id).map(|next| next.prev_end);
        let to = if header.id == end.segment() { end.offset() } else { sealed.unwrap_or(0) };
        if header.id > end.segment() || from.segment() > header.id || from.offset() >= to {
            continue;
        }
        image.load(&*segments.file(header.id)?, to)?;
        let scanned = image.scan(header, from.offset(), Extent::Sealed(to), |record, meta| {
            replayed.records += 1;
            apply(index, record, meta)
        });
        match scanned {
            Ok(scanned) => replayed.damage.extend(scanned.damage),
            Err(Stop::Newer(lsn)) => return Err(ReplayError::Newer(lsn)),
            Err(Stop::Caller(error)) => return Err(error),
        }
    }
    index.flush()?;
    Ok(replayed)
}

fn apply(index: &mut Index, record: &RecordHeader, meta: &[u8]) -> Result<(), ReplayError> {
    let change = Change::decode(record, meta).map_err(|_| ReplayError::Newer(record.lsn))?;
    index.apply(record, change)?;
    // Nobody reads from memory yet, or what they read is right already.
    drop(index.take_effects());
    Ok(())
}

/// Builds an index anew: from a snap and what the log has behind it, or from the log alone.
pub(crate) fn rebuild(
    kind: &dyn OpenIndex,
    disk: &dyn Disk,
    (store, store_id): (&Path, [u8; 16]),
    snap: Option<Arc<Snap>>,
    segments: &Segments,
    end: Lsn,
) -> Result<(Arc<dyn IndexKv>, Index, Replayed), ReplayError> {
    Checkpoint::remove(disk, store)?;
    let kv = fresh(kind, disk, store)?;
    if snap.is_some() {
        copy(&*over(snap)?, &*kv)?;
    }
    let mut index = Index::load(kv.clone(), store_id)?;
    let replayed = replay(&mut index, segments, end)?;
    Ok((kv, index, replayed))
}

/// The row that says where an index stands comes last: half of a copy is no index.
fn copy(snap: &dyn IndexKv, kv: &dyn IndexKv) -> Result<(), IndexError> {
    const ROWS: usize = 1000;
    let mut rows = Vec::with_capacity(ROWS);
    let mut state = None;
    snap.scan(&[], &[], &mut |key, value| {
        if key == keys::STATE {
            state = Some((key.to_vec(), Some(value.to_vec())));
        } else {
            rows.push((key.to_vec(), Some(value.to_vec())));
        }
        if rows.len() == ROWS {
            kv.apply(std::mem::take(&mut rows))?;
        }
        Ok(true)
    })?;
    rows.extend(state);
    kv.apply(rows)
}

/// Puts an index aside and opens an empty one. Only the last one put aside is kept, for those who ask why.
pub(crate) fn fresh(
    kind: &dyn OpenIndex,
    disk: &dyn Disk,
    store: &Path,
) -> Result<Arc<dyn IndexKv>, IndexError> {
    let (idx, aside) = (store.join("idx"), store.join("idx.aside"));
    remove_folder(disk, &aside)?;
    match disk.rename(&idx, &aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    disk.create_dir(&idx)?;
    disk.fsync_dir(store)?;
    kind.open(disk, &idx)
}

fn remove_folder(disk: &dyn Disk, folder: &Path) -> std::io::Result<()> {
    match disk.list(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => disk.remove_folder(folder),
    }
}
