use queue::{Expunge, StoreError};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::{SledStore, done, parts, too_long};
use crate::buffers::Held;
use crate::index::Outcome;
use crate::log::change::Draft;
use crate::log::{Answer, Job, Lsn};

/// A DELETE record that was left to the committer.
struct Left {
    durable: oneshot::Receiver<Result<Lsn, StoreError>>,
    applied: oneshot::Receiver<Result<Outcome, StoreError>>,
}

impl SledStore {
    /// Makes the deletions durable: that is the promise, and whoever opens the mailbox next waits until they
    /// can be seen. They are waited for here only as long as a client should be kept waiting.
    pub(super) async fn expunge(&self, groups: Vec<Expunge>) -> Result<(), StoreError> {
        let drafts = parts(groups).iter().map(|part| Draft::delete(part)).collect::<Result<Vec<_>, _>>();
        let drafts = drafts.map_err(too_long)?;
        let until = Instant::now() + self.engine.params.confirm;
        let confirmed = timeout_at(until, self.confirmed(drafts)).await;
        let unsure = |_| Err(StoreError::Unsure("the log has not said so in time".into()));
        let applied = confirmed.unwrap_or_else(unsure)?;
        let until = self.patience();
        for applied in applied {
            match timeout_at(until, applied).await {
                Ok(Ok(Ok(outcome))) => done(&outcome)?,
                // The index is behind, or will not follow before the next start: the log has it.
                Ok(Ok(Err(_)) | Err(_)) | Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Leaves them to the committer and returns when they are durable. Nearly always it is one; when one of
    /// several failed, what became of the whole is not known.
    async fn confirmed(
        &self,
        drafts: Vec<Draft>,
    ) -> Result<Vec<oneshot::Receiver<Result<Outcome, StoreError>>>, StoreError> {
        let mut left = Vec::with_capacity(drafts.len());
        for draft in drafts {
            match self.leave(draft).await {
                Ok(record) => left.push(record),
                Err(error) if left.is_empty() => return Err(error),
                Err(error) => return Err(StoreError::Unsure(error.to_string())),
            }
        }
        let alone = left.len() == 1;
        let mut applied = Vec::with_capacity(left.len());
        for record in left {
            match record.durable.await {
                Ok(Ok(_)) => applied.push(record.applied),
                Ok(Err(error)) if alone => return Err(error),
                Ok(Err(error)) => return Err(StoreError::Unsure(error.to_string())),
                Err(_) => return Err(StoreError::Unsure("the log has failed".into())),
            }
        }
        Ok(applied)
    }

    async fn leave(&self, draft: Draft) -> Result<Left, StoreError> {
        let ((durable_waiter, durable), (applied_waiter, applied)) = (oneshot::channel(), oneshot::channel());
        let answer = Answer::Both(durable_waiter, applied_waiter);
        self.engine
            .intake
            .submit(Job { draft, envelope: None, octets: 0, held: Held::Nothing, answer })
            .await?;
        Ok(Left { durable, applied })
    }
}
