use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use lru::LruCache;

use super::lsn::Lsn;
use super::segment::{SegmentHeader, segment_path};
use crate::disk::{Disk, DiskFile, Open};

/// Files of the log kept open for reading; a store of many gigabytes has more segments than a process has
/// descriptors.
const OPEN_MAX: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// The segments of the log, for everyone who reads.
///
/// A segment is taken out only when nobody reads any more who began before it was dead (`space/pins.rs`): a
/// maildrop opens files when it needs them.
pub(crate) struct Segments {
    disk: Arc<dyn Disk>,
    log: PathBuf,
    headers: RwLock<BTreeMap<u32, SegmentHeader>>,
    files: Mutex<LruCache<u32, Arc<dyn DiskFile>>>,
    /// Held while nothing may be freed: by a backup, and by whoever replays the log.
    freeing: Mutex<()>,
}

impl Segments {
    pub(crate) fn new(disk: Arc<dyn Disk>, log: PathBuf) -> Self {
        let files = Mutex::new(LruCache::new(OPEN_MAX));
        Self { disk, log, headers: RwLock::default(), files, freeing: Mutex::default() }
    }

    /// Nothing is freed as long as this is held; whoever frees holds it too.
    pub(crate) fn keep(&self) -> MutexGuard<'_, ()> {
        self.freeing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, header: SegmentHeader) {
        // No code panics while it holds these locks: what a poisoned one guards is whole.
        self.headers.write().unwrap_or_else(PoisonError::into_inner).insert(header.id, header);
    }

    pub(crate) fn header(&self, id: u32) -> Option<SegmentHeader> {
        self.headers.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// All of them, oldest first.
    pub(crate) fn all(&self) -> Vec<SegmentHeader> {
        self.headers.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Whether every record between two places is in a segment that is here.
    pub(crate) fn unbroken(&self, from: Lsn, to: Lsn) -> bool {
        let headers = self.headers.read().unwrap_or_else(PoisonError::into_inner);
        let here = from.segment() == 0 || headers.contains_key(&from.segment());
        if to <= from {
            return true;
        }
        if from.segment() == to.segment() {
            return here;
        }
        // From the end back: one that was begun and never entered is nobody's previous one.
        let mut at = to.segment();
        while let Some(header) = headers.get(&at).filter(|header| header.previous < at) {
            if header.previous <= from.segment() {
                // A segment that was freed counts as read if it was read to its end.
                return header.previous == from.segment() && (here || header.prev_end <= from.offset());
            }
            at = header.previous;
        }
        false
    }

    /// Takes a segment out: nobody will ask for it any more.
    pub(crate) fn remove(&self, id: u32) {
        self.headers.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.files.lock().unwrap_or_else(PoisonError::into_inner).pop(&id);
    }

    #[cfg(test)]
    pub(crate) fn forget_files(&self) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// A segment's file, for reading.
    pub(crate) fn file(&self, id: u32) -> io::Result<Arc<dyn DiskFile>> {
        if let Some(file) = self.files.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(file.clone());
        }
        let file = self.disk.open(&segment_path(&self.log, id), Open::Read)?;
        self.files.lock().unwrap_or_else(PoisonError::into_inner).put(id, file.clone());
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    /// Segments 5, 7 and 9, each next to the other and each full to 8192; 5 follows one that is gone.
    fn registry() -> Segments {
        let segments = Segments::new(Arc::new(RealDisk), PathBuf::new());
        for (id, previous) in [(5, 3), (7, 5), (9, 7)] {
            let (store, salt, opened_ms) = ([0; 16], 0, 0);
            segments.insert(SegmentHeader { store, id, salt, previous, prev_end: 8192, opened_ms });
        }
        segments
    }

    #[test]
    fn the_log_is_unbroken_only_from_where_nothing_is_missing() {
        let (segments, end) = (registry(), Lsn::new(9, 4096));
        assert!(!segments.unbroken(Lsn(0), end));
        assert!(segments.unbroken(Lsn::new(3, 8192), end), "read to its end");
        assert!(!segments.unbroken(Lsn::new(3, 4096), end), "not read to its end");
        assert!(segments.unbroken(Lsn::new(5, 4096), end) && segments.unbroken(end, end));
        assert!(segments.unbroken(Lsn::new(9, 9000), end), "nothing is between them");
        assert!(
            !segments.unbroken(Lsn::new(6, 8192), end)
                && !segments.unbroken(Lsn::new(5, 4096), Lsn::new(8, 9))
        );
        segments.remove(7);
        assert!(!segments.unbroken(Lsn::new(5, 4096), end));
        assert!(segments.unbroken(Lsn::new(7, 8192), end));
    }
}
