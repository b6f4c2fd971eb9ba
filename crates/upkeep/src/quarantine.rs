use std::time::Duration;

use jiff::civil::Time;
use mail::{Event, Journeys, MailboxName, Uid};
use queue::{Maildrop, Store, StoreError};
use tracing::warn;

/// Entries that go in one step of the store.
const STEP: usize = 1000;

/// How long, and how much, is held back from each mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quarantine {
    /// The age at which it goes.
    pub keep: Duration,
    /// Octets in one mailbox's quarantine: past it the oldest go first.
    pub octets: u64,
    /// The local time at which each mailbox is told once a day of what is newly held back from it; none: never.
    pub digest: Option<Time>,
}

impl Default for Quarantine {
    fn default() -> Self {
        Self {
            keep: Duration::from_secs(30 * 86_400),
            octets: 1 << 30,
            digest: Some(Time::constant(7, 0, 0, 0)),
        }
    }
}

/// The quarantines that hold anything, also those of mailboxes that are gone.
pub(crate) async fn quarantines<S: Store>(store: &S) -> Result<Vec<(MailboxName, u64)>, StoreError> {
    let kept = store.mailboxes().await?.into_iter();
    let kept = kept.filter(|status| status.name.quarantined_from().is_some() && status.usage.messages > 0);
    Ok(kept.map(|status| (status.name, status.usage.octets)).collect())
}

/// Removes the oldest of a quarantine that holds more than it may.
pub(crate) async fn cap<S: Store>(
    store: &S,
    (mailbox, holds): &(MailboxName, u64),
    most: u64,
    journeys: &Journeys,
) -> Result<(), StoreError> {
    if *holds <= most {
        return Ok(());
    }
    let maildrop = store.open(mailbox, &mail::ViewName::owner()).await?;
    let entries = (0..maildrop.len()).filter_map(|index| maildrop.entry(index));
    let mut left = maildrop.octets();
    let mut oldest: Vec<Uid> = Vec::new();
    for entry in entries {
        if left <= most {
            break;
        }
        left -= entry.octets;
        oldest.push(entry.uid);
    }
    let messages = oldest.len();
    for step in oldest.chunks(STEP) {
        store.purge(mailbox, step.to_vec()).await?;
        journeys.tell(|| Event::Removed {
            mailbox: mailbox.clone(),
            uids: step.to_vec(),
            reason: "the quarantine held more than it may".into(),
        });
    }
    if messages > 0 {
        warn!(%mailbox, messages, most, status = "expired", "a quarantine held more than it may: the oldest went");
    }
    Ok(())
}
