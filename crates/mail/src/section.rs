use std::ops::Range;

/// One field of a header section as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedField<'a> {
    /// Its name as it stands there.
    pub name: &'a [u8],
    /// What stands behind the colon, with all its lines.
    pub value: &'a [u8],
    /// Where all of it stands, up to its last line end.
    pub place: Range<usize>,
}

impl ReceivedField<'_> {
    /// Whether it has this name.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value without its line ends (RFC 5322 §2.2.3), at most `most` octets of it.
    pub fn unfolded(&self, most: usize) -> Vec<u8> {
        let octets = self.value.iter().filter(|octet| !matches!(octet, b'\r' | b'\n'));
        octets.skip_while(|octet| octet.is_ascii_whitespace()).take(most).copied().collect()
    }
}

/// The fields of the header section that a message begins with, in order. Lines that are no field are passed over,
/// as those readers do that read on to the empty line.
pub fn header_fields(message: &[u8]) -> impl Iterator<Item = ReceivedField<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let begin = at;
            let first = line(message, at);
            if matches!(&message[first.clone()], b"" | b"\n" | b"\r\n") {
                return None;
            }
            at = first.end;
            while message.get(at).is_some_and(|octet| matches!(octet, b' ' | b'\t')) {
                at = line(message, at).end;
            }
            let head = &message[first];
            let Some(colon) = head.iter().position(|octet| *octet == b':') else { continue };
            let name = head[..colon].trim_ascii_end();
            if !name.is_empty() && name.iter().all(u8::is_ascii_graphic) {
                return Some(ReceivedField {
                    name,
                    value: &message[begin + colon + 1..at],
                    place: begin..at,
                });
            }
        }
    })
}

/// The line that begins at a place, with its end.
fn line(message: &[u8], at: usize) -> Range<usize> {
    let rest = message.get(at..).unwrap_or_default();
    let octets = rest.iter().position(|octet| *octet == b'\n').map_or(rest.len(), |end| end + 1);
    at..at + octets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(message: &str) -> Vec<(String, String)> {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let fields: Vec<_> = header_fields(message.as_bytes()).collect();
        for field in &fields {
            assert!(message.as_bytes()[field.place.clone()].starts_with(field.name));
        }
        fields.iter().map(|field| (text(field.name), text(&field.unfolded(20)))).collect()
    }

    /// RFC 5322 §2.2, §2.2.3.
    #[test]
    fn fields_have_a_name_a_value_and_a_place() {
        let message = "From x\r\nSubject: a\r\n b\r\nX-Old : c\r\n: no name\r\nTo:d\r\n\r\nBody: e\r\n";
        let pairs = [("Subject", "a b"), ("X-Old", "c"), ("To", "d")];
        assert_eq!(listed(message), pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let places: Vec<_> = header_fields(message.as_bytes()).map(|field| field.place).collect();
        assert_eq!(&message[places[0].clone()], "Subject: a\r\n b\r\n");
        assert_eq!(listed(&format!("A: {}", "x".repeat(50))), [("A".to_owned(), "x".repeat(20))]);
        assert_eq!((listed(""), listed("\r\nA: b\r\n")), (vec![], vec![]));
    }
}
