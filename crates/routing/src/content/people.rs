use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, HeaderValue};

use super::word::unfolded;
use crate::rules::Person;

/// Everybody that fields of addresses name; groups are opened (RFC 5322 §3.4).
pub(super) fn read<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<Person> {
    let mut people = Vec::new();
    for value in values {
        let mut line = unfolded(value);
        line.extend_from_slice(b"\r\n");
        if let HeaderValue::Address(address) = MessageStream::new(&line).parse_address() {
            people.extend(address.iter().map(person));
        }
    }
    people
}

fn person(addr: &Addr<'_>) -> Person {
    let clean = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned();
    Person {
        address: clean(addr.address().unwrap_or_default()),
        name: clean(addr.name().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(value: &str) -> Vec<(String, String)> {
        let people = read([value.as_bytes()].into_iter());
        people.into_iter().map(|person| (person.name, person.address)).collect()
    }

    #[test]
    fn everybody_in_a_field_is_found() {
        for (value, expected) in [
            (" a@b.test\r\n", vec![("", "a@b.test")]),
            ("A B <a@b.test>", vec![("A B", "a@b.test")]),
            ("\"B, A\" <a@b.test>,\r\n c@d.test", vec![("B, A", "a@b.test"), ("", "c@d.test")]),
            ("=?utf-8?q?M=C3=BCller?= <m@b.test>", vec![("Müller", "m@b.test")]),
            (
                "team: A <a@b.test>, c@d.test; e@f.test",
                vec![("A", "a@b.test"), ("", "c@d.test"), ("", "e@f.test")],
            ),
            ("", vec![]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(n, a)| (n.to_owned(), a.to_owned())).collect();
            assert_eq!(people(value), expected, "{value}");
        }
    }
}
