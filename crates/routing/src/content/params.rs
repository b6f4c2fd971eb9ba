use std::borrow::Cow;

use memchr::memchr;

use super::transfer::hex;
use super::word::{self, text_in, unfolded};

/// Values of one parameter that are looked at.
const READINGS: usize = 16;

/// A field such as Content-Type: its value and its parameters (RFC 2045 §5.1, RFC 2231). Readers differ in what
/// they make of a malformed one, so every reading that some reader is known for is kept.
#[derive(Debug, Default)]
pub(super) struct Params {
    /// What stands before the first parameter, in lower case and without comments.
    pub(super) main: String,
    list: Vec<Param>,
}

#[derive(Debug)]
struct Param {
    /// In lower case, without RFC 2231's asterisks.
    key: String,
    /// The number of a piece.
    piece: Option<u32>,
    /// Percent-encoded, with a charset in the first piece.
    extended: bool,
    /// Without quotes and quoted pairs.
    value: Vec<u8>,
    /// As it stands.
    raw: Vec<u8>,
}

impl Params {
    pub(super) fn read(value: &[u8]) -> Self {
        let value = unfolded(value);
        let (mut segments, closed) = split(&value, true);
        if !closed {
            // A quote that nobody closes hides to some the rest, to others nothing.
            segments.extend(split(&value, false).0);
        }
        let main = without_comments(segments.first().copied().unwrap_or_default());
        let main = String::from_utf8_lossy(main.trim_ascii()).to_ascii_lowercase();
        Self { main, list: segments.into_iter().filter_map(Param::read).collect() }
    }

    /// Every text that a reader may take for the value of a parameter, without doubles.
    pub(super) fn all(&self, key: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut keep = |text: Cow<'_, str>| {
            if found.len() < READINGS && !text.is_empty() && !found.iter().any(|known| *known == text) {
                found.push(text.into_owned());
            }
        };
        let of_key = || self.list.iter().filter(|param| param.key == key);
        for joined in join(of_key().filter(|param| param.piece.is_some())) {
            keep(joined.into());
        }
        for param in of_key().filter(|param| param.piece.is_none()) {
            keep(if param.extended { extended(&param.value).into() } else { word::decode(&param.value) });
        }
        for param in of_key().filter(|param| param.piece.is_none() && !param.extended) {
            keep(word::decode(&param.raw));
            keep(word::decode(&without_comments(&param.raw)));
            let token = param.raw.split(|octet| b" \t".contains(octet)).next().unwrap_or_default();
            keep(word::decode(token));
        }
        found
    }

    /// The same as octets, as they stand in the body: a boundary need not be text.
    pub(super) fn octets(&self, key: &str) -> Vec<Vec<u8>> {
        let plain =
            self.list.iter().filter(|param| param.key == key && param.piece.is_none() && !param.extended);
        let plain = plain.map(|param| param.value.clone());
        let mut found: Vec<Vec<u8>> = Vec::new();
        for value in plain.chain(self.all(key).into_iter().map(String::into_bytes)) {
            let value = value.trim_ascii_end();
            if !value.is_empty() && !found.iter().any(|known| known == value) {
                found.push(value.to_vec());
            }
        }
        found
    }

    /// The first reading.
    pub(super) fn first(&self, key: &str) -> Option<String> {
        self.all(key).into_iter().next()
    }
}

impl Param {
    fn read(segment: &[u8]) -> Option<Self> {
        let equals = memchr(b'=', segment)?;
        // What stands before the name belongs to the one before: somebody forgot a semicolon.
        let before = segment[..equals].trim_ascii_end();
        let name = before.rsplit(|octet| b" \t),".contains(octet)).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let mut parts = name.split('*');
        let key = parts.next().unwrap_or_default().to_owned();
        let (second, third) = (parts.next(), parts.next());
        let piece = second.and_then(|number| number.parse().ok());
        let raw = segment[equals + 1..].trim_ascii().to_vec();
        let value = unquoted(&raw);
        Some(Self { key, piece, extended: second == Some("") || third.is_some(), value, raw })
    }
}

