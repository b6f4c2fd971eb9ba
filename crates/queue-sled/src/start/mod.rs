//! Opening a store: whatever state the last run has left it in.

mod format;
pub(crate) mod identity;
pub(crate) mod known;
mod report;

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::backup;
use crate::big::BigFiles;
use crate::disk::{Disk, Lock};
use crate::fold::Folder;
use crate::ground::Ground;
use crate::index::ballast::Ballast;
use crate::index::checkpoint::Checkpoint;
use crate::index::rebuild::{ReplayError, Replayed, rebuild, replay};
use crate::index::verify::verify;
use crate::index::{Index, IndexError, IndexKv};
use crate::log::Lsn;
use crate::log::holes;
use crate::log::scan::Damage;
use crate::log::segments::Segments;
use crate::log::tail::{self, Tail};
use crate::params::Params;
use identity::Identity;
pub use report::{OpenError, StartReport};

/// A store whose past is in order, before its threads run.
pub(crate) struct Started {
    pub(crate) store_id: [u8; 16],
    pub(crate) segment_size: u32,
    pub(crate) lock: Lock,
    pub(crate) segments: Arc<Segments>,
    pub(crate) ballast: Arc<Ballast>,
    pub(crate) kv: Arc<dyn IndexKv>,
    pub(crate) index: Index,
    pub(crate) tail: Tail,
    pub(crate) report: StartReport,
}

/// Locks the store, finds the end of its log and brings its index up to it.
pub(crate) fn start(ground: &Ground, store: &Path, params: &Params) -> Result<Started, OpenError> {
    let disk = &ground.disk;
    disk.create_dir(store)?;
    let lock = lock(&**disk, store)?;
    let (identity, created) = Identity::read_or_make(ground, store, params)?;
    backup::unstage(&**disk, store)?;
    let log = store.join("log");
    let segments = Arc::new(Segments::new(disk.clone(), log.clone()));
    let ballast = Arc::new(Ballast::new(disk.clone(), store.to_owned(), params.ballast, params.min_free));
    let mut tail = tail::find(&**disk, &log, identity.store_id, identity.segment_size, &segments)?;
    let checkpoint = Checkpoint::read(&**disk, store);
    if let Some(place) = checkpoint.map(|checkpoint| checkpoint.lsn)
        && place > tail.end
        && segments.header(place.segment()).is_none()
    {
        return Err(OpenError::Salvage(format!(
            "segment {:08x}, which the checkpoint names, is missing",
            place.segment()
        )));
    }
    let clean = checkpoint.is_some_and(|checkpoint| checkpoint.clean);
    let mut report = StartReport { created, clean, torn_tail: tail.torn, ..StartReport::default() };

    let base = Base { ground, store, store_id: identity.store_id, segments: &segments, tail: &tail };
    let caught_up = match checkpoint {
        Some(checkpoint) => with_ballast(&ballast, || base.catch_up(checkpoint)),
        None => Err(base.unproven()),
    };
    let empty = segments.all().is_empty();
    // What is built again has no checkpoint.
    let kept = checkpoint.filter(|_| caught_up.is_ok());
    let mut lost = None;
    let (kv, index, replayed) = match caught_up {
        Ok(base) => base,
        Err(why) => {
            if let Distrust::Ahead(applied) = why {
                if empty {
                    return Err(OpenError::Salvage(format!(
                        "the log is missing: the index had it up to {applied}"
                    )));
                }
                lost = Some(Damage { from: tail.end, to: applied });
            }
            report.rebuilt = (!empty).then_some(why.to_string());
            with_ballast(&ballast, || base.rebuild())?
        }
    };
    // A snap may know of more than the log still has, and another life of the store may have gone on from the
    // backup that this one began with: what comes now must come after that.
    let before = identity.ids_from.saturating_sub(1);
    tail.chain.last_id = tail.chain.last_id.max(index.applied().segment()).max(before);
    report.replayed = replayed.records;
    let log = segments.all().iter().map(|segment| segment.id).collect();
    let damage = [known::read(&**disk, store, &log), damaged(&tail, replayed, lost)].concat();
    let damage = known::unite(damage);
    report.damaged = damage.iter().map(Damage::to_string).collect();
    with_ballast(&ballast, || {
        // First: an index that is durable beyond a damaged place never comes back to it.
        known::keep(&**disk, store, &damage).map_err(IndexError::from)?;
        kv.flush()?;
        // From here on the mark of a clean end would lie.
        let marked = kept.filter(|checkpoint| checkpoint.clean);
        let unmarked =
            marked.map(|checkpoint| Checkpoint { clean: false, ..checkpoint }.write(&**disk, store));
        Ok(unmarked.transpose().map(drop).map_err(IndexError::from)?)
    })?;
    BigFiles::new(disk.clone(), store).sweep()?;
    ballast.restore();
    let (store_id, segment_size) = (identity.store_id, identity.segment_size);
    Ok(Started { store_id, segment_size, lock, segments, ballast, kv, index, tail, report })
}

/// Places that held something once. What is invalid in the last batch was never acknowledged, and is none of
/// them, unless the index had it already.
fn damaged(tail: &Tail, replayed: Replayed, lost: Option<Damage>) -> Vec<Damage> {
    let (known, unknown): (Vec<_>, Vec<_>) = tail.holes.iter().partition(|hole| hole.from < replayed.from);
    let mut places = [tail.damage.clone(), replayed.damage, known].concat();
    places.retain(|place| !unknown.contains(place));
    places.extend(lost);
    places
}

