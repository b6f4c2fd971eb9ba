use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mail::QueueId;
use queue::{Queued, StoreError};
use tokio::sync::{Notify, watch};

use super::ballast::Ballast;
use super::checkpoint::{Bell, Checkpoint};
use super::kv::{IndexError, KvCell, OpenIndex};
use super::lag::{Lag, Work};
use super::rebuild::rebuild;
use super::rows::{QueueRow, StateRow, decode};
use super::{Index, Outcome, keys};
use crate::disk::is_exhausted;
use crate::fold::Folder;
use crate::health::Health;
use crate::log::change::Change;
use crate::log::committer::Committed;
use crate::log::record::HEADER;
use crate::log::scan::Damage;
use crate::log::{Answer, Lsn};
use crate::mailbox::{Backlog, Mailboxes, Pending};
use crate::reader::{Reader, Wait};
use crate::start::known;

/// Messages fetched from behind the queue's horizon at once.
const FETCH: usize = 1000;

/// What the applier keeps up to date, for everyone else to read.
pub(crate) struct Published {
    pub(crate) mailboxes: Mailboxes,
    pub(crate) pending: Pending,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) arrival: Notify,
    /// The place of the next record to apply.
    pub(crate) applied: watch::Sender<Lsn>,
    /// What the index said of itself there.
    pub(crate) state: Mutex<StateRow>,
    /// About how many octets of the log have died since somebody last set this to zero.
    pub(crate) dead: AtomicU64,
    /// Why nothing is freed.
    pub(crate) unfreed: Mutex<Option<String>>,
    /// Damage of the log was found since the start.
    pub(crate) damaged: AtomicBool,
    pub(crate) gate: Gate,
}

impl Published {
    pub(crate) fn state(&self) -> StateRow {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self, index: &mut Index) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = index.state();
        self.dead.fetch_add(index.take_dead(), Ordering::Relaxed);
    }
}

/// Held while the index and what is read from memory disagree. Who reads the index to fill memory takes it;
/// the applier lets those who wait go first, and does not hold it while there is no index: nobody could read
/// one, and building it may take long.
#[derive(Default)]
pub(crate) struct Gate {
    waiting: AtomicU32,
    lock: Mutex<()>,
}

impl Gate {
    pub(crate) fn enter(&self) -> MutexGuard<'_, ()> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        guard
    }

    fn enter_last(&self) -> MutexGuard<'_, ()> {
        // The lock is not fair: without this a busy applier would keep a login waiting for seconds.
        for _ in 0..100 {
            if self.waiting.load(Ordering::SeqCst) == 0 {
                break;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one thread that writes the index: applies what is durable in the order of the log, then tells those
/// who read from memory, then those who wait.
pub(crate) struct Applier {
    pub(crate) folder: Arc<Folder>,
    pub(crate) kind: Arc<dyn OpenIndex>,
    /// How long after a failure the index is built again.
    pub(crate) patience: Duration,
    pub(crate) lag: Arc<Lag>,
    pub(crate) reader: Arc<Reader>,
    pub(crate) kv: KvCell,
    pub(crate) published: Arc<Published>,
    pub(crate) ballast: Arc<Ballast>,
    pub(crate) health: Arc<Health>,
    pub(crate) bell: Arc<Bell>,
    /// `None` after a failure, until it has been built again.
    pub(crate) index: Option<Index>,
    /// What was applied last.
    pub(crate) applied: Lsn,
}

/// However the applier ends, nobody waits for it for ever, and nothing more is promised.
impl Drop for Applier {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.health.poison("the thread that keeps the index has failed");
            // It may have done half of something, which nobody must read or believe: the next start begins
            // with the log.
            self.kv.set(None);
            if let Err(error) = Checkpoint::remove(&*self.folder.disk, &self.folder.store) {
                tracing::error!(%error, "the old checkpoint could not be removed");
            }
        }
        self.lag.abandon();
        self.published.applied.send_modify(|_| {});
        self.bell.close();
    }
}

