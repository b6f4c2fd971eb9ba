use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Hashes at a time: each is a core and 19 MiB.
pub(super) const PERMITS: usize = 2;

/// Who may hash: two at a time, and for the rest two bounded lines. Sources that have logged in lately have a
/// line of their own, so that no crowd of strangers keeps them out of it.
pub(super) struct HashQueue {
    permits: Arc<Semaphore>,
    strangers: Line,
    known: Line,
}

/// A place to wait in.
struct Line {
    waiting: AtomicUsize,
    /// Most who wait at a time.
    places: usize,
    /// How long each of them does.
    patience: Duration,
}

impl HashQueue {
    pub(super) fn new() -> Self {
        let line = |places, seconds| Line {
            waiting: AtomicUsize::new(0),
            places,
            patience: Duration::from_secs(seconds),
        };
        // An office behind one address comes back at once after a start: its line is as long as what two
        // permits get done in its patience.
        Self { permits: Arc::new(Semaphore::new(PERMITS)), strangers: line(32, 5), known: line(320, 20) }
    }

    /// A permit, in the order of asking; none when the line is full or patience ends.
    pub(super) async fn permit(&self, known: bool) -> Option<OwnedSemaphorePermit> {
        let permits = Arc::clone(&self.permits);
        if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            return Some(permit);
        }
        let line = if known { &self.known } else { &self.strangers };
        let _place = line.enter()?;
        timeout(line.patience, permits.acquire_owned()).await.ok()?.ok()
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.strangers.waiting.load(Ordering::Relaxed) + self.known.waiting.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.permits.available_permits()
    }
}

impl Line {
    fn enter(&self) -> Option<Waiting<'_>> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(self);
        (before < self.places).then_some(waiting)
    }
}

/// One who waits; also one who gave up does not count for longer than it is there.
struct Waiting<'l>(&'l Line);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn strangers_wait_five_seconds_and_the_known_twenty() {
        let queue = HashQueue::new();
        let _held = (queue.permit(false).await, queue.permit(false).await);
        for (known, seconds) in [(false, 5), (true, 20)] {
            let begun = Instant::now();
            assert!(queue.permit(known).await.is_none());
            assert_eq!(begun.elapsed().as_secs(), seconds);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_line_is_told_at_once_and_has_a_place_again_later() {
        let queue = Arc::new(HashQueue::new());
        let held = (queue.permit(false).await, queue.permit(false).await);
        let wait = |known| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { queue.permit(known).await.is_some() })
        };
        let line: Vec<_> = (0..32).map(|_| wait(false)).collect();
        tokio::task::yield_now().await;
        let begun = Instant::now();
        assert!(queue.permit(false).await.is_none());
        assert_eq!(begun.elapsed(), Duration::ZERO);
        let known = wait(true);
        tokio::task::yield_now().await;
        drop(held);
        for waiting in line {
            assert!(waiting.await.expect("no panic"));
        }
        assert!(known.await.expect("no panic"), "strangers cannot fill the line of the known");
        assert_eq!(queue.strangers.waiting.load(Ordering::Relaxed), 0);
    }
}
