use std::time::Duration;

use directory::Directory;
use mail::{Event, Journeys, MailboxName};
use queue::{Store, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Messages that go in one step of the store, and the rest after it: what comes in and what is collected
/// meanwhile must not wait.
const STEP: usize = 1000;
const REST: Duration = Duration::from_millis(50);

/// The ages that mailboxes keep their mail to; those that keep it for ever are not among them.
pub(crate) fn ages(directory: &Directory) -> Vec<(MailboxName, Duration)> {
    let names = directory.mailbox_names().into_iter();
    names.filter_map(|name| directory.allowance(&name).age.map(|age| (name, age))).collect()
}

/// Removes what is older than its mailbox keeps it, by the clock that says `now_ms`. Who lists a message at
/// this moment can still read it.
pub(crate) async fn remove_old<S: Store>(
    store: &S,
    ages: &[(MailboxName, Duration)],
    now_ms: u64,
    journeys: &Journeys,
    stop: &CancellationToken,
) {
    for (mailbox, age) in ages {
        let before = now_ms.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        let mut removed = 0;
        let outcome = remove_before(store, mailbox, (before, now_ms), &mut removed, journeys, stop).await;
        if removed > 0 {
            let seconds = age.as_secs();
            info!(%mailbox, messages = removed, seconds, status = "expired", "messages older than the mailbox keeps them");
        }
        if let Err(error) = outcome {
            warn!(%error, %mailbox, "old mail stays for now: the store did not remove it");
        }
        if stop.is_cancelled() {
            return;
        }
    }
}

async fn remove_before<S: Store>(
    store: &S,
    mailbox: &MailboxName,
    (before, now_ms): (u64, u64),
    removed: &mut usize,
    journeys: &Journeys,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    while !stop.is_cancelled() {
        let old = store.older_than(mailbox, before, now_ms, STEP).await?;
        let found = old.len();
        if found > 0 {
            store.purge(mailbox, old.clone()).await?;
            journeys.tell(|| Event::Removed {
                mailbox: mailbox.clone(),
                uids: old,
                reason: "older than the mailbox keeps mail".into(),
            });
            *removed += found;
        }
        if found < STEP {
            break;
        }
        tokio::time::sleep(REST).await;
    }
    Ok(())
}
