//! What the router and the upkeep call: functions that look at what they do not know.

use std::sync::Arc;

use mail::Journeys;
use queue_sled::DiskSpace;
use routing::content::{ContentLimits, Want};
use routing::rules::Content;
use tracing::warn;
use upkeep::{Concerns, Expiring, Head, Lacks};

use super::params;
use crate::config::Config;

/// Notes where mail has an age of its own, before it is there.
pub(super) fn marker(expiring: Expiring) -> routing::Expiring {
    Box::new(move |mailbox| {
        // A quarantine has an age of its own, for all that it holds.
        if mailbox.quarantined_from().is_some() {
            return;
        }
        if let Err(error) = expiring.mark(mailbox) {
            warn!(%error, %mailbox, "what a rule lets go early stays as long as the mailbox keeps it");
        }
    })
}

/// What a header section says, for a digest.
pub(super) fn head(octets: &[u8]) -> Head {
    let read = Content::read(octets, &ContentLimits::default(), Want { body: false });
    let value = |name: &str| {
        let field = read.content.headers.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    Head { from: value("from"), subject: value("subject") }
}

/// What is told is heard by whoever reports to postmaster, too.
pub(super) fn heard(journeys: Journeys, concerns: Concerns) -> Journeys {
    Journeys::new(move |event| {
        concerns.hear(&event);
        journeys.tell(|| event);
    })
}

/// How much the disk lacks of twice what must stay free: from there on `status` says that it is nearly full. A tenth
/// more is asked for, so that it does not run low again at once.
pub(super) fn lacks(config: &Config) -> Lacks {
    let (state_dir, least) = (config.state_dir.clone(), params::store(config).min_free.saturating_mul(2));
    Arc::new(move || {
        let free = DiskSpace::of(&state_dir).map_or(u64::MAX, |space| space.free);
        if free >= least { 0 } else { (least + least / 10).saturating_sub(free) }
    })
}
