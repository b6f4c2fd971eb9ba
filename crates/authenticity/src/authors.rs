use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, Address, HeaderValue};

use crate::section::{Field, fields};

/// Most addresses that are looked at.
const ADDRESSES: usize = 50;

/// Who a message says that it is from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Authors {
    /// Every address of every From field, in order.
    pub authors: Vec<Author>,
    /// How many fields some program may take for From: there must be one (RFC 5322 §3.6).
    pub fields: usize,
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
    for field in fields(header).filter(is_from) {
        found.fields += 1;
        let HeaderValue::Address(addresses) = MessageStream::new(field.value).parse_address() else {
            continue;
        };
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
        let room = ADDRESSES.saturating_sub(self.authors.len());
        self.authors.extend(addresses.take(room).map(|found| Author {
            address: found.address().unwrap_or_default().to_owned(),
            name: found.name().unwrap_or_default().to_owned(),
        }));
    }

    /// The domains of the addresses, each once, in lower case and A-labels.
    pub fn domains(&self) -> Vec<String> {
        let mut domains = Vec::new();
        for author in &self.authors {
            let Some((_, domain)) = author.address.rsplit_once('@') else { continue };
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
    fn a_field_of_nothing_but_addresses_is_not_all_kept() {
        let many = format!("From: {}\r\n\r\n", "a@b.example,".repeat(5_000));
        assert_eq!(authors(many.as_bytes()).authors.len(), ADDRESSES);
    }
}