/// Pieces at semicolons, and whether every quote was closed.
fn split(value: &[u8], quotes: bool) -> (Vec<&[u8]>, bool) {
    let mut pieces = Vec::new();
    let (mut from, mut quoted, mut escaped) = (0, false, false);
    for (at, octet) in value.iter().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if quotes => quoted = !quoted,
            b';' if !quoted => {
                pieces.push(&value[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&value[from..]);
    (pieces, !quoted)
}

/// A quoted string's text up to its closing quote, its quoted pairs undone; anything else as it stands.
fn unquoted(raw: &[u8]) -> Vec<u8> {
    let Some(inner) = raw.strip_prefix(b"\"") else { return raw.to_vec() };
    let mut out = Vec::with_capacity(inner.len());
    let mut octets = inner.iter();
    while let Some(octet) = octets.next() {
        match octet {
            b'"' => break,
            b'\\' => out.extend(octets.next()),
            octet => out.push(*octet),
        }
    }
    out
}

fn without_comments(raw: &[u8]) -> Vec<u8> {
    let mut depth = 0_usize;
    let mut out = Vec::with_capacity(raw.len());
    for octet in raw {
        match octet {
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            octet if depth == 0 => out.push(*octet),
            _ => {}
        }
    }
    out
}

/// The pieces of a value in the order of their numbers (RFC 2231 §3). Where a number stands twice, readers take
/// all, the first or the last.
fn join<'a>(pieces: impl Iterator<Item = &'a Param>) -> Vec<String> {
    let mut pieces: Vec<&Param> = pieces.collect();
    if pieces.is_empty() {
        return Vec::new();
    }
    pieces.sort_by_key(|param| param.piece);
    let mut first = pieces.clone();
    first.dedup_by_key(|param| param.piece);
    if first.len() == pieces.len() {
        return vec![join_pieces(&pieces)];
    }
    let mut last: Vec<&Param> = pieces.iter().rev().copied().collect();
    last.dedup_by_key(|param| param.piece);
    last.reverse();
    [first, last, pieces].iter().map(|pieces| join_pieces(pieces)).collect()
}

fn join_pieces(pieces: &[&Param]) -> String {
    let mut octets = Vec::new();
    let mut charset: &[u8] = b"";
    for (place, piece) in pieces.iter().enumerate() {
        let mut value = piece.value.as_slice();
        if piece.extended {
            if place == 0 {
                (charset, value) = with_charset(value);
            }
            octets.extend(percent_decoded(value));
        } else {
            octets.extend_from_slice(value);
        }
    }
    again(&text_in(charset, &octets))
}

/// RFC 2231 §4.
fn extended(value: &[u8]) -> String {
    let (charset, value) = with_charset(value);
    again(&text_in(charset, &percent_decoded(value)))
}

/// Encoded words in what has been decoded already: some writers do both.
fn again(text: &str) -> String {
    word::decode(text.as_bytes()).into_owned()
}

/// Parts the charset, and the language, from a value; both may be missing.
fn with_charset(value: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = value.splitn(3, |octet| *octet == b'\'');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(charset), Some(_), Some(rest)) => (charset, rest),
        _ => (b"", value),
    }
}

/// An escape that is none stands for itself.
pub(super) fn percent_decoded(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, behind)) = rest.split_first() {
        let escaped = behind.get(..2).filter(|_| *first == b'%').and_then(|digits| hex(digits[0], digits[1]));
        out.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &behind[2..] } else { behind };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(value: &str) -> Vec<String> {
        Params::read(value.as_bytes()).all("n")
    }

    fn first(value: &str) -> String {
        Params::read(value.as_bytes()).first("n").unwrap_or_default()
    }

    #[test]
    fn the_value_is_what_stands_before_the_parameters() {
        for value in ["Text/Plain", " text/plain ; n=a", "(x) text/plain (y);n=a", "text/\r\n plain"] {
            assert_eq!(Params::read(value.as_bytes()).main.replace(' ', ""), "text/plain", "{value}");
        }
    }

    /// RFC 2045 §5.1, RFC 2231 §3 and §4; and what stands in mail beside them.
    #[test]
    fn a_parameter_is_found_however_it_is_written() {
        for value in [
            "x; n=abc",
            "x; N = abc",
            "x;n=\"abc\"",
            "x; n=\"a\\bc\"",
            "x; n=\"abc",
            "x; a=\";\"; n=abc",
            "x; a=\"; n=abc",
            "x; a=\"\\\"; n=z\"; n=abc",
            "x n=abc",
            "n=abc",
            "x; n*=utf-8'en'a%62c",
            "x; n*=a%62c",
            "x; n*0=a; n*1=bc",
            "x; n*1=bc; n*0=a",
            "x; n*2=c; n*00=a; n*01=b",
            "x; n*1=abc",
            "x; n*0*=utf-8''%61; n*1*=%62; n*2=c",
            "x; n*0=\"=?utf-8?q?a\"; n*1=\"bc?=\"",
            "x; n==?utf-8?q?abc?=",
            "x; n=\"=?utf-8?b?YWI=?=\r\n =?utf-8?q?c?=\"",
            "x; n*=utf-8''=?utf-8?q?abc?=",
            "x; n*=utf-16be''%00a%00b%00c",
        ] {
            assert_eq!(first(value), "abc", "{value}");
        }
    }

    #[test]
    fn every_reading_of_an_unclear_parameter_is_kept() {
        for (value, reading) in [
            ("x; n=a b", "a b"),
            ("x; n=abc d", "abc"),
            ("x; n=a(c)bc", "abc"),
            ("x; n=a; n=abc", "abc"),
            ("x; n*0=x; n*0=a; n*1=bc", "abc"),
            ("x; n*0=a; n*0=x; n*1=bc", "abc"),
            ("x; n*=utf-8''x; n=abc", "abc"),
        ] {
            assert!(all(value).iter().any(|found| found == reading), "{value}: {:?}", all(value));
        }
        assert!(all(&"n=a;n=b;n=c d;".repeat(500)).len() <= READINGS);
        let many: String = (0..500).map(|i| format!("n={i};")).collect();
        assert_eq!(all(&many).len(), READINGS);
    }
}
