use std::sync::Arc;

use mail::{MailboxName, Uid};
use queue::{Maildrop, Stamp};

/// How several maildrops are one: by uid, one entry for each message, whatever number of them have it. The first part
/// that has a message lists it, and stands for the others.
#[derive(Debug)]
pub(crate) struct Order {
    of: Arc<[(MailboxName, Stamp)]>,
    /// The number of each part's first message, as if all were counted through.
    starts: Vec<u32>,
    /// What is listed, by such numbers.
    listed: Vec<u32>,
    /// Places in `listed`, and what else they stand for; ascending.
    twins: Vec<(u32, u32)>,
    octets: u64,
}

/// A message of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which part.
    pub(crate) part: usize,
    /// Which of its messages.
    pub(crate) index: usize,
}

/// The place of what is not listed; nothing that is has it.
const HIDDEN: u32 = u32::MAX;

impl Order {
    /// Merges. Lists come in the order of delivery, so both sorts find long runs and are little more than a merge.
    pub(super) fn new<M: Maildrop>(parts: &[Arc<M>], of: Arc<[(MailboxName, Stamp)]>) -> Option<Self> {
        let mut starts = Vec::with_capacity(parts.len());
        let mut total: u32 = 0;
        for part in parts {
            starts.push(total);
            total = total.checked_add(u32::try_from(part.len()).ok()?)?;
        }
        let mut bodies: Vec<(u64, u32)> = Vec::with_capacity(total as usize);
        let mut names: Vec<(Uid, u32)> = Vec::with_capacity(total as usize);
        for (part, start) in parts.iter().zip(&starts) {
            let entries = (0..).map_while(|index| part.entry(index)).zip(*start..);
            entries.for_each(|(entry, number)| {
                bodies.push((entry.body, number));
                names.push((entry.uid, number));
            });
        }
        // Of equal bodies the one of the earlier part comes first.
        bodies.sort();
        let part_of = |number: u32| starts.partition_point(|start| *start <= number);
        let mut hidden = Vec::new();
        for same in bodies.chunk_by(|one, next| one.0 == next.0).filter(|same| same.len() > 1) {
            let (_, stands) = same[0];
            // Twice in one mailbox is twice for a reason.
            let others = same[1..].iter().filter(|(_, number)| part_of(*number) != part_of(stands));
            hidden.extend(others.map(|(_, number)| (stands, *number)));
        }
        names.sort();
        // By number, where each is listed; of what is hidden nobody asks.
        let mut places = vec![0; total as usize];
        for (_, number) in &hidden {
            places[*number as usize] = HIDDEN;
        }
        let mut listed = Vec::with_capacity(names.len() - hidden.len());
        for (_, number) in names {
            let place = &mut places[number as usize];
            if *place != HIDDEN {
                *place = u32::try_from(listed.len()).ok()?;
                listed.push(number);
            }
        }
        let mut twins: Vec<(u32, u32)> =
            hidden.into_iter().map(|(stands, number)| (places[stands as usize], number)).collect();
        twins.sort();
        let found = |number: u32| {
            let part = part_of(number) - 1;
            parts[part].entry((number - starts[part]) as usize)
        };
        let less: u64 = twins.iter().filter_map(|(_, number)| found(*number)).map(|entry| entry.octets).sum();
        let octets = parts.iter().map(|part| part.octets()).sum::<u64>() - less;
        Some(Self { of, starts, listed, twins, octets })
    }

    /// Of which mailboxes, and as they were when.
    pub(super) fn of(&self) -> &Arc<[(MailboxName, Stamp)]> {
        &self.of
    }

    /// How many messages are listed.
    pub(super) fn len(&self) -> usize {
        self.listed.len()
    }

    /// The sum of their octets.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// What keeping it costs, in octets.
    pub(super) fn cost(&self) -> usize {
        size_of::<Self>() + 4 * self.listed.capacity() + 8 * self.twins.capacity()
    }

    /// Where the `index`-th is.
    pub(super) fn place(&self, index: usize) -> Option<Place> {
        self.listed.get(index).map(|number| self.found(*number))
    }

    /// What else the `index`-th stands for.
    pub(super) fn twins(&self, index: usize) -> &[(u32, u32)] {
        let from = self.twins.partition_point(|(at, _)| (*at as usize) < index);
        let many = self.twins[from..].iter().take_while(|(at, _)| *at as usize == index).count();
        &self.twins[from..from + many]
    }

    /// The place of a number.
    pub(super) fn found(&self, number: u32) -> Place {
        let part = self.starts.partition_point(|start| *start <= number).saturating_sub(1);
        let start = self.starts.get(part).copied().unwrap_or_default();
        Place { part, index: (number - start) as usize }
    }
}
