use memchr::memchr;

use super::params::BareNewline;
use super::reply::Fault;

/// How much of an endless line is thrown away before the peer is.
const PATIENCE: usize = 64 << 10;

/// Cuts command lines out of the input (RFC 5321 §2.3.8). It keeps nothing: a line is read from the input
/// once it is there whole, and the rest of a bad one is passed over.
#[derive(Debug, Default)]
pub(crate) struct LineReader {
    /// In a line that was answered already; how much of it has gone by, and whether a CR came last.
    passing: Option<(usize, bool)>,
}

/// What stands at the start of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'i> {
    /// Not all of a line.
    TooLittle,
    /// A command, without its line end.
    Command(&'i str),
    /// No command.
    Bad(Fault),
    /// No command, but meant as BDAT: how much of what follows is its chunk, nobody knows.
    BadChunk(Fault),
    /// No line at all: it does not end.
    Endless,
}

impl LineReader {
    /// How many octets go, and what they were.
    pub(crate) fn read<'i>(&mut self, input: &'i [u8], limit: usize, bare: BareNewline) -> (usize, Line<'i>) {
        let passed = match self.pass(input, bare) {
            Ok(passed) => passed,
            Err(stop) => return stop,
        };
        let input = &input[passed..];
        let (taken, line) = self.line(input, limit, bare);
        let line = match line {
            Line::Bad(fault) if is_chunk(input) => Line::BadChunk(fault),
            line => line,
        };
        (passed + taken, line)
    }

    /// Passes over the rest of a bad line; how long that was, or why there is nothing behind it.
    fn pass(&mut self, input: &[u8], bare: BareNewline) -> Result<usize, (usize, Line<'static>)> {
        let Some((gone, mut after_cr)) = self.passing else { return Ok(0) };
        for (at, octet) in input.iter().enumerate() {
            if *octet == b'\n' && (after_cr || bare == BareNewline::Normalize) {
                self.passing = None;
                return Ok(at + 1);
            }
            after_cr = *octet == b'\r';
        }
        let gone = gone + input.len();
        self.passing = Some((gone, after_cr));
        Err((input.len(), if gone > PATIENCE { Line::Endless } else { Line::TooLittle }))
    }

    fn line<'i>(&mut self, input: &'i [u8], limit: usize, bare: BareNewline) -> (usize, Line<'i>) {
        let window = &input[..input.len().min(limit)];
        let Some(end) = memchr(b'\n', window) else {
            if input.len() < limit {
                return (0, Line::TooLittle);
            }
            self.passing = Some((limit, window.ends_with(b"\r")));
            return (limit, Line::Bad(Fault::LineTooLong));
        };
        let line = match (window[..end].strip_suffix(b"\r"), bare) {
            (Some(line), _) => line,
            (None, BareNewline::Normalize) => &window[..end],
            // For a stranger a bare LF ends no line, else what one server hides in a line another would
            // obey. The answer need not wait for the true end; nothing up to there is obeyed.
            (None, BareNewline::Refuse) => {
                self.passing = Some((end + 1, false));
                return (end + 1, Line::Bad(Fault::BareLineFeed));
            }
        };
        (end + 1, text(line).map_or(Line::Bad(Fault::NotText), Line::Command))
    }
}

/// Whoever begins a line like this sends octets behind it that are no commands (RFC 3030 §2).
fn is_chunk(line: &[u8]) -> bool {
    line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT"))
}

