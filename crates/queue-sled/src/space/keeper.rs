use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use queue::StoreError;
use tokio::sync::oneshot;

use super::compaction::Mover;
use super::orders::{Orders, Tidied};
use super::orphans::Orphans;
use super::pins::Pins;
use super::scrub::Scrub;
use super::victims::stuck_words;
use crate::big::BigFiles;
use crate::disk::{Disk, Open};
use crate::fold::{Folder, Snap, forget};
use crate::health::Health;
use crate::index::ballast::Ballast;
use crate::index::checkpoint::Bell;
use crate::index::{Lag, Published};
use crate::log::change::Draft;
use crate::log::segment::segment_path;
use crate::log::segments::Segments;
use crate::log::spares::Spares;
use crate::log::{Answer, Intake, Lsn};
use crate::params::Params;

/// How often is looked whether there is something to do.
const EVERY: Duration = Duration::from_secs(5);
/// A snap is made at least so often when something has changed: it shortens a rebuild.
pub(super) const DAILY: Duration = Duration::from_secs(24 * 3600);
/// How often, and for how long at once, a checkpoint is waited for.
const CHECKPOINT_PAUSES: u32 = 500;
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(10);
/// Less than this is not worth a fold, however full the disk is.
const LEAST: u64 = 16 << 20;

/// The one thread that frees.
pub(crate) struct Keeper {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) log: PathBuf,
    pub(crate) segment_size: u32,
    pub(crate) params: Params,
    pub(crate) folder: Arc<Folder>,
    pub(crate) segments: Arc<Segments>,
    pub(crate) spares: Arc<Spares>,
    pub(crate) big: BigFiles,
    pub(crate) pins: Arc<Pins>,
    pub(crate) published: Arc<Published>,
    pub(crate) bell: Arc<Bell>,
    pub(crate) lag: Arc<Lag>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) health: Arc<Health>,
    pub(crate) ballast: Arc<Ballast>,
    pub(crate) scrub: Scrub,
    pub(crate) orders: Arc<Orders>,
    pub(crate) mover: Mover,
    /// Files beside the log that may be dead: those that records name.
    /// `None`: there is damage, known to this start or found since, and what no record names now may
    /// be what the damage named.
    pub(crate) files: Option<BTreeSet<u64>>,
    /// Files that were there at the start, as long as no record that is read names them.
    pub(crate) strangers: BTreeSet<u64>,
    pub(crate) orphans: Orphans,
    /// What the index had at the start. An older snap does not know of all the files that were there then.
    pub(crate) began: Lsn,
}

/// What has been decided, and what is left to do of it.
pub(super) struct Work {
    pub(super) snap: Option<Arc<Snap>>,
    pub(super) made: Instant,
    /// When the snaps were read last.
    pub(super) looked: Instant,
    /// No fold before.
    pub(super) not_before: Instant,
    /// Segments that were not emptied because mail in them cannot be read, and since when.
    pub(super) stuck: BTreeMap<u32, Instant>,
    /// Dead, by the moment at which that was found; they go when nobody reads any more who began before it.
    pub(super) segments: BTreeMap<u32, u64>,
    pub(super) files: BTreeMap<u64, u64>,
}

impl Keeper {
    pub(crate) fn run(mut self) {
        let now = Instant::now();
        let (segments, files) = (BTreeMap::new(), BTreeMap::new());
        let mut work = Work {
            snap: None,
            made: now,
            looked: now,
            not_before: now,
            stuck: BTreeMap::new(),
            segments,
            files,
        };
        self.look(&mut work);
        self.published.dead.fetch_add(self.dead_at_start(work.snap.as_deref()), Ordering::Relaxed);
        while !self.orders.is_closed() {
            let waiters = self.orders.wait(EVERY);
            if self.orders.is_closed() {
                break;
            }
            if waiters.is_empty() {
                if self.orders.wants_look() || work.looked.elapsed() > DAILY {
                    self.look(&mut work);
                }
                let mut tidied = Tidied::default();
                // A checkpoint may have come since the fold.
                self.doom(&mut work);
                self.free(&mut work, &mut tidied);
                if self.is_due(&work) && self.round(&mut work, false).is_ok() {
                    self.scrub.run(work.snap.as_deref(), &self.orders);
                }
            } else {
                let outcome = self.round(&mut work, true);
                for waiter in waiters {
                    let _ = waiter.send(outcome.as_ref().copied().map_err(StoreError::share));
                }
            }
        }
    }

    /// What was dead already when the store was opened, as far as that can be told without a fold.
    fn dead_at_start(&self, snap: Option<&Snap>) -> u64 {
        let alive: u64 = snap.map_or(0, |snap| snap.liveness().segments.values().sum());
        let sealed = (self.segments.all().len() as u64).saturating_sub(1);
        (sealed * u64::from(self.segment_size)).saturating_sub(alive)
    }

    fn is_due(&self, work: &Work) -> bool {
        let now = Instant::now();
        if now < work.not_before || self.health.read_only().is_some() {
            return false;
        }
        if self.is_lost(work) {
            return true;
        }
        let dead = self.published.dead.load(Ordering::Relaxed);
        let free = self.disk.space(&self.log).map_or(u64::MAX, |space| space.free);
        let snap = work.snap.as_ref();
        let enough = self.params.dead.max(snap.map_or(0, |snap| 4 * snap.octets));
        let moved = snap.map_or(Lsn(0), |snap| snap.lsn).0 < self.published.state().applied;
        dead > enough || dead > (free / 10).max(LEAST) || (moved && now.duration_since(work.made) > DAILY)
    }

