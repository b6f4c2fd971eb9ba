//! What was deleted: how long it stays, what of it stays longer, and that it goes first when the disk runs low.

pub(crate) mod guard;
mod room;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use directory::Directory;
use mail::{Event, MailboxName, Span, Uid, ViewName};
use queue::{Store, StoreError, Trashed};
use tracing::info;

pub use room::Lacks;

use crate::caretaker::{Care, Guard, Means};
use crate::concerns::Concern;
use crate::eras::{At, Eras};
use crate::memo::Memo;
use crate::words::ms;

/// Messages of one step, and the rest after it.
const STEP: usize = 1000;
const REST: Duration = Duration::from_millis(50);
/// How soon one is read again at the soonest because something may have come that is due.
const AGAIN: Duration = Duration::from_secs(60 * 60);
/// How long the trash of a mailbox stays that the file does not have any more.
const FORGOTTEN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Looks after every trash. One is read only when something in it is due, or when so much has come that somebody may
/// have made a mistake.
#[derive(Default)]
pub(crate) struct Trash {
    known: BTreeMap<MailboxName, Known>,
    /// When the last was purged for the disk, and what is to be said of it.
    made_room: Option<Instant>,
    concern: Option<Concern>,
}

struct Known {
    /// The fewest messages since it was read.
    messages: u64,
    age: Duration,
    /// When the first of it is due, or of what has come since it was read.
    due_ms: u64,
    /// What was known then of jumps of the clock.
    eras: Eras,
}

impl Trash {
    /// What is wrong now.
    pub(crate) fn concern(&self) -> Option<Concern> {
        self.concern.clone()
    }

    /// Purges what was there for its time. While the clock is not believed nothing goes.
    pub(crate) async fn look<S: Store>(
        &mut self,
        means: &Means<S>,
        memo: &mut Memo,
        care: &Care,
        at: &At,
    ) -> Result<(), StoreError> {
        let now_ms = at.now_ms;
        if let Some(now_ms) = now_ms {
            memo.guarded.retain(|(_, time_ms), until| at.until(*time_ms, *until) > now_ms);
        }
        let kept = trashes(&means.store).await?;
        self.known.retain(|name, _| kept.iter().any(|(other, _)| other == name));
        for (mailbox, messages) in kept {
            if means.stop.is_cancelled() {
                break;
            }
            let age = age(&means.directory, &mailbox);
            let much = care.guard.map_or(u64::MAX, |guard| guard.messages.max(1));
            let is_as_it_was = self.known.get_mut(&mailbox).is_some_and(|known| {
                known.messages = known.messages.min(messages);
                let is_due = now_ms.is_some_and(|now_ms| now_ms >= known.due_ms);
                known.age == age
                    && known.eras == at.eras
                    && !is_due
                    && messages < known.messages.saturating_add(much)
            });
            if !is_as_it_was {
                let trash = read(&means.store, &mailbox).await?;
                if let Some(guard) = &care.guard {
                    protect(means, memo, guard, &mailbox, &trash, at).await?;
                }
                let until = ends(&means.store, memo, (&mailbox, &trash), age, at).await?;
                let (messages, due_ms) = purge(means, &mailbox, age, &until, now_ms).await?;
                // What stays longer than others must not let what comes after it wait so long.
                let due_ms = due_ms.min(at.wall_ms.saturating_add(ms(age.max(AGAIN))));
                // Of an empty one nothing is known: what comes into it before the next look would never be due.
                match messages {
                    0 => drop(self.known.remove(&mailbox)),
                    messages => {
                        let eras = at.eras.clone();
                        self.known.insert(mailbox, Known { messages, age, due_ms, eras });
                    }
                }
            }
        }
        Ok(())
    }
}

/// Every trash that holds anything, by the mailbox that it is of.
pub(crate) async fn trashes<S: Store>(store: &S) -> Result<Vec<(MailboxName, u64)>, StoreError> {
    let kept = store.mailboxes().await?.into_iter();
    let kept = kept.filter_map(|status| Some((status.name.trashed_from()?, status.usage.messages)));
    Ok(kept.filter(|(_, messages)| *messages > 0).collect())
}

/// All of one trash, by uid.
pub(crate) async fn read<S: Store>(store: &S, mailbox: &MailboxName) -> Result<Vec<Trashed>, StoreError> {
    let mut all: Vec<Trashed> = Vec::new();
    loop {
        let after = all.last().map_or(Uid(0), |last| last.uid);
        let page = store.trashed(mailbox, after, STEP).await?;
        let found = page.len();
        all.extend(page);
        if found < STEP {
            return Ok(all);
        }
        tokio::task::yield_now().await;
    }
}

