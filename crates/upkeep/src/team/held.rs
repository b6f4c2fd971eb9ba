use std::collections::BTreeMap;

use mail::Uid;

/// Messages that are looked at in one step.
const STEP: usize = 1000;

/// What is released and not in the trash yet, by when it was released. How long that is held is not noted here: whatever
/// the file says when somebody asks counts for all of it.
///
/// What has gone in another way leaves when its time comes.
#[derive(Default)]
pub(super) struct Held {
    released: BTreeMap<u64, Vec<Uid>>,
    /// What was held for its time and was wanted again then.
    recalled: BTreeMap<u64, Vec<Uid>>,
}

impl Held {
    pub(super) fn add(&mut self, at_ms: u64, uids: &[Uid]) {
        if !uids.is_empty() {
            self.released.entry(at_ms).or_default().extend(uids);
        }
    }

    /// The next that have been held for so long, of one instant.
    pub(super) fn due(&self, hold_ms: u64, now_ms: u64) -> Option<(u64, &[Uid])> {
        let (at_ms, uids) = self.released.first_key_value()?;
        let is_due = at_ms.saturating_add(hold_ms) <= now_ms;
        is_due.then(|| (*at_ms, &uids[..uids.len().min(STEP)]))
    }

    /// So many of what was due have gone, but for those that are wanted again.
    pub(super) fn through(&mut self, at_ms: u64, count: usize, recalled: &[Uid]) {
        if let Some(uids) = self.released.get_mut(&at_ms) {
            uids.drain(..count.min(uids.len()));
            if uids.is_empty() {
                self.released.remove(&at_ms);
            }
        }
        if !recalled.is_empty() {
            self.recalled.entry(at_ms).or_default().extend(recalled);
        }
    }

    /// Somebody's claims have changed: what was wanted again may not be any more.
    pub(super) fn ask_again(&mut self) {
        for (at_ms, uids) in std::mem::take(&mut self.recalled) {
            self.released.entry(at_ms).or_default().extend(uids);
        }
    }
}
