/// Where a folded line should end (RFC 5322 §2.1.1).
const LINE: usize = 76;

/// Appends one header field of ours to `out`, folded between words, with its final CRLF. Control
/// characters in a word become spaces, so no text from a peer or a rule can begin a field of its own.
pub fn write_field(out: &mut String, name: &str, words: &[&str]) {
    out.push_str(name);
    out.push(':');
    let mut column = name.len() + 1;
    for (place, word) in words.iter().enumerate() {
        if place > 0 && column + 1 + word.len() > LINE {
            out.push_str("\r\n\t");
            column = 8;
        } else {
            out.push(' ');
            column += 1;
        }
        match word.contains(char::is_control) {
            true => out.extend(word.chars().map(|c| if c.is_control() { ' ' } else { c })),
            false => out.push_str(word),
        }
        column += word.len();
    }
    out.push_str("\r\n");
}

/// Appends one field of free text (RFC 5322 §3.6.5), folded, with its final CRLF. What is beyond ASCII is encoded
/// (RFC 2047), and whatever the text is, no field comes of it but this one.
pub fn write_text(out: &mut Vec<u8>, name: &str, text: &str) {
    write_octets(out, name, encoded(text, false).as_bytes());
}

/// Appends a Subject with tags in front of its value, which is what stood behind the colon, unfolded: as encoded
/// as its sender left it.
pub fn write_subject(out: &mut Vec<u8>, tags: &[String], value: &[u8]) {
    let value = value.trim_ascii();
    let mut subject = Vec::with_capacity(value.len() + 64);
    let encoded_follows = value.starts_with(b"=?");
    for (place, tag) in tags.iter().enumerate() {
        let next = tags.get(place + 1);
        let follows = next.map_or(encoded_follows, |next| !is_plain(next) || next.starts_with("=?"));
        let tag = encoded(tag, follows);
        match tag.strip_suffix("?=").filter(|tag| follows && is_plain(tag) && !tag.ends_with('_')) {
            // White space between two encoded words is not shown (RFC 2047 §6.2).
            Some(open) => subject.extend_from_slice(format!("{open}_?=").as_bytes()),
            None => subject.extend_from_slice(tag.as_bytes()),
        }
        subject.push(b' ');
    }
    subject.extend_from_slice(value);
    write_octets(out, "Subject", &subject);
}

/// The one place where text of a rule or of a message becomes a field.
fn write_octets(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    let name = name.bytes().filter(|octet| octet.is_ascii_graphic() && *octet != b':');
    let begin = out.len();
    out.extend(name);
    out.push(b':');
    let mut column = out.len() - begin;
    // The line has something that can be seen: one of nothing but white space would end the header for some.
    let mut visible = true;
    for word in value.split(|octet| matches!(octet, b' ' | b'\t')) {
        if visible && !word.is_empty() && column + 1 + word.len() > LINE {
            out.extend_from_slice(b"\r\n ");
            (column, visible) = (1, false);
        } else {
            out.push(b' ');
            column += 1;
        }
        out.extend(word.iter().map(|octet| if octet.is_ascii_control() { b' ' } else { *octet }));
        column += word.len();
        visible |= word.iter().any(|octet| !octet.is_ascii_control());
    }
    out.extend_from_slice(b"\r\n");
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii() && !c.is_control())
}

/// Octets of an encoded word, without what stands around its text (RFC 2047 §2).
const ENCODED: usize = 75 - "=?utf-8?q??=".len();

