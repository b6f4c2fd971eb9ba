use std::path::PathBuf;

use queue::StoreError;

use super::SledStore;
use crate::backup::{BackupError, Freezer, Held, Progress, Report, take};

impl SledStore {
    /// Holds what is durable now, in a folder inside the store, for whoever backs it up or checks it. The store
    /// runs on; what it frees meanwhile takes room until the moment is let go. One at a time.
    pub async fn freeze(&self) -> Result<Held, BackupError> {
        match self.freeze_once().await {
            // No snap can be believed any more: whoever tidies makes another.
            Err(BackupError::Store(StoreError::Damaged(why))) => {
                self.tidy().await.map_err(|_| BackupError::Store(StoreError::Damaged(why)))?;
                self.freeze_once().await
            }
            outcome => outcome,
        }
    }

    async fn freeze_once(&self) -> Result<Held, BackupError> {
        let engine = self.engine.clone();
        let frozen = tokio::task::spawn_blocking(move || {
            let freezer = Freezer {
                disk: &engine.disk,
                folder: &engine.folder,
                segments: &engine.reader.segments,
                published: &engine.published,
                durable: &engine.durable,
                busy: &engine.freezing,
            };
            freezer.freeze()
        });
        frozen.await.unwrap_or(Err(BackupError::Store(StoreError::Unavailable)))
    }

    /// Backs up everything that is durable now into a folder: see [`crate::backup`].
    pub async fn backup(
        &self,
        dir: PathBuf,
        mut told: impl FnMut(Progress) + Send + 'static,
    ) -> Result<Report, BackupError> {
        let held = self.freeze().await?;
        let taken = tokio::task::spawn_blocking(move || take(held.frozen(), &dir, &mut told));
        taken.await.unwrap_or(Err(BackupError::Store(StoreError::Unavailable)))
    }
}
