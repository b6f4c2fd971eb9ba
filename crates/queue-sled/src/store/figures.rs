//! How a store is, in figures: for the people who look after it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use queue::Amount;

use super::SledStore;
use crate::disk::RealDisk;
use crate::index::checkpoint::Checkpoint;
use crate::log::Lsn;
use crate::log::scan::Damage;
use crate::log::segment::segment_id;
use crate::start::known;

/// An open store in figures, all taken within a moment of each other.
#[derive(Debug, Clone)]
pub struct Figures {
    /// What lies in its folder.
    pub files: Files,
    /// Where what is durable ends, as `segment:offset`.
    pub durable: String,
    /// Where what the index knows ends.
    pub applied: String,
    /// Octets in memory that wait for the index.
    pub lag_octets: u64,
    /// Octets of these at which no mail is taken.
    pub lag_max: u64,
    /// Whether the last checkpoint holds everything that the index knows.
    pub is_checkpointed: bool,
    /// How long there is something already that no checkpoint holds.
    pub ahead: Option<Duration>,
    /// Whether there is an index; false while it is built again.
    pub has_index: bool,
    /// About how many octets of the log are dead and not freed yet.
    pub dead: u64,
    /// Why nothing is freed, when the last attempt failed.
    pub unfreed: Option<String>,
    /// Accepted and not delivered.
    pub queued: Amount,
    /// Why nothing is written any more.
    pub read_only: Option<String>,
    /// Why a message of an octet would not be taken now.
    pub refused: Option<String>,
    /// What the file system has.
    pub disk: DiskSpace,
    /// Octets that must stay free.
    pub min_free: u64,
    /// Files that must still fit.
    pub min_inodes: u64,
}

/// What lies in a store's folder, whoever has the store open.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// Segments in use.
    pub segments: u64,
    /// Segments prepared ahead.
    pub spares: u64,
    /// Octets of both.
    pub log_octets: u64,
    /// Octets of the index.
    pub index_octets: u64,
    /// Where the last checkpoint is.
    pub checkpoint: Option<String>,
    /// Since it was written.
    pub checkpoint_age: Option<Duration>,
    /// Whether the last run was closed in good order; false as long as one runs.
    pub is_closed: bool,
    /// Places of the log that were found damaged and whose segment is still there, as `from-to`.
    pub damaged: Vec<String>,
}

/// What is left of a file system for the user we run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// Octets of all of it.
    pub total: u64,
    /// Octets that can still be written.
    pub free: u64,
    /// Files that can still be made; none where the file system does not count them.
    pub inodes: Option<u64>,
}

impl SledStore {
    /// The store in figures. **Blocks** for a look at its folder, and waits for nobody.
    pub fn figures(&self) -> io::Result<Figures> {
        let engine = &self.engine;
        let applied = *engine.published.applied.borrow();
        let checkpoint = Checkpoint::read(&*engine.disk, &engine.path);
        let space = engine.disk.space(&engine.path)?;
        Ok(Figures {
            files: Files::of(&engine.path)?,
            durable: Lsn(engine.durable.load(Ordering::SeqCst)).to_string(),
            applied: applied.to_string(),
            lag_octets: engine.lag.octets() as u64,
            lag_max: engine.params.lag as u64,
            is_checkpointed: checkpoint.is_some_and(|checkpoint| checkpoint.lsn >= applied),
            ahead: engine.bell.ahead(),
            has_index: engine.kv.get().is_some(),
            dead: engine.published.dead.load(Ordering::Relaxed),
            unfreed: engine.published.unfreed.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            queued: engine.published.backlog.total(),
            read_only: engine.health.read_only(),
            refused: engine.admit(1).err().map(|error| error.to_string()),
            disk: space.into(),
            min_free: engine.params.min_free,
            min_inodes: engine.params.min_inodes,
        })
    }
}