    pub(super) fn is_full(&self) -> bool {
        self.disk.space(&self.log).is_ok_and(|space| space.free < 2 * self.params.min_free)
    }

    /// Folds, frees, empties; and once more, when that was asked for, to free what it has emptied.
    fn round(&mut self, work: &mut Work, asked: bool) -> Result<Tidied, StoreError> {
        let mut tidied = Tidied::default();
        for last in [!asked, true] {
            if asked && !self.spares.is_last(true) {
                self.begin_segment()?;
            }
            self.fold(work)?;
            self.published.dead.store(0, Ordering::Relaxed);
            if asked {
                self.await_checkpoint(work);
            }
            self.doom(work);
            self.free(work, &mut tidied);
            if last && asked {
                break;
            }
            tidied.moved = self.empty(work)?;
            if tidied.moved == 0 || last {
                break;
            }
        }
        tidied.waiting = (work.segments.len() + work.files.len()) as u64;
        let Tidied { segments, files, moved, waiting } = tidied;
        tracing::info!(segments, files, moved, waiting, "the log was tidied");
        Ok(tidied)
    }

    /// Ends the segment that is written, so that it can be freed too: with a record that changes nothing.
    fn begin_segment(&self) -> Result<(), StoreError> {
        self.health.check()?;
        self.intake.roll();
        let (waiter, done) = oneshot::channel();
        let draft = Draft::delete(&[]).map_err(|_| StoreError::Unavailable)?;
        self.intake.submit_blocking(draft, Answer::Applied(waiter))?;
        done.blocking_recv().unwrap_or(Err(StoreError::Unavailable)).map(drop)
    }

    /// Waits a while for a checkpoint that covers the snap.
    fn await_checkpoint(&self, work: &Work) {
        let wanted = work.snap.as_ref().map_or(Lsn(0), |snap| snap.lsn);
        for _ in 0..CHECKPOINT_PAUSES {
            if self.bell.checkpointed() >= wanted || self.orders.is_closed() {
                return;
            }
            self.bell.ring();
            std::thread::sleep(CHECKPOINT_PAUSE);
        }
    }

    /// Notes what the fold says is dead.
    fn doom(&self, work: &mut Work) {
        let Some(snap) = &work.snap else { return };
        let moment = self.pins.mark();
        let covered = snap.lsn.min(self.bell.checkpointed());
        for (id, end) in self.sealed() {
            if end <= covered && !snap.liveness().segments.contains_key(&id) {
                work.segments.entry(id).or_insert(moment);
            }
        }
        let files = self.files.iter().filter(|_| snap.lsn >= self.began).flatten();
        for file in files {
            if !snap.liveness().files.contains(file) {
                work.files.entry(*file).or_insert(moment);
            }
        }
    }

    /// All segments but the newest, and where they end.
    pub(super) fn sealed(&self) -> Vec<(u32, Lsn)> {
        let all = self.segments.all();
        let end = |pair: &[crate::log::segment::SegmentHeader]| {
            let linked = pair[1].previous == pair[0].id;
            (pair[0].id, Lsn::new(pair[0].id, if linked { pair[1].prev_end } else { u32::MAX }))
        };
        all.windows(2).map(end).collect()
    }

    /// Gives back what nobody reads any more.
    fn free(&mut self, work: &mut Work, tidied: &mut Tidied) {
        let _freeing = self.segments.keep();
        let passed = |dead: &BTreeMap<u32, u64>| {
            dead.iter()
                .filter(|(_, moment)| self.pins.passed(**moment))
                .map(|(id, _)| *id)
                .collect::<Vec<_>>()
        };
        for id in passed(&work.segments) {
            match self.free_segment(id) {
                Ok(()) => {
                    work.segments.remove(&id);
                    tidied.segments += 1;
                    if work.stuck.remove(&id).is_some() {
                        self.say(stuck_words(work));
                    }
                }
                Err(error) => tracing::error!(%error, segment = format_args!("{id:08x}"), "cannot be freed"),
            }
        }
        let files: Vec<u64> =
            work.files.iter().filter(|(_, moment)| self.pins.passed(**moment)).map(|(id, _)| *id).collect();
        for id in files {
            match self.big.remove(id) {
                Ok(()) => {
                    work.files.remove(&id);
                    if let Some(files) = &mut self.files {
                        files.remove(&id);
                    }
                    tidied.files += 1;
                }
                Err(error) => tracing::error!(%error, file = format_args!("{id:016x}"), "cannot be removed"),
            }
        }
    }

    fn free_segment(&self, id: u32) -> io::Result<()> {
        let path = segment_path(&self.log, id);
        let file = self.disk.open(&path, Open::Read)?;
        // Another name is a backup's: what is overwritten here would change there.
        let ours = file.links()? == 1 && file.len()? == u64::from(self.segment_size);
        drop(file);
        self.segments.remove(id);
        if ours && self.spares.recycle(&*self.disk, &self.log, &path)? {
            return Ok(());
        }
        forget(&*self.disk, &path)
    }
}
