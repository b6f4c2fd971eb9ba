use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::log::committer::Committed;

/// Records the applier takes at once.
const TAKE: usize = 600;

/// What is durable and not applied yet. Its bound holds intake back before it holds back the committer.
pub(crate) struct Lag {
    state: Mutex<State>,
    changed: Condvar,
    octets_max: usize,
}

#[derive(Default)]
struct State {
    batches: VecDeque<Vec<Committed>>,
    octets: usize,
    rebuild: bool,
    closed: bool,
    /// Nobody applies any more.
    abandoned: bool,
}

/// What the applier finds.
pub(crate) enum Work {
    Records(Vec<Committed>),
    /// The index was found to be bad.
    Rebuild,
    Closed,
}

impl Lag {
    pub(crate) fn new(octets_max: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), octets_max }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether new messages should be refused. What is under way still fits.
    pub(crate) fn is_full(&self) -> bool {
        self.lock().octets >= self.octets_max
    }

    /// Octets that wait.
    pub(crate) fn octets(&self) -> usize {
        self.lock().octets
    }

    /// Leaves a batch; waits while there is twice as much as should be. The applier waits for nobody, so
    /// this ends.
    pub(crate) fn push(&self, batch: Vec<Committed>) {
        let mut state = self.lock();
        while state.octets >= self.octets_max.saturating_mul(2) && !state.abandoned {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.abandoned {
            return;
        }
        state.octets += octets(&batch);
        let idle = state.batches.is_empty();
        state.batches.push_back(batch);
        if idle {
            self.changed.notify_all();
        }
    }

    /// Waits for something to do.
    pub(crate) fn take(&self) -> Work {
        let mut state = self.lock();
        loop {
            if std::mem::take(&mut state.rebuild) {
                return Work::Rebuild;
            }
            if !state.batches.is_empty() {
                break;
            }
            if state.closed {
                return Work::Closed;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut records = state.batches.pop_front().unwrap_or_default();
        while let Some(next) = state.batches.front()
            && records.len() + next.len() <= TAKE
        {
            records.extend(state.batches.pop_front().unwrap_or_default());
        }
        let before = state.octets;
        state.octets -= octets(&records);
        if before >= self.octets_max {
            self.changed.notify_all();
        }
        Work::Records(records)
    }

    /// Asks for a new index.
    pub(crate) fn want_rebuild(&self) {
        self.lock().rebuild = true;
        self.changed.notify_all();
    }

    /// Lets go what is there and what comes: the applier is gone. The log has all of it.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        state.abandoned = true;
        state.batches.clear();
        self.changed.notify_all();
    }

    /// Nothing that is durable and not applied yet will be, before the next start.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    /// Nothing comes any more; what is there is still applied.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

fn octets(records: &[Committed]) -> usize {
    records.iter().map(|record| record.head.capacity() + 256).sum()
}
