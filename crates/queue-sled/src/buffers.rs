use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedSemaphorePermit;

/// The most that a small buffer has: the first room that a message gets, and its padding.
const SMALL: usize = (256 << 10) + 8;
/// How many small ones are kept.
const KEPT: usize = 64;

/// The memory that messages in flight may take, and used buffers for the next ones: a fresh one of some size
/// costs a page fault for every page, which is dearer than what is done with its octets.
pub(crate) struct Buffers {
    left: AtomicUsize,
    kept: Mutex<Kept>,
    /// Octets of large buffers that are kept at most.
    large_max: usize,
}

#[derive(Default)]
struct Kept {
    small: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
    /// Octets of the large ones.
    octets: usize,
}

impl Buffers {
    pub(crate) fn new(budget: usize) -> Self {
        Self { left: AtomicUsize::new(budget), kept: Mutex::default(), large_max: budget / 2 }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes octets out of the budget, if they are there.
    pub(crate) fn reserve(self: &Arc<Self>, octets: usize) -> Option<Reserved> {
        let taken =
            self.left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(octets));
        taken.ok().map(|_| Reserved { buffers: self.clone(), octets })
    }

    /// The same octets with room for `capacity`.
    pub(crate) fn grown(&self, mut buffer: Vec<u8>, capacity: usize) -> Vec<u8> {
        if capacity > buffer.capacity()
            && let Some(mut other) = self.used(buffer.capacity(), capacity)
        {
            other.extend_from_slice(&buffer);
            self.give_back(std::mem::replace(&mut buffer, other));
        }
        buffer.reserve_exact(capacity.saturating_sub(buffer.len()));
        buffer
    }

    /// An empty one that was used before, where that is better than to grow one of `present` octets.
    fn used(&self, present: usize, capacity: usize) -> Option<Vec<u8>> {
        let mut kept = self.kept();
        if capacity <= SMALL {
            return if present == 0 { kept.small.pop() } else { None };
        }
        let used = if present <= SMALL { kept.large.pop() } else { None }?;
        kept.octets -= used.capacity();
        Some(used)
    }

    pub(crate) fn give_back(&self, mut buffer: Vec<u8>) {
        let octets = buffer.capacity();
        buffer.clear();
        let mut kept = self.kept();
        if octets > SMALL && kept.octets + octets <= self.large_max {
            kept.octets += octets;
            kept.large.push(buffer);
        } else if (1..=SMALL).contains(&octets) && kept.small.len() < KEPT {
            kept.small.push(buffer);
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

    /// Answers for a buffer. One that was used before may have more room than was asked for: that is memory too, and
    /// what the budget does not have of it goes.
    pub(crate) fn cover(&mut self, mut buffer: Vec<u8>, least: usize) -> Vec<u8> {
        if !self.grow(buffer.capacity()) {
            buffer.shrink_to(least);
        }
        buffer
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.buffers.left.fetch_add(self.octets, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_to_the_next_message_of_its_kind() {
        let buffers = Buffers::new(8 << 20);
        for capacity in [4 << 10, 256 << 10, 1 << 20] {
            let mut buffer = buffers.grown(Vec::new(), capacity);
            buffer.extend_from_slice(b"mail");
            let place = buffer.as_ptr();
            buffers.give_back(buffer);
            let again = buffers.grown(Vec::new(), capacity);
            assert!(again.is_empty() && again.as_ptr() == place, "{capacity}");
        }
    }

    #[test]
    fn what_a_buffer_holds_moves_with_it() {
        let buffers = Buffers::new(8 << 20);
        buffers.give_back(Vec::with_capacity(2 << 20));
        let mut buffer = buffers.grown(Vec::new(), 8 << 10);
        buffer.extend_from_slice(b"the first octets");
        let buffer = buffers.grown(buffer, 1 << 20);
        assert_eq!(buffer, b"the first octets");
        assert!(buffer.capacity() >= 2 << 20, "the large one");
        let larger = buffers.grown(buffer, 3 << 20);
        assert_eq!(larger, b"the first octets");
        assert!(larger.capacity() >= 3 << 20);
    }

    #[test]
    fn large_ones_are_kept_up_to_half_the_budget() {
        let buffers = Buffers::new(4 << 20);
        for _ in 0..5 {
            buffers.give_back(Vec::with_capacity(1 << 20));
        }
        let large = || {
            let kept = buffers.kept();
            (kept.large.len(), kept.octets)
        };
        assert_eq!(large(), (2, 2 << 20));
        let _taken = buffers.grown(Vec::new(), 1 << 20);
        assert_eq!(large(), (1, 1 << 20));
        for _ in 0..100 {
            buffers.give_back(Vec::with_capacity(4 << 10));
        }
        assert_eq!(buffers.kept().small.len(), KEPT);
    }

    #[test]
    fn a_used_buffer_counts_with_all_of_its_room() {
        let buffers = Arc::new(Buffers::new(9 << 20));
        let (least, most) = (300 << 10, 9 << 20);
        let mut held = Vec::new();
        // One that is long, and goes; and one that is short, and stays.
        while let Some(mut reserved) = buffers.reserve(least) {
            buffers.give_back(Vec::with_capacity(4 << 20));
            let buffer = reserved.cover(buffers.grown(Vec::new(), least), least);
            held.push((buffer, reserved));
        }
        let octets: usize = held.iter().map(|(buffer, _)| buffer.capacity()).sum();
        assert!(held.len() > 2 && octets <= most, "{} buffers, {octets} octets", held.len());
        held.clear();
        assert_eq!(buffers.left.load(Ordering::Relaxed), most);
    }
}
