//! Greylisting: who was never seen before is asked to come again (RFC 6647).

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

/// How greylisting goes.
#[derive(Debug, Clone)]
pub struct GreylistSettings {
    /// How long somebody new has to wait.
    pub wait: Duration,
    /// How long after the first try a second one counts.
    pub within: Duration,
    /// How long who came again is known.
    pub known: Duration,
    /// How many are remembered.
    pub most: NonZeroUsize,
}

impl Default for GreylistSettings {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(5 * 60),
            within: Duration::from_secs(24 * 3600),
            known: Duration::from_secs(35 * 24 * 3600),
            most: const { NonZeroUsize::new(100_000).expect("not zero") },
        }
    }
}

/// What becomes of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greyed {
    /// It passes.
    Passes,
    /// It is to come again, after so long.
    Waits(Duration),
}

/// Who was seen, in memory alone: after a restart everybody waits once more. Half of the room is for those who
/// came again: strangers, however many, push none of them out.
#[derive(Debug)]
pub struct Greylist {
    settings: GreylistSettings,
    hashers: [RandomState; 2],
    /// When they were seen first.
    new: LruCache<Key, Instant>,
    /// When they were seen last.
    known: LruCache<Key, Instant>,
}

/// Of a network, a domain and a recipient: by a hash that nobody outside can compute, so that a row is short
/// whatever they are.
type Key = [u64; 2];

impl Greylist {
    /// An empty one.
    pub fn new(settings: GreylistSettings) -> Self {
        let half = NonZeroUsize::new(settings.most.get() / 2).unwrap_or(NonZeroUsize::MIN);
        // Grown as they come: most hosts never see so many.
        let grown = || {
            let mut cache = LruCache::unbounded();
            cache.resize(half);
            cache
        };
        Self { settings, hashers: [RandomState::new(), RandomState::new()], new: grown(), known: grown() }
    }

    /// Judges a try. `domain` is the reverse-path's; empty for the null one. Who is `authentic`, by SPF or DKIM,
    /// passes and needs no row.
    pub fn judge(
        &mut self,
        from: IpAddr,
        domain: &str,
        recipient: &str,
        authentic: bool,
        now: Instant,
    ) -> Greyed {
        if authentic {
            return Greyed::Passes;
        }
        let key = self.key(from, domain, recipient);
        let fresh = |seen: Instant, for_so_long: Duration| now.saturating_duration_since(seen) <= for_so_long;
        if let Some(seen) = self.known.get_mut(&key)
            && fresh(*seen, self.settings.known)
        {
            *seen = now;
            return Greyed::Passes;
        }
        let first = match self.new.get(&key) {
            Some(first) if fresh(*first, self.settings.within) => *first,
            Some(_) | None => {
                self.new.put(key, now);
                now
            }
        };
        let left = self.settings.wait.saturating_sub(now.saturating_duration_since(first));
        if !left.is_zero() {
            return Greyed::Waits(left);
        }
        self.new.pop(&key);
        self.known.put(key, now);
        Greyed::Passes
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.new.len() + self.known.len()
    }

    /// Whether nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn key(&self, from: IpAddr, domain: &str, recipient: &str) -> Key {
        let parts = (network(from), domain.to_lowercase(), recipient.to_lowercase());
        [self.hashers[0].hash_one(&parts), self.hashers[1].hash_one(&parts)]
    }
}

/// Large senders try again from another machine of the same network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & !0xff).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    struct Test {
        greylist: Greylist,
        start: Instant,
    }

    impl Test {
        fn new() -> Self {
            Self { greylist: Greylist::new(GreylistSettings::default()), start: Instant::now() }
        }

        fn judge(&mut self, from: &str, domain: &str, after: Duration) -> Greyed {
            let from = from.parse().expect("an address");
            self.greylist.judge(from, domain, "b@c.test", false, self.start + after)
        }
    }

    #[test]
    fn who_comes_again_after_a_while_passes_and_is_known() {
        let mut test = Test::new();
        assert_eq!(test.judge("192.0.2.1", "a.test", Duration::ZERO), Greyed::Waits(MINUTE * 5));
        assert_eq!(test.judge("192.0.2.1", "a.test", MINUTE), Greyed::Waits(MINUTE * 4));
        // From the same network, however it is written.
        assert_eq!(test.judge("::ffff:192.0.2.77", "A.Test", MINUTE * 5), Greyed::Passes);
        assert_eq!(test.judge("192.0.2.1", "a.test", DAY * 30), Greyed::Passes);
        assert_eq!(test.judge("192.0.2.1", "a.test", DAY * 60), Greyed::Passes);
        assert_eq!(test.judge("192.0.2.1", "a.test", DAY * 96), Greyed::Waits(MINUTE * 5));
        assert_eq!(test.judge("192.0.3.1", "a.test", DAY * 96), Greyed::Waits(MINUTE * 5));
        assert_eq!(test.judge("192.0.2.1", "other.test", DAY * 96), Greyed::Waits(MINUTE * 5));
    }

    #[test]
    fn a_second_try_that_comes_too_late_is_a_first_one() {
        let mut test = Test::new();
        for days in [0, 2, 4] {
            assert_eq!(test.judge("2001:db8::1", "", DAY * days), Greyed::Waits(MINUTE * 5));
        }
        assert_eq!(test.judge("2001:db8::ffff:1", "", DAY * 4 + MINUTE * 6), Greyed::Passes);
        assert_eq!(test.judge("2001:db8:0:1::1", "", DAY * 4 + MINUTE * 6), Greyed::Waits(MINUTE * 5));
    }

    #[test]
    fn who_is_authentic_passes_and_takes_no_room() {
        let mut test = Test::new();
        let from = "192.0.2.1".parse().expect("an address");
        assert_eq!(test.greylist.judge(from, "a.test", "b@c.test", true, test.start), Greyed::Passes);
        assert!(test.greylist.is_empty());
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_is_no_way_through() {
        let mut test = Test::new();
        let later = test.start + MINUTE * 10;
        let from = "192.0.2.1".parse().expect("an address");
        for now in [later, later, test.start] {
            assert_eq!(test.greylist.judge(from, "a.test", "b", false, now), Greyed::Waits(MINUTE * 5));
        }
    }

    /// A million strangers (fewer where all is slow): no more room than there is, and who is known stays known.
    #[test]
    fn strangers_take_bounded_room_and_push_out_nobody_who_is_known() {
        let mut test = Test::new();
        test.judge("192.0.2.1", "a.test", Duration::ZERO);
        assert_eq!(test.judge("192.0.2.1", "a.test", MINUTE * 5), Greyed::Passes);
        let started = Instant::now();
        for number in 0..if cfg!(debug_assertions) { 200_000 } else { 1_000_000_u32 } {
            let from = Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761)).into();
            let recipient = format!("{number}@c.test");
            test.greylist.judge(from, "a.test", &recipient, false, test.start + MINUTE * 6);
        }
        println!("strangers: {:?}, {} remembered", started.elapsed(), test.greylist.len());
        assert_eq!(test.greylist.len(), 50_001);
        assert_eq!(test.judge("192.0.2.1", "a.test", MINUTE * 7), Greyed::Passes);
        // A row is two numbers and a time, in a list and a table: some ten megabytes in all.
        assert!(size_of::<(Key, Instant)>() <= 32);
    }
}
