use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who may still read what is to be freed. What was decided dead at one moment goes when the last of those is
/// gone who began to read before it: later ones never learn of it.
#[derive(Default)]
pub(crate) struct Pins {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    now: u64,
    /// How many began at each moment and still read.
    readers: BTreeMap<u64, usize>,
}

/// Held while somebody reads by places he was told.
pub(crate) struct Pin {
    pins: Arc<Pins>,
    since: u64,
}

impl Pins {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to read. To be taken before the places are asked for.
    pub(crate) fn pin(self: &Arc<Self>) -> Arc<Pin> {
        let mut state = self.lock();
        let since = state.now;
        *state.readers.entry(since).or_default() += 1;
        drop(state);
        Arc::new(Pin { pins: self.clone(), since })
    }

    /// Notes that something is dead now: the moment to ask [`Pins::passed`] about.
    pub(crate) fn mark(&self) -> u64 {
        let mut state = self.lock();
        state.now += 1;
        state.now
    }

    /// Whether everybody who began before that moment has ended.
    pub(crate) fn passed(&self, moment: u64) -> bool {
        self.lock().readers.first_key_value().is_none_or(|(since, _)| *since >= moment)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut state = self.pins.lock();
        if let Some(count) = state.readers.get_mut(&self.since) {
            *count -= 1;
            if *count == 0 {
                state.readers.remove(&self.since);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_who_began_before_are_waited_for() {
        let pins = Arc::new(Pins::default());
        let early = pins.pin();
        let moment = pins.mark();
        let late = pins.pin();
        assert!(!pins.passed(moment));
        let copy = early.clone();
        drop(early);
        assert!(!pins.passed(moment), "a message that is still read holds its maildrop's pin");
        drop(copy);
        assert!(pins.passed(moment));
        let next = pins.mark();
        assert!(!pins.passed(next));
        drop(late);
        assert!(pins.passed(next));
    }
}
