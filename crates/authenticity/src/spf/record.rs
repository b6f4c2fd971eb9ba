use std::net::{Ipv4Addr, Ipv6Addr};

use mail::AuthResult;

use super::spec::Spec;

/// An SPF record (RFC 7208 §4.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) directives: Vec<Directive>,
    /// Where to look when nothing matched.
    pub(super) redirect: Option<Spec>,
}

/// If the mechanism matches, this is the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) result: AuthResult,
    pub(super) mechanism: Mechanism,
}

/// RFC 7208 §5. A domain that is not given is the one whose record it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(Spec),
    A(Option<Spec>, Lengths),
    Mx(Option<Spec>, Lengths),
    Ptr(Option<Spec>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(Spec),
}

/// How many leading bits of an address are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) four: u8,
    pub(super) six: u8,
}

/// Whether a TXT record is an SPF record at all (RFC 7208 §4.5).
pub(super) fn is_spf(text: &[u8]) -> bool {
    text.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"v=spf1"))
        && text.get(6).is_none_or(|octet| *octet == b' ')
}

impl Record {
    /// Reads a record. What is wrong anywhere makes all of it wrong: the term is the error.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii());
        let text = text.ok_or("a character that is not ASCII")?;
        let (mut redirect, mut explanation) = (None, None);
        let mut directives = Vec::new();
        for term in text.get(6..).unwrap_or_default().split(' ').filter(|term| !term.is_empty()) {
            let wrong = || term.to_owned();
            match modifier(term) {
                None => directives.push(Directive::parse(term).ok_or_else(wrong)?),
                Some((name, value)) => {
                    let place = if name.eq_ignore_ascii_case("redirect") {
                        &mut redirect
                    } else if name.eq_ignore_ascii_case("exp") {
                        &mut explanation
                    } else {
                        // Of a later standard (RFC 7208 §6): it must be well-formed, and says nothing.
                        Spec::parse_string(value).ok_or_else(wrong)?;
                        continue;
                    };
                    let spec = Spec::parse(value).ok_or_else(wrong)?;
                    if place.replace(spec).is_some() {
                        return Err(wrong());
                    }
                }
            }
        }
        Ok(Self { directives, redirect })
    }
}

/// A name, `=` and a value, where the term is that.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let rest = name.strip_prefix(|c: char| c.is_ascii_alphabetic())?;
    rest.bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet))
        .then_some((name, value))
}

impl Directive {
    fn parse(term: &str) -> Option<Self> {
        let (result, rest) = match term.as_bytes().first()? {
            b'+' => (AuthResult::Pass, &term[1..]),
            b'-' => (AuthResult::Fail, &term[1..]),
            b'~' => (AuthResult::SoftFail, &term[1..]),
            b'?' => (AuthResult::Neutral, &term[1..]),
            _ => (AuthResult::Pass, term),
        };
        let end = rest.find([':', '/']).unwrap_or(rest.len());
        let (name, argument) = rest.split_at(end);
        Some(Self { result, mechanism: Mechanism::parse(&name.to_ascii_lowercase(), argument)? })
    }
}

impl Mechanism {
    /// `argument` begins with its `:` or `/`.
    fn parse(name: &str, argument: &str) -> Option<Self> {
        let value = argument.strip_prefix(':');
        Some(match name {
            "all" if argument.is_empty() => Self::All,
            "include" => Self::Include(Spec::parse(value?)?),
            "exists" => Self::Exists(Spec::parse(value?)?),
            "a" => {
                let (spec, lengths) = with_lengths(argument)?;
                Self::A(spec, lengths)
            }
            "mx" => {
                let (spec, lengths) = with_lengths(argument)?;
                Self::Mx(spec, lengths)
            }
            "ptr" if argument.is_empty() => Self::Ptr(None),
            "ptr" => Self::Ptr(Some(Spec::parse(value?)?)),
            "ip4" => {
                let (address, length) = network(value?, 32)?;
                Self::Ip4(address.parse().ok()?, length)
            }
            "ip6" => {
                let (address, length) = network(value?, 128)?;
                Self::Ip6(address.parse().ok()?, length)
            }
            _ => return None,
        })
    }
}

/// An address and the length behind it, all of it where there is none.
fn network(text: &str, most: u8) -> Option<(&str, u8)> {
    match text.split_once('/') {
        None => Some((text, most)),
        Some((address, digits)) => Some((address, length(digits, most)?)),
    }
}

/// `[:domain-spec][/4][//6]` (RFC 7208 §5.3, §5.4).
fn with_lengths(argument: &str) -> Option<(Option<Spec>, Lengths)> {
    let mut lengths = Lengths { four: 32, six: 128 };
    let mut rest = argument;
    if let Some((before, digits)) = rest.rsplit_once("//").filter(|(_, digits)| are_digits(digits)) {
        lengths.six = length(digits, 128)?;
        rest = before;
    }
    if let Some((before, digits)) = rest.rsplit_once('/').filter(|(_, digits)| are_digits(digits)) {
        lengths.four = length(digits, 32)?;
        rest = before;
    }
    match rest {
        "" => Some((None, lengths)),
        rest => Some((Some(Spec::parse(rest.strip_prefix(':')?)?), lengths)),
    }
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}

fn length(digits: &str, most: u8) -> Option<u8> {
    let plain = are_digits(digits) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|length| plain && *length <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_known_by_its_first_word() {
        assert!(is_spf(b"v=spf1") && is_spf(b"V=SPF1 -all"));
        assert!(!is_spf(b"v=spf10") && !is_spf(b"v=spf2.0/pra") && !is_spf(b" v=spf1") && !is_spf(b""));
    }

    #[test]
    fn terms_are_read_as_the_grammar_says() {
        let read = |text: &str| Record::parse(format!("v=spf1 {text}").as_bytes());
        let lengths = |text: &str| match read(text).expect(text).directives[0].mechanism.clone() {
            Mechanism::A(spec, lengths) => (spec.is_some(), lengths.four, lengths.six),
            other => panic!("{other:?}"),
        };
        assert_eq!(lengths("a"), (false, 32, 128));
        assert_eq!(lengths("a/24"), (false, 24, 128));
        assert_eq!(lengths("a//64"), (false, 32, 64));
        assert_eq!(lengths("A:b.example/0//0"), (true, 0, 0));
        for wrong in [
            "a/33",
            "a//129",
            "a/024",
            "a:b.example/",
            "all:x",
            "all/8",
            "include",
            "include:",
            "exists:x",
            "ptr:",
            "ptr/0",
            "ip4",
            "ip4:1.2.3",
            "ip4:1.2.3.4/33",
            "ip4:1.2.3.4//32",
            "ip6:1.2.3.4",
            "ip6:::1.1.1.1/0/1",
            "ip6:::1/129",
            "redirect:x.example",
            "redirect=",
            "exp=a.example exp=b.example",
            "redirect=a.example redirect=a.example",
            "moo",
            "-",
            "x=%q",
            "a=b c",
            "a\tb",
            "mx:%{c}.example",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(read("x.y-z_=%{d}/anything  ip6:::1/0 ?mx ~ptr").is_ok());
        assert!(Record::parse(b"v=spf1 \xffa").is_err());
    }
}
