use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedSemaphorePermit;

/// Buffers above this are not kept for the next message.
const KEEP_MAX: usize = 256 << 10;
/// How many are kept.
const KEPT: usize = 64;

/// The memory that messages in flight may take, and used buffers for the next ones.
pub(crate) struct Buffers {
    left: AtomicUsize,
    kept: Mutex<Vec<Vec<u8>>>,
}

impl Buffers {
    pub(crate) fn new(budget: usize) -> Self {
        Self { left: AtomicUsize::new(budget), kept: Mutex::default() }
    }

    /// Takes octets out of the budget, if they are there.
    pub(crate) fn reserve(self: &Arc<Self>, octets: usize) -> Option<Reserved> {
        let taken =
            self.left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(octets));
        taken.ok().map(|_| Reserved { buffers: self.clone(), octets })
    }

    /// An empty buffer.
    pub(crate) fn buffer(&self) -> Vec<u8> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() == 0 || buffer.capacity() > KEEP_MAX {
            return;
        }
        buffer.clear();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(buffer);
        }
    }
}

/// What the body of a record that waits to be written holds; comes back when dropped.
#[expect(dead_code, reason = "held to be dropped")]
pub(crate) enum Held {
    Nothing,
    Budget(Reserved),
    /// It was received into a file for want of memory: few of those are in memory at once.
    ReadBack(OwnedSemaphorePermit),
}

/// A part of the budget; comes back when dropped.
pub(crate) struct Reserved {
    buffers: Arc<Buffers>,
    octets: usize,
}

impl Reserved {
    /// Makes it larger, if the budget has it.
    pub(crate) fn grow(&mut self, to: usize) -> bool {
        let Some(mut more) = self.buffers.reserve(to.saturating_sub(self.octets)) else { return false };
        self.octets += std::mem::take(&mut more.octets);
        true
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.buffers.left.fetch_add(self.octets, Ordering::Relaxed);
    }
}
