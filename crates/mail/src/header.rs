use std::fmt;

/// Where a folded line should end (RFC 5322 §2.1.1).
const LINE: usize = 76;

/// One header field that we write ourselves: a name, and a value that can hold nothing that would end
/// the field early. Prints folded, with its final CRLF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderLine {
    name: &'static str,
    value: String,
}

impl HeaderLine {
    /// Control characters in `value` become spaces, so no text from a peer or a rule can begin a field of
    /// its own.
    pub fn new(name: &'static str, value: &str) -> Self {
        let value = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self { name, value }
    }
}

impl fmt::Display for HeaderLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.name)?;
        let mut column = self.name.len() + 1;
        for word in self.value.split(' ').filter(|word| !word.is_empty()) {
            if column + 1 + word.len() > LINE && column > self.name.len() + 1 {
                f.write_str("\r\n\t")?;
                column = 8;
            } else {
                f.write_str(" ")?;
                column += 1;
            }
            f.write_str(word)?;
            column += word.len();
        }
        f.write_str("\r\n")
    }
}

#[cfg(test)]
mod tests {
    use super::HeaderLine;

    #[test]
    fn a_value_cannot_begin_another_field() {
        let line = HeaderLine::new("X-A", "one\r\nBcc: two\0").to_string();
        assert_eq!(line, "X-A: one Bcc: two\r\n");
    }

    #[test]
    fn long_values_fold_between_words() {
        let line = HeaderLine::new("Received", &"word ".repeat(40)).to_string();
        assert!(line.ends_with("\r\n") && line.split("\r\n").all(|part| part.len() <= 78));
        assert_eq!(line.replace("\r\n\t", " ").matches("word").count(), 40);
    }
}
