use super::response::Fault;

/// A command line, cut at its first space.
#[derive(Debug, Clone, Copy)]
pub(super) struct Command<'i> {
    /// The keyword as it was written.
    pub(super) keyword: &'i [u8],
    /// All behind the first space, to the octet: a password may begin and end with spaces (RFC 1939 §7).
    pub(super) rest: &'i [u8],
}

impl<'i> Command<'i> {
    /// Cuts a line.
    pub(super) fn new(line: &'i [u8]) -> Self {
        match memchr::memchr(b' ', line) {
            Some(space) => Self { keyword: &line[..space], rest: &line[space + 1..] },
            None => Self { keyword: line, rest: b"" },
        }
    }

    /// The arguments without the spaces around them.
    pub(super) fn argument(&self) -> &'i [u8] {
        self.rest.trim_ascii()
    }

    /// No argument.
    pub(super) fn none(&self, usage: &'static str) -> Result<(), Fault> {
        if self.argument().is_empty() { Ok(()) } else { Err(Fault::Usage(usage)) }
    }

    /// At most one word.
    pub(super) fn word(&self, usage: &'static str) -> Result<Option<&'i [u8]>, Fault> {
        match self.words() {
            (first, None) => Ok(first),
            (_, Some(_)) => Err(Fault::Usage(usage)),
        }
    }

    /// At most one number.
    pub(super) fn optional_number(&self, usage: &'static str) -> Result<Option<u64>, Fault> {
        self.word(usage)?.map(|word| number(word).ok_or(Fault::Usage(usage))).transpose()
    }

    /// One number.
    pub(super) fn number(&self, usage: &'static str) -> Result<u64, Fault> {
        self.optional_number(usage)?.ok_or(Fault::Usage(usage))
    }

    /// Two numbers.
    pub(super) fn two_numbers(&self, usage: &'static str) -> Result<(u64, u64), Fault> {
        let (first, second) = self.words();
        match (first.and_then(number), second.and_then(number)) {
            (Some(first), Some(second)) => Ok((first, second)),
            _ => Err(Fault::Usage(usage)),
        }
    }

    /// The first word, and all that follows it.
    pub(super) fn words(&self) -> (Option<&'i [u8]>, Option<&'i [u8]>) {
        let argument = self.argument();
        match memchr::memchr(b' ', argument) {
            Some(space) => (Some(&argument[..space]), Some(argument[space..].trim_ascii_start())),
            None if argument.is_empty() => (None, None),
            None => (Some(argument), None),
        }
    }
}

/// Digits alone, leading zeros allowed. What is beyond a u64 is the largest one: no message has that number,
/// and no message has that many lines.
fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() || !word.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |number: u64, octet: &u8| number.saturating_mul(10).saturating_add(u64::from(octet - b'0'));
    Some(word.iter().fold(0, digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits() {
        for (text, value) in [
            ("0", Some(0)),
            ("1", Some(1)),
            ("0001", Some(1)),
            ("4294967297", Some(4_294_967_297)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", Some(u64::MAX)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("-1", None),
            ("+1", None),
            ("1.0", None),
            ("0x1", None),
            ("1e3", None),
            ("\u{661}", None),
            ("", None),
        ] {
            assert_eq!(number(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn arguments_are_counted() {
        let command = |line: &'static str| Command::new(line.as_bytes());
        assert_eq!(command("RETR 1 2").number("usage"), Err(Fault::Usage("usage")));
        assert_eq!(command("RETR  1  ").number("usage"), Ok(1));
        assert_eq!(command("LIST ").optional_number("usage"), Ok(None));
        assert_eq!(command("TOP 1  2").two_numbers("usage"), Ok((1, 2)));
        assert_eq!(command("TOP 1 2 3").two_numbers("usage"), Err(Fault::Usage("usage")));
        assert_eq!(command("TOP 1").two_numbers("usage"), Err(Fault::Usage("usage")));
        assert_eq!(command("PASS  a b ").rest, b" a b ");
    }
}
