use memchr::memchr;

/// Lines that may begin or end a part: they begin with `--`.
const DELIMITERS: u32 = 2_000;
/// Content fields that may open a level: they name a `multipart/` or a `message/` type.
const LEVELS: u32 = 100;
/// Octets of one Content field, folded lines included: readers of parameters take the square of it.
const FIELD: usize = 8 << 10;

const CONTENT: &[u8] = b"content-";

/// Why a message is not to be taken apart by a parser that has no bounds of its own. It is no reason to refuse it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MimeExcess {
    /// More than 2,000 lines that may begin a part.
    #[error("too many lines that may begin a part")]
    Parts,
    /// More than 100 fields that may open another level.
    #[error("too many parts that may hold parts")]
    Levels,
    /// A Content field of more than 8 KiB.
    #[error("a Content field is too long")]
    Field,
}

/// Counts what could make a parser of MIME work or nest too much, without being one: whatever a reader takes for
/// a part's begin or a part's type is among the lines that are counted here, wherever they stand.
#[derive(Debug, Default)]
pub(super) struct MimeScan {
    line: Line,
    delimiters: u32,
    levels: u32,
    field: Option<Field>,
    excess: Option<MimeExcess>,
}

/// Where in a line the scan stands.
#[derive(Debug, Default)]
enum Line {
    /// At its first octet.
    #[default]
    Start,
    /// Behind a hyphen at its begin.
    Hyphen,
    /// Behind so many octets of `content-` at its begin.
    Name(usize),
    /// In what does not matter.
    Plain,
    /// In a Content field.
    Field,
}

/// A Content field that may go on in the next line.
#[derive(Debug, Default)]
struct Field {
    octets: usize,
    message: Token,
    multipart: Token,
    counted: bool,
}

/// So many octets of a token were seen. No token here has its first octet again further on.
#[derive(Debug, Default)]
struct Token(usize);

impl Token {
    fn ends(&mut self, token: &[u8], octet: u8) -> bool {
        let next = if octet == token[self.0] { self.0 + 1 } else { usize::from(octet == token[0]) };
        self.0 = next % token.len();
        next == token.len()
    }
}

impl Field {
    fn names_a_level(&mut self, piece: &[u8]) -> bool {
        piece.iter().map(u8::to_ascii_lowercase).any(|octet| {
            // Both must see every octet.
            let message = self.message.ends(b"message/", octet);
            self.multipart.ends(b"multipart/", octet) || message
        })
    }
}

impl MimeScan {
    pub(super) fn content(&mut self, mut octets: &[u8]) {
        while let (Some(&first), None) = (octets.first(), self.excess) {
            let taken = match self.line {
                Line::Plain | Line::Field => memchr(b'\n', octets).map_or(octets.len(), |at| at + 1),
                // Empty lines at once.
                Line::Start if is_end(first) => octets.iter().take_while(|octet| is_end(**octet)).count(),
                Line::Start | Line::Hyphen | Line::Name(_) => 1,
            };
            let (piece, rest) = octets.split_at(taken);
            match self.line {
                Line::Start => self.start(first),
                Line::Hyphen => self.hyphen(first),
                Line::Name(seen) => self.name(seen, first),
                Line::Plain => {}
                Line::Field => self.field(piece),
            }
            if piece.ends_with(b"\n") {
                self.line = Line::Start;
            }
            octets = rest;
        }
    }

    pub(super) fn excess(&self) -> Option<MimeExcess> {
        self.excess
    }

    fn start(&mut self, first: u8) {
        if matches!(first, b' ' | b'\t') && self.field.is_some() {
            self.line = Line::Field;
            self.field(&[first]);
            return;
        }
        self.field = None;
        self.line = match first {
            b'-' => Line::Hyphen,
            b'c' | b'C' => Line::Name(1),
            _ => Line::Plain,
        };
    }

    fn hyphen(&mut self, octet: u8) {
        self.line = Line::Plain;
        if octet == b'-' {
            self.delimiters += 1;
            if self.delimiters > DELIMITERS {
                self.excess = Some(MimeExcess::Parts);
            }
        }
    }