impl Applier {
    pub(crate) fn run(mut self) {
        loop {
            match self.lag.take() {
                Work::Records(records) => self.work(records),
                Work::Rebuild => {
                    self.fail(&IndexError::Failed("it was condemned".into()));
                    self.restored();
                }
                Work::Closed => break,
            }
        }
    }

    fn work(&mut self, records: Vec<Committed>) {
        let published = self.published.clone();
        let Some((gate, outcomes)) = self.apply(&published.gate, &records) else {
            // The store was closed while the index could not be built: the next start has all of it.
            for answer in records.into_iter().filter_map(|record| record.answer) {
                answer.fail(StoreError::Unavailable);
            }
            return;
        };
        let effects = self.index.as_mut().map(Index::take_effects).unwrap_or_default();
        published.mailboxes.publish(&effects);
        published.backlog.publish(&effects);
        let arrived = published.pending.publish(&effects);
        if let Some(index) = &mut self.index {
            // After that: what a fold finds dead nobody may be told of any more.
            published.told(index);
        }
        drop(gate);
        let last = records.last().map_or(self.applied, |record| record.header.next());
        let octets = last.0.wrapping_sub(self.applied.0).min(8 << 20);
        self.applied = last;
        self.bell.applied(last, octets);
        published.applied.send_replace(last);
        for (record, outcome) in records.into_iter().zip(outcomes) {
            if let Some(Answer::Applied(waiter)) = record.answer {
                // Whoever asked and left does not want to know.
                let _ = waiter.send(Ok(outcome));
            }
        }
        let fetched = self.fetch();
        if arrived || fetched {
            published.arrival.notify_one();
        }
    }

