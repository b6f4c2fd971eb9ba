use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ballast::Ballast;
use super::kv::{IndexError, KvCell};
use super::lag::Lag;
use crate::disk::{Disk, Open, is_exhausted, read_exact, write_all};
use crate::log::Lsn;

const EVERY: Duration = Duration::from_secs(5);
/// Octets of log after which a checkpoint is due early.
const OCTETS: u64 = 64 << 20;
const MAGIC: &[u8; 8] = b"restckp\0";
const SIZE: usize = 24;
/// The store was closed: the index holds all of the log.
const CLEAN: u32 = 1;

/// `CKPT`: up to where the index is on the platter. 0..8 magic, 8..16 place, 16..20 flags, 20..24 crc32c.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) lsn: Lsn,
    /// Written at the end of a run that was closed in good order.
    pub(crate) clean: bool,
}

impl Checkpoint {
    /// The last one; `None` when there is none, or none that can be believed.
    pub(crate) fn read(disk: &dyn Disk, store: &Path) -> Option<Self> {
        let mut octets = [0; SIZE];
        let file = disk.open(&store.join("CKPT"), Open::Read).ok()?;
        read_exact(&*file, &mut octets, 0).ok()?;
        let crc = crc32c::crc32c(&octets[..SIZE - 4]).to_le_bytes();
        if &octets[..8] != MAGIC || octets[SIZE - 4..] != crc {
            return None;
        }
        let lsn = octets[8..].first_chunk().map(|number| Lsn(u64::from_le_bytes(*number)))?;
        Some(Self { lsn, clean: octets[16] & 1 != 0 })
    }

    pub(crate) fn write(self, disk: &dyn Disk, store: &Path) -> io::Result<()> {
        let mut octets = Vec::with_capacity(SIZE);
        octets.extend_from_slice(MAGIC);
        octets.extend_from_slice(&self.lsn.0.to_le_bytes());
        octets.extend_from_slice(&(if self.clean { CLEAN } else { 0 }).to_le_bytes());
        let crc = crc32c::crc32c(&octets);
        octets.extend_from_slice(&crc.to_le_bytes());
        replace(disk, store, "CKPT", &octets)
    }

    /// Nothing is known of the index any more: the next start builds it again.
    pub(crate) fn remove(disk: &dyn Disk, store: &Path) -> io::Result<()> {
        let gone = match disk.unlink(&store.join("CKPT")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        };
        gone.and_then(|()| disk.fsync_dir(store))
    }
}

/// Gives a small file new octets: all of them or the old ones, over any crash.
pub(crate) fn replace(disk: &dyn Disk, folder: &Path, name: &str, octets: &[u8]) -> io::Result<()> {
    let draft = folder.join(format!("tmp-{name}"));
    match disk.unlink(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let file = disk.open(&draft, Open::Create)?;
    write_all(&*file, octets, 0)?;
    file.fdatasync()?;
    disk.rename(&draft, &folder.join(name))?;
    disk.fsync_dir(folder)
}

/// Makes the index durable every few seconds. Nobody waits for it: it only shortens the next start.
pub(crate) struct Checkpointer {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) store: PathBuf,
    pub(crate) kv: KvCell,
    pub(crate) lag: Arc<Lag>,
    pub(crate) ballast: Arc<Ballast>,
    pub(crate) bell: Arc<Bell>,
}

/// How the applier and the closing store reach the checkpointer.
#[derive(Default)]
pub(crate) struct Bell {
    /// The place of the next record to apply.
    applied: AtomicU64,
    since: AtomicU64,
    /// Where the last checkpoint stands.
    checkpointed: AtomicU64,
    /// Since when there is something that no checkpoint holds.
    ahead: Mutex<Option<Instant>>,
    closed: AtomicBool,
    lock: Mutex<()>,
    rung: Condvar,
}

impl Bell {
    /// Notes what the index has in it now.
    pub(crate) fn applied(&self, next: Lsn, octets: u64) {
        self.applied.store(next.0, Ordering::SeqCst);
        self.lock_ahead().get_or_insert_with(Instant::now);
        if self.since.fetch_add(octets, Ordering::Relaxed) + octets >= OCTETS {
            self.rung.notify_all();
        }
    }

    /// Where the index is on the platter for certain; the start of the log when that is not known.
    pub(crate) fn checkpointed(&self) -> Lsn {
        Lsn(self.checkpointed.load(Ordering::SeqCst))
    }