/// UTF-8 without control characters (RFC 5321 §2.4, RFC 6531 §3.3); white space at the end is borne (RFC 5321
/// §4.1.1).
fn text(line: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(line).ok()?.trim_end_matches([' ', '\t']);
    (!text.chars().any(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> (usize, Line<'_>) {
        LineReader::default().read(input, 20, BareNewline::Refuse)
    }

    /// RFC 5321 §4.1.1.
    #[test]
    fn a_line_ends_with_crlf() {
        assert_eq!(read(b"NOOP\r\nQUIT"), (6, Line::Command("NOOP")));
        assert_eq!(read(b"NOOP \t\r\n"), (8, Line::Command("NOOP")));
        assert_eq!(read(b"NOOP\r"), (0, Line::TooLittle));
        assert_eq!(read("NOOP ü\r\n".as_bytes()), (9, Line::Command("NOOP ü")));
    }

    #[test]
    fn what_is_no_text_is_no_command() {
        for line in
            [&b"NO\0OP\r\n"[..], b"NO\rOP\r\n", b"NOOP\x1b\r\n", b"NOOP\xff\r\n", b"NOOP\x7f\r\n", b"\tX\r\n"]
        {
            assert_eq!(read(line), (line.len(), Line::Bad(Fault::NotText)), "{}", line.escape_ascii());
        }
    }

    /// RFC 3030 §2.
    #[test]
    fn a_chunk_that_is_no_command_is_told_apart() {
        for (line, fault) in [
            (&b"BDAT\t5 LAST\r\n"[..], Fault::NotText),
            (b"bdat 5\0\r\n", Fault::NotText),
            (b"Bdat 5 \xff\r\n", Fault::NotText),
            (b"BDAT\x85\r\n", Fault::NotText),
            (b"BDAT 5\n", Fault::BareLineFeed),
            (b"BDAT 5             L", Fault::LineTooLong),
        ] {
            assert_eq!(read(line), (line.len(), Line::BadChunk(fault)), "{}", line.escape_ascii());
        }
        assert_eq!(read(b"BDAT 5\r\n"), (8, Line::Command("BDAT 5")));
        assert_eq!(read(b"NOOP BDAT\t5\r\n"), (13, Line::Bad(Fault::NotText)));
        let mut reader = LineReader::default();
        assert_eq!(reader.read(b"RSET\n", 20, BareNewline::Refuse), (5, Line::Bad(Fault::BareLineFeed)));
        let rest = b"BDAT\r\nBDAT\t5\r\n";
        assert_eq!(reader.read(rest, 20, BareNewline::Refuse), (14, Line::BadChunk(Fault::NotText)));
    }

    #[test]
    fn a_bare_line_feed_hides_the_rest_of_its_line() {
        let mut reader = LineReader::default();
        let input = b"RSET\nMAIL\nX\r\nQUIT\r\n";
        assert_eq!(reader.read(input, 20, BareNewline::Refuse), (5, Line::Bad(Fault::BareLineFeed)));
        assert_eq!(reader.read(&input[5..], 20, BareNewline::Refuse), (14, Line::Command("QUIT")));
        assert_eq!(LineReader::default().read(input, 20, BareNewline::Normalize), (5, Line::Command("RSET")));
    }

    #[test]
    fn a_line_too_long_is_told_once_and_passed_over() {
        let mut reader = LineReader::default();
        let exact = b"NOOP 45678901234567\r\n";
        assert_eq!(
            reader.read(&exact[1..], 20, BareNewline::Refuse),
            (20, Line::Command("OOP 45678901234567"))
        );
        assert_eq!(reader.read(exact, 20, BareNewline::Refuse), (20, Line::Bad(Fault::LineTooLong)));
        assert_eq!(reader.read(b"\nQUIT\r\n", 20, BareNewline::Refuse), (7, Line::Command("QUIT")));
    }

    #[test]
    fn a_line_without_end_has_an_end() {
        let mut reader = LineReader::default();
        let flood = [b'x'; 4096];
        assert_eq!(reader.read(&flood, 1000, BareNewline::Refuse), (1000, Line::Bad(Fault::LineTooLong)));
        let lines = (0..20).map(|_| reader.read(&flood, 1000, BareNewline::Refuse).1);
        assert_eq!(lines.filter(|line| *line == Line::TooLittle).count(), 15);
    }

    /// What was answered already counts too.
    #[test]
    fn patience_is_counted_to_the_octet() {
        for head in [&[b'x'; 20][..], b"RSET\n"] {
            let mut reader = LineReader::default();
            assert_eq!(reader.read(head, 20, BareNewline::Refuse).0, head.len());
            let rest = vec![b'x'; PATIENCE - head.len()];
            assert_eq!(reader.read(&rest, 20, BareNewline::Refuse), (rest.len(), Line::TooLittle));
            assert_eq!(reader.read(b"x", 20, BareNewline::Refuse), (1, Line::Endless));
        }
    }
}
