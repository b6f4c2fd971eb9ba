//! Who was told what, and when: so that for every operation point it is known what must be there, and what
//! may be.

use std::sync::{Arc, Mutex, MutexGuard};

use queue::StoreError;

use super::model::{Change, Model, Told};
use crate::disk::simulated::SimulatedDisk;

/// The changes of one run, with the operation points between which they happened.
#[derive(Clone)]
pub(super) struct Ledger {
    disk: SimulatedDisk,
    events: Arc<Mutex<Vec<Event>>>,
    /// What there was before the first of them.
    base: Arc<Model>,
}

struct Event {
    change: Change,
    begun: usize,
    ended: Option<(usize, End)>,
}

/// What came of a change.
#[derive(Debug, Clone)]
enum End {
    Told(Told),
    /// It was refused: it must never be seen.
    Refused(String),
    /// Its caller knows nothing: it may have happened.
    Unknown(String),
}

/// What must be there, and changes that may have happened on top, each whole or not at all.
#[derive(Clone, Default)]
pub(super) struct Expected {
    pub(super) model: Model,
    pub(super) open: Vec<Change>,
    /// Somebody took the index away, or the disk did, and no start has ended since.
    pub(super) index_lost: bool,
}

impl Ledger {
    pub(super) fn new(disk: SimulatedDisk, base: Model) -> Self {
        Self { disk, events: Arc::default(), base: Arc::new(base) }
    }

    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().expect("no panic inside")
    }

    /// Notes that a change is asked for; gives its number.
    pub(super) fn begin(&self, change: Change) -> usize {
        let begun = self.disk.position();
        let mut events = self.events();
        events.push(Event { change, begun, ended: None });
        events.len() - 1
    }

    /// Notes what the caller was told.
    pub(super) fn end(&self, number: usize, told: Result<Told, &StoreError>) {
        let end = match told {
            Ok(told) => End::Told(told),
            Err(error @ (StoreError::Unsure(_) | StoreError::Unavailable)) => End::Unknown(error.to_string()),
            Err(error) => End::Refused(error.to_string()),
        };
        self.events()[number].ended = Some((self.disk.position(), end));
    }

    /// What a cut before the operation at `position` must leave.
    pub(super) fn at(&self, position: usize) -> Expected {
        let mut expected = Expected { model: (*self.base).clone(), ..Expected::default() };
        for event in &*self.events() {
            match &event.ended {
                Some((ended, End::Told(told))) if *ended <= position => {
                    expected.model.apply(&event.change, Some(told));
                }
                Some((ended, End::Refused(_))) if *ended <= position => {}
                // A kill may fall into the very next operation.
                Some(_) | None if event.begun <= position => expected.open.push(event.change.clone()),
                Some(_) | None => {}
            }
        }
        expected
    }

    /// What there must be now.
    pub(super) fn now(&self) -> Expected {
        self.at(usize::MAX)
    }

    /// All of it in words, for whoever must find out what went wrong.
    pub(super) fn story(&self) -> String {
        let line = |Event { change, begun, ended }: &Event| format!("  {begun}: {change:?} -> {ended:?}\n");
        self.events().iter().map(line).collect()
    }

    /// What was refused so far, and why.
    pub(super) fn refusals(&self) -> Vec<String> {
        let refusal = |event: &Event| match &event.ended {
            Some((_, End::Told(_))) => None,
            Some((_, End::Refused(why) | End::Unknown(why))) => Some(format!("{:?}: {why}", event.change)),
            None => Some(format!("{:?}: never answered", event.change)),
        };
        self.events().iter().filter_map(refusal).collect()
    }
}
