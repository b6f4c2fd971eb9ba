use std::time::Duration;

use directory::Directory;
use mail::{Event, Journeys, MailboxName, Uid};
use queue::{Store, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::eras::Eras;
use crate::words::ms;

/// Messages that go in one step of the store, and the rest after it: what comes in and what is collected
/// meanwhile must not wait.
const STEP: usize = 1000;
const REST: Duration = Duration::from_millis(50);

/// The ages that mailboxes keep their mail to; those that keep it for ever are not among them.
pub(crate) fn ages(directory: &Directory) -> Vec<(MailboxName, Duration)> {
    let names = directory.mailbox_names().into_iter();
    names.filter_map(|name| directory.allowance(&name).age.map(|age| (name, age))).collect()
}

/// The oldest of a mailbox that have reached an age, so many at most.
pub(crate) async fn old<S: Store>(
    store: &S,
    mailbox: &MailboxName,
    age: Duration,
    (eras, now_ms): (&Eras, u64),
    limit: usize,
) -> Result<Vec<Uid>, StoreError> {
    let (before_ms, is_sure) = eras.before(age, now_ms);
    let mut old = store.older_than(mailbox, before_ms, now_ms, limit).await?;
    let Some(first) = old.first().filter(|_| !is_sure) else { return Ok(old) };
    // The clock was put back: what came since may be stamped like what is old. None is older than what came before it.
    let came = store.came(mailbox, Uid(first.0.saturating_sub(1)), usize::MAX).await?;
    let is_old = |(_, stamp_ms): &(Uid, u64)| eras.since(*stamp_ms, now_ms).saturating_add(ms(age)) <= now_ms;
    let young = came.iter().find(|one| old.binary_search(&one.0).is_ok() && !is_old(one));
    old.retain(|uid| young.is_none_or(|(first, _)| uid < first));
    Ok(old)
}

/// Removes what is older than its mailbox keeps it, by the clock that is `at`. Who lists a message at
/// this moment can still read it.
pub(crate) async fn remove_old<S: Store>(
    store: &S,
    ages: &[(MailboxName, Duration)],
    at: (&Eras, u64),
    journeys: &Journeys,
    stop: &CancellationToken,
) {
    for (mailbox, age) in ages {
        let mut removed = 0;
        let outcome = remove_before(store, (mailbox, *age), at, &mut removed, journeys, stop).await;
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
    (mailbox, age): (&MailboxName, Duration),
    at: (&Eras, u64),
    removed: &mut usize,
    journeys: &Journeys,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    while !stop.is_cancelled() {
        let gone = old(store, mailbox, age, at, STEP).await?;
        let found = gone.len();
        if found > 0 {
            store.purge(mailbox, gone.clone()).await?;
            journeys.tell(|| Event::Removed {
                mailbox: mailbox.clone(),
                uids: gone,
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
