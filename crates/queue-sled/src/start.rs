//! Opening a store: whatever state the last run has left it in.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FlockOperation;

use crate::big::BigFiles;
use crate::clock::wall_ms;
use crate::disk::{Disk, Open, read_exact};
use crate::index::ballast::Ballast;
use crate::index::checkpoint::{Checkpoint, replace};
use crate::index::rebuild::{ReplayError, Replayed, fresh, replay};
use crate::index::sled_kv::SledKv;
use crate::index::verify::verify;
use crate::index::{Index, IndexError, IndexKv};
use crate::log::Lsn;
use crate::log::scan::Damage;
use crate::log::segments::Segments;
use crate::log::tail::{self, Tail};
use crate::params::Params;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{0} is in use by another process")]
    Locked(PathBuf),
    /// It was written by a later version.
    #[error("a later version has written {0}")]
    Newer(String),
    /// A file of another store lies in it.
    #[error("{0} belongs to another store")]
    Foreign(PathBuf),
    /// What is left of the log is not enough to go on from: `fsck --salvage` gets out what is intact.
    #[error("{0}: the store must be salvaged or restored")]
    Salvage(String),
    /// The index can neither be opened nor built.
    #[error("the index: {0}")]
    Index(String),
    /// The system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<IndexError> for OpenError {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Io(error) => Self::Io(error),
            error => Self::Index(error.to_string()),
        }
    }
}

impl From<ReplayError> for OpenError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Index(error) => error.into(),
            ReplayError::Io(error) => error.into(),
            ReplayError::Newer(lsn) => Self::Newer(format!("the record at {lsn}")),
        }
    }
}

/// What a start has found; prints in words, for the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartReport {
    /// There was no store: one was made.
    pub created: bool,
    /// The last run was closed in good order.
    pub clean: bool,
    /// Records that the index did not have yet.
    pub replayed: u64,
    /// Why the index was built again from the log.
    pub rebuilt: Option<String>,
    /// A batch was begun and never acknowledged.
    pub torn_tail: bool,
    /// Places of the log that no longer hold what was written, as `from-to`.
    pub damaged: Vec<String>,
}

impl fmt::Display for StartReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.created, self.clean) {
            (true, _) => "a new store",
            (false, true) => "the last run was closed in good order",
            (false, false) => "the last run was not closed",
        })?;
        if let Some(why) = &self.rebuilt {
            write!(f, "; the index was built again ({why})")?;
        }
        if self.replayed > 0 {
            write!(f, "; {} records replayed", self.replayed)?;
        }
        if self.torn_tail {
            f.write_str("; a batch that was never acknowledged ends the log")?;
        }
        if !self.damaged.is_empty() {
            write!(f, "; DAMAGED, set aside: {}", self.damaged.join(", "))?;
        }
        Ok(())
    }
}

/// A store whose past is in order, before its threads run.
pub(crate) struct Started {
    pub(crate) store_id: [u8; 16],
    pub(crate) segment_size: u32,
    pub(crate) lock: std::fs::File,
    pub(crate) segments: Arc<Segments>,
    pub(crate) ballast: Arc<Ballast>,
    pub(crate) kv: Arc<dyn IndexKv>,
    pub(crate) index: Index,
    pub(crate) tail: Tail,
    pub(crate) report: StartReport,
}

/// Locks the store, finds the end of its log and brings its index up to it.
pub(crate) fn start(disk: &Arc<dyn Disk>, store: &Path, params: &Params) -> Result<Started, OpenError> {
    disk.create_dir(store)?;
    let lock = lock(store)?;
    let (identity, created) = Identity::read_or_make(&**disk, store, params)?;
    let log = store.join("log");
    let segments = Arc::new(Segments::new(disk.clone(), log.clone()));
    let ballast = Arc::new(Ballast::new(disk.clone(), store.to_owned(), params.ballast, params.min_free));
    let tail = tail::find(&**disk, &log, identity.store_id, identity.segment_size, &segments)?;
    let checkpoint = Checkpoint::read(&**disk, store);
    let clean = checkpoint.is_some_and(|checkpoint| checkpoint.clean);
    let mut report = StartReport { created, clean, torn_tail: tail.torn, ..StartReport::default() };

    let base =
        Base { disk: &**disk, store, params, store_id: identity.store_id, segments: &segments, tail: &tail };
    let believed = checkpoint.ok_or(Distrust::NoCheckpoint);
    let caught_up = believed.and_then(|checkpoint| {
        base.catch_up(checkpoint).or_else(|error| {
            // Without room sled can do nothing at all.
            if ballast.release() { base.catch_up(checkpoint) } else { Err(error) }
        })
    });
    let mut lost = None;
    let (kv, index, replayed) = match caught_up {
        Ok(base) => base,
        Err(why) => {
            if let Distrust::Ahead(applied) = why {
                lost = Some(Damage { from: tail.end, to: applied });
            }
            let empty = segments.all().is_empty();
            let built =
                base.rebuild().or_else(|error| if ballast.release() { base.rebuild() } else { Err(error) });
            report.rebuilt = (!empty).then_some(why.to_string());
            built?
        }
    };
    report.replayed = replayed.records;
    report.damaged = damaged(&tail, replayed, lost);
    kv.flush()?;
    if clean {
        // From here on the mark would lie.
        checkpoint
            .map(|checkpoint| Checkpoint { clean: false, ..checkpoint }.write(&**disk, store))
            .transpose()?;
    }
    BigFiles::new(disk.clone(), store).sweep()?;
    ballast.restore();
    let (store_id, segment_size) = (identity.store_id, identity.segment_size);
    Ok(Started { store_id, segment_size, lock, segments, ballast, kv, index, tail, report })
}

