use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Networks;
use crate::network::{host_key, network_key};
use crate::probes::{ProbeLimits, Probes, Probing};

/// How many addresses are remembered, for their rate and for having behaved.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");
/// How long a source that behaved is preferred.
const GOOD_FOR: Duration = Duration::from_secs(14 * 24 * 3600);

/// How many connections there may be.
#[derive(Debug, Clone)]
pub struct GateParams {
    /// At once, in all; a fifth of them is kept for sources that behaved before.
    pub total: usize,
    /// At once from one IPv4 address or IPv6 /64.
    pub per_address: usize,
    /// At once from one IPv4 /24 or IPv6 /48.
    pub per_network: usize,
    /// New ones a minute from one IPv4 address or IPv6 /64.
    pub rate_per_minute: u32,
    /// How long a search for addresses is borne; none: for ever.
    pub probes: Option<ProbeLimits>,
    /// Networks for which only the total counts.
    pub trusted: Networks,
}

/// Why a connection is not taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// All slots are taken.
    #[error("too many connections")]
    Total,
    /// All slots of this address are taken.
    #[error("too many connections from this address")]
    Address,
    /// All slots of this network are taken.
    #[error("too many connections from this network")]
    Network,
    /// It is banned, because it searched for addresses.
    #[error("banned for a search for addresses")]
    Banned,
    /// The process has no file descriptor for another one.
    #[error("no file descriptor is left")]
    Exhausted,
    /// It comes too often.
    #[error("too many new connections a minute")]
    Rate,
}

/// Counts the connections of one service. A handle: clones share one.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    params: GateParams,
    counts: Mutex<Counts>,
    /// Whether slots are scarce; changed under the lock of `counts` alone.
    stress: watch::Sender<bool>,
}

#[derive(Debug)]
struct Counts {
    total: usize,
    // Both hold connected peers only, so `total` bounds them.
    addresses: HashMap<u64, usize>,
    networks: HashMap<u64, usize>,
    rates: LruCache<u64, Bucket>,
    good: LruCache<u64, Instant>,
    probes: Probes,
}

/// A token bucket that holds a minute's worth.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Gate {
    /// Nobody is connected yet.
    pub fn new(params: GateParams) -> Self {
        let counts = Counts {
            total: 0,
            addresses: HashMap::new(),
            networks: HashMap::new(),
            rates: LruCache::new(REMEMBERED),
            good: LruCache::new(REMEMBERED),
            probes: Probes::new(REMEMBERED),
        };
        Self(Arc::new(Shared { params, counts: Mutex::new(counts), stress: watch::Sender::new(false) }))
    }

    /// A slot for a peer, or why there is none. A peer without an address is on this machine.
    pub fn enter(&self, address: Option<IpAddr>, now: Instant) -> Result<Permit, Refused> {
        let params = &self.0.params;
        let mut counts = self.0.lock();
        let limited = address.filter(|ip| !params.trusted.contains(*ip));
        if let Some(ip) = limited {
            counts.check_source(params, ip, now)?;
        }
        let known = match limited {
            None => true,
            Some(ip) => counts.is_good(host_key(ip), now),
        };
        let open = if known { params.total } else { params.total - params.total / 5 };
        if counts.total >= open {
            return Err(Refused::Total);
        }
        counts.total += 1;
        if let Some(ip) = limited {
            *counts.addresses.entry(host_key(ip)).or_default() += 1;
            *counts.networks.entry(network_key(ip)).or_default() += 1;
        }
        self.0.weigh(&counts);
        Ok(Permit { gate: self.clone(), limited })
    }

    /// Whether slots are scarce, and it is time to be short with the slow: from four fifths of them on, and
    /// until less than seven tenths are taken, so that one peer that comes and goes does not keep all others
    /// busy with the news.
    pub fn stress(&self) -> watch::Receiver<bool> {
        self.0.stress.subscribe()
    }

    /// How many are connected.
    pub fn connected(&self) -> usize {
        self.0.lock().total
    }

    /// How many may be connected.
    pub fn total(&self) -> usize {
        self.0.params.total
    }

    /// Remembers a source that behaved, so that a flood of strangers does not lock it out.
    pub fn behaved(&self, address: IpAddr, now: Instant) {
        let mut counts = self.0.lock();
        counts.good.put(host_key(address), now);
        counts.probes.pardon(host_key(address));
    }

    /// Counts that a peer asked for an address that is not there.
    pub fn probed(&self, address: Option<IpAddr>, now: Instant) -> Probing {
        let params = &self.0.params;
        let limited = address.filter(|ip| !params.trusted.contains(*ip));
        let (Some(limits), Some(ip)) = (params.probes, limited) else { return Probing::Borne };
        let mut counts = self.0.lock();
        let is_good = counts.is_good(host_key(ip), now);
        counts.probes.count(limits, host_key(ip), is_good, now)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Every change under the lock is one step: what a panic left behind is still whole.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn weigh(&self, counts: &Counts) {
        let (taken, all) = (counts.total * 10, self.params.total);
        self.stress.send_if_modified(|stress| {
            let now = if *stress { taken >= all * 7 } else { taken >= all * 8 };
            std::mem::replace(stress, now) != now
        });
    }
}

