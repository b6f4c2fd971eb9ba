use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, Open, write_all};

/// Octets that are written at once.
const PART: usize = 1 << 20;

/// A file that is only there to be removed: on a full disk sled can neither open nor flush, and without it
/// nothing can be deleted. It is as long as two snaps at least: without room for a new one nothing can be freed.
pub(crate) struct Ballast {
    disk: Arc<dyn Disk>,
    store: PathBuf,
    /// Octets that it has at least; 0 for none.
    least: u64,
    low_water: u64,
    /// Octets that it should have.
    wanted: AtomicU64,
    there: AtomicBool,
    /// Octets that it has. Held while the file is changed.
    octets: Mutex<u64>,
}

/// How long it is beside a snap of that many octets.
pub(crate) fn beside(snap: u64, least: u64) -> u64 {
    if least == 0 { 0 } else { least.max(snap.saturating_mul(2)) }
}

impl Ballast {
    pub(crate) fn new(disk: Arc<dyn Disk>, store: PathBuf, least: u64, low_water: u64) -> Self {
        let length = disk.open(&store.join("BALLAST"), Open::Read).and_then(|file| file.len());
        let octets = length.unwrap_or(0);
        let (wanted, there) = (AtomicU64::new(octets.max(least)), AtomicBool::new(octets >= least));
        Self { disk, store, least, low_water, wanted, there, octets: Mutex::new(octets) }
    }

