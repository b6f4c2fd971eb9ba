//! Which segments are emptied.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Instant;

use mail::MailboxName;
use queue::StoreError;

use super::compaction::Emptied;
use super::keeper::{DAILY, Keeper, Work};
use crate::fold::Snap;

/// Segments that are emptied in one round.
const VICTIMS: usize = 8;
/// A segment is emptied when less of it lives, in hundredths.
const SPARSE: u64 = 50;
/// The same while the disk has less room than it should.
const SPARSE_WHEN_FULL: u64 = 90;

impl Keeper {
    /// Moves what lives out of segments that are mostly dead: how many messages. Those that cannot be emptied are
    /// passed by for a day, so that they do not keep the others.
    pub(super) fn empty(&self, work: &mut Work) -> Result<u64, StoreError> {
        let Some(snap) = work.snap.clone() else { return Ok(0) };
        work.stuck.retain(|id, since| since.elapsed() < DAILY && self.segments.header(*id).is_some());
        loop {
            let victims = self.victims(work, &snap);
            if victims.is_empty() {
                break Ok(0);
            }
            let freed = victims.len() as u64 * u64::from(self.segment_size);
            let mailboxes: Vec<MailboxName> = self.published.mailboxes.names();
            let Emptied { moved, stuck } = match self.mover.empty(&victims, &mailboxes, &self.orders) {
                // The last segment is not for this: deletions need it. What has been freed is freed all the same.
                Err(StoreError::Full(why)) => {
                    tracing::warn!("no segment is emptied now: {why}");
                    break Ok(0);
                }
                outcome => outcome?,
            };
            let is_stuck = !stuck.is_empty();
            work.stuck.extend(stuck.into_iter().map(|id| (id, Instant::now())));
            if is_stuck && let Some(why) = stuck_words(work) {
                tracing::error!("{why}");
                self.say(Some(why));
            }
            if moved > 0 {
                // Where nothing can be moved there is nothing to come back for at once.
                self.published.dead.fetch_add(freed, Ordering::Relaxed);
            }
            if moved > 0 || !is_stuck {
                break Ok(moved);
            }
        }
    }

    fn victims(&self, work: &Work, snap: &Snap) -> BTreeSet<u32> {
        let sparse = if self.is_full() { SPARSE_WHEN_FULL } else { SPARSE };
        let limit = u64::from(self.segment_size) / 100 * sparse;
        let alive = |id: &u32| snap.liveness().segments.get(id).copied();
        let mut victims: Vec<(u64, u32)> = self
            .sealed()
            .into_iter()
            .filter(|(id, end)| *end <= snap.lsn && !work.stuck.contains_key(id))
            .filter_map(|(id, _)| alive(&id).filter(|alive| *alive < limit).map(|alive| (alive, id)))
            .collect();
        victims.sort_unstable();
        victims.truncate(VICTIMS);
        if self.is_full() {
            // No more than one segment holds: each of them must be empty before the room for copies runs out.
            let mut copied = 0;
            victims.retain(|(alive, _)| {
                copied += alive;
                copied <= u64::from(self.segment_size)
            });
        }
        victims.into_iter().map(|(_, id)| id).collect()
    }
}

/// Which segments are passed by, for people.
pub(super) fn stuck_words(work: &Work) -> Option<String> {
    const NAMED: usize = 8;
    let names: Vec<_> = work.stuck.keys().take(NAMED).map(|id| format!("{id:08x}")).collect();
    let more = work.stuck.len() - names.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let names = names.join(", ");
    (!names.is_empty()).then(|| {
        format!(
            "segments {names}{more} are not emptied, mail in them is damaged: restante fsck --deep says whose"
        )
    })
}
