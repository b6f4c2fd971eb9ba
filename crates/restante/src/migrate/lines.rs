use std::io::{self, BufRead};

use memchr::memchr;

/// Octets of a line that are kept to look at: far more than a list or a `From ` line has.
const KEPT: usize = 4096;

/// Reads a file line by line in bounded memory, whatever its lines are like: of a longer one only the
/// beginning is kept.
pub(super) struct Lines<R> {
    from: R,
    line: Vec<u8>,
    at: u64,
    number: u64,
}

/// One line, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'l> {
    /// Its first octets: all of them, but for monsters.
    pub(super) text: &'l [u8],
    /// Where it begins in the file.
    pub(super) at: u64,
    /// Where the next one begins.
    pub(super) next: u64,
    /// Its number, from 1.
    pub(super) number: u64,
    /// `text` is not all of it.
    pub(super) cut: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, line: Vec::new(), at: 0, number: 0 }
    }

    /// The next line; the last need not be ended.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let start = self.at;
        loop {
            let octets = match self.from.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                octets => octets?,
            };
            if octets.is_empty() {
                break;
            }
            let end = memchr(b'\n', octets);
            let taken = end.map_or(octets.len(), |end| end + 1);
            // One more than is kept, so that what is cut shows.
            let room = (KEPT + 2).saturating_sub(self.line.len()).min(taken);
            self.line.extend_from_slice(&octets[..room]);
            self.from.consume(taken);
            self.at += taken as u64;
            if end.is_some() {
                break;
            }
        }
        if self.at == start {
            return Ok(None);
        }
        self.number += 1;
        let text = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let kept = text.len().min(KEPT);
        Ok(Some(Line {
            text: &text[..kept],
            at: start,
            next: self.at,
            number: self.number,
            cut: kept < text.len(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_with_their_places_whatever_the_buffer() {
        let text = b"one\r\n\ntwo\nlast";
        for capacity in 1..text.len() + 1 {
            let mut lines = Lines::new(io::BufReader::with_capacity(capacity, &text[..]));
            let mut found = Vec::new();
            while let Some(line) = lines.next().expect("read") {
                found.push((line.text.to_vec(), line.at, line.next, line.number));
            }
            let wanted: [(&[u8], u64, u64, u64); 4] =
                [(b"one", 0, 5, 1), (b"", 5, 6, 2), (b"two", 6, 10, 3), (b"last", 10, 14, 4)];
            assert_eq!(found, wanted.map(|(text, at, next, number)| (text.to_vec(), at, next, number)));
        }
    }

    #[test]
    fn a_monster_is_cut_and_counted_whole() {
        let text = [&vec![b'x'; 100_000][..], b"\nnext"].concat();
        let mut lines = Lines::new(&text[..]);
        let line = lines.next().expect("read").expect("a line");
        assert_eq!((line.text.len(), line.cut, line.next), (KEPT, true, 100_001));
        let line = lines.next().expect("read").expect("a line");
        assert_eq!((line.text, line.cut), (&b"next"[..], false));
        assert!(lines.next().expect("read").is_none());
    }
}
