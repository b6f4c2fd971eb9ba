//! The contract, kept.

mod admission;
mod backup;
mod deletion;
mod engine;
mod figures;
mod incoming;
mod maildrop;
mod opening;
mod teams;

use std::path::Path;
use std::sync::Arc;

use mail::{MailboxName, QueueId, Uid, ViewName};
use queue::{
    Deletion, Delivered, Expunge, Fetched, Join, MailboxStatus, Queued, Route, Store, StoreError, Trashed,
    Undone, Unwanted, Usage, ViewState,
};
use tokio::sync::oneshot;

use crate::buffers::Held;
use crate::disk::{Counted, Written};
use crate::ground::{Ground, PATIENCE, Sizes};
use crate::index::{Outcome, Published, SledIndex, queued_rows, read_queued};
use crate::log::change::{Draft, TooLong, ViewChange};
use crate::log::{Answer, Job};
use crate::mailbox::older_than;
use crate::params::Params;
use crate::reader::blocking;
use crate::space::Tidied;
use crate::start::{OpenError, StartReport, Started, start};
use engine::Engine;
pub use figures::{DiskSpace, Figures, Files};
pub use incoming::SledIncoming;
pub use maildrop::{SledMaildrop, SledMessage};

/// Uids of one DELETE or PURGE record: what surely fits, at ten octets each.
const UIDS_MAX: usize = 200_000;

/// The durable store. A handle: clones share one store; when the last is dropped, its threads write a last
/// checkpoint and end by themselves.
#[derive(Clone)]
pub struct SledStore {
    engine: Arc<Engine>,
}

impl SledStore {
    /// Opens the store in a folder, or makes one there. **Blocks**: for as long as it takes to read the last
    /// segment and what the index lacks, or all of the log when there is no index to believe.
    pub fn open(path: &Path, params: Params) -> Result<(Self, StartReport), OpenError> {
        let index = Arc::new(SledIndex { cache: params.cache });
        let disk = Arc::new(Counted::default());
        Self::open_on(Ground { disk, index, sizes: Sizes::default(), patience: PATIENCE }, path, params)
    }

    pub(crate) fn open_on(
        ground: Ground,
        path: &Path,
        params: Params,
    ) -> Result<(Self, StartReport), OpenError> {
        let started = start(&ground, path, &params)?;
        let report = started.report.clone();
        Ok((Self::run(ground, path, params, started)?, report))
    }

    pub(crate) fn run(
        ground: Ground,
        path: &Path,
        params: Params,
        started: Started,
    ) -> Result<Self, OpenError> {
        Ok(Self { engine: Arc::new(Engine::run(ground, path, params, started)?) })
    }

    /// Waits until the segments prepared ahead are ready; false when they cannot be. **Blocks.** Nobody must
    /// wait for this; a measurement does.
    pub fn wait_prepared(&self) -> bool {
        self.engine.spares.wait_ready()
    }

    /// Frees what is dead in the log now, and empties what is mostly dead, instead of waiting until it is due.
    pub async fn tidy(&self) -> Result<Tidied, StoreError> {
        self.engine.orders.tidy().await
    }

    /// What was written to the disk since the store was opened.
    pub fn written(&self) -> Written {
        self.engine.disk.written()
    }

    /// For tests: what the keeper does after it has freed by itself.
    #[cfg(test)]
    pub(crate) fn scrub(&self) {
        self.engine.scrub.run(None, &self.engine.orders);
    }

    /// For tests: has the keeper read its snaps.
    #[cfg(test)]
    pub(crate) fn look(&self) {
        self.engine.orders.look();
    }

    /// For tests: the index, and the log with the place where what is durable ends.
    #[cfg(test)]
    pub(crate) fn kv(&self) -> Option<Arc<dyn crate::index::IndexKv>> {
        self.engine.kv.get()
    }

    /// See [`SledStore::kv`]: nothing of the log is open for reading any more.
    #[cfg(test)]
    pub(crate) fn forget_files(&self) {
        self.engine.reader.segments.forget_files();
    }

    /// See [`SledStore::kv`]: asks for a new one.
    #[cfg(test)]
    pub(crate) fn condemn(&self) {
        self.engine.lag.want_rebuild();
    }

    /// For tests: has the checkpointer begin one; it may be written when the caller has long gone on.
    #[cfg(test)]
    pub(crate) fn checkpoint_soon(&self) {
        self.engine.bell.ring();
    }

    /// See [`SledStore::kv`].
    #[cfg(test)]
    pub(crate) fn log(&self) -> (Arc<crate::log::segments::Segments>, crate::log::Lsn) {
        let durable = self.engine.durable.load(std::sync::atomic::Ordering::SeqCst);
        (self.engine.reader.segments.clone(), crate::log::Lsn(durable))
    }

