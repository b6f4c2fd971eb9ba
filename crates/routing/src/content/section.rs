use memchr::memchr;

use super::limits::ContentLimits;

/// A header field as it stands in the message: the octets of its value still folded and encoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
}

impl Field<'_> {
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The header section of a message or of a part.
#[derive(Debug, Default)]
pub(super) struct Section<'a> {
    pub(super) fields: Vec<Field<'a>>,
    /// Where the body begins.
    pub(super) end: usize,
    /// It has more, or longer, fields than are looked at.
    pub(super) excess: bool,
}

impl<'a> Section<'a> {
    /// Reads fields up to the empty line, or to a line at which a part ends. Lines that are no fields are passed
    /// over, as lenient readers do; where there is no field at all, all of it is body.
    pub(super) fn read(octets: &'a [u8], limits: &ContentLimits, ends: impl Fn(&[u8]) -> bool) -> Self {
        let mut section = Self::default();
        let mut open: Option<(usize, usize)> = None;
        let (mut at, mut lines) = (0, 0);
        while at < octets.len() {
            let next = memchr(b'\n', &octets[at..]).map_or(octets.len(), |length| at + length + 1);
            let line = &octets[at..next];
            if matches!(line, b"\r\n" | b"\n" | b"\r") {
                section.end = next;
                break;
            }
            section.end = at;
            if line.starts_with(b"--") && ends(line) {
                break;
            }
            lines += 1;
            if lines > limits.header_lines || next > limits.header_octets {
                // Words without any field are a body, however many.
                section.excess = open.is_some() || !section.fields.is_empty() || colon(line).is_some();
                break;
            }
            if matches!(line[0], b' ' | b'\t') {
                // A folded line goes on with the field before it, if there is one.
                open = open.map(|(from, _)| (from, next));
            } else {
                section.close(octets, open);
                open = colon(line).map(|_| (at, next));
            }
            at = next;
            section.end = at;
        }
        section.close(octets, open);
        if section.fields.is_empty() && !section.excess && section.end > 2 {
            section.end = 0;
        }
        section
    }

    fn close(&mut self, octets: &'a [u8], open: Option<(usize, usize)>) {
        let Some((from, to)) = open else { return };
        let field = &octets[from..to];
        if let Some(colon) = colon(field) {
            self.fields.push(Field { name: field[..colon].trim_ascii_end(), value: &field[colon + 1..] });
        }
    }

    /// Every field of a name, in order.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |field| field.is(name)).map(|field| field.value)
    }
}

/// Where a field's name ends (RFC 5322 §2.2; white space before the colon is its obsolete form).
fn colon(line: &[u8]) -> Option<usize> {
    let colon = memchr(b':', line)?;
    let name = line[..colon].trim_ascii_end();
    let good = !name.is_empty() && name.iter().all(|octet| (33..=126).contains(octet));
    good.then_some(colon)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<(String, String)>, String) {
        let section =
            Section::read(text.as_bytes(), &ContentLimits::default(), |line| line.starts_with(b"--b"));
        let string = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let fields = section.fields.iter().map(|field| (string(field.name), string(field.value))).collect();
        (fields, text[section.end..].to_owned())
    }

    fn field(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn fields_end_at_the_empty_line() {
        let (fields, body) = read("A: b\r\nC : d\r\n e\r\n\tf\r\n\r\nG: h\r\n");
        assert_eq!(fields, [field("A", " b\r\n"), field("C", " d\r\n e\r\n\tf\r\n")]);
        assert_eq!(body, "G: h\r\n");
        assert_eq!(read("A: b\n\nx"), (vec![field("A", " b\n")], "x".into()));
        assert_eq!(read("A: b"), (vec![field("A", " b")], String::new()));
        assert_eq!(read("\r\nA: b"), (vec![], "A: b".into()));
        assert_eq!(read(""), (vec![], String::new()));
    }

    #[test]
    fn what_is_no_field_is_passed_over_and_alone_it_is_the_body() {
        let (fields, body) =
            read("From x Mon 10:20\r\n folded\r\nA: b\r\nFr om: c\r\n folded\r\nD: e\r\n\r\nx");
        assert_eq!(fields, [field("A", " b\r\n"), field("D", " e\r\n")]);
        assert_eq!(body, "x");
        assert_eq!(
            read("just words\r\nand more\r\n\r\nx"),
            (vec![], "just words\r\nand more\r\n\r\nx".into())
        );
    }

    #[test]
    fn a_part_ends_where_another_begins() {
        let (fields, body) = read("A: b\r\n--b\r\nC: d\r\n\r\n");
        assert_eq!(fields, [field("A", " b\r\n")]);
        assert_eq!(body, "--b\r\nC: d\r\n\r\n");
        assert_eq!(read("--b\r\n").1, "--b\r\n");
    }

    #[test]
    fn each_bound_holds() {
        let limits = ContentLimits::default();
        fn read<'a>(text: &'a str, limits: &ContentLimits) -> Section<'a> {
            Section::read(text.as_bytes(), limits, |_| false)
        }
        let lines = |count: usize| "A: b\r\n".repeat(count) + "\r\n";
        assert!(!read(&lines(limits.header_lines), &limits).excess);
        let text = lines(limits.header_lines + 1);
        let more = read(&text, &limits);
        assert!(more.excess && more.fields.len() == limits.header_lines);
        let words = "just words\r\n".repeat(limits.header_octets);
        assert!(!read(&words, &limits).excess && read(&words, &limits).end == 0);
        let wide = format!("A: {}\r\n\r\n", "b".repeat(limits.header_octets));
        assert!(read(&wide, &limits).excess && read(&wide, &limits).fields.is_empty());
    }
}
