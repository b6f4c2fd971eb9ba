use memchr::memchr;

use super::response::Fault;

/// Cuts the client's octets into lines of a bounded length without keeping any of them.
///
/// A line ends at LF, so that a client with the wrong line ends is answered instead of left waiting; that
/// the LF must follow a CR is checked afterwards (RFC 1939 §3).
#[derive(Debug, Default)]
pub(super) struct LineReader {
    /// Inside a line that was too long.
    skipping: bool,
}

impl LineReader {
    /// The next line of at most `limit` octets with its end: how many octets it took, and the line without
    /// its end. `None`: the rest of it has not come yet.
    pub(super) fn next<'i>(
        &mut self,
        input: &'i [u8],
        limit: usize,
        bare_lf: bool,
    ) -> (usize, Option<Result<&'i [u8], Fault>>) {
        if self.skipping {
            return self.skip(input);
        }
        match memchr(b'\n', &input[..input.len().min(limit)]) {
            Some(at) => {
                let line = match input[..at].strip_suffix(b"\r") {
                    Some(line) => Ok(line),
                    None if bare_lf => Ok(&input[..at]),
                    None => Err(Fault::BareLf),
                };
                (at + 1, Some(line))
            }
            None if input.len() >= limit => self.skip(input),
            None => (0, None),
        }
    }

    fn skip<'i>(&mut self, input: &'i [u8]) -> (usize, Option<Result<&'i [u8], Fault>>) {
        let end = memchr(b'\n', input);
        self.skipping = end.is_none();
        match end {
            Some(at) => (at + 1, Some(Err(Fault::TooLong))),
            None => (input.len(), None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(reader: &mut LineReader, mut input: &[u8], bare_lf: bool) -> Vec<Result<Vec<u8>, Fault>> {
        let mut lines = Vec::new();
        loop {
            let (taken, line) = reader.next(input, 8, bare_lf);
            input = &input[taken..];
            match line {
                Some(line) => lines.push(line.map(<[u8]>::to_vec)),
                None => return lines,
            }
        }
    }

    #[test]
    fn a_line_may_fill_its_limit_and_no_more() {
        let mut reader = LineReader::default();
        assert_eq!(lines(&mut reader, b"123456\r\n", false), [Ok(b"123456".to_vec())]);
        assert_eq!(
            lines(&mut reader, b"1234567\r\nNOOP\r\n", false),
            [Err(Fault::TooLong), Ok(b"NOOP".to_vec())]
        );
    }

    #[test]
    fn a_line_without_end_costs_nothing_and_is_answered_once() {
        let mut reader = LineReader::default();
        for _ in 0..1000 {
            let (taken, line) = reader.next(&[b'a'; 100], 8, false);
            assert_eq!((taken, line), (100, None));
        }
        assert_eq!(lines(&mut reader, b"a\r\nNOOP\r\n", false), [Err(Fault::TooLong), Ok(b"NOOP".to_vec())]);
    }

    #[test]
    fn a_bare_lf_is_a_fault_but_where_it_is_allowed() {
        let mut reader = LineReader::default();
        assert_eq!(lines(&mut reader, b"a\nb\r\n", false), [Err(Fault::BareLf), Ok(b"b".to_vec())]);
        assert_eq!(lines(&mut reader, b"a\nb\r\n", true), [Ok(b"a".to_vec()), Ok(b"b".to_vec())]);
    }
}
