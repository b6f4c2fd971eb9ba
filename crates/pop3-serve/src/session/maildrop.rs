use queue::Entry;

use super::response::Refusal;
use crate::listing::{Kind, Opened, PAGE};

/// The maildrop of one session: a snapshot, numbered from 1, and the marks of DELE over it.
pub(super) struct Maildrop {
    opened: Opened,
    /// One bit for each message; nothing until the first DELE.
    marks: Vec<u64>,
    marked: u64,
    marked_octets: u64,
}

const PAGE_WORDS: usize = PAGE / 64;

impl Maildrop {
    /// Nothing is marked.
    pub(super) fn new(opened: Opened) -> Self {
        Self { opened, marks: Vec::new(), marked: 0, marked_octets: 0 }
    }

    /// How many messages the login had, marked or not.
    pub(super) fn total(&self) -> u64 {
        self.opened.messages().count() as u64
    }

    /// The octets of all of them.
    pub(super) fn total_octets(&self) -> u64 {
        self.opened.messages().octets()
    }

    /// How many are not marked.
    pub(super) fn count(&self) -> u64 {
        self.total() - self.marked
    }

    /// The octets of those.
    pub(super) fn octets(&self) -> u64 {
        self.total_octets() - self.marked_octets
    }

    /// How many are marked.
    pub(super) fn marked(&self) -> u64 {
        self.marked
    }

    /// The message of that number, unless it is marked (RFC 1939 §5).
    pub(super) fn find(&self, number: u64) -> Result<(usize, Entry<'_>), Refusal> {
        let index = number.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        let found = index.and_then(|index| Some((index, self.opened.messages().entry(index)?)));
        match found {
            Some((index, _)) if self.is_marked(index) => Err(Refusal::Deleted),
            Some(found) => Ok(found),
            None => Err(Refusal::NoSuchMessage),
        }
    }

    /// Marks the message of that number.
    pub(super) fn mark(&mut self, number: u64) -> Result<(), Refusal> {
        let (index, entry) = self.find(number)?;
        let octets = entry.octets;
        if self.marks.is_empty() {
            self.marks = vec![0; self.opened.messages().count().div_ceil(64)];
        }
        self.marks[index / 64] |= 1 << (index % 64);
        self.marked += 1;
        self.marked_octets += octets;
        Ok(())
    }

    /// Unmarks all.
    pub(super) fn unmark(&mut self) {
        *self = Self::new(self.opened.clone());
    }

    /// The places of those that are marked, ascending.
    pub(super) fn marked_places(&self) -> Vec<usize> {
        let words = self.marks.iter().enumerate().filter(|(_, word)| **word != 0);
        words.flat_map(|(at, _)| at * 64..(at + 1) * 64).filter(|index| self.is_marked(*index)).collect()
    }

    /// Appends the lines of one page; false when it was the last. A page in which nothing is marked, which is
    /// nearly every one, comes from the cache.
    pub(super) fn page(&self, kind: Kind, page: usize, out: &mut Vec<u8>) -> bool {
        let words = self.marks.iter().skip(page.saturating_mul(PAGE_WORDS)).take(PAGE_WORDS);
        if words.copied().all(|word| word == 0) {
            self.opened.page(kind, page, out);
        } else {
            self.opened.render(kind, page, |index| !self.is_marked(index), out);
        }
        (page + 1).saturating_mul(PAGE) < self.opened.messages().count()
    }

    fn is_marked(&self, index: usize) -> bool {
        self.marks.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fixture::Shelf;

    #[test]
    fn marks_are_what_a_set_would_be() {
        let count = 2 * PAGE + 3;
        let mut drop = Maildrop::new(Opened::new(Arc::new(Shelf::numbered(count))));
        let mut model = std::collections::BTreeSet::new();
        for number in [1, 2, 64, 65, 66, PAGE, PAGE + 1, count - 1, count] {
            assert_eq!(drop.mark(number as u64), Ok(()));
            assert_eq!(drop.mark(number as u64), Err(Refusal::Deleted));
            model.insert(number);
        }
        for none in [0, count as u64 + 1, u64::MAX] {
            assert_eq!(drop.mark(none), Err(Refusal::NoSuchMessage));
        }
        assert_eq!(drop.count(), (count - model.len()) as u64);
        let places: Vec<_> = model.iter().map(|number| number - 1).collect();
        assert_eq!(drop.marked_places(), places);
        let mut listed = Vec::new();
        let mut page = 0;
        while drop.page(Kind::Unique, page, &mut listed) {
            page += 1;
        }
        let listed = String::from_utf8(listed).expect("ASCII");
        let numbers: Vec<usize> = listed
            .lines()
            .map(|line| line.split_once(' ').expect("two words").0.parse().expect("a number"))
            .collect();
        assert_eq!(numbers, (1..=count).filter(|number| !model.contains(number)).collect::<Vec<_>>());
        drop.unmark();
        assert_eq!((drop.count(), drop.octets()), (count as u64, drop.total_octets()));
        assert!(drop.marked_places().is_empty());
    }

    #[test]
    fn no_page_is_asked_for_behind_the_last() {
        for (count, pages) in [(0, 1), (1, 1), (PAGE, 1), (PAGE + 1, 2), (2 * PAGE, 2)] {
            let drop = Maildrop::new(Opened::new(Arc::new(Shelf::numbered(count))));
            let more = (0..).take_while(|page| drop.page(Kind::Scan, *page, &mut Vec::new()));
            assert_eq!(more.take(9).count() + 1, pages, "{count}");
        }
    }
}
