use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mail::QueueId;
use queue::Queued;

use crate::index::Effect;

/// The oldest queued messages, in memory. A backlog longer than that waits in the index, behind `horizon`.
pub(crate) struct Pending {
    state: Mutex<State>,
    octets_max: usize,
}

struct State {
    oldest: BTreeMap<QueueId, Queued>,
    octets: usize,
    /// All that is queued before it is in `oldest`, and nothing else. `None`: everything is.
    horizon: Option<QueueId>,
}

impl Pending {
    /// Knows nothing yet: everything is behind the horizon.
    pub(crate) fn new(octets_max: usize) -> Self {
        let state = State { oldest: BTreeMap::new(), octets: 0, horizon: Some(QueueId(0)) };
        Self { state: Mutex::new(state), octets_max }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message that is in memory.
    pub(crate) fn get(&self, id: QueueId) -> Option<Queued> {
        self.lock().oldest.get(&id).cloned()
    }

    /// The oldest after `after`, and from where on the index must be asked for the rest of a page.
    pub(crate) fn page(&self, after: Option<QueueId>, limit: usize) -> (Vec<Queued>, Option<QueueId>) {
        let state = self.lock();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page: Vec<_> = state
            .oldest
            .range((from, Bound::Unbounded))
            .take(limit)
            .map(|(_, queued)| queued.clone())
            .collect();
        let next = after.map_or(QueueId(0), |id| QueueId(id.0.saturating_add(1)));
        let more = state.horizon.filter(|_| page.len() < limit).map(|horizon| horizon.max(next));
        (page, more)
    }

    /// Follows the index. True when something can be routed now that could not before.
    pub(crate) fn publish(&self, effects: &[Effect]) -> bool {
        let mut state = self.lock();
        let mut arrived = false;
        for effect in effects {
            match effect {
                Effect::Queued(queued) => {
                    arrived = true;
                    if state.horizon.is_none() && state.octets >= self.octets_max {
                        state.horizon = Some(queued.id);
                    }
                    if state.horizon.is_none() {
                        state.insert(queued.clone());
                    }
                }
                Effect::Held(id, held) => {
                    arrived |= !held;
                    if let Some(queued) = state.oldest.get_mut(id) {
                        queued.held = *held;
                    }
                }
                Effect::Unqueued(id) => state.remove(*id),
                Effect::Added(..)
                | Effect::Removed(..)
                | Effect::Moved(..)
                | Effect::View(..)
                | Effect::Totals(..) => {}
            }
        }
        arrived
    }

    /// From where on more must be fetched, because memory has room for it again.
    pub(crate) fn wants(&self) -> Option<QueueId> {
        let state = self.lock();
        state.horizon.filter(|_| state.octets <= self.octets_max / 2)
    }

    /// Takes the next message from behind the horizon, or passes by one that cannot be read; false when
    /// there is no more room.
    pub(crate) fn fetched(&self, id: QueueId, queued: Option<Queued>) -> bool {
        let mut state = self.lock();
        if state.octets >= self.octets_max {
            return false;
        }
        state.horizon = Some(QueueId(id.0 + 1));
        if let Some(queued) = queued {
            state.insert(queued);
        }
        true
    }

    /// Nothing is behind the horizon any more.
    pub(crate) fn complete(&self) {
        self.lock().horizon = None;
    }
}

impl State {
    fn insert(&mut self, queued: Queued) {
        self.octets += octets(&queued);
        self.oldest.insert(queued.id, queued);
    }

    fn remove(&mut self, id: QueueId) {
        if let Some(queued) = self.oldest.remove(&id) {
            self.octets -= octets(&queued);
        }
    }
}

/// About what a queued message takes in memory.
fn octets(queued: &Queued) -> usize {
    let envelope = &queued.envelope;
    let recipients = envelope.recipients.iter().map(|recipient| 160 + 48 * recipient.mailboxes.len());
    512 + envelope.trace.helo.len() + envelope.cuts.len() * 8 + recipients.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn queued(id: u64) -> Queued {
        let envelope = Arc::new(queue::contract::envelope(&["alice"]));
        Queued { id: QueueId(id), envelope, octets: 1, held: false }
    }

    fn ids(page: &[Queued]) -> Vec<u64> {
        page.iter().map(|queued| queued.id.0).collect()
    }

    #[test]
    fn what_does_not_fit_waits_behind_the_horizon() {
        let pending = Pending::new(3 * octets(&queued(1)));
        assert_eq!(pending.wants(), Some(QueueId(0)));
        pending.complete();
        let arrivals: Vec<_> = (1..=5).map(|id| Effect::Queued(queued(id))).collect();
        assert!(pending.publish(&arrivals));
        let (page, more) = pending.page(None, 10);
        assert_eq!((ids(&page), more), (vec![1, 2, 3], Some(QueueId(4))));
        assert_eq!(pending.page(None, 3).1, None, "a full page asks for no more");
        assert_eq!(pending.page(Some(QueueId(4)), 3).1, Some(QueueId(5)));
        assert_eq!(pending.wants(), None);
        assert!(!pending.publish(&[Effect::Unqueued(QueueId(1)), Effect::Unqueued(QueueId(2))]));
        assert_eq!(pending.wants(), Some(QueueId(4)));
        let fetched = |id| pending.fetched(QueueId(id), Some(queued(id)));
        assert!(fetched(4) && fetched(5) && !fetched(6));
        assert_eq!(ids(&pending.page(None, 10).0), [3, 4, 5]);
        pending.complete();
        assert_eq!(pending.page(None, 10).1, None);
    }
}
