use std::sync::LazyLock;

use memchr::memmem::Finder;

/// What a line begins with that may end the message; made once, since every read asks for it.
static LINE_WITH_DOT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n."));

/// Finds the end of data and the stuffed dots (RFC 5321 §4.1.1.4, §4.5.2). It knows CRLF alone: nothing else
/// begins a line, so nothing else can end a message.
///
/// | state | octets | is | next |
/// |---|---|---|---|
/// | line start | `.` CR LF | the end | |
/// | line start | `.` other | a stuffed dot, dropped | text |
/// | line start | other | text | text |
/// | text | up to CR LF | text | line start |
/// | text | up to CR, input ends | text | after CR |
/// | after CR | LF | text | line start |
/// | after CR | other | text | text |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DotReader(At);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    LineStart,
    Text,
    AfterCr,
}

/// What stands at the start of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Too little to tell; nothing of it may be consumed.
    TooLittle,
    /// So many octets of the message, at least one.
    Text(usize),
    /// A dot that is not the message's.
    StuffedDot,
    /// The end of data, three octets.
    End,
}

impl DotReader {
    /// The CRLF of the DATA command is the line end before the first line.
    pub(crate) fn new() -> Self {
        Self(At::LineStart)
    }

    /// Looks at the input; the caller then consumes exactly what was found.
    pub(crate) fn read(&mut self, input: &[u8]) -> Found {
        match (self.0, input) {
            (_, []) | (At::LineStart, [b'.'] | [b'.', b'\r']) => Found::TooLittle,
            (At::LineStart, [b'.', b'\r', b'\n', ..]) => Found::End,
            (At::LineStart, [b'.', ..]) => {
                self.0 = At::Text;
                Found::StuffedDot
            }
            (At::AfterCr, [b'\n', ..]) => {
                self.0 = At::LineStart;
                Found::Text(1)
            }
            (At::LineStart | At::Text | At::AfterCr, text) => self.text(text),
        }
    }

    /// Everything up to the next line that begins with a dot.
    fn text(&mut self, text: &[u8]) -> Found {
        if let Some(at) = LINE_WITH_DOT.find(text) {
            self.0 = At::LineStart;
            return Found::Text(at + 2);
        }
        self.0 = match text {
            [.., b'\r', b'\n'] => At::LineStart,
            [.., b'\r'] => At::AfterCr,
            _ => At::Text,
        };
        Found::Text(text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the pieces as they would come in, one after the other; what is left over waits.
    fn read(pieces: &[&[u8]]) -> (Vec<u8>, Option<usize>) {
        let (mut reader, mut text, mut waiting, mut consumed) = (DotReader::new(), vec![], vec![], 0);
        for piece in pieces {
            waiting.extend_from_slice(piece);
            loop {
                let octets = match reader.read(&waiting) {
                    Found::TooLittle => break,
                    Found::End => return (text, Some(consumed + 3)),
                    Found::StuffedDot => 1,
                    Found::Text(octets) => {
                        text.extend_from_slice(&waiting[..octets]);
                        octets
                    }
                };
                waiting.drain(..octets);
                consumed += octets;
            }
        }
        (text, None)
    }

    /// The same by the letter of RFC 5321 §4.5.2, line by line; `None` while the end has not come.
    fn model(input: &[u8]) -> Option<(Vec<u8>, usize)> {
        let (mut text, mut at) = (vec![], 0);
        loop {
            let end = at + input[at..].windows(2).position(|pair| pair == b"\r\n")? + 2;
            let line = &input[at..end];
            if line == b".\r\n" {
                return Some((text, end));
            }
            text.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            at = end;
        }
    }

    /// RFC 5321 §4.5.2.
    #[test]
    fn every_short_stream_at_every_split_reads_as_its_lines_say() {
        const ALPHABET: &[u8] = b"\r\n.a\0";
        // All bodies of up to 7 octets, each with a true end behind it; the lines model says where it ends.
        for length in 0..=7u32 {
            for number in 0..5usize.pow(length) {
                let mut input: Vec<u8> =
                    (0..length).map(|place| ALPHABET[number / 5usize.pow(place) % 5]).collect();
                input.extend_from_slice(b"\r\n.\r\n");
                let (text, end) = model(&input).expect("it ends");
                for split in 0..=input.len() {
                    let got = read(&[&input[..split], &input[split..]]);
                    assert_eq!(
                        got,
                        (text.clone(), Some(end)),
                        "{:?} at {split}",
                        input.escape_ascii().to_string()
                    );
                }
            }
        }
    }

    #[test]
    fn octet_by_octet_is_the_same() {
        let input = b"..a\r\n.\r.\r\n\r\n.b\r\n..\r\n.\r\nMAIL";
        let pieces: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(read(&pieces), (b".a\r\n\r.\r\n\r\nb\r\n.\r\n".to_vec(), Some(input.len() - 4)));
    }

    #[test]
    fn a_run_spans_lines() {
        let mut reader = DotReader::new();
        assert_eq!(reader.read(b"one\r\ntwo\r\n\r\nthree"), Found::Text(17));
    }
}
