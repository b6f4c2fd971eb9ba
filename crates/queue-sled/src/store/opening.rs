use std::sync::Arc;
use std::sync::atomic::Ordering;

use mail::{MailboxName, ViewName};
use queue::StoreError;
use tokio::time::{Instant, timeout_at};

use super::{SledMaildrop, SledStore};
use crate::log::Lsn;
use crate::mailbox::{Found, Loaded, Snapshot, load};
use crate::reader::blocking;

impl SledStore {
    /// What a view lists, or without one all that the mailbox holds. A mailbox in memory is served while the index is built again, if memory has all that is durable.
    pub(super) async fn snapshot(
        &self,
        mailbox: &MailboxName,
        view: Option<&ViewName>,
    ) -> Result<SledMaildrop, StoreError> {
        let until = self.patience();
        self.settled(until).await?;
        let pin = self.engine.pins.pin();
        let snapshot = match self.engine.published.mailboxes.open(mailbox, view) {
            Found::Snapshot(snapshot) => snapshot,
            Found::NoView => return Err(StoreError::NoView),
            Found::Cold(_) => self.load(mailbox, view, until).await?,
        };
        Ok(SledMaildrop::new(self.engine.reader.clone(), snapshot, pin))
    }

    /// Until when a pickup waits.
    pub(super) fn patience(&self) -> Instant {
        Instant::now() + self.engine.params.settle
    }

    /// Returns when everything that is durable now can be seen.
    pub(super) async fn settled(&self, until: Instant) -> Result<(), StoreError> {
        let durable = Lsn(self.engine.durable.load(Ordering::SeqCst));
        self.applied(until, |applied| applied >= durable).await
    }

    /// Waits for the applier to say something new until that is so.
    async fn applied(&self, until: Instant, so: impl Fn(Lsn) -> bool) -> Result<(), StoreError> {
        let mut applied = self.engine.published.applied.subscribe();
        let lag = &self.engine.lag;
        let said = timeout_at(until, applied.wait_for(|applied| so(*applied) || lag.is_abandoned()));
        match said.await {
            Ok(Ok(applied)) if so(*applied) => Ok(()),
            Ok(Ok(_) | Err(_)) | Err(_) => Err(StoreError::Unavailable),
        }
    }

    /// Reads a mailbox that is not in memory. The applier waits meanwhile; it lets those who wait for this go
    /// first.
    async fn load(
        &self,
        mailbox: &MailboxName,
        view: Option<&ViewName>,
        until: Instant,
    ) -> Result<Arc<Snapshot>, StoreError> {
        self.applied(until, |_| self.engine.kv.get().is_some()).await?;
        let (engine, mailbox, view) = (self.engine.clone(), mailbox.clone(), view.cloned());
        blocking(move || {
            let published = &engine.published;
            let _gate = published.gate.enter();
            let totals = match published.mailboxes.open(&mailbox, view.as_ref()) {
                Found::Snapshot(snapshot) => return Ok(snapshot),
                Found::NoView => return Err(StoreError::NoView),
                Found::Cold(totals) => totals,
            };
            let kv = engine.kv.get().ok_or(StoreError::Unavailable)?;
            match load(&*kv, &mailbox, totals.row.entries) {
                Ok(list) => published.mailboxes.keep(&mailbox, Loaded::new(list)),
                Err(error) => {
                    tracing::error!(%error, %mailbox, "the index is not what it should be");
                    engine.lag.want_rebuild();
                    return Err(StoreError::Unavailable);
                }
            }
            match published.mailboxes.open(&mailbox, view.as_ref()) {
                Found::Snapshot(snapshot) => Ok(snapshot),
                Found::NoView => Err(StoreError::NoView),
                Found::Cold(_) => Err(StoreError::Unavailable),
            }
        })
        .await
    }
}
