use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::fold;

/// Most octets of a domain (RFC 5321 §4.5.3.1.2).
const DOMAIN_MAX: usize = 255;
/// Most octets of a local part. RFC 5321 §4.5.3.1.1 obliges us to 64; rewritten senders (SRS, VERP) are
/// longer than that every day, so we take what a path can hold (RFC 5321 §4.5.3.1.3).
const LOCAL_MAX: usize = 255;

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No `@` outside quotes.
    #[error("an address is local-part@domain")]
    NoAt,
    /// The local part is neither a dot-string nor a quoted string (RFC 5321 §4.1.2).
    #[error("the part before the @ has a character that is not allowed there")]
    LocalPart,
    /// The domain is neither labels nor an address literal (RFC 5321 §4.1.2, §4.1.3).
    #[error("the domain is not well-formed")]
    Domain,
    /// Longer than we take.
    #[error("the address is too long")]
    TooLong,
}

/// The part before the `@`, without its quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LocalPart(Box<str>);

impl LocalPart {
    /// Reads a dot-string or a quoted string (RFC 5321 §4.1.2, RFC 6531 §3.3).
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > LOCAL_MAX {
            return Err(AddressError::TooLong);
        }
        if let Some(quoted) = text.strip_prefix('"') {
            let inner = quoted.strip_suffix('"').ok_or(AddressError::LocalPart)?;
            return unquote(inner).map(|plain| Self(plain.into()));
        }
        if is_dot_string(text) { Ok(Self(text.into())) } else { Err(AddressError::LocalPart) }
    }

    /// The text without quotes, in the case it came in (RFC 5321 §2.4).
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form to compare by: see [`fold()`].
    pub fn folded(&self) -> String {
        fold(&self.0)
    }
}

impl fmt::Display for LocalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.0) {
            return f.write_str(&self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            if c == '"' || c == '\\' {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        f.write_str("\"")
    }
}

/// The part after the `@`: a domain name, or an address literal in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Domain(Box<str>);

impl Domain {
    /// Reads a domain name (A-labels or U-labels) or an address literal such as `[192.0.2.1]` or
    /// `[IPv6:2001:db8::1]` (RFC 5321 §4.1.2 and §4.1.3).
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > DOMAIN_MAX {
            return Err(AddressError::TooLong);
        }
        if let Some(rest) = text.strip_prefix('[') {
            let inner = rest.strip_suffix(']').ok_or(AddressError::Domain)?;
            return if is_literal(inner) { Ok(Self(text.into())) } else { Err(AddressError::Domain) };
        }
        let labels = !text.is_empty() && text.split('.').all(is_label);
        if !labels || (!text.is_ascii() && idna::domain_to_ascii(text).is_err()) {
            return Err(AddressError::Domain);
        }
        Ok(Self(text.into()))
    }

    /// As it came in.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form to compare by (RFC 6531 §3.2): lower-case U-labels, so that `xn--bcher-kva.example` is
    /// `bücher.example`.
    pub fn folded(&self) -> String {
        if self.0.starts_with('[') {
            return self.0.to_ascii_lowercase();
        }
        let lower = self.0.to_lowercase();
        if lower.is_ascii() && !lower.contains("xn--") {
            return lower;
        }
        let (unicode, outcome) = idna::domain_to_unicode(&lower);
        if outcome.is_ok() { unicode } else { lower }
    }

    /// The form that every mail program can read: A-labels (RFC 5890 §2.3.2.1), literals as they came.
    pub fn to_ascii(&self) -> String {
        if self.0.is_ascii() {
            return self.0.to_string();
        }
        idna::domain_to_ascii(&self.0).unwrap_or_else(|_| self.0.to_string())
    }

    /// The address of an address literal.
    pub fn literal(&self) -> Option<IpAddr> {
        literal_ip(self.0.strip_prefix('[')?.strip_suffix(']')?)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `local-part@domain` as it came in; compare by [`Address::folded`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// Before the `@`.
    pub local: LocalPart,
    /// After the `@`.
    pub domain: Domain,
}

impl Address {
    /// Reads `local-part@domain`; a quoted local part may hold an `@`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let at = split_at_sign(text).ok_or(AddressError::NoAt)?;
        Ok(Self { local: LocalPart::parse(&text[..at])?, domain: Domain::parse(&text[at + 1..])? })
    }

    /// `local@domain` in the form to compare by.
    pub fn folded(&self) -> String {
        format!("{}@{}", self.local.folded(), self.domain.folded())
    }

    /// Whether it can be sent without SMTPUTF8 (RFC 6531).
    pub fn is_ascii(&self) -> bool {
        self.local.0.is_ascii() && self.domain.0.is_ascii()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.local.fmt(f)?;
        f.write_str("@")?;
        self.domain.fmt(f)
    }
}

/// The place of the `@` that ends the local part, seen past a quoted string.
fn split_at_sign(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'@' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

fn unquote(inner: &str) -> Result<String, AddressError> {
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => chars.next().ok_or(AddressError::LocalPart)?,
            '"' => return Err(AddressError::LocalPart),
            c => c,
        };
        if c.is_control() {
            return Err(AddressError::LocalPart);
        }
        plain.push(c);
    }
    Ok(plain)
}

