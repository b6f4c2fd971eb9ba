//! Text of header fields: RFC 2047's encoded words, and octets of unknown charset.

use std::borrow::Cow;

use mail_parser::decoders::charsets::map::charset_decoder;
use memchr::{memchr, memmem};

use super::transfer::{base64, hex};

/// Most octets of the name of a charset.
const CHARSET: usize = 64;

/// Octets in a charset as text. Where nobody knows the charset it is UTF-8, or what most of the rest was.
pub(super) fn text_in<'a>(charset: &[u8], octets: &'a [u8]) -> Cow<'a, str> {
    // RFC 2231 §5: the language stands behind an asterisk.
    let charset = charset.split(|octet| *octet == b'*').next().unwrap_or_default().trim_ascii();
    let plain = charset.is_empty()
        || charset.eq_ignore_ascii_case(b"utf-8")
        || charset.eq_ignore_ascii_case(b"us-ascii");
    match charset_decoder(charset).filter(|_| !plain && charset.len() <= CHARSET) {
        Some(decode) => decode(octets).into(),
        None => text(octets),
    }
}

/// Octets of no charset: UTF-8, or else Windows-1252.
pub(super) fn text(octets: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(octets) {
        Ok(text) => text.into(),
        Err(_) => match charset_decoder(b"windows-1252") {
            Some(decode) => decode(octets).into(),
            None => String::from_utf8_lossy(octets),
        },
    }
}

/// A value on one line (RFC 5322 §2.2.3).
pub(super) fn unfolded(value: &[u8]) -> Vec<u8> {
    value.iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect()
}

/// The value of a field for people: unfolded, its encoded words decoded, on one line whatever they hold.
pub(super) fn value(raw: &[u8]) -> String {
    let unfolded = unfolded(raw);
    let decoded = decode(unfolded.trim_ascii());
    let on_one_line = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if decoded.chars().any(char::is_control) { on_one_line(&decoded) } else { decoded.into_owned() }
}

/// Decodes the encoded words in a text, wherever they stand (RFC 2047 §2; in quoted strings and in the middle of
/// words they are forbidden and common).
pub(super) fn decode(raw: &[u8]) -> Cow<'_, str> {
    // Behind the last end no word can stand: looked for once, or many begins without an end cost a square.
    let Some(last) = memmem::rfind(raw, b"?=").filter(|_| memmem::find(raw, b"=?").is_some()) else {
        return text(raw);
    };
    let mut out = Output::default();
    let mut from = 0;
    while let Some(begin) =
        memmem::find(&raw[from..], b"=?").map(|at| from + at).filter(|begin| *begin < last)
    {
        let inside = begin + 2;
        match Word::read(&raw[inside..]) {
            Some(word) => {
                out.plain(&raw[from..begin], true);
                out.word(&word);
                from = inside + word.octets;
            }
            None => {
                out.plain(&raw[from..inside], false);
                from = inside;
            }
        }
    }
    out.plain(&raw[from..], false);
    out.text.into()
}

/// An encoded word behind its `=?`.
struct Word<'a> {
    charset: &'a [u8],
    decoded: Vec<u8>,
    octets: usize,
}

impl<'a> Word<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let mark = memchr(b'?', &text[..text.len().min(CHARSET)])?;
        let encoding = text.get(mark + 1)?.to_ascii_lowercase();
        if text.get(mark + 2) != Some(&b'?') {
            return None;
        }
        let body = &text[mark + 3..];
        let end = memmem::find(body, b"?=")?;
        let decoded = match encoding {
            b'b' => base64(&body[..end], usize::MAX).head,
            b'q' => q(&body[..end]),
            _ => return None,
        };
        Some(Self { charset: &text[..mark], decoded, octets: mark + 3 + end + 2 })
    }
}

/// RFC 2047 §4.2.
fn q(mut text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    while let Some((first, rest)) = text.split_first() {
        let escaped = rest.get(..2).filter(|_| *first == b'=').and_then(|digits| hex(digits[0], digits[1]));
        match (first, escaped) {
            (_, Some(octet)) => out.push(octet),
            (b'_', None) => out.push(b' '),
            (other, None) => out.push(*other),
        }
        text = if escaped.is_some() { &rest[2..] } else { rest };
    }
    out
}

/// What has been decoded. Words of one charset in a row are joined before they are read: some writers cut
/// characters in two.
#[derive(Default)]
struct Output {
    text: String,
    charset: Vec<u8>,
    pending: Vec<u8>,
    behind_word: bool,
}

impl Output {
    fn plain(&mut self, raw: &[u8], before_word: bool) {
        // White space between two words is none (RFC 2047 §6.2).
        let joins = self.behind_word && before_word && raw.iter().all(|octet| b" \t\r\n".contains(octet));
        if !joins {
            self.flush();
            self.text.push_str(&text(raw));
            self.behind_word = false;
        }
    }

    fn word(&mut self, word: &Word<'_>) {
        if !self.charset.eq_ignore_ascii_case(word.charset) {
            self.flush();
            self.charset = word.charset.to_vec();
        }
        self.pending.extend_from_slice(&word.decoded);
        self.behind_word = true;
    }

    fn flush(&mut self) {
        self.text.push_str(&text_in(&self.charset, &self.pending));
        self.pending.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2047 §8 among them.
    #[test]
    fn encoded_words_are_decoded() {
        for (raw, decoded) in [
            ("plain", "plain"),
            ("(=?ISO-8859-1?Q?a?=)", "(a)"),
            ("(=?ISO-8859-1?Q?a?= b)", "(a b)"),
            ("(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)"),
            ("(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"),
            ("=?utf-8?b?w7w=?=", "ü"),
            ("=?UTF-8?B?w7w?=", "ü"),
            ("=?utf-8*en?q?=C3=BC?=", "ü"),
            ("=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),
            ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
            ("x=?utf-8?q?a?=y", "xay"),
            ("=?utf-8?q?a b?=", "a b"),
            ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
            ("=?utf-8?q?a", "=?utf-8?q?a"),
            ("=?=?utf-8?q?a?=", "=?a"),
            ("a\r\n b", "a b"),
            ("=?utf-8?q?a=0D=0ABcc:_x?=", "a  Bcc: x"),
        ] {
            assert_eq!(value(raw.as_bytes()), decoded, "{raw}");
        }
        assert_eq!(value(b" M\xfcller \r\n"), "Müller");
        assert_eq!(value("Müller".as_bytes()), "Müller");
        assert_eq!(text_in(b"no-such", b"a\xfc"), "aü");
    }

    #[test]
    fn begins_without_end_cost_no_square() {
        let started = std::time::Instant::now();
        for text in ["=?x", "=?a?q?"] {
            let text = text.repeat((1 << 20) / text.len());
            assert!(!value(format!("{text}?=").as_bytes()).is_empty());
        }
        assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
    }
}