/// Places that held something once. What is invalid in the last batch was never acknowledged, and is none of
/// them, unless the index had it already.
fn damaged(tail: &Tail, replayed: Replayed, lost: Option<Damage>) -> Vec<String> {
    let (known, unknown): (Vec<_>, Vec<_>) = tail.holes.iter().partition(|hole| hole.from < replayed.from);
    let mut places = [tail.damage.clone(), replayed.damage, known].concat();
    places.retain(|place| !unknown.contains(place));
    places.extend(lost);
    places.sort_by_key(|place| place.from);
    places.dedup();
    places.iter().map(|place| format!("{}-{}", place.from, place.to)).collect()
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
    #[error("segments are missing")]
    Gap,
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

type Caught = (Arc<dyn IndexKv>, Index, Replayed);

/// What an index is brought up to date from.
struct Base<'a> {
    disk: &'a dyn Disk,
    store: &'a Path,
    params: &'a Params,
    store_id: [u8; 16],
    segments: &'a Segments,
    tail: &'a Tail,
}

impl Base<'_> {
    /// The index as it is, and what the log has beyond it; or why it cannot be believed.
    fn catch_up(&self, checkpoint: Checkpoint) -> Result<Caught, Distrust> {
        let idx = self.store.join("idx");
        let kv: Arc<dyn IndexKv> = Arc::new(SledKv::open(self.disk, &idx, self.params.cache)?);
        let mut index = Index::load(kv.clone(), self.store_id)?;
        let applied = index.applied();
        if applied < checkpoint.lsn {
            return Err(Distrust::Behind);
        }
        if applied > self.tail.end {
            return Err(Distrust::Ahead(applied));
        }
        if applied.segment() < self.tail.unbroken_from && applied != Lsn(0) {
            return Err(Distrust::Gap);
        }
        verify(&*kv, &index, !checkpoint.clean)?;
        let replayed = replay(&mut index, self.segments, self.tail.end)?;
        Ok((kv, index, replayed))
    }

    /// Everything from the log.
    fn rebuild(&self) -> Result<Caught, OpenError> {
        if !self.tail.whole {
            let id = self.tail.unbroken_from;
            return Err(OpenError::Salvage(format!("the segment before {id:08x} is missing or damaged")));
        }
        Checkpoint::remove(self.disk, self.store)?;
        let kv = fresh(self.disk, self.store, self.params.cache)?;
        let mut index = Index::load(kv.clone(), self.store_id)?;
        let replayed = replay(&mut index, self.segments, self.tail.end)?;
        Ok((kv, index, replayed))
    }
}

/// Only one process, and only one at a time.
fn lock(store: &Path) -> Result<std::fs::File, OpenError> {
    let path = store.join("LOCK");
    let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    // A store of this process that was dropped a moment ago may still be writing its last checkpoint.
    for _ in 0..100 {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(std::time::Duration::from_millis(20)),
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
    Err(OpenError::Locked(store.to_owned()))
}

/// `STORE`: what stays the same for the life of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    store_id: [u8; 16],
    segment_size: u32,
}

const MAGIC: &str = "restante store 1\n";

impl Identity {
    /// Reads it; makes the store when its folder is empty of ours.
    fn read_or_make(disk: &dyn Disk, store: &Path, params: &Params) -> Result<(Self, bool), OpenError> {
        for folder in ["log", "big", "idx"] {
            disk.create_dir(&store.join(folder))?;
        }
        let file = match disk.open(&store.join("STORE"), Open::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::make(disk, store, params),
            Err(error) => return Err(error.into()),
        };
        let octets = usize::try_from(file.len()?).unwrap_or(usize::MAX).min(4096);
        let mut text = vec![0; octets];
        read_exact(&*file, &mut text, 0)?;
        let text = String::from_utf8_lossy(&text);
        let identity = Self::parse(&text);
        let damaged = || OpenError::Salvage("the file STORE is damaged or of another version".to_owned());
        Ok((identity.ok_or_else(damaged)?, false))
    }

    fn make(disk: &dyn Disk, store: &Path, params: &Params) -> Result<(Self, bool), OpenError> {
        if disk.list(&store.join("log"))?.iter().any(|name| name.ends_with(".seg")) {
            return Err(OpenError::Salvage("the file STORE is missing".to_owned()));
        }
        let mut store_id = [0; 16];
        getrandom::fill(&mut store_id).map_err(io::Error::other)?;
        let segment_size = params.segment_size_for(disk.space(store)?.total);
        let identity = Self { store_id, segment_size };
        replace(disk, store, "STORE", identity.text().as_bytes())?;
        Ok((identity, true))
    }

    fn text(self) -> String {
        let id: String = self.store_id.iter().map(|octet| format!("{octet:02x}")).collect();
        format!("{MAGIC}id = {id}\nsegment-size = {}\ncreated-ms = {}\n", self.segment_size, wall_ms())
    }

    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let lines = text.strip_prefix(MAGIC)?.lines();
            lines
                .filter_map(|line| line.split_once(" = "))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        let id = u128::from_str_radix(field("id")?, 16).ok()?;
        let segment_size = field("segment-size")?.parse().ok()?;
        Some(Self { store_id: id.to_be_bytes(), segment_size })
    }
}
