use std::sync::{Arc, OnceLock};

pub(super) const PAGE: usize = 4096;
/// What a disk writes whole or not at all.
pub(super) const SECTOR: usize = 512;

type Page = Arc<[u8; PAGE]>;

/// The octets of a file. Copies share what neither has changed.
#[derive(Clone, Default)]
pub(super) struct Pages {
    octets: usize,
    pages: Vec<Option<Page>>,
}

fn zeros() -> Page {
    static ZEROS: OnceLock<Page> = OnceLock::new();
    ZEROS.get_or_init(|| Arc::new([0; PAGE])).clone()
}

impl Pages {
    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    /// How many pages take room on the disk.
    pub(super) fn allocated(&self) -> usize {
        self.pages.iter().flatten().count()
    }

    /// How many more there would be after a write.
    pub(super) fn lacks(&self, at: usize, octets: usize) -> usize {
        let pages = at / PAGE..(at + octets).div_ceil(PAGE);
        pages.filter(|page| self.pages.get(*page).is_none_or(Option::is_none)).count()
    }

    pub(super) fn read(&self, buffer: &mut [u8], at: usize) -> usize {
        let octets = buffer.len().min(self.octets.saturating_sub(at));
        let mut done = 0;
        while done < octets {
            let (page, from) = ((at + done) / PAGE, (at + done) % PAGE);
            let part = (PAGE - from).min(octets - done);
            match self.pages.get(page) {
                Some(Some(page)) => {
                    buffer[done..done + part].copy_from_slice(&page[from..from + part]);
                }
                Some(None) | None => buffer[done..done + part].fill(0),
            }
            done += part;
        }
        octets
    }

    pub(super) fn write(&mut self, octets: &[u8], at: usize) {
        let mut done = 0;
        while done < octets.len() {
            let (page, from) = ((at + done) / PAGE, (at + done) % PAGE);
            let part = (PAGE - from).min(octets.len() - done);
            if self.pages.len() <= page {
                self.pages.resize(page + 1, None);
            }
            let new = &octets[done..done + part];
            let page = &mut self.pages[page];
            if part == PAGE && new == &zeros()[..] {
                *page = Some(zeros());
            } else {
                Arc::make_mut(page.get_or_insert_with(zeros))[from..from + part].copy_from_slice(new);
            }
            done += part;
        }
        self.grow(at + octets.len());
    }

    /// Takes over the pages that hold these octets of another file.
    pub(super) fn take_over(&mut self, other: &Self, at: usize, octets: usize) {
        for page in at / PAGE..(at + octets).div_ceil(PAGE) {
            if self.pages.len() <= page {
                self.pages.resize(page + 1, None);
            }
            self.pages[page] = other.pages.get(page).cloned().flatten();
        }
        self.grow((at + octets).min(other.octets));
    }

    /// Makes it at least so long; what is new reads as zeros.
    pub(super) fn grow(&mut self, octets: usize) {
        self.octets = self.octets.max(octets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_copies_go_their_own_ways() {
        let mut pages = Pages::default();
        pages.write(&[7; 5000], 3000);
        let copy = pages.clone();
        pages.write(&[0; 2 * PAGE], PAGE);
        pages.write(b"x", 9 * PAGE);
        let read = |pages: &Pages, at| {
            let mut octet = [9];
            (pages.read(&mut octet, at), octet[0])
        };
        assert_eq!([2999, 3000, 7999].map(|at| read(&copy, at)), [(1, 0), (1, 7), (1, 7)]);
        assert_eq!(
            [3000, 4096, 7999, 9 * PAGE].map(|at| read(&pages, at)),
            [(1, 7), (1, 0), (1, 0), (1, b'x')]
        );
        assert_eq!((copy.octets(), pages.octets()), (8000, 9 * PAGE + 1));
        assert_eq!(read(&copy, 8000).0, 0);
        assert_eq!((copy.allocated(), pages.allocated()), (2, 4));
        assert_eq!((copy.lacks(0, 1), copy.lacks(8000, 500), copy.lacks(0, 9 * PAGE)), (0, 1, 7));
    }
}
