use memchr::memchr3_iter;

use super::params::BareNewline;
use super::reply::Fault;

/// Lets through what a store may hold: lines that end in CRLF, no other CR or LF, no NUL, no line beyond
/// the limit. It sees the octets of the message, however they were framed and cut, and copies none. Nothing
/// else is held against a message (RFC 5321 §2.3.8, §3.3, §4.5.2), and nothing else mended (RFC 5321 §6.4).
#[derive(Debug)]
pub struct TextReader {
    bare: BareNewline,
    limit: usize,
    /// Octets of the line at hand.
    line: usize,
    /// A CR came last, and what follows decides what it is.
    held: bool,
    fault: Option<Fault>,
}

const CRLF: &[u8] = b"\r\n";

impl TextReader {
    /// A reader at the start of a message, whose lines may have so many octets.
    pub fn new(bare: BareNewline, limit: usize) -> Self {
        Self { bare, limit, line: 0, held: false, fault: None }
    }

    /// Reads from the start of `octets`, which are not empty: how many it took, and what stands for them.
    /// After a fault the text is of no use any more.
    pub fn read<'i>(&mut self, octets: &'i [u8]) -> (usize, &'i [u8]) {
        if self.held {
            self.held = false;
            if octets[0] == b'\n' {
                return (1, self.end_line());
            }
            return (0, self.bare_newline());
        }
        let mut line_end = 0;
        for at in memchr3_iter(b'\r', b'\n', b'\0', octets) {
            if at < line_end {
                continue;
            }
            if octets[at] == b'\r' && octets.get(at + 1) == Some(&b'\n') {
                self.lengthen(at - line_end);
                self.line = 0;
                line_end = at + 2;
                continue;
            }
            if octets[at] == b'\r' && at + 1 == octets.len() {
                self.lengthen(at - line_end);
                self.held = true;
                return (at + 1, &octets[..at]);
            }
            if at > 0 {
                self.lengthen(at - line_end);
                return (at, &octets[..at]);
            }
            let instead = if octets[0] == b'\0' { self.nul() } else { self.bare_newline() };
            return (1, instead);
        }
        self.lengthen(octets.len() - line_end);
        (octets.len(), octets)
    }

    /// The message is over: what is left to say, and whether its last line was not ended.
    pub fn finish(&mut self) -> (&'static [u8], bool) {
        let rest = if self.held { self.bare_newline() } else { &[] };
        (rest, self.line > 0)
    }

    /// What is wrong, if anything: the first fault found.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    fn lengthen(&mut self, octets: usize) {
        self.line += octets;
        if self.line > self.limit {
            self.fault.get_or_insert(Fault::TextLine);
        }
    }

    fn end_line(&mut self) -> &'static [u8] {
        self.line = 0;
        CRLF
    }

    fn bare_newline(&mut self) -> &'static [u8] {
        match self.bare {
            BareNewline::Normalize => self.end_line(),
            BareNewline::Refuse => self.refuse(),
        }
    }

    fn nul(&mut self) -> &'static [u8] {
        match self.bare {
            BareNewline::Normalize => &[],
            BareNewline::Refuse => self.refuse(),
        }
    }

    fn refuse(&mut self) -> &'static [u8] {
        self.fault.get_or_insert(Fault::BareNewline);
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bare: BareNewline, pieces: &[&[u8]]) -> (Vec<u8>, bool, Option<Fault>) {
        let mut reader = TextReader::new(bare, 100);
        let mut out = vec![];
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let (taken, text) = reader.read(rest);
                out.extend_from_slice(text);
                rest = &rest[taken..];
            }
        }
        let (rest, unterminated) = reader.finish();
        out.extend_from_slice(rest);
        (out, unterminated, reader.fault())
    }

    fn model(input: &[u8]) -> Vec<u8> {
        let mut out = vec![];
        let mut at = 0;
        while at < input.len() {
            match &input[at..] {
                [b'\r', b'\n', ..] => {
                    out.extend_from_slice(CRLF);
                    at += 1;
                }
                [b'\r' | b'\n', ..] => out.extend_from_slice(CRLF),
                [b'\0', ..] => {}
                [octet, ..] => out.push(*octet),
                [] => {}
            }
            at += 1;
        }
        out
    }

    #[test]
    fn every_short_text_at_every_split() {
        const ALPHABET: &[u8] = b"\r\n\0a";
        for length in 0..=7u32 {
            for number in 0..4usize.pow(length) {
                let input: Vec<u8> =
                    (0..length).map(|place| ALPHABET[number / 4usize.pow(place) % 4]).collect();
                let normal = model(&input);
                for split in 0..=input.len() {
                    let pieces = [&input[..split], &input[split..]];
                    let (out, unterminated, fault) = read(BareNewline::Normalize, &pieces);
                    assert_eq!(out, normal, "{}", input.escape_ascii());
                    assert_eq!(unterminated, !normal.is_empty() && !normal.ends_with(CRLF));
                    assert_eq!(fault, None);
                    let (out, _, fault) = read(BareNewline::Refuse, &pieces);
                    assert_eq!(fault.is_none(), normal == input, "{}", input.escape_ascii());
                    assert!(fault.is_some() || out == input);
                }
            }
        }
    }

    #[test]
    fn clean_lines_pass_in_one_run() {
        let mut reader = TextReader::new(BareNewline::Refuse, 10);
        assert_eq!(reader.read(b"a\r\nb\r\n\r\nccc").0, 11);
    }

    #[test]
    fn the_limit_is_of_the_line_without_its_end() {
        for (length, fault) in [(100, None), (101, Some(Fault::TextLine))] {
            let mut text = vec![b'x'; length];
            text.extend_from_slice(b"\r\ny\r\n");
            for split in 0..text.len() {
                assert_eq!(read(BareNewline::Refuse, &[&text[..split], &text[split..]]).2, fault);
            }
        }
    }
}