/// Text as encoded words when it is not plain ASCII; `spaced` when a blank behind it must be seen before another.
fn encoded(text: &str, spaced: bool) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let (mut words, mut word) = (Vec::new(), String::new());
    for c in text.chars().chain(spaced.then_some(' ')) {
        let mut octets = [0; 4];
        let piece: String = match c {
            ' ' => "_".into(),
            c if c.is_control() => "_".into(),
            c if c.is_ascii_alphanumeric() => c.into(),
            c => c.encode_utf8(&mut octets).bytes().map(|octet| format!("={octet:02X}")).collect(),
        };
        if word.len() + piece.len() > ENCODED {
            words.push(std::mem::take(&mut word));
        }
        word.push_str(&piece);
    }
    words.push(word);
    words.iter().map(|word| format!("=?utf-8?q?{word}?=")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{write_field, write_subject, write_text};

    fn field(words: &[&str]) -> String {
        let mut out = String::new();
        write_field(&mut out, "Received", words);
        out
    }

    #[test]
    fn a_word_cannot_begin_another_field() {
        assert_eq!(field(&["one\r\nBcc: two\0"]), "Received: one  Bcc: two \r\n");
    }

    #[test]
    fn long_values_fold_between_words_and_never_inside() {
        let line = field(&["two words"; 40]);
        assert!(line.ends_with("\r\n") && line.split("\r\n").all(|part| part.len() <= 78));
        assert_eq!(line.matches("two words").count(), 40);
    }

    fn text(name: &str, value: &str) -> String {
        let mut out = Vec::new();
        write_text(&mut out, name, value);
        String::from_utf8(out).expect("ASCII")
    }

    fn subject(tags: &[&str], value: &[u8]) -> Vec<u8> {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let mut out = Vec::new();
        write_subject(&mut out, &tags, value);
        out
    }

    /// RFC 5322 §2.2.3; RFC 2047 §2, §6.2.
    #[test]
    fn text_is_folded_and_encoded() {
        assert_eq!(text("X-Dept", "accounts  of all"), "X-Dept: accounts  of all\r\n");
        assert_eq!(text("X-Dept", "Büro 1"), "X-Dept: =?utf-8?q?B=C3=BCro_1?=\r\n");
        for long in ["word ".repeat(60), "wörter ".repeat(60), " ".repeat(300) + "x", "ü".repeat(500)] {
            let field = text("X-Long", &long);
            assert!(field.split("\r\n").all(|line| line.len() <= 78 || long.starts_with("  ")), "{field}");
            let folded = field.trim_end_matches("\r\n").split("\r\n").skip(1);
            assert!(folded.clone().all(|line| line.starts_with(' ') && !line.trim().is_empty()), "{field}");
        }
    }

    /// Whatever a rule or a subject says, one field comes of it.
    #[test]
    fn nothing_can_be_injected() {
        let evil = "x\r\nBcc: all@example.test\r\n\r\nbody\0\n.\n\u{85}\u{2028}";
        for field in [
            text("X-A", evil),
            text("X-A: b\r\nBcc", "c"),
            String::from_utf8(subject(&[evil], evil.as_bytes())).expect("text"),
            String::from_utf8(subject(&["[t]"], b"=?utf-8?q?a=0D=0ABcc:_x?=")).expect("text"),
        ] {
            assert_eq!(field.matches("\r\n").count(), field.matches("\r\n ").count() + 1, "{field:?}");
            let bare = field.replace("\r\n", "");
            assert!(!bare.contains(['\r', '\n', '\0']) && field.ends_with("\r\n"), "{field:?}");
        }
    }

    /// RFC 2047 §6.2; octets that are no UTF-8 stay what they were.
    #[test]
    fn a_tag_stands_before_what_the_subject_was() {
        assert_eq!(subject(&["[SPAM]"], b" Hello  there"), b"Subject: [SPAM] Hello  there\r\n");
        assert_eq!(subject(&["[SPAM]", "[x]"], b"\xe9t\xe9"), b"Subject: [SPAM] [x] \xe9t\xe9\r\n");
        assert_eq!(subject(&["[a]"], b""), b"Subject: [a] \r\n");
        let both = subject(&["[\u{fc}]"], b"=?utf-8?q?=C3=BC?=");
        assert_eq!(both, b"Subject: =?utf-8?q?=5B=C3=BC=5D_?= =?utf-8?q?=C3=BC?=\r\n");
        let encoded_already = subject(&["=?utf-8?q?=C3=BC?="], b"=?utf-8?q?=C3=BC?=");
        assert_eq!(encoded_already, b"Subject: =?utf-8?q?=C3=BC_?= =?utf-8?q?=C3=BC?=\r\n");
    }
}
