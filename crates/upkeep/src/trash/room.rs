use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mail::{Event, MailboxName, Uid};
use queue::{Store, StoreError, Trashed};
use tracing::warn;

use super::{REST, STEP, Trash, ends, read, trashes};
use crate::caretaker::Means;
use crate::concerns::Concern;
use crate::eras::At;
use crate::memo::Memo;
use crate::words::messages;

/// Octets that the disk lacks before it is as good as full; 0 when it has room. It may block.
pub type Lacks = Arc<dyn Fn() -> u64 + Send + Sync>;

/// How long it takes until what is purged shows as room: more is not purged meanwhile.
const SHOWS: Duration = Duration::from_secs(10 * 60);
/// Messages of one round at most.
const ROUND: usize = 50_000;

/// The order in which messages go: what somebody may have deleted by mistake comes last, and before that the oldest
/// first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    is_guarded: bool,
    trashed_ms: u64,
    mailbox: usize,
    uid: Uid,
    octets: u64,
}

impl Trash {
    /// Purges the oldest of every trash while the disk runs low, before anything else suffers.
    pub(crate) async fn make_room<S: Store>(
        &mut self,
        means: &Means<S>,
        memo: &Memo,
        lacks: &Lacks,
        (at, now): (&At, Instant),
    ) -> Result<(), StoreError> {
        let asked = lacks.clone();
        let lacking = tokio::task::spawn_blocking(move || asked()).await.unwrap_or(0);
        if lacking == 0 {
            self.concern = None;
            return Ok(());
        }
        if self.made_room.is_some_and(|last| now.saturating_duration_since(last) < SHOWS) {
            return Ok(());
        }
        let mailboxes: Vec<MailboxName> =
            trashes(&means.store).await?.into_iter().map(|(name, _)| name).collect();
        let chosen = choose(means, memo, &mailboxes, lacking, at).await?;
        if chosen.is_empty() {
            return Ok(());
        }
        self.made_room = Some(now);
        let count = messages(chosen.len() as u64);
        for (index, mailbox) in mailboxes.iter().enumerate() {
            let mut uids: Vec<Uid> =
                chosen.iter().filter(|it| it.mailbox == index).map(|it| it.uid).collect();
            uids.sort_unstable();
            for step in uids.chunks(STEP) {
                means.store.purge(&mailbox.trash(), step.to_vec()).await?;
                let (mailbox, uids) = (mailbox.clone(), step.to_vec());
                let reason = "in the trash when the disk ran low".into();
                means.journeys.tell(|| Event::Removed { mailbox, uids, reason });
                tokio::time::sleep(REST).await;
            }
        }
        let octets = chosen.iter().map(|it| it.octets).sum::<u64>();
        warn!(
            messages = chosen.len(),
            octets,
            status = "expired",
            "the disk runs low: the oldest of the trash went"
        );
        let text = format!("the disk runs low: {count} of the trash went before their time");
        means.concerns.note(format!(
            "The disk runs low: {count} of the trash went before their time, the oldest first."
        ));
        let todo = "make room on the disk of the state folder: what is deleted now may not come back".into();
        self.concern = Some(Concern { text, todo, silent: None });
        Ok(())
    }
}

/// As many as give the room that is lacking.
async fn choose<S: Store>(
    means: &Means<S>,
    memo: &Memo,
    mailboxes: &[MailboxName],
    lacking: u64,
    at: &At,
) -> Result<Vec<Candidate>, StoreError> {
    // The last to go is on top: whatever is too much leaves there.
    let mut chosen: BinaryHeap<Candidate> = BinaryHeap::new();
    let mut octets = 0_u64;
    for (index, mailbox) in mailboxes.iter().enumerate() {
        let trash = read(&means.store, mailbox).await?;
        let ends = ends(&means.store, memo, (mailbox, &trash), Duration::ZERO, at).await?;
        for (it, (_, end)) in trash.iter().zip(ends) {
            octets += it.octets;
            let Trashed { uid, octets: size, .. } = *it;
            let trashed_ms = at.since(it.trashed_ms);
            let is_guarded = end > trashed_ms;
            chosen.push(Candidate { is_guarded, trashed_ms, mailbox: index, uid, octets: size });
            while chosen.len() > ROUND || chosen.peek().is_some_and(|last| octets - last.octets >= lacking) {
                let Some(last) = chosen.pop() else { break };
                octets -= last.octets;
            }
        }
    }
    Ok(chosen.into_vec())
}