    /// Writes a record; returns a future of what came of it.
    async fn submit(
        &self,
        draft: Draft,
    ) -> Result<oneshot::Receiver<Result<Outcome, StoreError>>, StoreError> {
        let (job, outcome) = applied(draft);
        self.engine.intake.submit(job).await?;
        Ok(outcome)
    }

    async fn change(&self, draft: Result<Draft, TooLong>) -> Result<Outcome, StoreError> {
        outcome(self.submit(draft.map_err(too_long)?).await?).await
    }
}

impl Store for SledStore {
    type Incoming = SledIncoming;
    type Maildrop = SledMaildrop;

    fn admit(&self, octets: u64) -> Result<(), StoreError> {
        self.engine.admit(octets)
    }

    fn incoming(&self, expected: Option<u64>) -> Result<Self::Incoming, StoreError> {
        self.engine.admit(expected.unwrap_or(0))?;
        Ok(SledIncoming::new(self.engine.clone(), expected))
    }

    async fn queued(&self, after: Option<QueueId>, limit: usize) -> Result<Vec<Queued>, StoreError> {
        let (mut page, more) = self.engine.published.pending.page(after, limit);
        let Some(from) = more else { return Ok(page) };
        let engine = self.engine.clone();
        let missing = limit - page.len();
        let rest = blocking(move || {
            let kv = engine.kv.get().ok_or(StoreError::Unavailable)?;
            let rows = queued_rows(&*kv, from, missing).map_err(|_| StoreError::Unavailable)?;
            let read = rows.into_iter().map(|(id, row)| read_queued(&engine.reader, id, &row));
            read.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()
        });
        page.extend(rest.await?);
        Ok(page)
    }

    async fn arrival(&self) {
        self.engine.published.arrival.notified().await;
    }

    async fn deliver(&self, routes: Vec<Route>) -> Result<Vec<Delivered>, StoreError> {
        let (mut jobs, mut waiting) = (Vec::with_capacity(routes.len()), Vec::with_capacity(routes.len()));
        let mut refused = None;
        for route in &routes {
            match Draft::route(route) {
                Ok(draft) => {
                    let (job, outcome) = applied(draft);
                    jobs.push(job);
                    waiting.push(outcome);
                }
                Err(error) => {
                    refused = Some(too_long(error));
                    break;
                }
            }
        }
        self.engine.intake.submit_all(jobs).await?;
        let mut delivered = Vec::with_capacity(waiting.len());
        // They are answered in order: who waits for the last one is woken once, not once for each.
        for waiter in waiting.into_iter().rev() {
            match outcome(waiter).await? {
                Outcome::Delivered(outcome) => delivered.push(outcome),
                Outcome::Done | Outcome::Held(_) | Outcome::Undone(_) | Outcome::NoView => {
                    return Err(StoreError::Unavailable);
                }
            }
        }
        delivered.reverse();
        refused.map_or(Ok(delivered), Err)
    }

    async fn hold(&self, id: QueueId, held: bool) -> Result<bool, StoreError> {
        Ok(self.change(Draft::hold(id, held)).await? == Outcome::Held(true))
    }

    async fn open(&self, mailbox: &MailboxName, view: &ViewName) -> Result<Self::Maildrop, StoreError> {
        self.snapshot(mailbox, Some(view)).await
    }

    async fn whole(&self, mailbox: &MailboxName) -> Result<Self::Maildrop, StoreError> {
        self.snapshot(mailbox, None).await
    }

    async fn delete(&self, groups: Vec<Expunge>) -> Result<(), StoreError> {
        self.expunge(groups).await
    }

    async fn seen(&self, group: Fetched) -> Result<(), StoreError> {
        // Also when it has fetched nothing: it was offered something.
        let mut left = &group.uids[..];
        loop {
            let (part, rest) = left.split_at(left.len().min(UIDS_MAX));
            let part = Fetched { uids: part.to_vec(), ..group.clone() };
            done(&self.change(Draft::seen(&part)).await?)?;
            left = rest;
            if left.is_empty() {
                return Ok(());
            }
        }
    }

    async fn views(&self, mailbox: &MailboxName) -> Result<Vec<ViewState>, StoreError> {
        self.view_states(mailbox).await
    }

    async fn trash(&self, mailbox: &MailboxName, uids: Vec<Uid>) -> Result<(), StoreError> {
        for part in uids.chunks(UIDS_MAX) {
            done(&self.change(Draft::trash(mailbox, part)).await?)?;
        }
        Ok(())
    }

