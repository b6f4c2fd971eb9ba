use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets one login at a time through from each source, so that guesses sent in parallel are counted one by one
/// and cannot outrun their budget. Holds waiting connections only, so their number bounds it.
#[derive(Clone, Default)]
pub(super) struct Turnstile {
    lines: Arc<Mutex<HashMap<IpAddr, Arc<Semaphore>>>>,
}

/// The source's turn, until dropped.
pub(super) struct Turn {
    turnstile: Turnstile,
    source: IpAddr,
    permit: Option<OwnedSemaphorePermit>,
}

impl Turnstile {
    /// Waits for the turn of an address.
    pub(super) async fn enter(&self, address: IpAddr) -> Turn {
        let source = source(address);
        let line = {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.entry(source).or_insert_with(|| Arc::new(Semaphore::new(1))).clone()
        };
        // A guard before the wait: one that is given up leaves nothing behind either.
        let mut turn = Turn { turnstile: self.clone(), source, permit: None };
        // Nobody closes the semaphore; if somebody did, a line that does not form is no reason to refuse.
        turn.permit = line.acquire_owned().await.ok();
        turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.permit = None;
        let mut lines = self.turnstile.lines.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever waits or is through holds the semaphore too.
        if lines.get(&self.source).is_some_and(|line| Arc::strong_count(line) == 1) {
            lines.remove(&self.source);
        }
    }
}

/// One IPv4 address, or the /64 that one IPv6 customer has.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_goes_one_by_one_and_leaves_nothing() {
        let turnstile = Turnstile::default();
        let first = turnstile.enter(ip("2001:db8::1")).await;
        let _other = turnstile.enter(ip("192.0.2.1")).await;
        let second = timeout(Duration::from_secs(1), turnstile.enter(ip("2001:db8::2"))).await;
        assert!(second.is_err(), "the same /64 waits");
        drop(first);
        let third = turnstile.enter(ip("2001:db8::3")).await;
        assert_eq!(turnstile.lines.lock().expect("no panic").len(), 2);
        drop(third);
        assert_eq!(turnstile.lines.lock().expect("no panic").len(), 1);
    }
}
