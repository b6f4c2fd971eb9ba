use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use crate::disk::{Disk, is_no_space};

/// A change of one key: a new value, or none.
pub(crate) type Op = (Vec<u8>, Option<Vec<u8>>);

/// Takes a key and its value; false ends the scan.
pub(crate) type EachRow<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<bool, IndexError>;

/// Why the index cannot be used any more. Every one of them ends in building it again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IndexError {
    #[error("no room on the disk")]
    NoSpace,
    #[error("damaged: {0}")]
    Damaged(&'static str),
    /// Of a snap.
    #[error("a later version has written it (format {0})")]
    Newer(u32),
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl IndexError {
    /// Whether room on the disk would have helped.
    pub(crate) fn is_no_space(&self) -> bool {
        match self {
            Self::NoSpace => true,
            Self::Io(error) => is_no_space(error),
            Self::Damaged(_) | Self::Newer(_) | Self::Failed(_) => false,
        }
    }
}

/// The little that is asked of an ordered key-value store.
pub(crate) trait IndexKv: Send + Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError>;

    /// All of it or nothing, also over a crash; after an error nobody knows.
    fn apply(&self, ops: Vec<Op>) -> Result<(), IndexError>;

    /// Every key from `from` on that begins with `prefix`, in order, until `each` says false.
    fn scan(&self, prefix: &[u8], from: &[u8], each: EachRow<'_>) -> Result<(), IndexError>;

    /// Hands what was applied to the kernel. Not durable before the files are synced.
    fn flush(&self) -> Result<(), IndexError>;
}

/// Which kind of index a store has.
pub(crate) trait OpenIndex: Send + Sync {
    /// Opens the one in a folder, or begins one there. What must be synced for [`IndexKv::flush`] to last is
    /// the file `db` in it, and the folder.
    fn open(&self, disk: &dyn Disk, idx: &Path) -> Result<Arc<dyn IndexKv>, IndexError>;
}

/// The index that is in use; none while it is built again.
#[derive(Clone, Default)]
pub(crate) struct KvCell(Arc<RwLock<Option<Arc<dyn IndexKv>>>>);

impl KvCell {
    pub(crate) fn get(&self) -> Option<Arc<dyn IndexKv>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, kv: Option<Arc<dyn IndexKv>>) {
        let old = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), kv);
        drop(old);
    }
}

/// An index in memory, for tests of what stands above.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct MemoryKv(std::sync::Mutex<std::collections::BTreeMap<Vec<u8>, Vec<u8>>>);

#[cfg(test)]
impl IndexKv for MemoryKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self.0.lock().expect("no panic inside").get(key).cloned())
    }

    fn apply(&self, ops: Vec<Op>) -> Result<(), IndexError> {
        let mut rows = self.0.lock().expect("no panic inside");
        for (key, value) in ops {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        Ok(())
    }

    fn scan(&self, prefix: &[u8], from: &[u8], each: EachRow<'_>) -> Result<(), IndexError> {
        let rows = self.0.lock().expect("no panic inside");
        let range = rows.range(from.max(prefix).to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
        let range: Vec<_> = range.map(|(key, value)| (key.clone(), value.clone())).collect();
        drop(rows);
        for (key, value) in range {
            if !each(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }
}
