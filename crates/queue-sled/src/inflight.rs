use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The octets of all messages that are being received, in memory and in files, against what they may take
/// together. What has come counts, not what was declared: a word must not keep out the mail of others.
pub(crate) struct Inflight {
    budget: u64,
    taken: AtomicU64,
}

/// What one message has of it; comes back when dropped.
pub(crate) struct Share {
    inflight: Arc<Inflight>,
    octets: u64,
}

impl Inflight {
    pub(crate) fn new(budget: u64) -> Self {
        Self { budget, taken: AtomicU64::new(0) }
    }

    /// Whether a message of that many octets, or of any, would fit now.
    pub(crate) fn has_room(&self, octets: u64) -> bool {
        self.with(self.taken.load(Ordering::Relaxed), octets.max(1)).is_some()
    }

    /// Nothing yet.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share { inflight: self.clone(), octets: 0 }
    }

    fn with(&self, taken: u64, more: u64) -> Option<u64> {
        taken.checked_add(more).filter(|taken| *taken <= self.budget)
    }
}

impl Share {
    /// Takes so many octets more; false, and nothing, when they are not there.
    pub(crate) fn grow(&mut self, octets: u64) -> bool {
        let inflight = &self.inflight;
        let taken = inflight
            .taken
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |taken| inflight.with(taken, octets));
        self.octets += if taken.is_ok() { octets } else { 0 };
        taken.is_ok()
    }

    /// All of it, for whoever holds it on.
    pub(crate) fn take(&mut self) -> Self {
        Self { inflight: self.inflight.clone(), octets: std::mem::take(&mut self.octets) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.inflight.taken.fetch_sub(self.octets, Ordering::Relaxed);
    }
}