    /// Applies to the index, however often it must be built again for that, and keeps the gate shut until
    /// memory has followed. `None` when the store is closed before that is done.
    fn apply<'g>(
        &mut self,
        gate: &'g Gate,
        records: &[Committed],
    ) -> Option<(MutexGuard<'g, ()>, Vec<Outcome>)> {
        loop {
            if !self.restored() {
                return None;
            }
            let gate = gate.enter_last();
            match self.attempt(records) {
                Ok(outcomes) => return Some((gate, outcomes)),
                Err(error) => self.fail(&error),
            }
        }
    }

    fn attempt(&mut self, records: &[Committed]) -> Result<Vec<Outcome>, IndexError> {
        let index = self.index.as_mut().ok_or(IndexError::Damaged("no index"))?;
        let mut outcomes = Vec::with_capacity(records.len());
        for record in records {
            let change = match &record.envelope {
                // What a session has just written need not be read back.
                Some(envelope) => Change::Accept { octets: record.octets, envelope: envelope.clone() },
                None => {
                    let meta = &record.head[HEADER..HEADER + record.header.meta_len as usize];
                    Change::decode(&record.header, meta).map_err(|_| IndexError::Damaged("our own record"))?
                }
            };
            outcomes.push(index.apply(&record.header, change)?.unwrap_or(Outcome::Done));
        }
        index.flush()?;
        Ok(outcomes)
    }

    /// Nothing goes past what failed: the index is closed, and built again from the log.
    fn fail(&mut self, error: &IndexError) {
        tracing::error!(%error, "the index failed: it is built again from the log");
        self.index = None;
        self.kv.set(None);
        if error.is_no_space() {
            self.ballast.release();
        }
    }

    /// Builds the index again if there is none: up to what was applied last, which is what memory knows.
    fn restored(&mut self) -> bool {
        while self.index.is_none() {
            match self.rebuild() {
                Ok(index) => self.index = Some(index),
                Err(error) => {
                    tracing::error!(%error, "the index could not be built");
                    self.kv.set(None);
                    if error.is_no_space() {
                        self.ballast.release();
                    }
                    if self.lag.is_closed() {
                        return false;
                    }
                    std::thread::sleep(self.patience);
                }
            }
        }
        true
    }

    fn rebuild(&mut self) -> Result<Index, super::rebuild::ReplayError> {
        let Folder { disk, store, store_id, segments } = &*self.folder;
        let _kept = segments.keep();
        let snap = self.folder.base(self.applied)?;
        // The keeper may be replacing its snap at this moment; half of the mail is no index.
        if snap.is_none() && !segments.unbroken(Lsn(0), self.applied) {
            return Err(super::rebuild::ReplayError::Gap);
        }
        let place = (store.as_path(), *store_id);
        let (kv, index, replayed) = rebuild(&*self.kind, &**disk, place, snap, segments, self.applied)?;
        if !replayed.damage.is_empty() {
            let places: Vec<_> = replayed.damage.iter().map(Damage::to_string).collect();
            tracing::error!(places = places.join(", "), "the log is damaged there: set aside");
            let log = segments.all().iter().map(|segment| segment.id).collect();
            let known = [known::read(&**disk, store, &log), replayed.damage].concat();
            // Before the index can become durable beyond it: nothing would ever come back to it.
            known::keep(&**disk, store, &known::unite(known)).map_err(IndexError::from)?;
            self.published.damaged.store(true, Ordering::SeqCst);
        }
        tracing::info!(records = replayed.records, "the index was built again");
        self.kv.set(Some(kv));
        // Whoever waits for an index looks again.
        self.published.applied.send_modify(|_| {});
        Ok(index)
    }

    /// Counts all that is queued for whom, at a start.
    pub(crate) fn count_backlog(&self) -> Result<(), StoreError> {
        let Some(kv) = self.kv.get() else { return Err(StoreError::Unavailable) };
        let mut from = Some(QueueId(0));
        while let Some(next) = from {
            let rows = queued_rows(&*kv, next, FETCH).map_err(|_| StoreError::Unavailable)?;
            from = rows.last().filter(|_| rows.len() == FETCH).map(|(id, _)| QueueId(id.0 + 1));
            for (id, row) in rows {
                let found = match self.published.pending.get(id) {
                    Some(queued) => Some(queued),
                    None => read_queued(&self.reader, id, &row)?,
                };
                // One that is damaged can never be delivered either.
                if let Some(queued) = found {
                    self.published.backlog.add(id, row.octets, &queued.envelope);
                }
            }
        }
        Ok(())
    }

    /// Brings queued messages into memory when it has room for them again.
    pub(crate) fn fetch(&self) -> bool {
        let (Some(from), Some(kv)) = (self.published.pending.wants(), self.kv.get()) else { return false };
        let rows = match queued_rows(&*kv, from, FETCH) {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(%error, "the queue could not be read");
                return false;
            }
        };
        let whole = rows.len() < FETCH;
        for (id, row) in rows {
            let queued = match read_queued(&self.reader, id, &row) {
                Ok(queued) => queued,
                Err(error) => {
                    // It stays behind the horizon, where the router finds it when that has passed.
                    tracing::warn!(%error, %id, "a queued message cannot be read now");
                    return true;
                }
            };
            if !self.published.pending.fetched(id, queued) {
                return true;
            }
        }
        if whole {
            self.published.pending.complete();
        }
        true
    }
}

/// Rows of the queue from `from` on.
pub(crate) fn queued_rows(
    kv: &dyn super::IndexKv,
    from: QueueId,
    limit: usize,
) -> Result<Vec<(QueueId, QueueRow)>, IndexError> {
    let mut rows = Vec::new();
    kv.scan(keys::QUEUE, &keys::queued(from), &mut |key, value| {
        let id = QueueId(keys::number(key).ok_or(IndexError::Damaged("a queue key"))?);
        rows.push((id, decode(value)?));
        Ok(rows.len() < limit)
    })?;
    Ok(rows)
}

/// A queued message as the log has it. One that is damaged is reported and passed by: it stays queued. An
/// error that passes, such as too many open files, is the caller's to wait for.
pub(crate) fn read_queued(
    reader: &Reader,
    id: QueueId,
    row: &QueueRow,
) -> Result<Option<Queued>, StoreError> {
    match reader.envelope(Lsn(row.place), Wait::Allowed) {
        Ok(envelope) => Ok(Some(Queued { id, envelope, octets: row.octets, held: row.held })),
        Err(StoreError::Io(error)) if is_exhausted(&error) => Err(error.into()),
        Err(error) => {
            tracing::error!(%error, %id, "a queued message cannot be read");
            Ok(None)
        }
    }
}
