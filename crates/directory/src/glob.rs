use std::str::Chars;

/// A pattern over folded text: `*` is any run of characters, `?` any single one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob(Box<[char]>);

/// Whether a text would be read as a pattern.
pub(crate) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?'])
}

impl Glob {
    /// Takes a pattern that is folded already.
    pub(crate) fn new(folded: &str) -> Self {
        Self(folded.chars().collect())
    }

    /// How many of its characters stand for themselves: what "the longest literal wins" counts.
    pub(crate) fn literals(&self) -> usize {
        self.0.iter().filter(|c| !matches!(c, '*' | '?')).count()
    }

    /// Whether the whole of `text` fits. At most pattern times text steps, both bounded by an address.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let mut at = 0;
        let mut rest = text.chars();
        // The last star, and the text from which it has yet to give back a character.
        let mut star: Option<(usize, Chars<'_>)> = None;
        loop {
            let mut ahead = rest.clone();
            match (self.0.get(at), ahead.next()) {
                (Some('*'), _) => {
                    star = Some((at, rest.clone()));
                    at += 1;
                }
                (None, None) => return true,
                (Some(p), Some(t)) if *p == '?' || *p == t => {
                    at += 1;
                    rest = ahead;
                }
                _ => {
                    let Some((place, mut from)) = star.take() else { return false };
                    if from.next().is_none() {
                        return false;
                    }
                    star = Some((place, from.clone()));
                    at = place + 1;
                    rest = from;
                }
            }
        }
    }

    /// Whether some text fits both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let (a, b) = (&self.0, &other.0);
        let width = b.len() + 1;
        // reach[i * width + j]: the first i and j characters of the patterns can spell the same text.
        let mut reach = vec![false; (a.len() + 1) * width];
        reach[0] = true;
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                if !reach[i * width + j] {
                    continue;
                }
                let (left, right) = (a.get(i), b.get(j));
                if left.is_some() && (left == Some(&'*') || right == Some(&'*')) {
                    reach[(i + 1) * width + j] = true;
                }
                if right.is_some() && (left == Some(&'*') || right == Some(&'*')) {
                    reach[i * width + j + 1] = true;
                }
                if let (Some(left), Some(right)) = (left, right)
                    && (left == right || *left == '?' || *right == '?')
                {
                    reach[(i + 1) * width + j + 1] = true;
                }
            }
        }
        reach[reach.len() - 1]
    }
}

impl std::fmt::Display for Glob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|c| write!(f, "{c}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_marks() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("*", "anything", true),
            ("press-*", "press-", true),
            ("press-*", "press-a+b", true),
            ("press-*", "press", false),
            ("*-old", "a-old-old", true),
            ("*-old", "a-old-", false),
            ("a?c", "aüc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a**b", "ab", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), fits, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_pattern_made_to_backtrack_stays_quick() {
        let pattern = Glob::new(&"*a".repeat(120));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(250))));
    }

    #[test]
    fn overlaps_are_seen() {
        for (a, b, both) in [
            ("press-*", "*-old", true),
            ("press-*", "info-*", false),
            ("a?", "?b", true),
            ("a?", "a", false),
            ("*", "", true),
            ("a*b", "a?c", false),
            ("*x*", "y*", true),
        ] {
            assert_eq!(Glob::new(a).overlaps(&Glob::new(b)), both, "{a} and {b}");
            assert_eq!(Glob::new(b).overlaps(&Glob::new(a)), both, "{b} and {a}");
        }
    }

    #[test]
    fn literals_are_counted() {
        assert_eq!(Glob::new("pr*ss-?").literals(), 5);
    }
}
