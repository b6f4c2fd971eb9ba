use unicode_normalization::UnicodeNormalization;

/// Characters of a name that are kept, from its end: what it ends with says what it is.
const LONGEST: usize = 255;

/// A file name as rules see it: what a system would write to its disk, whatever was done to it on the way. Empty
/// when nothing is left.
pub(super) fn tidy(name: &str) -> String {
    let visible: String =
        name.chars().filter(|c| !is_dropped(*c)).map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let whole = without_tail(&visible);
    let base = last(whole.rsplit(['/', '\\']).next().unwrap_or_default().trim_start());
    if base.is_ascii() {
        return base.to_ascii_lowercase();
    }
    // Composed on both sides: a capital may have a lower case in two characters.
    let lower: String = base.nfc().flat_map(char::to_lowercase).nfc().collect();
    last(&lower).to_owned()
}

/// The end of a name, as much of it as is kept.
fn last(name: &str) -> &str {
    let from = name.char_indices().rev().nth(LONGEST - 1).map_or(0, |(at, _)| at);
    name[from..].trim_start()
}

/// Without what a system drops from the end of a name: dots, spaces, separators, and the name of a stream.
fn without_tail(name: &str) -> &str {
    const STREAM: &str = "::$data";
    let mut rest = name;
    loop {
        let trimmed = rest.trim_end_matches(['.', ' ', '/', '\\', ':']);
        let stream = trimmed
            .len()
            .checked_sub(STREAM.len())
            .filter(|at| trimmed.get(*at..).is_some_and(|end| end.eq_ignore_ascii_case(STREAM)));
        let trimmed = stream.map_or(trimmed, |at| &trimmed[..at]);
        if trimmed.len() == rest.len() {
            return rest;
        }
        rest = trimmed;
    }
}

/// Control characters, quotation marks, and what nobody sees: signs that turn the writing direction, or that have
/// no width (Unicode's Default_Ignorable_Code_Point, as far as names can have it).
fn is_dropped(c: char) -> bool {
    c.is_control()
        || matches!(c, '"' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_a_system_makes_of_it() {
        for (name, tidied) in [
            ("Evil.EXE", "evil.exe"),
            ("evil.exe.", "evil.exe"),
            ("evil.exe . .. ", "evil.exe"),
            ("evil.exe\u{a0}\u{3000}", "evil.exe"),
            (" \tevil.exe", "evil.exe"),
            ("evil\u{202e}fdp.exe", "evilfdp.exe"),
            ("evil.\u{200b}e\u{ad}x\u{feff}e", "evil.exe"),
            ("ev\0il.e\r\nxe", "evil.exe"),
            ("../../evil.exe", "evil.exe"),
            ("C:\\Users\\a\\evil.exe", "evil.exe"),
            ("evil.exe/", "evil.exe"),
            ("evil.exe::$DATA", "evil.exe"),
            ("evil.exe::$DATA. ", "evil.exe"),
            ("\"evil\".exe", "evil.exe"),
            ("MU\u{308}LL.exe", "müll.exe"),
            ("\u{212a}ey.exe", "key.exe"),
            ("..", ""),
            ("", ""),
        ] {
            assert_eq!(tidy(name), tidied, "{name:?}");
        }
        assert_eq!(tidy(&format!("{}.exe", "ü".repeat(9_000))).chars().count(), LONGEST);
        assert!(tidy(&format!("{}.exe", "ü".repeat(9_000))).ends_with(".exe"));
    }

    #[test]
    fn tidying_twice_is_tidying_once() {
        for name in ["İ.exe", "Å", "a\u{301}\u{200b}", ". a. ", "x/ .", "a/\u{202e}", "ΑΣ", "a/ ./."] {
            assert_eq!(tidy(&tidy(name)), tidy(name), "{name:?}");
        }
    }
}