impl Files {
    /// Looks at a store's folder. Nothing is opened for writing, so this may be asked while another process has
    /// the store.
    pub fn of(store: &Path) -> io::Result<Self> {
        let checkpoint = Checkpoint::read(&RealDisk, store);
        let written = fs::metadata(store.join("CKPT")).and_then(|found| found.modified());
        let mut files = Self {
            checkpoint: checkpoint.map(|checkpoint| checkpoint.lsn.to_string()),
            checkpoint_age: written.ok().and_then(|at| SystemTime::now().duration_since(at).ok()),
            is_closed: checkpoint.is_some_and(|checkpoint| checkpoint.clean),
            ..Self::default()
        };
        let mut log = BTreeSet::new();
        each(&store.join("log"), &mut |name, octets| {
            log.extend(segment_id(name));
            files.segments += u64::from(name.ends_with(".seg"));
            files.spares += u64::from(name.starts_with("spare-"));
            files.log_octets += octets;
        })?;
        files.damaged = known::read(&RealDisk, store, &log).iter().map(Damage::to_string).collect();
        match each(&store.join("idx"), &mut |_, octets| files.index_octets += octets) {
            // It is being built again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            looked => looked?,
        }
        Ok(files)
    }
}

impl DiskSpace {
    /// Of the file system that a folder is on.
    pub fn of(folder: &Path) -> io::Result<Self> {
        crate::disk::Disk::space(&RealDisk, folder).map(Into::into)
    }
}

impl From<crate::disk::Space> for DiskSpace {
    fn from(space: crate::disk::Space) -> Self {
        let crate::disk::Space { total, free, inodes } = space;
        Self { total, free, inodes: (inodes != u64::MAX).then_some(inodes) }
    }
}

/// The files of a folder and of those in it. A file that goes meanwhile is not there.
fn each(folder: &Path, see: &mut dyn FnMut(&str, u64)) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(found) if found.is_dir() => each(&entry.path(), see)?,
            Ok(found) => see(&entry.file_name().to_string_lossy(), found.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use queue::{Incoming, Store};

    use super::*;
    use crate::Params;

    #[tokio::test]
    async fn figures_follow_what_happens() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store");
        let params = Params { segment_size: Some(16 << 20), spares: 1, ballast: 0, ..Params::default() };
        let (store, _) = SledStore::open(&path, params).expect("opened");
        assert!(store.wait_prepared());
        let before = store.figures().expect("figures");
        assert_eq!((before.files.segments, before.files.spares, before.queued.messages), (0, 1, 0));
        assert!(before.has_index && before.read_only.is_none() && !before.files.is_closed);

        let mut incoming = store.incoming(None).expect("room");
        incoming.write(b"Subject: one\r\n\r\n").await.expect("written");
        incoming.commit(queue::contract::envelope(&["alice", "bob"])).await.expect("kept");
        while store.queued(None, 1).await.expect("queued").is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(store.wait_prepared());
        let after = store.figures().expect("figures");
        assert_eq!((after.files.segments, after.files.spares), (1, 1));
        assert_eq!(after.files.log_octets, 2 * (16 << 20));
        assert_eq!((after.queued.messages, after.queued.octets), (1, 16), "a message, not its copies");
        assert!(after.durable > before.durable && after.applied == after.durable);
        assert!(after.disk.free > 0 && after.refused.is_none(), "{after:?}");
        store.close().await.expect("closed");
        let closed = store.figures().expect("figures");
        assert!(closed.files.is_closed && closed.is_checkpointed && !closed.has_index);
        assert_eq!(closed.refused.as_deref(), Some("the store is not available"));
        assert_eq!(Files::of(&path).expect("at rest").checkpoint, Some(closed.applied));
        store.engine.health.poison("a sync failed");
        assert_eq!(store.figures().expect("figures").read_only.as_deref(), Some("a sync failed"));
    }

    #[test]
    fn a_folder_that_is_no_store_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(Files::of(folder.path()).is_err());
    }
}
