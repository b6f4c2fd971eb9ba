use std::fmt::{self, Write};

/// Most octets of a value that a peer had a say in.
const OCTETS: usize = 256;

/// What a peer had a say in, as a log may hold it: nothing that a terminal obeys, at most 256 octets.
pub fn shown(value: impl fmt::Display) -> String {
    of_at_most(OCTETS, value)
}

/// The same at any length: a name that a person must be able to find.
pub fn harmless(value: impl fmt::Display) -> String {
    of_at_most(usize::MAX, value)
}

fn of_at_most(most: usize, value: impl fmt::Display) -> String {
    let mut shown = Shown { text: String::new(), most };
    // It ends early when it is full.
    let _ = write!(shown, "{value}");
    shown.text
}

struct Shown {
    text: String,
    most: usize,
}

impl Write for Shown {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Most of what is shown is short and plain.
        let fits = self.text.len() + text.len() <= self.most - '…'.len_utf8();
        if fits && text.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
            self.text.push_str(text);
            return Ok(());
        }
        for character in text.chars() {
            let obeyed = is_obeyed(character);
            let octets = if obeyed { character.escape_unicode().count() } else { character.len_utf8() };
            if self.text.len() + octets > self.most - '…'.len_utf8() {
                self.text.push('…');
                return Err(fmt::Error);
            }
            if obeyed {
                self.text.extend(character.escape_unicode());
            } else {
                self.text.push(character);
            }
        }
        Ok(())
    }
}

/// Control characters, and those that turn the rest of a line around.
fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_obeyed_by_no_terminal() {
        assert_eq!(shown("alice"), "alice");
        assert_eq!(shown("a\x1b[2J\r\n\u{9b}\u{202e}b"), "a\\u{1b}[2J\\u{d}\\u{a}\\u{9b}\\u{202e}b");
        assert_eq!(harmless(format!("{}\x1b", "a".repeat(500))), "a".repeat(500) + "\\u{1b}");
        let long = shown("ü".repeat(500));
        assert!(long.len() <= OCTETS && long.ends_with('…'));
        let listed = (0..1000).map(|n| format!("<{n}@b>")).collect::<Vec<_>>().join(",");
        let long = shown(listed);
        assert!(long.len() <= OCTETS && long.starts_with("<0@b>,<1@b>,") && long.ends_with('…'));
    }
}
