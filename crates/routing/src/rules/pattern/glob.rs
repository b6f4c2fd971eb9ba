use memchr::memmem::Finder;

use super::literals::Gathered;
use super::regex::{Bad, Regex};

/// A pattern over the whole of a folded text: `*` is any run of characters, `?` any single one.
#[derive(Debug, Clone)]
pub(crate) struct Glob {
    /// In folded form: equal patterns are equal octets.
    folded: Box<str>,
    shape: Shape,
    /// The number of its longest literal among all that are looked for at once.
    literal: Option<u32>,
}

#[derive(Debug, Clone)]
enum Shape {
    /// Literals between stars: the first at the start, the last at the end, each other where it is found first.
    Stars { first: Box<str>, middle: Vec<Finder<'static>>, last: Box<str> },
    /// With a `?` in it the places to try are too many to go through: what is linear does it.
    Marks(Regex),
}

/// Whether a text would be read as a pattern.
pub(crate) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?'])
}

impl Glob {
    /// Takes a pattern that is folded already.
    pub(crate) fn new(folded: &str, gathered: &mut Gathered) -> Result<Self, Bad> {
        let shape = if folded.contains('?') || !folded.contains('*') {
            gathered.regex()?;
            Shape::Marks(Regex::of_glob(folded)?)
        } else {
            let mut parts: Vec<&str> = folded.split('*').collect();
            let last = parts.pop().unwrap_or_default().into();
            let first = parts.first().copied().unwrap_or_default().into();
            let middle = parts.iter().skip(1).filter(|part| !part.is_empty());
            Shape::Stars { first, middle: middle.map(|part| Finder::new(part).into_owned()).collect(), last }
        };
        let longest = folded.split(['*', '?']).max_by_key(|part| part.len()).unwrap_or_default();
        Ok(Self { folded: folded.into(), shape, literal: gathered.id(longest) })
    }

    pub(super) fn literal(&self) -> Option<u32> {
        self.literal
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.folded
    }

    /// Whether the whole of `text`, which is folded, fits.
    pub(crate) fn matches(&self, text: &str) -> bool {
        match &self.shape {
            Shape::Marks(regex) => regex.matches(text),
            Shape::Stars { first, middle, last } => {
                let Some(rest) = text.strip_prefix(&**first) else { return false };
                let Some(mut rest) = rest.as_bytes().strip_suffix(last.as_bytes()) else { return false };
                middle.iter().all(|part| {
                    let found = part.find(rest);
                    if let Some(at) = found {
                        rest = &rest[at + part.needle().len()..];
                    }
                    found.is_some()
                })
            }
        }
    }

    /// Whether everything that fits `other` fits this one. Sound, and not complete: a wildcard of the other is
    /// taken for a character that only a star (a mark, for a mark) of this one takes.
    pub(crate) fn covers(&self, other: &str) -> bool {
        let (pattern, text): (Vec<char>, Vec<char>) =
            (self.folded.chars().collect(), other.chars().collect());
        if pattern.len().saturating_mul(text.len()) > 1 << 16 {
            return pattern == text;
        }
        let width = text.len() + 1;
        let mut reach = vec![false; (pattern.len() + 1) * width];
        reach[0] = true;
        for i in 0..pattern.len() {
            for j in 0..width {
                if !reach[i * width + j] {
                    continue;
                }
                match (pattern[i], text.get(j)) {
                    ('*', next) => {
                        reach[(i + 1) * width + j] = true;
                        if next.is_some() {
                            reach[i * width + j + 1] = true;
                        }
                    }
                    ('?', Some(c)) if *c != '*' => reach[(i + 1) * width + j + 1] = true,
                    (p, Some(c)) if p == *c && p != '?' => reach[(i + 1) * width + j + 1] = true,
                    (_, Some(_) | None) => {}
                }
            }
        }
        reach[reach.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(pattern: &str) -> Glob {
        Glob::new(pattern, &mut Gathered::default()).expect(pattern)
    }

    #[test]
    fn stars_and_marks() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("*", "anything\nat all", true),
            ("press-*", "press-", true),
            ("press-*", "press", false),
            ("*-old", "a-old-old", true),
            ("*-old", "a-old-", false),
            ("a?c", "aüc", true),
            ("a?c", "a\nc", true),
            ("a?c", "ac", false),
            ("a?c", "aac!", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("aba*aba", "aba", false),
            ("aba*aba", "abaaba", true),
            ("a**b", "ab", true),
            ("*.p?f*", "a.pdf", true),
            ("(?", "(x", true),
        ] {
            assert_eq!(glob(pattern).matches(text), fits, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_pattern_made_to_backtrack_stays_quick() {
        let text = "a".repeat(super::super::text::LONGEST - 1) + "b";
        for pattern in [format!("{}c", "*a".repeat(2000)), format!("*{}c", "?a".repeat(60))] {
            assert!(!glob(&pattern).matches(&text));
        }
    }

    #[test]
    fn what_covers_covers_all_of_it() {
        for (wide, narrow, covers) in [
            ("*", "*@a", true),
            ("*@a", "*", false),
            ("*@*", "b?b@a", true),
            ("a?", "a*", false),
            ("a?", "a?", true),
            ("a?", "ab", true),
            ("ab", "a?", false),
            ("*.pdf", "*.pdf", true),
            ("*.pdf", "x*.pdf", true),
            ("*a*", "?a", true),
        ] {
            assert_eq!(glob(wide).covers(narrow), covers, "{wide} over {narrow}");
        }
    }
}