impl Counts {
    fn check_source(&mut self, params: &GateParams, ip: IpAddr, now: Instant) -> Result<(), Refused> {
        if self.probes.is_banned(host_key(ip), now) {
            return Err(Refused::Banned);
        }
        let taken = |map: &HashMap<u64, usize>, key| map.get(&key).copied().unwrap_or(0);
        if taken(&self.addresses, host_key(ip)) >= params.per_address {
            return Err(Refused::Address);
        }
        if taken(&self.networks, network_key(ip)) >= params.per_network {
            return Err(Refused::Network);
        }
        let full = f64::from(params.rate_per_minute);
        let bucket = self.rates.get_or_insert_mut(host_key(ip), || Bucket { tokens: full, at: now });
        let earned = now.saturating_duration_since(bucket.at).as_secs_f64() * full / 60.0;
        *bucket = Bucket { tokens: (bucket.tokens + earned).min(full), at: now };
        if bucket.tokens < 1.0 {
            return Err(Refused::Rate);
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    fn is_good(&mut self, key: u64, now: Instant) -> bool {
        self.good.get(&key).is_some_and(|at| now.saturating_duration_since(*at) < GOOD_FOR)
    }

    fn leave(&mut self, ip: Option<IpAddr>) {
        self.total -= 1;
        let Some(ip) = ip else { return };
        for (map, key) in [(&mut self.addresses, host_key(ip)), (&mut self.networks, network_key(ip))] {
            if let Some(count) = map.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    map.remove(&key);
                }
            }
        }
    }
}

/// One slot, free again when dropped.
#[derive(Debug)]
pub struct Permit {
    gate: Gate,
    limited: Option<IpAddr>,
}

