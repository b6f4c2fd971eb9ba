use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::deferred::{Deferred, KEYS_MAX};
use super::kv::{EachRow, IndexError, IndexKv, Op, OpenIndex};
use super::rows::VALUE_MAX;
use crate::disk::{Disk, is_no_space};

const LOCK_RETRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// What every store uses: [`SledKv`] behind [`Deferred`].
pub(crate) struct SledIndex {
    /// Octets that sled may use for its cache.
    pub(crate) cache: u64,
}

impl OpenIndex for SledIndex {
    fn open(&self, disk: &dyn Disk, idx: &Path) -> Result<Arc<dyn IndexKv>, IndexError> {
        Ok(Arc::new(Deferred::new(SledKv::open(disk, idx, self.cache)?, KEYS_MAX)?))
    }
}

/// sled 0.34, used only where it is good: one tree, one writer, small values, and never believed.
///
/// Whatever it does, panics included, comes out as an [`IndexError`]. `flush_async` and `watch_prefix` are
/// never used: the first can hang, the second stops `apply_batch` for everyone when its receiver is slow.
struct SledKv {
    /// Taken out only to be dropped.
    db: Option<sled::Db>,
}

impl SledKv {
    /// Opens the index in `idx`.
    fn open(disk: &dyn Disk, idx: &Path, cache: u64) -> Result<Self, IndexError> {
        remove_half_snapshots(disk, idx)?;
        let config = sled::Config::new()
            .path(idx)
            .cache_capacity(cache)
            // The checkpointer decides when.
            .flush_every_ms(None)
            .mode(sled::Mode::HighThroughput);
        let mut left = LOCK_RETRIES;
        loop {
            match guarded(|| config.open()) {
                Ok(db) => return Ok(Self { db: Some(db) }),
                Err(IndexError::Failed(why)) if why.contains("acquire lock") && left > 0 => {
                    // The threads of an index that was closed a moment ago still hold its file.
                    left -= 1;
                    std::thread::sleep(LOCK_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn db(&self) -> &sled::Db {
        self.db.as_ref().expect("only drop takes it")
    }
}

impl Drop for SledKv {
    fn drop(&mut self) {
        let db = self.db.take();
        if let Err(error) = guarded(|| {
            drop(db);
            Ok(())
        }) {
            tracing::warn!(%error, "the index did not close well");
        }
    }
}

impl IndexKv for SledKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        guarded(|| Ok(self.db().get(key)?.map(|value| value.to_vec())))
    }

    fn apply(&self, ops: Vec<Op>) -> Result<(), IndexError> {
        let mut batch = sled::Batch::default();
        for (key, value) in ops {
            match value {
                Some(value) if value.len() > VALUE_MAX => {
                    return Err(IndexError::Damaged("a value longer than any row"));
                }
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        guarded(|| self.db().apply_batch(batch))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], each: EachRow<'_>) -> Result<(), IndexError> {
        let mut rows = guarded(|| Ok(self.db().range(from.max(prefix)..)))?;
        while let Some((key, value)) = guarded(|| rows.next().transpose())? {
            if !key.starts_with(prefix) || !each(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), IndexError> {
        guarded(|| self.db().flush()).map(drop)
    }
}

/// A kill while sled opens leaves `snap.*.generating`; the next open would fail, for ever.
fn remove_half_snapshots(disk: &dyn Disk, idx: &Path) -> Result<(), IndexError> {
    for name in disk.list(idx)? {
        if name.starts_with("snap.") && name.ends_with(".generating") {
            disk.unlink(&idx.join(name))?;
        }
    }
    Ok(())
}

fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, IndexError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(outcome) => outcome.map_err(IndexError::from),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(IndexError::Failed(text.unwrap_or_else(|| "a panic without words".into())))
        }
    }
}

impl From<sled::Error> for IndexError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) if is_no_space(&error) => Self::NoSpace,
            error => Self::Failed(error.to_string()),
        }
    }
}
