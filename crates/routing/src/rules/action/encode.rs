use std::fmt::Write;

/// Most octets of an encoded word (RFC 2047 §2).
const WORD: usize = 75;
const BEGIN: &str = "=?utf-8?q?";
const END: &str = "?=";

/// A text as the value of a header field: ASCII as it is, the rest in encoded words (RFC 2047 §4.2) with one space
/// between them, where the field may be folded. The only way from a rule into a header: what could end the line
/// or begin another field does not pass.
pub(super) fn encode(text: &str) -> String {
    // What reads as an encoded word would be decoded to something else than what was written.
    let plain = |text: &str| text.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic());
    if plain(text) && !text.contains("=?") {
        return text.to_owned();
    }
    let mut out = String::from(BEGIN);
    let mut room = WORD - BEGIN.len() - END.len();
    for c in text.chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')) {
        let mut piece = String::new();
        match c {
            ' ' => piece.push('_'),
            c if c.is_ascii_alphanumeric() => piece.push(c),
            c => {
                let mut buffer = [0; 4];
                for octet in c.encode_utf8(&mut buffer).bytes() {
                    // Writing to a string cannot fail.
                    let _ = write!(piece, "={octet:02X}");
                }
            }
        }
        // A character is never cut in two (RFC 2047 §5).
        if piece.len() > room {
            out.push_str(END);
            out.push(' ');
            out.push_str(BEGIN);
            room = WORD - BEGIN.len() - END.len();
        }
        room -= piece.len();
        out.push_str(&piece);
    }
    out.push_str(END);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_the_line() {
        for text in ["a\r\nBcc: x", "a\0b", "ü\nX: y", "a\u{85}b\u{2028}", "=?utf-8?q?=0D=0ABcc:_x?=", "a\tb"]
        {
            let value = encode(text);
            assert!(value.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic()), "{value:?}");
        }
        assert_eq!(encode("=?utf-8?q?=0D?="), "=?utf-8?q?=3D=3Futf=2D8=3Fq=3F=3D0D=3F=3D?=");
    }

    #[test]
    fn templates_are_text() {
        for text in ["$1 ${2} %s {} \\1", "a: b; c=d <x@y>"] {
            assert_eq!(encode(text), text);
        }
    }

    /// RFC 2047 §2, §5.
    #[test]
    fn words_are_short_and_characters_whole() {
        let value = encode(&"Grüße 😀 ".repeat(30));
        for word in value.split(' ') {
            assert!(word.len() <= WORD, "{word}");
            let inner = word.strip_prefix(BEGIN).and_then(|word| word.strip_suffix(END)).expect("a word");
            let mut octets = Vec::new();
            let mut rest = inner.bytes();
            while let Some(octet) = rest.next() {
                octets.push(match octet {
                    b'=' => {
                        let hex = [rest.next().expect("hex"), rest.next().expect("hex")];
                        u8::from_str_radix(std::str::from_utf8(&hex).expect("ASCII"), 16).expect("hex")
                    }
                    b'_' => b' ',
                    octet => octet,
                });
            }
            assert!(String::from_utf8(octets).is_ok(), "{word}");
        }
    }
}