    async fn trashed(
        &self,
        mailbox: &MailboxName,
        after: Uid,
        limit: usize,
    ) -> Result<Vec<Trashed>, StoreError> {
        self.in_trash(mailbox, after, limit).await
    }

    async fn came(
        &self,
        mailbox: &MailboxName,
        after: Uid,
        limit: usize,
    ) -> Result<Vec<(Uid, u64)>, StoreError> {
        self.came_into(mailbox, after, limit).await
    }

    async fn deletions(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
        since_ms: u64,
    ) -> Result<Vec<Deletion>, StoreError> {
        self.deleted(mailbox, view, since_ms).await
    }

    async fn undo(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
        uids: Vec<Uid>,
    ) -> Result<Vec<Undone>, StoreError> {
        self.bring_back(mailbox, view, uids).await
    }

    async fn purge(&self, mailbox: &MailboxName, uids: Vec<Uid>) -> Result<(), StoreError> {
        for part in uids.chunks(UIDS_MAX) {
            done(&self.change(Draft::purge(mailbox, part)).await?)?;
        }
        Ok(())
    }

    async fn older_than(
        &self,
        mailbox: &MailboxName,
        before_ms: u64,
        now_ms: u64,
        limit: usize,
    ) -> Result<Vec<Uid>, StoreError> {
        self.settled(self.patience()).await?;
        let (engine, mailbox) = (self.engine.clone(), mailbox.clone());
        blocking(move || {
            let kv = engine.kv.get().ok_or(StoreError::Unavailable)?;
            older_than(&*kv, &mailbox, before_ms, now_ms, limit).map_err(|_| StoreError::Unavailable)
        })
        .await
    }

    async fn join(&self, mailbox: &MailboxName, view: &ViewName, from: Join) -> Result<(), StoreError> {
        let (mailbox, view) = (mailbox.clone(), view.clone());
        let change = ViewChange { mailbox, view, join: Some(from), unwanted: Unwanted::Stays };
        done(&self.change(Draft::view(&change)).await?)
    }

    async fn leave(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
        unwanted: Unwanted,
    ) -> Result<(), StoreError> {
        let change = ViewChange { mailbox: mailbox.clone(), view: view.clone(), join: None, unwanted };
        done(&self.change(Draft::view(&change)).await?)
    }

    fn usage(&self, mailbox: &MailboxName) -> Usage {
        let Published { mailboxes, backlog, .. } = &*self.engine.published;
        // In this order nothing is missed that is delivered meanwhile.
        let queued = backlog.of(mailbox);
        Usage { queued, ..mailboxes.usage(mailbox) }
    }

    async fn mailboxes(&self) -> Result<Vec<MailboxStatus>, StoreError> {
        self.settled(self.patience()).await?;
        let Published { mailboxes, backlog, .. } = &*self.engine.published;
        let mut all = mailboxes.all();
        for status in &mut all {
            status.usage.queued = backlog.of(&status.name);
        }
        Ok(all)
    }

    async fn close(&self) -> Result<(), StoreError> {
        let engine = self.engine.clone();
        blocking(move || {
            engine.close();
            Ok(())
        })
        .await
    }
}

/// A record, and who will be told when it has been applied.
fn applied(draft: Draft) -> (Job, oneshot::Receiver<Result<Outcome, StoreError>>) {
    let (waiter, outcome) = oneshot::channel();
    let answer = Answer::Applied(waiter);
    (Job { draft, envelope: None, octets: 0, held: Held::Nothing, answer }, outcome)
}

async fn outcome(waiter: oneshot::Receiver<Result<Outcome, StoreError>>) -> Result<Outcome, StoreError> {
    waiter.await.unwrap_or(Err(StoreError::Unavailable))
}

fn done(outcome: &Outcome) -> Result<(), StoreError> {
    match outcome {
        Outcome::NoView => Err(StoreError::NoView),
        Outcome::Done | Outcome::Delivered(_) | Outcome::Held(_) | Outcome::Undone(_) => Ok(()),
    }
}

fn too_long(_: TooLong) -> StoreError {
    StoreError::TooLarge("one record cannot hold all of it")
}

/// Groups as records take them. Only one QUIT that deletes more than [`UIDS_MAX`] messages is more than one
/// record, and then each of them is all or nothing for itself.
fn parts(groups: Vec<Expunge>) -> Vec<Vec<Expunge>> {
    if groups.iter().map(|group| group.uids.len()).sum::<usize>() <= UIDS_MAX {
        return vec![groups];
    }
    let part = |group: &Expunge, uids: &[Uid]| Expunge { uids: uids.to_vec(), ..group.clone() };
    groups.iter().flat_map(|group| group.uids.chunks(UIDS_MAX).map(|uids| vec![part(group, uids)])).collect()
}