    fn name(&mut self, seen: usize, octet: u8) {
        self.line = match octet.to_ascii_lowercase() == CONTENT[seen] {
            true if seen + 1 == CONTENT.len() => {
                self.field = Some(Field { octets: CONTENT.len(), ..Field::default() });
                Line::Field
            }
            true => Line::Name(seen + 1),
            false => Line::Plain,
        };
    }

    fn field(&mut self, piece: &[u8]) {
        let Some(field) = &mut self.field else { return };
        field.octets += piece.len();
        if field.octets > FIELD {
            self.excess = Some(MimeExcess::Field);
        } else if !field.counted && field.names_a_level(piece) {
            field.counted = true;
            self.levels += 1;
            if self.levels > LEVELS {
                self.excess = Some(MimeExcess::Levels);
            }
        }
    }
}

fn is_end(octet: u8) -> bool {
    matches!(octet, b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &[u8], piece: usize) -> Option<MimeExcess> {
        let mut scan = MimeScan::default();
        text.chunks(piece).for_each(|part| scan.content(part));
        scan.excess()
    }

    /// The same for every way to split it.
    fn excess(text: &str) -> Option<MimeExcess> {
        let whole = scan(text.as_bytes(), text.len().max(1));
        for piece in [1, 2, 3, 5, 7, 11, 64, 4096] {
            assert_eq!(scan(text.as_bytes(), piece), whole, "in pieces of {piece}");
        }
        whole
    }

    #[test]
    fn parts_are_bounded_wherever_they_begin() {
        for line in ["--b\r\n", "--\n", "--b--\r\n\r\n"] {
            assert_eq!(excess(&line.repeat(2_000)), None);
            assert_eq!(excess(&line.repeat(2_001)), Some(MimeExcess::Parts));
        }
        assert_eq!(excess(&" --b\r\n".repeat(5_000)), None);
        assert_eq!(excess(&"-\r\n-b-\r\na--\r\n".repeat(5_000)), None);
    }

    #[test]
    fn levels_are_bounded_however_their_fields_are_written() {
        for field in [
            "Content-Type: message/rfc822\r\n\r\n",
            "CONTENT-type:MULTIPART/mixed; boundary=b\n",
            "Content-Type:\r\n\t(a)\r\n multipart/digest\r\n",
            "Content-Type: text/plain; mmessage/\r\n",
            "Content-Type: mulmultipart/\r\n",
        ] {
            assert_eq!(excess(&field.repeat(100)), None, "{field}");
            assert_eq!(excess(&field.repeat(101)), Some(MimeExcess::Levels), "{field}");
        }
        // Neither a field that goes on, nor words elsewhere.
        assert_eq!(
            excess(&"Content-Type: text/plain\r\nmessage/rfc822 a: multipart/mixed\r\n".repeat(500)),
            None
        );
        assert_eq!(excess(&format!("Content-Type: {}\r\n", "message/x ".repeat(500))), None);
    }

    #[test]
    fn a_content_field_is_bounded_with_its_folded_lines() {
        let folded = |octets: usize| {
            let lines = " a=b;\r\n".repeat(1_000);
            format!(
                "Content-Type: text/plain;\r\n{lines}{}\r\n\r\n",
                " ".repeat(octets - 27 - lines.len() - 2)
            )
        };
        assert_eq!(folded(FIELD).len(), FIELD + 2);
        assert_eq!(excess(&folded(FIELD)), None);
        assert_eq!(excess(&folded(FIELD + 1)), Some(MimeExcess::Field));
        // Neither does an empty line go on, nor does a line begin behind a bare CR.
        assert_eq!(excess(&format!("Content-Type: a\r\n\r\n\r\n{}", " b\r\n".repeat(9_000))), None);
        assert_eq!(excess(&"\n\r--\n\r\r--\r\n".repeat(3_000)), None);
        assert_eq!(excess(&"\r\n\n\n--\r\n".repeat(2_001)), Some(MimeExcess::Parts));
        // The next field has room of its own, and so has an indented text behind the empty line.
        assert_eq!(excess(&folded(FIELD).replace("\r\n\r\n", "\r\n").repeat(5)), None);
        assert_eq!(excess(&format!("Content-Type: text/plain\r\n\r\n{}", " text\r\n".repeat(9_000))), None);
    }
}