    /// How long there is something already that no checkpoint holds.
    pub(crate) fn ahead(&self) -> Option<Duration> {
        self.lock_ahead().map(|since| since.elapsed())
    }

    fn lock_ahead(&self) -> MutexGuard<'_, Option<Instant>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wants a checkpoint now.
    pub(crate) fn ring(&self) {
        let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.since.fetch_add(OCTETS, Ordering::Relaxed);
        self.rung.notify_all();
    }

    pub(crate) fn close(&self) {
        let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::SeqCst);
        self.rung.notify_all();
    }

    fn wait(&self) {
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.closed.load(Ordering::SeqCst) && self.since.load(Ordering::Relaxed) < OCTETS {
            drop(self.rung.wait_timeout(guard, EVERY).unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Checkpointer {
    /// Runs until the store is closed, and leaves a last checkpoint.
    pub(crate) fn run(self) {
        let mut last = None;
        loop {
            self.bell.wait();
            let clean = self.bell.closed.load(Ordering::SeqCst);
            self.ballast.restore();
            // What is applied from here on is ahead of it.
            let (before, begun) = (self.bell.lock_ahead().take(), Instant::now());
            let lsn = Lsn(self.bell.applied.load(Ordering::SeqCst));
            self.bell.since.store(0, Ordering::Relaxed);
            let mut is_kept = last == Some(lsn);
            if clean || !is_kept {
                match self.checkpoint(Checkpoint { lsn, clean }) {
                    // There is no index to speak of while it is built again.
                    Ok(false) => {}
                    Ok(true) => {
                        (last, is_kept) = (Some(lsn), true);
                        self.bell.checkpointed.store(lsn.0, Ordering::SeqCst);
                    }
                    Err(IndexError::Io(error)) if is_exhausted(&error) => {
                        tracing::warn!(%error, "no checkpoint now: the next one covers it");
                    }
                    Err(error) => self.condemn(&error),
                }
            }
            if !is_kept {
                *self.bell.lock_ahead() = Some(before.unwrap_or(begun));
            }
            if clean {
                return;
            }
        }
    }

    /// The place was read before the flush, so that the flush covers it; sled's own flush asks the disk for
    /// nothing, so the files are synced here.
    fn checkpoint(&self, checkpoint: Checkpoint) -> Result<bool, IndexError> {
        let Some(kv) = self.kv.get() else { return Ok(false) };
        kv.flush()?;
        drop(kv);
        let idx = self.store.join("idx");
        self.disk.open(&idx.join("db"), Open::Write)?.fdatasync()?;
        self.disk.fsync_dir(&idx)?;
        checkpoint.write(&*self.disk, &self.store)?;
        Ok(true)
    }

    fn condemn(&self, error: &IndexError) {
        tracing::error!(%error, "a checkpoint failed: the index is built again");
        if error.is_no_space() {
            self.ballast.release();
        }
        if let Err(error) = Checkpoint::remove(&*self.disk, &self.store) {
            tracing::error!(%error, "the old checkpoint could not be removed");
        }
        self.lag.want_rebuild();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn what_is_ahead_counts_from_when_it_came_and_not_from_the_last_checkpoint() {
        let bell = Bell::default();
        assert_eq!(bell.ahead(), None);
        bell.applied(Lsn::new(7, 4096), 1);
        std::thread::sleep(Duration::from_millis(20));
        bell.applied(Lsn::new(7, 8192), 1);
        assert!(bell.ahead().is_some_and(|ahead| ahead >= Duration::from_millis(20)));
    }

    #[test]
    fn a_checkpoint_is_read_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Checkpoint::read(&RealDisk, folder.path()), None);
        let checkpoint = Checkpoint { lsn: Lsn::new(7, 4096), clean: true };
        checkpoint.write(&RealDisk, folder.path()).expect("written");
        assert_eq!(Checkpoint::read(&RealDisk, folder.path()), Some(checkpoint));
        let path = folder.path().join("CKPT");
        let whole = std::fs::read(&path).expect("read");
        for at in 0..whole.len() {
            let mut octets = whole.clone();
            octets[at] ^= 4;
            std::fs::write(&path, octets).expect("written");
            assert_eq!(Checkpoint::read(&RealDisk, folder.path()), None, "octet {at}");
            std::fs::write(&path, &whole[..at]).expect("written");
            assert_eq!(Checkpoint::read(&RealDisk, folder.path()), None, "cut at {at}");
        }
        Checkpoint::remove(&RealDisk, folder.path()).expect("removed");
        Checkpoint::remove(&RealDisk, folder.path()).expect("no error");
    }
}
