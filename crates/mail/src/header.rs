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
        out.extend(word.chars().map(|c| if c.is_control() { ' ' } else { c }));
        column += word.len();
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::write_field;

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
}