/// A Dot-string (RFC 5321 §4.1.2): what needs no quotes. It is asked of every address that is read or written, most
/// of which are ASCII.
fn is_dot_string(text: &str) -> bool {
    let mut before = b'.';
    for octet in text.bytes() {
        if octet == b'.' && before == b'.' {
            return false;
        }
        if octet != b'.' && octet.is_ascii() && !is_ascii_atext(octet) {
            return false;
        }
        before = octet;
    }
    before != b'.' && (text.is_ascii() || text.chars().filter(|c| !c.is_ascii()).all(is_atext_beyond_ascii))
}

/// RFC 5322 §3.2.3 atext.
fn is_ascii_atext(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&octet)
}

/// RFC 6531 §3.3, UTF8-non-ascii; of that, nothing that cannot be seen.
fn is_atext_beyond_ascii(c: char) -> bool {
    !c.is_control() && !c.is_whitespace()
}

/// A sub-domain (RFC 5321 §4.1.2). Underscores are against the letter, and in use.
fn is_label(label: &str) -> bool {
    let octets_ok = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_' || !c.is_ascii());
    !label.is_empty()
        && label.len() <= 63 * 4
        && octets_ok
        && !label.starts_with('-')
        && !label.ends_with('-')
        && (!label.is_ascii() || label.len() <= 63)
}

fn is_literal(inner: &str) -> bool {
    // A tag we do not know (RFC 5321 §4.1.3, General-address-literal) is well-formed, and never ours.
    literal_ip(inner).is_some()
        || inner.split_once(':').is_some_and(|(tag, content)| {
            !tag.eq_ignore_ascii_case("ipv6")
                && is_label(tag)
                && !content.is_empty()
                && content.bytes().all(|b| (33..=90).contains(&b) || (94..=126).contains(&b))
        })
}

fn literal_ip(inner: &str) -> Option<IpAddr> {
    match inner.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("ipv6:") => inner[5..].parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => inner.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5321 §2.4, §4.1.2, §4.1.3; RFC 6531 §3.2.
    #[test]
    fn well_formed_addresses_print_as_they_came() {
        for text in [
            "a@b",
            "a.b@example.com",
            "\"a b\"@example.com",
            "\"a@b\"@example.com",
            "a+b@[192.0.2.1]",
            "a@[IPv6:2001:db8::1]",
            "müller@bücher.example",
            "o'brien@example.com",
            "a/b@example.com",
            "x@sub_domain.example",
            "a@[x-tag:anything]",
        ] {
            assert_eq!(Address::parse(text).map(|a| a.to_string()).as_deref(), Ok(text));
        }
    }

    /// RFC 6531 §3.2, §3.3.
    #[test]
    fn the_rest_is_refused() {
        for text in [
            "",
            "a",
            "@b",
            "a@",
            "a b@c",
            "a@b c",
            "a..b@c",
            ".a@b",
            "a.@b",
            "a@b.",
            "a@.b",
            "a@b..c",
            "a@-b.c",
            "a@b-.c",
            "a@[1.2.3]",
            "a@[IPv6:1.2.3.4]",
            "a@[]",
            "a@b@c",
            "\"a@b",
            "\"a\"b@c",
            "a\\b@c",
            "a@b>c",
            "a\u{7f}@b",
            "\"a\rb\"@c",
            "a@b\0",
            "a@exa$mple.com",
            "a@[IPv6:::1",
        ] {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
    }

    /// RFC 6531 §3.2.
    #[test]
    fn folding_makes_one_of_the_spellings() {
        let fold = |t: &str| Address::parse(t).expect(t).folded();
        assert_eq!(fold("MÜLLER@XN--BCHER-KVA.example"), fold("müller@Bücher.Example"));
        assert_eq!(fold("\"alice\"@example.com"), "alice@example.com");
    }

    #[test]
    fn a_domain_has_a_form_for_everybody() {
        let ascii = |t: &str| Domain::parse(t).expect(t).to_ascii();
        assert_eq!(ascii("bücher.example"), "xn--bcher-kva.example");
        assert_eq!(ascii("Example.TEST"), "Example.TEST");
    }

    /// RFC 5321 §4.1.2.
    #[test]
    fn needless_quotes_go_and_needed_ones_stay() {
        assert_eq!(Address::parse("\"alice\"@b").expect("valid").to_string(), "alice@b");
        assert_eq!(Address::parse("\"a\\\"b\"@b").expect("valid").to_string(), "\"a\\\"b\"@b");
        assert_eq!(Address::parse("\"\"@b").expect("valid").to_string(), "\"\"@b");
    }
}
