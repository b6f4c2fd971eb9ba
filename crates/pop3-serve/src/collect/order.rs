use std::sync::Arc;

use mail::MailboxName;
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

impl Order {
    /// Merges. Lists come in the order of delivery, so both sorts find long runs and are little more than a merge.
    pub(super) fn new<M: Maildrop>(parts: &[Arc<M>], of: Arc<[(MailboxName, Stamp)]>) -> Option<Self> {
        let mut starts = Vec::with_capacity(parts.len());
        let mut total: u32 = 0;
        for part in parts {
            starts.push(total);
            total = total.checked_add(u32::try_from(part.len()).ok()?)?;
        }
        let mut bodies = Vec::with_capacity(total as usize);
        for (part, start) in parts.iter().zip(&starts) {
            let entries = (0..).map_while(|index| part.entry(index)).zip(*start..);
            bodies.extend(entries.map(|(entry, number)| (entry.body, number, entry.uid, entry.octets)));
        }
        // Of equal bodies the one of the earlier part comes first.
        bodies.sort_by_key(|(body, number, ..)| (*body, *number));
        let part_of = |number: u32| starts.partition_point(|start| *start <= number);
        let (mut listed, mut others) = (Vec::with_capacity(bodies.len()), Vec::new());
        let mut first: Option<(u64, u32)> = None;
        for (body, number, uid, octets) in bodies {
            match first {
                // Twice in one mailbox is twice for a reason.
                Some((same, stands)) if same == body && part_of(stands) != part_of(number) => {
                    others.push((stands, number));
                }
                Some((same, _)) if same == body => listed.push((uid, number, octets)),
                Some(_) | None => {
                    first = Some((body, number));
                    listed.push((uid, number, octets));
                }
            }
        }
        listed.sort_by_key(|(uid, ..)| *uid);
        let mut twins = Vec::with_capacity(others.len());
        if !others.is_empty() {
            others.sort_unstable();
            for (at, (_, number, _)) in (0..).zip(&listed) {
                let from = others.partition_point(|(stands, _)| stands < number);
                let same = others[from..].iter().take_while(|(stands, _)| stands == number);
                twins.extend(same.map(|(_, other)| (at, *other)));
            }
        }
        let octets = listed.iter().map(|(_, _, octets)| octets).sum();
        let listed = listed.into_iter().map(|(_, number, _)| number).collect();
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
