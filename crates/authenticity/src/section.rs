use memchr::memchr;

/// One header field as it came: what follows its colon still has its folds and its line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl Field<'_> {
    /// Whether it is a field of this name. White space before the colon does not count (RFC 5322 §4.5.8).
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// Octets of a message within which fields are looked for. A header section that follows its grammar is shorter: the
/// pre-scan sees to that. One that does not may be of any length.
const SECTION: usize = 256 << 10;

/// The part of a message in which its fields are looked for.
pub(crate) fn section(octets: &[u8]) -> &[u8] {
    &octets[..octets.len().min(SECTION)]
}

/// Where the body begins: behind the empty line, or at the end.
pub(crate) fn body_at(octets: &[u8]) -> usize {
    let mut at = 0;
    while let Some(line) = memchr(b'\n', &octets[at..]) {
        let empty = matches!(&octets[at..=at + line], b"\n" | b"\r\n");
        at += line + 1;
        if empty {
            return at;
        }
    }
    octets.len()
}

/// The fields of a message or of its header section alone, in order, up to the empty line. A line that is no field
/// is passed over: some readers take what follows it for fields still.
pub(crate) fn fields(octets: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        loop {
            let end = end_of_field(rest);
            let (field, behind) = rest.split_at(end);
            if matches!(field, b"" | b"\n" | b"\r\n") {
                return None;
            }
            rest = behind;
            let Some(colon) = memchr(b':', field) else { continue };
            let name = field[..colon].trim_ascii_end();
            // White space inside is not allowed, and overlooked by some.
            let fits = |octet: &u8| matches!(octet, b'\t' | 32..=126);
            if name.first().is_some_and(u8::is_ascii_graphic) && name.iter().all(fits) {
                return Some(Field { name, value: &field[colon + 1..] });
            }
        }
    })
}

/// Behind the last folded line of the first field.
fn end_of_field(octets: &[u8]) -> usize {
    let mut end = 0;
    loop {
        let line = memchr(b'\n', &octets[end..]).map_or(octets.len() - end, |at| at + 1);
        let empty = end == 0 && matches!(&octets[..line], b"\n" | b"\r\n");
        end += line;
        if empty || !matches!(octets.get(end), Some(b' ' | b'\t')) {
            return end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_end_where_the_next_begins_and_at_the_empty_line() {
        let text = b"A: b\r\n c\r\nnothing\r\nD : e\nF:\r\n\r\nG: h\r\n";
        let found: Vec<_> = fields(text).map(|field| (field.name, field.value)).collect();
        let expected: [(&[u8], &[u8]); 3] = [(b"A", b" b\r\n c\r\n"), (b"D", b" e\n"), (b"F", b"\r\n")];
        assert_eq!(found, expected);
        assert_eq!(&text[body_at(text)..], b"G: h\r\n");
        assert_eq!((body_at(b""), body_at(b"A: b\r\n"), body_at(b"\r\nA")), (0, 6, 2));
        assert_eq!(fields(b"").count(), 0);
        assert_eq!(fields(b"A: b").map(|field| field.value).collect::<Vec<_>>(), [b" b"]);
        assert_eq!(fields(b"\r\nA: b\r\n").count(), 0);
        assert_eq!(fields(b" A: b\r\nC: d\r\n").map(|field| field.name).collect::<Vec<_>>(), [b"C"]);
    }
}
