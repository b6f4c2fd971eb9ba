use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use lru::LruCache;

use super::segment::{SegmentHeader, segment_path};
use crate::disk::{Disk, DiskFile, Open};

/// Files of the log kept open for reading; a store of many gigabytes has more segments than a process has
/// descriptors.
const OPEN_MAX: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// The segments of the log, for everyone who reads.
///
/// No segment is ever taken out of here yet. Whoever frees one later must wait until the last maildrop that
/// was opened before is gone: a maildrop holds this registry and opens files when it needs them.
pub(crate) struct Segments {
    disk: Arc<dyn Disk>,
    log: PathBuf,
    headers: RwLock<BTreeMap<u32, SegmentHeader>>,
    files: Mutex<LruCache<u32, Arc<dyn DiskFile>>>,
}

impl Segments {
    pub(crate) fn new(disk: Arc<dyn Disk>, log: PathBuf) -> Self {
        let files = Mutex::new(LruCache::new(OPEN_MAX));
        Self { disk, log, headers: RwLock::default(), files }
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
