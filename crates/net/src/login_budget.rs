use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;

use crate::network::host_key;
use crate::window::Window;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How many wrong passwords are looked at before answers stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginBudgetParams {
    /// A minute from one IPv4 address or IPv6 /64.
    pub per_minute: u32,
    /// A day from one IPv4 address or IPv6 /64.
    pub per_day: u32,
    /// A day on one account, from everywhere together.
    pub account_per_day: u32,
    /// A source that logged in to the account within this time is never kept out of it.
    pub trust: Duration,
    /// How many sources and accounts are remembered.
    pub remembered: usize,
}

impl Default for LoginBudgetParams {
    fn default() -> Self {
        Self { per_minute: 10, per_day: 50, account_per_day: 100, trust: 14 * DAY, remembered: 100_000 }
    }
}

/// Bounds guesses at passwords, asked before any hashing. A handle: clones share one.
#[derive(Debug, Clone)]
pub struct LoginBudget {
    params: Arc<LoginBudgetParams>,
    tables: Arc<Mutex<Tables>>,
}

#[derive(Debug)]
struct Tables {
    minutes: LruCache<u64, Window>,
    days: LruCache<u64, Window>,
    accounts: LruCache<String, Window>,
    good: LruCache<(u64, String), Instant>,
}

impl LoginBudget {
    /// Nobody has failed yet.
    pub fn new(params: LoginBudgetParams) -> Self {
        let room = NonZeroUsize::new(params.remembered).unwrap_or(NonZeroUsize::MIN);
        let tables = Tables {
            minutes: LruCache::new(room),
            days: LruCache::new(room),
            accounts: LruCache::new(room),
            good: LruCache::new(room),
        };
        Self { params: Arc::new(params), tables: Arc::new(Mutex::new(tables)) }
    }

    /// Whether a password from there, for that account, is looked at now. A peer without an address is on
    /// this machine and always is.
    pub fn allows(&self, address: Option<IpAddr>, account: &str, now: Instant) -> bool {
        let Some(source) = address.map(host_key) else { return true };
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tables.good.get(&(source, account.to_owned()));
        if known.is_some_and(|at| now.saturating_duration_since(*at) < self.params.trust) {
            return true;
        }
        failures(tables.minutes.get(&source), MINUTE, now) < self.params.per_minute
            && failures(tables.days.get(&source), DAY, now) < self.params.per_day
            && failures(tables.accounts.get(account), DAY, now) < self.params.account_per_day
    }

    /// A password was wrong, and is not the same wrong one as before.
    pub fn failed(&self, address: Option<IpAddr>, account: &str, now: Instant) {
        let Some(source) = address.map(host_key) else { return };
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Window::new(now);
        tables.minutes.get_or_insert_mut(source, || fresh).add(MINUTE, now);
        tables.days.get_or_insert_mut(source, || fresh).add(DAY, now);
        tables.accounts.get_or_insert_mut(account.to_owned(), || fresh).add(DAY, now);
    }

    /// A password was right.
    pub fn succeeded(&self, address: Option<IpAddr>, account: &str, now: Instant) {
        let Some(source) = address.map(host_key) else { return };
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.good.put((source, account.to_owned()), now);
    }

    /// Whether the source has logged in to that account of late.
    pub fn knows(&self, address: Option<IpAddr>, account: &str, now: Instant) -> bool {
        let Some(source) = address.map(host_key) else { return true };
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let at = tables.good.get(&(source, account.to_owned()));
        at.is_some_and(|at| now.saturating_duration_since(*at) < self.params.trust)
    }
}

fn failures(window: Option<&Window>, length: Duration, now: Instant) -> u32 {
    window.map_or(0, |window| window.within(length, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> LoginBudget {
        let small = LoginBudgetParams { per_minute: 3, per_day: 5, account_per_day: 8, ..Default::default() };
        LoginBudget::new(small)
    }

    fn ip(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_gets_so_many_a_minute_and_a_day() {
        let (budget, now) = (budget(), Instant::now());
        for _ in 0..3 {
            assert!(budget.allows(ip(1), "alice", now));
            budget.failed(ip(1), "alice", now);
        }
        assert!(!budget.allows(ip(1), "bob", now));
        let later = now + MINUTE;
        assert!(budget.allows(ip(1), "bob", later));
        budget.failed(ip(1), "bob", later);
        budget.failed(ip(1), "bob", later);
        assert!(!budget.allows(ip(1), "bob", later + MINUTE), "five a day");
        assert!(budget.allows(ip(1), "bob", later + DAY));
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_from_everywhere_do_not_lock_the_owner_out() {
        let (budget, now) = (budget(), Instant::now());
        budget.succeeded(ip(200), "alice", now);
        for last in 0..8 {
            budget.failed(ip(last), "alice", now);
        }
        assert!(!budget.allows(ip(100), "alice", now), "the account's day is spent");
        assert!(budget.allows(ip(200), "alice", now), "not for who was there before");
        assert!(budget.allows(ip(100), "bob", now));
        assert!(budget.allows(None, "alice", now), "nor on this machine");
    }
}
