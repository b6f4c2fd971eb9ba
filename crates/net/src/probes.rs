use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;

use crate::window::Window;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long a search for addresses is borne.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeLimits {
    /// Addresses that are not there, asked for in a day from one IPv4 address or IPv6 /64; the last one bans.
    pub per_day: u32,
    /// How long a ban lasts. Each further address asked for that day bans again.
    pub ban: Duration,
}

/// What becomes of a source that asked for an address that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probing {
    /// Nothing yet.
    Borne,
    /// It has spent its day, but mail of its own was accepted of late: it is slowed.
    Slowed,
    /// It may not connect for a while.
    Banned,
}

/// Who searched for addresses, and who is banned for it, by [`crate::network::host_key`]. Both tables forget
/// whom they have not seen for longest.
#[derive(Debug)]
pub(crate) struct Probes {
    days: LruCache<u64, Window>,
    /// Until when.
    banned: LruCache<u64, Instant>,
}

impl Probes {
    pub(crate) fn new(remembered: NonZeroUsize) -> Self {
        Self { days: LruCache::new(remembered), banned: LruCache::new(remembered) }
    }

    /// Counts one more.
    pub(crate) fn count(&mut self, limits: ProbeLimits, source: u64, is_good: bool, now: Instant) -> Probing {
        if self.days.get_or_insert_mut(source, || Window::new(now)).add(DAY, now) < limits.per_day {
            return Probing::Borne;
        }
        if is_good {
            return Probing::Slowed;
        }
        self.banned.put(source, now + limits.ban);
        Probing::Banned
    }

    pub(crate) fn is_banned(&mut self, source: u64, now: Instant) -> bool {
        let banned = self.banned.get(&source).is_some_and(|until| now < *until);
        if !banned {
            self.banned.pop(&source);
        }
        banned
    }

    /// Mail of its own was accepted.
    pub(crate) fn pardon(&mut self, source: u64) {
        self.banned.pop(&source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const LIMITS: ProbeLimits = ProbeLimits { per_day: 3, ban: HOUR };

    fn probes(remembered: usize) -> Probes {
        Probes::new(NonZeroUsize::new(remembered).expect("some"))
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_probe_of_a_day_bans_for_an_hour_and_each_one_after_it_too() {
        let (mut probes, start) = (probes(9), Instant::now());
        let count = |probes: &mut Probes, at| probes.count(LIMITS, 1, false, start + at);
        assert_eq!(count(&mut probes, Duration::ZERO), Probing::Borne);
        assert_eq!(count(&mut probes, HOUR), Probing::Borne);
        assert!(!probes.is_banned(1, start + HOUR));
        assert_eq!(count(&mut probes, 2 * HOUR), Probing::Banned);
        assert!(probes.is_banned(1, start + 3 * HOUR - Duration::from_secs(1)));
        assert!(!probes.is_banned(2, start + 2 * HOUR), "nobody else");
        assert!(!probes.is_banned(1, start + 3 * HOUR));
        assert_eq!(count(&mut probes, 23 * HOUR), Probing::Banned);
        assert_eq!(count(&mut probes, 24 * HOUR), Probing::Borne, "another day");
    }

    #[tokio::test(start_paused = true)]
    async fn who_behaved_is_slowed_and_never_banned() {
        let (mut probes, now) = (probes(9), Instant::now());
        for wanted in [Probing::Borne, Probing::Borne, Probing::Slowed, Probing::Slowed] {
            assert_eq!(probes.count(LIMITS, 1, true, now), wanted);
        }
        assert!(!probes.is_banned(1, now));
        assert_eq!(probes.count(LIMITS, 1, false, now), Probing::Banned);
        probes.pardon(1);
        assert!(!probes.is_banned(1, now));
    }

    #[tokio::test(start_paused = true)]
    async fn the_tables_do_not_grow() {
        let (mut probes, now) = (probes(100), Instant::now());
        let once = ProbeLimits { per_day: 1, ..LIMITS };
        for source in 0..100_000 {
            assert_eq!(probes.count(once, source, false, now), Probing::Banned);
        }
        assert_eq!((probes.days.len(), probes.banned.len()), (100, 100));
        assert!(probes.is_banned(99_999, now) && !probes.is_banned(0, now));
    }
}
