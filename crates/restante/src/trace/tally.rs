use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mail::Event;

/// The words of events, in the order of [`place`].
const WORDS: [&str; 16] = [
    "accepted",
    "refused",
    "cut-off",
    "delivered",
    "discarded",
    "fetched",
    "deleted",
    "parked",
    "gave-up",
    "undone",
    "unquarantined",
    "removed",
    "released",
    "trashed",
    "left",
    "lost",
];
const LOST: usize = WORDS.len() - 1;

/// How many messages events of each kind have told of since the start. A handle; counting never waits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally(Arc<[AtomicU64; WORDS.len()]>);

impl Tally {
    pub(super) fn count(&self, event: &Event) {
        self.0[place(event)].fetch_add(messages(event), Ordering::Relaxed);
    }

    /// One had no room.
    pub(super) fn miss(&self) {
        self.0[LOST].fetch_add(1, Ordering::Relaxed);
    }

    /// By their words.
    pub(crate) fn events(&self) -> BTreeMap<&'static str, u64> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        WORDS.into_iter().zip(counts).take(LOST).collect()
    }

    /// Those that had no room.
    pub(crate) fn lost(&self) -> u64 {
        self.0[LOST].load(Ordering::Relaxed)
    }
}

/// How many messages an event tells of.
fn messages(event: &Event) -> u64 {
    match event {
        Event::Deleted { uids, .. }
        | Event::Removed { uids, .. }
        | Event::Released { uids, .. }
        | Event::Trashed { uids, .. } => uids.len() as u64,
        Event::Accepted { .. }
        | Event::Refused { .. }
        | Event::CutOff { .. }
        | Event::Delivered { .. }
        | Event::Discarded { .. }
        | Event::Fetched { .. }
        | Event::Parked { .. }
        | Event::GaveUp { .. }
        | Event::Undone { .. }
        | Event::Unquarantined { .. }
        | Event::Left { .. } => 1,
    }
}

fn place(event: &Event) -> usize {
    match event {
        Event::Accepted { .. } => 0,
        Event::Refused { .. } => 1,
        Event::CutOff { .. } => 2,
        Event::Delivered { .. } => 3,
        Event::Discarded { .. } => 4,
        Event::Fetched { .. } => 5,
        Event::Deleted { .. } => 6,
        Event::Parked { .. } => 7,
        Event::GaveUp { .. } => 8,
        Event::Undone { .. } => 9,
        Event::Unquarantined { .. } => 10,
        Event::Removed { .. } => 11,
        Event::Released { .. } => 12,
        Event::Trashed { .. } => 13,
        Event::Left { .. } => 14,
    }
}

#[cfg(test)]
mod tests {
    use mail::{Arrival, MailboxName, QueueId, Uid, ViewName};

    use super::*;

    #[test]
    fn events_are_counted_by_the_words_of_their_lines() {
        let mailbox = MailboxName::parse("sales").expect("a name");
        let (view, reason, arrival) = (ViewName::owner(), String::new(), Arrival::default());
        let events = [
            Event::CutOff { arrival, size: 0, reason: reason.clone() },
            Event::Discarded { id: QueueId(1) },
            Event::Released { mailbox: mailbox.clone(), uids: vec![Uid(1); 3], reason: reason.clone() },
            Event::Trashed { mailbox: mailbox.clone(), uids: vec![Uid(1); 3], reason: reason.clone() },
            Event::Left { mailbox, view, reason },
        ];
        for event in events {
            let tally = Tally::default();
            tally.count(&event);
            tally.miss();
            let told = serde_json::to_value(&event).expect("told");
            let counted: Vec<_> = tally.events().into_iter().filter(|(_, count)| *count > 0).collect();
            let messages = told["uids"].as_array().map_or(1, |uids| uids.len() as u64);
            assert_eq!(counted, [(told["event"].as_str().expect("a word"), messages)]);
            assert_eq!(tally.lost(), 1);
        }
    }
}