impl Permit {
    /// The gate that it was given by.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.gate.0.lock();
        counts.leave(self.limited);
        self.gate.0.weigh(&counts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate::new(GateParams {
            total: 10,
            per_address: 2,
            per_network: 3,
            rate_per_minute: 6,
            probes: Some(ProbeLimits { per_day: 2, ban: Duration::from_secs(3600) }),
            trusted: Networks::new(vec!["10.0.0.0/8".parse().expect("a network")]),
        })
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_is_free_again_when_its_permit_goes() {
        let (gate, now) = (gate(), Instant::now());
        let one = gate.enter(ip("192.0.2.1"), now).expect("first");
        let _two = gate.enter(ip("192.0.2.1"), now).expect("second");
        assert_eq!(gate.enter(ip("192.0.2.1"), now).expect_err("third"), Refused::Address);
        let three = gate.enter(ip("192.0.2.2"), now).expect("another host");
        assert_eq!(gate.enter(ip("192.0.2.3"), now).expect_err("same network"), Refused::Network);
        drop((one, three));
        let _again = gate.enter(ip("192.0.2.1"), now).expect("free again");
        assert_eq!(gate.connected(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_too_often_waits_for_the_bucket() {
        let (gate, now) = (gate(), Instant::now());
        for _ in 0..6 {
            gate.enter(ip("192.0.2.1"), now).expect("within the rate");
        }
        assert_eq!(gate.enter(ip("192.0.2.1"), now).expect_err("too often"), Refused::Rate);
        gate.enter(ip("192.0.2.1"), now + Duration::from_secs(10)).expect("one more after ten seconds");
        gate.enter(ip("10.0.0.1"), now).expect("trusted networks have no rate");
    }

    #[tokio::test(start_paused = true)]
    async fn slots_are_scarce_from_four_fifths_to_seven_tenths() {
        let (gate, now) = (gate(), Instant::now());
        let stress = gate.stress();
        let mut taken: Vec<_> = (0..7).map(|_| gate.enter(None, now).expect("room")).collect();
        assert!(!*stress.borrow());
        taken.push(gate.enter(None, now).expect("room"));
        assert!(*stress.borrow());
        taken.pop();
        assert!(*stress.borrow(), "not yet over");
        taken.pop();
        assert!(!*stress.borrow());
        taken.push(gate.enter(None, now).expect("room"));
        assert!(!*stress.borrow(), "not yet again");
    }

    #[tokio::test(start_paused = true)]
    async fn who_searches_for_addresses_stays_outside_for_a_while() {
        let (gate, now) = (gate(), Instant::now());
        let inside = gate.enter(ip("2001:db8::1"), now).expect("room");
        assert_eq!(gate.probed(ip("2001:db8::1"), now), Probing::Borne);
        // Another address of the same customer.
        assert_eq!(gate.probed(ip("2001:db8::2"), now), Probing::Banned);
        assert_eq!(gate.enter(ip("2001:db8::3"), now).expect_err("the same /64"), Refused::Banned);
        gate.enter(ip("2001:db8:0:1::1"), now).expect("the next /64");
        drop(inside);
        gate.enter(ip("2001:db8::1"), now + Duration::from_secs(3600)).expect("an hour later");
        for ours in [ip("10.0.0.1"), None] {
            for _ in 0..9 {
                assert_eq!(gate.probed(ours, now), Probing::Borne);
            }
            gate.enter(ours, now).expect("never banned");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_delivered_of_late_is_slowed_and_not_banned() {
        let (gate, now) = (gate(), Instant::now());
        let address = "192.0.2.1".parse().expect("an address");
        gate.behaved(address, now);
        let late = now + GOOD_FOR - Duration::from_secs(60);
        assert_eq!(gate.probed(Some(address), late), Probing::Borne);
        assert_eq!(gate.probed(Some(address), late), Probing::Slowed);
        gate.enter(Some(address), late).expect("not banned");
        assert_eq!(gate.probed(Some(address), now + GOOD_FOR), Probing::Banned);
        gate.behaved(address, now + GOOD_FOR);
        gate.enter(Some(address), now + GOOD_FOR).expect("pardoned");
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_fifth_is_for_those_who_behaved() {
        let (gate, now) = (gate(), Instant::now());
        let strangers: Vec<_> =
            (0..8).map(|n| gate.enter(ip(&format!("192.0.{n}.1")), now).expect("room")).collect();
        assert_eq!(gate.enter(ip("198.51.100.1"), now).expect_err("a stranger"), Refused::Total);
        gate.behaved("198.51.100.1".parse().expect("an address"), now);
        let friend = gate.enter(ip("198.51.100.1"), now).expect("known");
        drop((strangers, friend));
        assert_eq!(gate.connected(), 0);
        assert!(gate.0.lock().addresses.is_empty() && gate.0.lock().networks.is_empty());
    }
}
