use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;

use crate::Source;

/// How long a source is known after its last right password.
const KNOWN_FOR: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// Most sources that are remembered; the longest silent go first.
const SOURCES: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// The sources of right passwords: an IPv4 address, or the /64 that one IPv6 customer has.
pub(super) struct KnownSources(LruCache<Option<IpAddr>, Instant>);

impl KnownSources {
    pub(super) fn new() -> Self {
        Self(LruCache::sparse(SOURCES))
    }

    /// A right password came from there, `ago` before now.
    pub(super) fn saw(&mut self, source: Source, ago: Duration, now: Instant) {
        let Some(left) = KNOWN_FOR.checked_sub(ago) else { return };
        let until = now + left;
        let network = network(source);
        if self.0.peek(&network).is_none_or(|known| *known < until) {
            self.0.put(network, until);
        }
    }

    pub(super) fn knows(&self, source: Source, now: Instant) -> bool {
        self.0.peek(&network(source)).is_some_and(|until| *until > now)
    }

    /// Each with how long ago its last right password was.
    pub(super) fn all(&self, now: Instant) -> Vec<(IpAddr, Duration)> {
        let left = |until: &Instant| until.saturating_duration_since(now);
        self.0
            .iter()
            .filter(|(_, until)| **until > now)
            .filter_map(|(source, until)| Some(((*source)?, KNOWN_FOR.saturating_sub(left(until)))))
            .collect()
    }
}

fn network(source: Source) -> Option<IpAddr> {
    source.0.map(|ip| match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source(Some(text.parse().expect("an address")))
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_is_known_for_fourteen_days() {
        let mut sources = KnownSources::new();
        sources.saw(source("192.0.2.1"), Duration::ZERO, Instant::now());
        sources.saw(source("2001:db8::1"), Duration::from_secs(13 * 86_400), Instant::now());
        sources.saw(source("192.0.2.3"), Duration::from_secs(15 * 86_400), Instant::now());
        let known = |sources: &KnownSources, text| sources.knows(source(text), Instant::now());
        assert!(known(&sources, "192.0.2.1") && known(&sources, "::ffff:192.0.2.1"));
        assert!(known(&sources, "2001:db8::ffff") && !known(&sources, "2001:db8:0:1::1"));
        assert!(!known(&sources, "192.0.2.2") && !known(&sources, "192.0.2.3"));
        assert!(!sources.knows(Source(None), Instant::now()));
        tokio::time::advance(Duration::from_secs(2 * 86_400)).await;
        assert!(known(&sources, "192.0.2.1") && !known(&sources, "2001:db8::1"));
        let all = sources.all(Instant::now());
        assert_eq!(all, [("192.0.2.1".parse().expect("an address"), Duration::from_secs(2 * 86_400))]);
        tokio::time::advance(Duration::from_secs(12 * 86_400)).await;
        assert!(!known(&sources, "192.0.2.1"));
    }

    #[test]
    fn an_older_word_does_not_shorten_a_newer_one() {
        let mut sources = KnownSources::new();
        let now = Instant::now();
        sources.saw(source("192.0.2.1"), Duration::ZERO, now);
        sources.saw(source("192.0.2.1"), Duration::from_secs(86_400), now);
        assert_eq!(sources.all(now)[0].1, Duration::ZERO);
    }
}
