//! A maildrop of names and sizes for the tests of this crate.

use mail::Uid;
use queue::Entry;

use crate::listing::Messages;

pub(crate) struct Shelf(Vec<u64>);

impl Shelf {
    /// So many messages; the `n`-th has uid `n` and `n` * 7 octets.
    pub(crate) fn numbered(count: usize) -> Self {
        Self((1..=count as u64).map(|number| number * 7).collect())
    }
}

impl Messages for Shelf {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn entry(&self, index: usize) -> Option<Entry<'_>> {
        let octets = *self.0.get(index)?;
        Some(Entry { uid: Uid(index as u64 + 1), octets, foreign_uidl: None, body: index as u64 })
    }

    fn octets(&self) -> u64 {
        self.0.iter().sum()
    }
}
