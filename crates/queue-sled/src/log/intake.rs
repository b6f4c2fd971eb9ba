use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mail::Envelope;
use queue::StoreError;
use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError, oneshot};

use super::Lsn;
use super::change::Draft;
use crate::buffers::Held;
use crate::index::Outcome;

/// Most records of one batch, and octets after which no further record joins it.
const BATCH_RECORDS: usize = 512;
const BATCH_OCTETS: usize = 4 << 20;
/// Records that may wait for the committer; who brings more waits itself.
const WAITING_MAX: usize = 4096;
/// How long a thread sleeps that found no room.
const PAUSE: Duration = Duration::from_millis(2);

/// One record to be written, and who waits for it.
pub(crate) struct Job {
    pub(crate) draft: Draft,
    /// Of a message: saves the applier from reading it back.
    pub(crate) envelope: Option<Arc<Envelope>>,
    /// Of a message: octets of its body, wherever that is.
    pub(crate) octets: u64,
    /// The memory its body takes, given back when it is written.
    pub(crate) held: Held,
    pub(crate) answer: Answer,
}

/// When a job's waiter is told. A waiter that has gone is no error.
pub(crate) enum Answer {
    /// As soon as it is durable: the place of its record.
    Durable(oneshot::Sender<Result<Lsn, StoreError>>),
    /// When it has been applied: what came of it.
    Applied(oneshot::Sender<Result<Outcome, StoreError>>),
    /// The one, and then the other.
    Both(oneshot::Sender<Result<Lsn, StoreError>>, oneshot::Sender<Result<Outcome, StoreError>>),
}

impl Answer {
    pub(crate) fn fail(self, error: StoreError) {
        match self {
            Self::Durable(waiter) | Self::Both(waiter, _) => drop(waiter.send(Err(error))),
            Self::Applied(waiter) => drop(waiter.send(Err(error))),
        }
    }
}

/// Where sessions leave their records and the committer finds them.
pub(crate) struct Intake {
    state: Mutex<State>,
    ready: Condvar,
    room: Semaphore,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// The committer sleeps and must be woken.
    idle: bool,
    /// The segment that is written shall be the last of its kind.
    roll: bool,
    closed: bool,
}

/// What the committer finds.
pub(crate) enum Taken {
    Batch(Vec<Job>),
    /// The next record does not fit the segment, or shall not be in it.
    NoRoom,
    Closed,
}

impl Intake {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), ready: Condvar::new(), room: Semaphore::new(WAITING_MAX) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a record. Records of one caller are written in the order they were left.
    pub(crate) async fn submit(&self, job: Job) -> Result<(), StoreError> {
        let permit = self.room.acquire().await.map_err(|_| StoreError::Unavailable)?;
        self.leave([job], permit)
    }

    /// The same for several that are there at once, so that they are written together.
    pub(crate) async fn submit_all(&self, jobs: Vec<Job>) -> Result<(), StoreError> {
        let mut jobs = jobs.into_iter();
        loop {
            let part: Vec<Job> = jobs.by_ref().take(BATCH_RECORDS).collect();
            let places = u32::try_from(part.len()).expect("a batch has few records");
            if places == 0 {
                return Ok(());
            }
            let permit = self.room.acquire_many(places).await.map_err(|_| StoreError::Unavailable)?;
            self.leave(part, permit)?;
        }
    }

    fn leave(
        &self,
        jobs: impl IntoIterator<Item = Job>,
        permit: SemaphorePermit<'_>,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.closed {
            return Err(StoreError::Unavailable);
        }
        permit.forget();
        state.jobs.extend(jobs);
        if std::mem::take(&mut state.idle) {
            drop(state);
            self.ready.notify_one();
        }
        Ok(())
    }

    /// The same from a thread that may wait: for a record of our own, that nobody asked for.
    pub(crate) fn submit_blocking(&self, draft: Draft, answer: Answer) -> Result<(), StoreError> {
        while self.room.try_acquire().map(SemaphorePermit::forget) == Err(TryAcquireError::NoPermits) {
            std::thread::sleep(PAUSE);
        }
        let mut state = self.lock();
        if state.closed {
            return Err(StoreError::Unavailable);
        }
        state.jobs.push_back(Job { draft, envelope: None, octets: 0, held: Held::Nothing, answer });
        if std::mem::take(&mut state.idle) {
            drop(state);
            self.ready.notify_one();
        }
        Ok(())
    }

    /// Waits for records, and takes what is there and fits `room` octets.
    pub(crate) fn take(&self, room: usize) -> Taken {
        let mut state = self.lock();
        while state.jobs.is_empty() && !state.roll {
            if state.closed {
                return Taken::Closed;
            }
            state.idle = true;
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if std::mem::take(&mut state.roll) {
            return Taken::NoRoom;
        }
        let mut batch = Vec::new();
        let mut octets = 0;
        while let Some(job) = state.jobs.front()
            && batch.len() < BATCH_RECORDS
            && octets < BATCH_OCTETS
            && octets + job.draft.octets() <= room
        {
            octets += job.draft.octets();
            batch.extend(state.jobs.pop_front());
        }
        drop(state);
        self.room.add_permits(batch.len());
        if batch.is_empty() { Taken::NoRoom } else { Taken::Batch(batch) }
    }

    /// Lets the next record begin a new segment.
    pub(crate) fn roll(&self) {
        self.lock().roll = true;
        self.ready.notify_one();
    }

    /// Takes no more, and lets go what is there: the committer is gone.
    pub(crate) fn abandon(&self) {
        self.close();
        self.lock().jobs.clear();
    }

    /// Takes no more; what is there is still written.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.room.close();
        self.ready.notify_one();
    }
}
