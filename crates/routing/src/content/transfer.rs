use memchr::{memchr, memrchr};

/// How a part's octets are encoded (RFC 2045 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transfer {
    /// Not at all; also where nobody knows the encoding.
    Plain,
    Base64,
    QuotedPrintable,
}

/// The first octets of a part, decoded, and how many all of it has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) head: Vec<u8>,
    pub(super) size: u64,
}

impl Transfer {
    /// The encoding that the values of Content-Transfer-Encoding name. A comment or a word too many hides none.
    pub(super) fn named<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        for value in values {
            let value = value.to_ascii_lowercase();
            for word in value.split(|octet| !octet.is_ascii_alphanumeric() && *octet != b'-') {
                match word {
                    b"base64" => return Self::Base64,
                    b"quoted-printable" => return Self::QuotedPrintable,
                    _ => {}
                }
            }
        }
        Self::Plain
    }

    /// Decodes at most `most` octets; what is no octet of the encoding is passed over.
    pub(super) fn decode(self, body: &[u8], most: usize) -> Decoded {
        match self {
            Self::Plain => Decoded { head: body[..body.len().min(most)].to_vec(), size: body.len() as u64 },
            Self::Base64 => base64(body, most),
            Self::QuotedPrintable => quoted_printable(body, most),
        }
    }
}

const PAD: u8 = 64;
const NONE: u8 = 65;

/// RFC 2045 §6.8: the value of each octet.
const ALPHABET: [u8; 256] = {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [NONE; 256];
    let mut value = 0;
    while value < 64 {
        table[letters[value as usize] as usize] = value;
        value += 1;
    }
    table[b'=' as usize] = PAD;
    table
};

/// Padding ends a quantum and not the data: encoded pieces are joined every day.
pub(super) fn base64(body: &[u8], most: usize) -> Decoded {
    let mut head = Vec::with_capacity(most.min(body.len() / 4 * 3 + 3));
    let (mut bits, mut held) = (0_u32, 0_u32);
    for (at, octet) in body.iter().enumerate() {
        if head.len() >= most {
            head.truncate(most);
            let size = most as u64 + rest_of_base64(&body[at..], held);
            return Decoded { head, size };
        }
        match ALPHABET[usize::from(*octet)] {
            PAD => (bits, held) = (0, 0),
            NONE => {}
            value => {
                bits = bits << 6 | u32::from(value);
                held += 6;
                if held >= 8 {
                    held -= 8;
                    head.push((bits >> held & 0xff) as u8);
                }
            }
        }
    }
    let size = head.len() as u64;
    Decoded { head, size }
}

/// How many octets the rest decodes to, without decoding it; off by a few where pieces were joined.
fn rest_of_base64(rest: &[u8], held: u32) -> u64 {
    let values = rest.iter().filter(|o| o.is_ascii_alphanumeric() || **o == b'+' || **o == b'/').count();
    (values as u64 * 6 + u64::from(held)) / 8
}

/// RFC 2045 §6.7. White space before a line's end is padding; an escape that is none stands for itself.
pub(super) fn quoted_printable(body: &[u8], most: usize) -> Decoded {
    let mut head = Vec::with_capacity(most.min(body.len()));
    let mut size = 0;
    let mut take = |octets: &[u8]| {
        size += octets.len() as u64;
        let room = most - head.len();
        head.extend_from_slice(&octets[..octets.len().min(room)]);
    };
    for line in lines(body) {
        let (text, end) = split_end(line);
        let mut text = text.trim_ascii_end();
        let soft = text.last() == Some(&b'=');
        if soft {
            text = &text[..text.len() - 1];
        }
        while let Some(at) = memchr(b'=', text) {
            take(&text[..at]);
            let escape = text.get(at + 1..at + 3).and_then(|digits| hex(digits[0], digits[1]));
            match escape {
                Some(octet) => take(&[octet]),
                None => take(b"="),
            }
            text = &text[at + if escape.is_some() { 3 } else { 1 }..];
        }
        take(text);
        if !soft {
            take(end);
        }
    }
    Decoded { head, size }
}

/// Lines with their ends.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|octet| *octet == b'\n')
}

fn split_end(line: &[u8]) -> (&[u8], &[u8]) {
    match memrchr(b'\n', line) {
        Some(at) if line[..at].ends_with(b"\r") => line.split_at(at - 1),
        Some(at) => line.split_at(at),
        None => (line, b""),
    }
}

/// The octet of two hexadecimal digits.
pub(super) fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(transfer: Transfer, text: &str) -> String {
        let whole = transfer.decode(text.as_bytes(), usize::MAX);
        assert_eq!(whole.size, whole.head.len() as u64);
        for most in 0..whole.head.len() {
            let part = transfer.decode(text.as_bytes(), most);
            assert_eq!(part.head, whole.head[..most]);
            assert!(part.size.abs_diff(whole.size) <= 2, "{part:?} of {whole:?}");
        }
        String::from_utf8(whole.head).expect("text")
    }

    /// RFC 2045 §6.8.
    #[test]
    fn base64_is_decoded_whatever_stands_between() {
        for text in [
            "aGVsbG8gd29ybGQ=",
            "aGVs\r\nbG8g\r\nd29y\r\nbGQ=\r\n",
            "aGVsbG8gd29ybGQ",
            "aGV-sb G8*gd29ybGQ=\0",
        ] {
            assert_eq!(decode(Transfer::Base64, text), "hello world", "{text}");
        }
        assert_eq!(decode(Transfer::Base64, "aGVsbG8=IHdvcmxk"), "hello world");
        assert_eq!(decode(Transfer::Base64, ""), "");
    }

    /// RFC 2045 §6.7.
    #[test]
    fn quoted_printable_is_decoded_with_its_soft_line_ends() {
        for (text, plain) in [
            ("a=3Db=3dc", "a=b=c"),
            ("soft=\r\n end", "soft end"),
            ("soft= \t\r\nend=", "softend"),
            ("trail \t \r\nx\ny  ", "trail\r\nx\ny"),
            ("=ZZ=4", "=ZZ=4"),
            ("=C3=BC", "ü"),
        ] {
            assert_eq!(decode(Transfer::QuotedPrintable, text), plain, "{text:?}");
        }
    }

    #[test]
    fn an_encoding_is_found_behind_comments_and_in_any_case() {
        let named = |value: &str| Transfer::named([value.as_bytes()].into_iter());
        assert_eq!(named(" BASE64\r\n"), Transfer::Base64);
        assert_eq!(named(" (a) base64 (b)"), Transfer::Base64);
        assert_eq!(named(" Quoted-Printable;"), Transfer::QuotedPrintable);
        assert_eq!(named(" 8bit"), Transfer::Plain);
        assert_eq!(named(" xbase64"), Transfer::Plain);
    }
}