/// Why an index is not gone on from.
#[derive(Debug, thiserror::Error)]
enum Distrust {
    #[error("there is no checkpoint")]
    NoCheckpoint,
    #[error("it has less in it than its checkpoint said")]
    Behind,
    #[error("the log has lost what was in it up to {0}")]
    Ahead(Lsn),
    #[error("segments of the log are missing or damaged")]
    Gap,
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

impl Distrust {
    fn is_no_space(&self) -> bool {
        match self {
            Self::Index(error) => error.is_no_space(),
            Self::Replay(error) => error.is_no_space(),
            Self::NoCheckpoint | Self::Behind | Self::Ahead(_) | Self::Gap => false,
        }
    }
}

impl From<Distrust> for OpenError {
    fn from(error: Distrust) -> Self {
        match error {
            Distrust::Index(error) | Distrust::Replay(ReplayError::Index(error)) => match error {
                IndexError::Io(error) => Self::Io(error),
                error => Self::Index(error.to_string()),
            },
            Distrust::Replay(ReplayError::Io(error)) => Self::Io(error),
            Distrust::Replay(ReplayError::Newer(lsn)) => Self::Newer(format!("the record at {lsn}")),
            Distrust::NoCheckpoint
            | Distrust::Behind
            | Distrust::Ahead(_)
            | Distrust::Gap
            | Distrust::Replay(ReplayError::Gap) => Self::Salvage(error.to_string()),
        }
    }
}

/// Without room sled can do nothing at all: then the ballast goes, and it tries again.
fn with_ballast<T>(ballast: &Ballast, work: impl Fn() -> Result<T, Distrust>) -> Result<T, Distrust> {
    match work() {
        Err(error) if error.is_no_space() && ballast.release() => work(),
        outcome => outcome,
    }
}

type Caught = (Arc<dyn IndexKv>, Index, Replayed);

/// What an index is brought up to date from.
struct Base<'a> {
    ground: &'a Ground,
    store: &'a Path,
    store_id: [u8; 16],
    segments: &'a Arc<Segments>,
    tail: &'a Tail,
}

impl Base<'_> {
    /// The index as it is, and what the log has beyond it; or why it cannot be believed.
    fn catch_up(&self, checkpoint: Checkpoint) -> Result<Caught, Distrust> {
        let kv = self.ground.index.open(&*self.ground.disk, &self.store.join("idx"))?;
        let mut index = Index::load(kv.clone(), self.store_id)?;
        let applied = index.applied();
        if applied < checkpoint.lsn {
            return Err(Distrust::Behind);
        }
        if applied > self.tail.end {
            return Err(Distrust::Ahead(applied));
        }
        if !self.segments.unbroken(applied, self.tail.end) {
            return Err(Distrust::Gap);
        }
        verify(&*kv, &index, !checkpoint.clean)?;
        self.close_holes(applied)?;
        let replayed = replay(&mut index, self.segments, self.tail.end)?;
        Ok((kv, index, replayed))
    }

    /// An index without a checkpoint is not gone on from; but a log that ends before it has lost something.
    fn unproven(&self) -> Distrust {
        let Ground { disk, index: kind, .. } = self.ground;
        let index = kind.open(&**disk, &self.store.join("idx")).and_then(|kv| Index::load(kv, self.store_id));
        match index {
            Ok(index) if index.applied() > self.tail.end => Distrust::Ahead(index.applied()),
            Ok(_) | Err(_) => Distrust::NoCheckpoint,
        }
    }

    /// What is behind `from` was never acknowledged.
    fn close_holes(&self, from: Lsn) -> Result<(), IndexError> {
        let holes: Vec<_> = self.tail.holes.iter().filter(|hole| hole.from >= from).copied().collect();
        let log = self.store.join("log");
        Ok(holes::close(&*self.ground.disk, &log, self.segments, self.tail.last_batch, &holes)?)
    }

    /// Everything from the newest snap and the log behind it; from the log alone when there is no snap.
    fn rebuild(&self) -> Result<Caught, Distrust> {
        let Ground { disk, index: kind, .. } = self.ground;
        let folder = Folder {
            disk: disk.clone(),
            store: self.store.to_owned(),
            store_id: self.store_id,
            segments: self.segments.clone(),
        };
        let snap = folder.base(self.tail.end).map_err(IndexError::from)?;
        if snap.is_none() && !self.segments.unbroken(Lsn(0), self.tail.end) {
            return Err(Distrust::Gap);
        }
        self.close_holes(snap.as_ref().map_or(Lsn(0), |snap| snap.lsn))?;
        Ok(rebuild(&**kind, &**disk, (self.store, self.store_id), snap, self.segments, self.tail.end)?)
    }
}

/// Only one process, and only one at a time.
fn lock(disk: &dyn Disk, store: &Path) -> Result<Lock, OpenError> {
    let path = store.join("LOCK");
    // A store of this process that was dropped a moment ago may still be writing its last checkpoint.
    for _ in 0..100 {
        match disk.lock(&path) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            outcome => return Ok(outcome?),
        }
    }
    Err(OpenError::Locked(store.to_owned()))
}