    fn path(&self) -> PathBuf {
        self.store.join("BALLAST")
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.octets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether intake may go on: what was let go has been made again.
    pub(crate) fn is_there(&self) -> bool {
        self.there.load(Ordering::Relaxed)
    }

    /// Notes how long the newest snap is.
    pub(crate) fn fit(&self, snap: u64) {
        self.wanted.store(beside(snap, self.least), Ordering::Relaxed);
    }

    /// Lets it go. False when it was gone already.
    pub(crate) fn release(&self) -> bool {
        // Whoever makes it at this moment says at the end that it is there, and that must not come after this.
        let mut octets = self.lock();
        let was = self.there.swap(self.least == 0, Ordering::Relaxed) && self.least > 0;
        if was {
            tracing::warn!("the disk is full: the ballast is let go, no mail is taken until it is back");
            let gone = self.disk.unlink(&self.path()).and_then(|()| self.disk.fsync_dir(&self.store));
            *octets = 0;
            if let Err(error) = gone {
                tracing::error!(%error, "the ballast could not be removed");
            }
        }
        was
    }

    /// Makes it again when there is room for it above the low water mark, and makes it longer or shorter. That it
    /// could not be made longer keeps nobody from anything.
    pub(crate) fn restore(&self) {
        if self.least == 0 {
            return;
        }
        let wanted = self.wanted.load(Ordering::Relaxed);
        let mut octets = self.lock();
        // Much too long: what is a little too long will do for the next snap.
        let from = match *octets {
            _ if !self.is_there() => 0,
            octets if octets / 2 > wanted => 0,
            octets => octets,
        };
        if self.is_there() && from >= wanted {
            return;
        }
        let room =
            self.disk.space(&self.store).is_ok_and(|space| space.free > wanted - from + self.low_water);
        if !room {
            return;
        }
        match self.make(from, wanted) {
            Ok(()) => {
                *octets = wanted;
                self.there.store(true, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::warn!(%error, "the ballast could not be made");
                let length = self.disk.open(&self.path(), Open::Read).and_then(|file| file.len());
                *octets = length.unwrap_or(0);
                if *octets < self.least || !self.is_there() {
                    self.there.store(false, Ordering::Relaxed);
                    *octets = 0;
                    let _ = self.disk.unlink(&self.path());
                }
            }
        }
    }

    /// Written, not reserved: room that a file system hands out twice is no ballast.
    fn make(&self, from: u64, to: u64) -> io::Result<()> {
        let path = self.path();
        let file = if from == 0 {
            crate::fold::forget(&*self.disk, &path)?;
            self.disk.open(&path, Open::Create)?
        } else {
            self.disk.open(&path, Open::Write)?
        };
        let zeros = vec![0; PART];
        for at in (from..to).step_by(PART) {
            let part = usize::try_from(to - at).unwrap_or(PART).min(PART);
            write_all(&*file, &zeros[..part], at)?;
        }
        file.fdatasync()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::disk::faulty::{Fault, FaultyDisk, Op};

    fn octets(store: &Path) -> u64 {
        std::fs::metadata(store.join("BALLAST")).map_or(0, |found| found.len())
    }

    #[test]
    fn it_is_as_long_as_two_snaps_and_never_shorter_than_it_must_be() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = FaultyDisk::default();
        disk.say_free(Some(1 << 40));
        let open = |least| Ballast::new(Arc::new(disk.clone()), folder.path().to_owned(), least, 1000);
        let ballast = open(4096);
        assert!(!ballast.is_there());
        // The longest snap so far, and how long it is then.
        for (snap, long) in [
            (0, 4096),
            (100, 4096),
            (3000, 6000),
            (2 << 20, 4 << 20),
            (1 << 20, 4 << 20),
            (900_000, 1_800_000),
        ] {
            ballast.fit(snap);
            ballast.restore();
            assert_eq!((octets(folder.path()), ballast.is_there()), (long, true), "beside {snap}");
        }
        drop(ballast);
        let ballast = open(4096);
        ballast.restore();
        assert_eq!((octets(folder.path()), ballast.is_there()), (1_800_000, true), "whoever opens it next");
        assert!(ballast.release() && !ballast.release() && !ballast.is_there());
        disk.say_free(Some(1_801_000));
        ballast.restore();
        assert!(!ballast.is_there(), "above the low water mark");
        disk.say_free(Some(1_801_001));
        ballast.restore();
        assert_eq!((octets(folder.path()), ballast.is_there()), (1_800_000, true));
        let none = open(0);
        none.fit(1 << 20);
        none.restore();
        assert!(none.is_there() && !none.release());
    }

    #[test]
    fn one_that_cannot_grow_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = FaultyDisk::default();
        disk.say_free(Some(1 << 40));
        let ballast = Ballast::new(Arc::new(disk.clone()), folder.path().to_owned(), 4096, 1000);
        ballast.restore();
        ballast.fit(3 << 20);
        disk.say_free(Some((6 << 20) - 4096));
        ballast.restore();
        assert_eq!((octets(folder.path()), ballast.is_there()), (4096, true), "no room above low water");
        disk.say_free(Some(1 << 40));
        let errno = rustix::io::Errno::NOSPC;
        disk.order(Some(Fault { only: Some(Op::Write), at: 2, lasting: true, errno }));
        ballast.restore();
        assert!(disk.order(None) && ballast.is_there() && octets(folder.path()) >= 4096);
        ballast.restore();
        assert_eq!(octets(folder.path()), 6 << 20);
        assert!(ballast.release());
        disk.order(Some(Fault { only: Some(Op::Write), at: 2, lasting: true, errno }));
        ballast.restore();
        assert!(!ballast.is_there() && octets(folder.path()) == 0, "half of one takes no room");
        disk.order(None);
    }

    #[test]
    fn one_that_is_let_go_while_it_is_made_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = FaultyDisk::default();
        disk.say_free(Some(1 << 40));
        let ballast = Ballast::new(Arc::new(disk), folder.path().to_owned(), 4096, 1000);
        ballast.restore();
        // As while it is made longer.
        let making = ballast.lock();
        std::thread::scope(|scope| {
            let released = scope.spawn(|| ballast.release());
            std::thread::sleep(std::time::Duration::from_millis(50));
            ballast.there.store(true, Ordering::Relaxed);
            drop(making);
            assert!(released.join().expect("no panic"));
        });
        assert_eq!((octets(folder.path()), ballast.is_there()), (0, false));
    }
}
