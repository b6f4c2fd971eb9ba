use std::time::Duration;

use tokio::time::Instant;

/// Counts within a stretch of time, which begins anew with the first count after its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    since: Instant,
    count: u32,
}

impl Window {
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, count: 0 }
    }

    /// How often it was counted in the last `length` at most.
    pub(crate) fn within(&self, length: Duration, now: Instant) -> u32 {
        if now.saturating_duration_since(self.since) < length { self.count } else { 0 }
    }

    /// Counts one more; how many that are.
    pub(crate) fn add(&mut self, length: Duration, now: Instant) -> u32 {
        if now.saturating_duration_since(self.since) >= length {
            *self = Self::new(now);
        }
        self.count = self.count.saturating_add(1);
        self.count
    }
}
