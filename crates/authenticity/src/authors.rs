use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, Address, HeaderValue};

use crate::section::{Field, body_at, fields, section};

/// Most addresses that are looked at.
const ADDRESSES: usize = 50;
/// Most octets of a field that is read: the pre-scan bears no longer ones.
const FIELD: usize = 64 << 10;

/// Who a message says that it is from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Authors {
    /// Every address of every From field, in order.
    pub authors: Vec<Author>,
    /// How many fields some program may take for From: there must be one (RFC 5322 §3.6).
    pub fields: usize,
    /// There is more than is looked at: somebody may be named there.
    pub more: bool,
}

/// One address of a From field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The address as it stands there; may be empty.
    pub address: String,
    /// The display name, decoded; may be empty.
    pub name: String,
}

/// Reads the From fields of a header section, or of a message. What rules look at and what DMARC is about is the
/// same list, so that nobody is shown one author and judged by another.
pub fn authors(header: &[u8]) -> Authors {
    let mut found = Authors::default();
    let read = section(header);
    found.more = read.len() < header.len() && body_at(read) == read.len();
    for field in fields(read).filter(is_from) {
        found.fields += 1;
        if field.value.len() > FIELD {
            found.more = true;
            continue;
        }
        // On one line, as whoever takes the message apart for rules reads it: a fold parts nothing.
        let mut line: Vec<u8> = field.value.iter().copied().filter(|c| !matches!(c, b'\r' | b'\n')).collect();
        line.extend_from_slice(b"\r\n");
        let HeaderValue::Address(addresses) = MessageStream::new(&line).parse_address() else { continue };
        match &addresses {
            Address::List(list) => found.take(list.iter()),
            Address::Group(groups) => found.take(groups.iter().flat_map(|group| &group.addresses)),
        }
    }
    found
}

/// Some readers overlook white space inside of a name, where none may be (RFC 5322 §2.2).
fn is_from(field: &Field<'_>) -> bool {
    let name = field.name.iter().filter(|octet| !matches!(octet, b' ' | b'\t'));
    name.map(u8::to_ascii_lowercase).eq(*b"from")
}

impl Authors {
    fn take<'a>(&mut self, addresses: impl Iterator<Item = &'a Addr<'a>>) {
        for found in addresses {
            if self.authors.len() >= ADDRESSES {
                self.more = true;
                return;
            }
            self.authors.push(Author { address: shown(found.address()), name: shown(found.name()) });
        }
    }

    /// The domains of the addresses, each once, in lower case and A-labels.
    pub fn domains(&self) -> Vec<String> {
        let mut domains = Vec::new();
        for author in &self.authors {
            let Some((_, domain)) = author.address.rsplit_once('@') else { continue };
            // White space may stand around dots (RFC 5322 §4.4), and hides nobody.
            let domain: String = domain.chars().filter(|c| !c.is_whitespace()).collect();
            let domain = domain.trim_end_matches('.');
            let ascii =
                mail::Domain::parse(domain).map_or_else(|_| domain.to_owned(), |known| known.to_ascii());
            let domain = ascii.to_ascii_lowercase();
            if !domain.is_empty() && !domains.contains(&domain) {
                domains.push(domain);
            }
        }
        domains
    }
}

/// Without what nobody sees.
fn shown(text: Option<&str>) -> String {
    text.unwrap_or_default().chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> (usize, Vec<String>) {
        let found = authors(header.as_bytes());
        (found.fields, found.domains())
    }

    fn one(domain: &str) -> (usize, Vec<String>) {
        (1, vec![domain.to_owned()])
    }

    #[test]
    fn the_author_is_who_the_field_names() {
        for plain in [
            "From: a@b.example",
            "From: A <a@B.example>",
            "from : \"x@evil.example\" <a@b.example>",
            "From: x@evil.example <a@b.example>",
            "From: =?utf-8?q?x=40evil.example?= <a@b.example>",
            "From: (x@evil.example) a@b.example",
            "From: a@b.example (x@evil.example)",
            "From:\r\n\ta@b.example",
            "From: <a@b.example.>",
            "From: a@b\r\n .example",
            "From: <a@b . example>",
            "From: \"a@evil.example\"@b.example",
            "From: authors: a@b.example, c@b.example;",
            "Sender: x@evil.example\r\nFrom: a@b.example\r\nReply-To: x@evil.example",
            "X-From: x@evil.example\r\nFrom: a@b.example",
        ] {
            assert_eq!(
                read(&format!("{plain}\r\n\r\nFrom: x@evil.example\r\n")),
                one("b.example"),
                "{plain}"
            );
        }
        assert_eq!(read("From: a@b\u{fc}cher.example\r\n\r\n"), one("xn--bcher-kva.example"));
    }

    #[test]
    fn nobody_is_named_where_nobody_is() {
        for nobody in
            ["From:", "From: <>", "From: undisclosed:;", "From: postmaster", "From: <a@>", "From: @"]
        {
            assert_eq!(read(&format!("{nobody}\r\n\r\n")), (1, Vec::new()), "{nobody}");
        }
        assert_eq!(read("Subject: x\r\n\r\nFrom: a@b.example\r\n"), (0, Vec::new()));
    }

    #[test]
    fn every_field_that_may_be_shown_counts() {
        let both = |text: &str| {
            let (fields, domains) = read(text);
            assert_eq!(domains, ["a.example", "b.example"], "{text}");
            fields
        };
        assert_eq!(both("From: x@a.example, y@b.example\r\n\r\n"), 1);
        assert_eq!(both("From: g: x@a.example;, y@b.example\r\n\r\n"), 1);
        assert_eq!(both("From: x@a.example\r\nFROM: y@b.example\r\n\r\n"), 2);
        assert_eq!(both("Fr om: x@a.example\r\nFrom: y@b.example\r\n\r\n"), 2);
        assert_eq!(both("From x\r\nFrom: x@a.example\r\nnothing\r\nFrom: y@b.example\r\n\r\n"), 2);
    }

    #[test]
    fn what_is_not_looked_at_is_noted() {
        let more = |text: &str| authors(text.as_bytes()).more;
        let list = |n: usize| format!("From: {}\r\n\r\n", "a@b.example,".repeat(n));
        assert!(!more(&list(50)) && more(&list(51)));
        assert_eq!(authors(list(5_000).as_bytes()).authors.len(), ADDRESSES);
        assert!(more(&format!("From: {} <a@b.example>\r\n\r\n", "x".repeat(70_000))));
        let far = "no field\r\n".to_owned() + &"X: y\r\n".repeat(50_000) + "From: a@b.example\r\n\r\nx";
        assert!(more(&far));
        assert!(!more(&("From: a@b.example\r\n\r\n".to_owned() + &"x".repeat(1 << 20))));
        assert!(!more("From: a@b.example\r\n"));
    }

    #[test]
    fn no_field_takes_long() {
        for unit in
            ["(", "<", ",", "\"", "\\", "a@", ":", ";", "=?utf-8?q?a?= ", "(a) ", "a:b@c;", "<a@b> ", "\r\n "]
        {
            let field = format!("From: {}\r\n\r\n", unit.repeat(64_000 / unit.len()));
            let began = std::time::Instant::now();
            let _ = authors(field.as_bytes());
            assert!(began.elapsed().as_millis() < 500, "{unit:?}: {:?}", began.elapsed());
        }
    }
}
