//! Block lists, asked of strangers where a rule asks what they say.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use authenticity::{Dnsbl, Resolver};
use mail::Known;
use tracing::warn;

use crate::config::{Config, WhenDown};

/// Who gives no answer is told of once in so long.
const TOLD: Duration = Duration::from_secs(60);

/// What is told now and then.
#[derive(Debug, Clone, Default)]
pub(super) struct Told(Arc<Mutex<Option<Instant>>>);

impl Told {
    /// Whether it is time again. If it is, it was.
    pub(super) fn again(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let again = last.is_none_or(|last| last.elapsed() >= TOLD);
        if again {
            *last = Some(Instant::now());
        }
        again
    }
}

/// The lists that a configuration names.
#[derive(Debug, Clone)]
pub(super) struct Lists {
    dnsbl: Dnsbl,
    when_down: WhenDown,
    told: Told,
}

impl Lists {
    /// Nothing where there are none, or nobody to ask.
    pub(super) fn new(config: &Config, resolver: Option<&Resolver>) -> Option<Self> {
        let lists = Some(&config.dnsbl.lists).filter(|lists| !lists.is_empty())?;
        // Each list has 127.0.0.2, to be tried with (RFC 5782 §5).
        let dnsbl = Dnsbl::new(resolver?.clone(), lists).with_loopback(config.authenticity.loopback);
        Some(Self { dnsbl, when_down: config.dnsbl.when_down, told: Told::default() })
    }

    /// The lists that name an address.
    pub(super) async fn naming(&self, address: IpAddr) -> Known<Vec<String>> {
        let listings = self.dnsbl.look_up(address).await;
        let Some((list, why)) = listings.failed.first() else { return listings.known() };
        if self.told.again() {
            warn!(list, why, "a block list gives no answer");
        }
        match self.when_down {
            WhenDown::Accept => listings.known(),
            WhenDown::Defer => Known::Unknown(format!("{list}: {why}")),
        }
    }
}
