use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use queue::StoreError;
use tokio::sync::oneshot;

/// What one round of tidying came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tidied {
    /// Segments of the log that were given back to the disk, or became spares.
    pub segments: u64,
    /// Files beside the log that were removed.
    pub files: u64,
    /// Messages that were moved out of segments that were mostly dead.
    pub moved: u64,
    /// Segments and files that are dead and still read by somebody.
    pub waiting: u64,
}

pub(crate) type Waiter = oneshot::Sender<Result<Tidied, StoreError>>;

/// What the keeper is asked for.
#[derive(Default)]
pub(crate) struct Orders {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiters: Vec<Waiter>,
    /// Somebody wants the snaps looked at.
    look: bool,
    closed: bool,
}

impl Orders {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a round now.
    pub(crate) async fn tidy(self: &Arc<Self>) -> Result<Tidied, StoreError> {
        let (waiter, done) = oneshot::channel();
        {
            let mut state = self.lock();
            if state.closed {
                return Err(StoreError::Unavailable);
            }
            state.waiters.push(waiter);
        }
        self.changed.notify_all();
        done.await.unwrap_or(Err(StoreError::Unavailable))
    }

    /// For tests: asks for what is otherwise done once a day.
    #[cfg(test)]
    pub(crate) fn look(&self) {
        self.lock().look = true;
        self.changed.notify_all();
    }

    pub(super) fn wants_look(&self) -> bool {
        std::mem::take(&mut self.lock().look)
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits so long for orders, or for the end.
    pub(super) fn wait(&self, time: Duration) -> Vec<Waiter> {
        let mut state = self.lock();
        if state.waiters.is_empty() && !state.look && !state.closed {
            state = self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::take(&mut state.waiters)
    }

    /// Sleeps, unless the store is closed meanwhile.
    pub(super) fn pause(&self, time: Duration) {
        let state = self.lock();
        if !state.closed {
            drop(self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner));
        }
    }
}
