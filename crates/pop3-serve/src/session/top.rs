use memchr::memchr;

/// Finds where TOP ends: behind the header, the empty line and so many lines of the body (RFC 1939 §7).
/// Takes the message in pieces of any size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TopCutter {
    place: Place,
    /// Body lines still wanted.
    lines: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the begin of a line of the header.
    LineStart,
    /// Behind a CR there.
    LineStartCr,
    /// Inside a line of the header.
    Header,
    /// Behind the empty line.
    Body,
}

impl TopCutter {
    /// Begins a message; `lines` of its body are wanted.
    pub(crate) fn new(lines: u64) -> Self {
        Self { place: Place::LineStart, lines }
    }

    /// How many of these next octets belong to it, and whether that was the last of them.
    pub(crate) fn take(&mut self, octets: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while at < octets.len() {
            if self.done() {
                return (at, true);
            }
            at += self.advance(&octets[at..]);
        }
        (at, self.done())
    }

    fn done(&self) -> bool {
        self.place == Place::Body && self.lines == 0
    }

    /// Goes on by at least one octet and at most to the end of the line.
    fn advance(&mut self, octets: &[u8]) -> usize {
        let (place, length) = match (self.place, octets[0]) {
            (Place::LineStart, b'\r') => (Place::LineStartCr, 1),
            (Place::LineStart | Place::LineStartCr, b'\n') => (Place::Body, 1),
            (Place::LineStart | Place::LineStartCr, _) => (Place::Header, 1),
            (Place::Header, _) => match memchr(b'\n', octets) {
                Some(lf) => (Place::LineStart, lf + 1),
                None => (Place::Header, octets.len()),
            },
            (Place::Body, _) => match memchr(b'\n', octets) {
                Some(lf) => {
                    self.lines -= 1;
                    (Place::Body, lf + 1)
                }
                None => (Place::Body, octets.len()),
            },
        };
        self.place = place;
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By lines: the header up to its empty line, then so many more.
    fn model(message: &[u8], lines: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut left = None;
        for line in message.split_inclusive(|&octet| octet == b'\n') {
            match &mut left {
                Some(0) => break,
                Some(left) => *left -= 1,
                None if line == b"\r\n" || line == b"\n" => left = Some(lines),
                None => {}
            }
            out.extend_from_slice(line);
        }
        out
    }

    fn top(pieces: &[&[u8]], lines: u64) -> Vec<u8> {
        let (mut cutter, mut out) = (TopCutter::new(lines), Vec::new());
        for piece in pieces {
            let (taken, done) = cutter.take(piece);
            out.extend_from_slice(&piece[..taken]);
            assert!(done || taken == piece.len());
        }
        out
    }

    #[test]
    fn the_top_is_the_models_at_every_split() {
        let mut messages = vec![Vec::new()];
        for _ in 0..=8 {
            let mut longer = Vec::new();
            for message in messages {
                for lines in [0, 1, 2, 9] {
                    let expected = model(&message, lines);
                    for cut in 0..=message.len() {
                        let (left, right) = message.split_at(cut);
                        assert_eq!(
                            top(&[left, right], lines as u64),
                            expected,
                            "{message:?} {lines} at {cut}"
                        );
                    }
                    assert_eq!(top(&message.chunks(1).collect::<Vec<_>>(), lines as u64), expected);
                }
                longer.extend([&b"\r"[..], b"\n", b"a"].map(|octet| [message.as_slice(), octet].concat()));
            }
            messages = longer;
        }
    }

    #[test]
    fn no_octet_is_asked_for_behind_the_last() {
        let mut cutter = TopCutter::new(0);
        assert_eq!(cutter.take(b"A: b\r\n\r\n"), (8, true));
        assert_eq!(TopCutter::new(u64::MAX).take(b"A: b\r\n\r\nc\r\n"), (11, false));
    }
}