fn age(directory: &Directory, mailbox: &MailboxName) -> Duration {
    match directory.has_mailbox(mailbox) {
        true => directory.trash(mailbox).unwrap_or_default(),
        false => FORGOTTEN,
    }
}

/// Notes what somebody may have deleted by mistake.
async fn protect<S: Store>(
    means: &Means<S>,
    memo: &mut Memo,
    guard: &Guard,
    mailbox: &MailboxName,
    trash: &[Trashed],
    at: &At,
) -> Result<(), StoreError> {
    let is_known =
        |memo: &Memo, ms: u64| memo.guarded.keys().any(|((of, _), known)| of == mailbox && *known == ms);
    for mut mass in guard::masses(trash, guard) {
        let until = mass.time_ms.saturating_add(ms(guard.trash));
        if at.until(mass.time_ms, until) <= at.wall_ms || is_known(memo, mass.time_ms) {
            continue;
        }
        if means.directory.team(mailbox).is_some() {
            // What was released was nobody's mistake.
            let deletions = means.store.deletions(mailbox, &ViewName::releaser(), 0).await?;
            let mut released: Vec<_> = deletions.into_iter().flat_map(|deletion| deletion.uids).collect();
            released.sort_unstable();
            mass.uids.retain(|uid| released.binary_search(uid).is_err());
            if (mass.uids.len() as u64) < guard.messages {
                continue;
            }
        }
        // What went because a view has left was nobody's either.
        let Some((view, mass)) = guard::whose(means, guard, (mailbox, trash), &mass).await? else { continue };
        if let Entry::Vacant(new) = memo.guarded.entry(((mailbox.clone(), view.clone()), mass.time_ms)) {
            new.insert(until);
            guard::tell(means, guard, (mailbox, &view), &mass, until);
        }
    }
    Ok(())
}

/// Until when each stays.
async fn ends<S: Store>(
    store: &S,
    memo: &Memo,
    (mailbox, trash): (&MailboxName, &[Trashed]),
    age: Duration,
    at: &At,
) -> Result<Vec<(Uid, u64)>, StoreError> {
    // By the instant of a QUIT, and by what a member was done with then and is released since.
    let (mut instants, mut members) = (BTreeMap::new(), BTreeMap::new());
    for (((_, view), time_ms), until) in memo.guarded.iter().filter(|(((of, _), _), _)| of == mailbox) {
        let until = at.until(*time_ms, *until);
        instants.insert(*time_ms, until);
        let deletions = store.deletions(mailbox, view, *time_ms).await?;
        for deletion in deletions.into_iter().filter(|deletion| deletion.time_ms == *time_ms) {
            members.extend(deletion.uids.into_iter().map(|uid| (uid, until)));
        }
    }
    let end = |trashed: &Trashed| {
        let longer = instants.get(&trashed.trashed_ms).max(members.get(&trashed.uid));
        let end = at.since(trashed.trashed_ms).saturating_add(ms(age));
        (trashed.uid, longer.map_or(end, |longer| end.max(*longer)))
    };
    Ok(trash.iter().map(end).collect())
}

/// What is left, and when the first of it is due.
async fn purge<S: Store>(
    means: &Means<S>,
    mailbox: &MailboxName,
    age: Duration,
    ends: &[(Uid, u64)],
    now_ms: Option<u64>,
) -> Result<(u64, u64), StoreError> {
    let is_due = |end: u64| now_ms.is_some_and(|now_ms| end <= now_ms);
    let due: Vec<Uid> = ends.iter().filter(|(_, end)| is_due(*end)).map(|(uid, _)| *uid).collect();
    for step in due.chunks(STEP) {
        means.store.purge(&mailbox.trash(), step.to_vec()).await?;
        let (mailbox, uids) = (mailbox.clone(), step.to_vec());
        let reason = format!("in the trash for {}", Span(age));
        means.journeys.tell(|| Event::Removed { mailbox, uids, reason });
        tokio::time::sleep(REST).await;
    }
    if !due.is_empty() {
        let messages = due.len();
        info!(%mailbox, messages, status = "expired", "messages were in the trash for their time");
    }
    let next = ends.iter().map(|(_, end)| *end).filter(|end| !is_due(*end)).min();
    Ok(((ends.len() - due.len()) as u64, next.unwrap_or(u64::MAX)))
}
