//! A key that is there twice: which, and where it stood before.

use std::ops::Range;

/// The second of two keys of one table, or the second header of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Again<'t> {
    key: &'t str,
    /// The line of the first, from 1, where it is known.
    line: Option<usize>,
    /// What stands in the brackets above it, or in its own when it is a header.
    header: Option<&'t str>,
    is_header: bool,
}

impl<'t> Again<'t> {
    /// Looks in the lines above, as far as its table goes; keys of inline tables have their first beside them.
    pub(super) fn find(text: &'t str, second: &Range<usize>) -> Option<Self> {
        let key = text.get(second.clone())?;
        let begin = text.get(..second.start)?.rfind('\n').map_or(0, |at| at + 1);
        let above = || text[..begin].lines().enumerate().collect::<Vec<_>>().into_iter().rev();
        let own = header(text[begin..].lines().next()?);
        if own.is_some() {
            let line = above().find(|(_, line)| header(line) == own).map(|(at, _)| at + 1);
            return Some(Self { key, line, header: own, is_header: true });
        }
        let (mut line, mut found) = (None, None);
        for (at, text) in above() {
            found = header(text);
            if found.is_some() {
                break;
            }
            let is_it =
                text.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
            line = line.or(is_it.then_some(at + 1));
        }
        // Its own line begins with it, or it is a key of something inline.
        let alone = text.get(begin..second.start)?.trim().is_empty();
        Some(Self { key, line: line.filter(|_| alone), header: found, is_header: false })
    }

    /// Behind the words of the parser.
    pub(super) fn words(&self) -> String {
        match self.line {
            Some(line) => format!(" `{}`, which stands in line {line} already", self.key),
            None => format!(" `{}`", self.key),
        }
    }

    pub(super) fn hint(self) -> String {
        match (self.is_header, self.key, self.header) {
            (true, _, Some(header)) => format!("put all keys of [{header}] below the first of the two"),
            (_, "name" | "address", Some(header)) => {
                format!("keep one of the two, or write [[{header}]] above if another one begins here")
            }
            (_, _, _) => "keep one of the two; values of a list go into the same brackets".into(),
        }
    }
}

/// What stands in the brackets of a line that begins a table.
fn header(line: &str) -> Option<&str> {
    let inner = line.trim_start().strip_prefix('[')?;
    let (name, _) = inner.strip_prefix('[').unwrap_or(inner).split_once(']')?;
    Some(name.trim()).filter(|name| !name.is_empty() && !name.contains(['"', ',', '{', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[smtp]\nlisten = []\n\n[[mailbox]]\nname = \"a\"\ncollect = []\nmembers = [\n  \"b\",\n]\n\
                        collect = [\"c\"]\nname = \"d\"\nrelease = { when = 1, when = 2 }\n[smtp]\n";

    fn told(second: usize) -> (String, String) {
        let begin = TEXT[second..].trim_start_matches(['[', ' ']);
        let start = TEXT.len() - begin.len();
        let end = start + begin.find([' ', ']']).expect("an end");
        let again = Again::find(TEXT, &(start..end)).expect("found");
        (again.words(), again.hint())
    }

    #[test]
    fn the_first_of_two_is_named() {
        let last = |what: &str| TEXT.rfind(what).expect("there");
        for (place, words, hint) in [
            (last("collect"), " `collect`, which stands in line 6 already", "same brackets"),
            (last("name"), " `name`, which stands in line 5 already", "[[mailbox]] above"),
            (last("when"), " `when`", "keep one"),
            (last("[smtp]"), " `smtp`, which stands in line 1 already", "keys of [smtp]"),
        ] {
            let (said, advice) = told(place);
            assert_eq!(said, words);
            assert!(advice.contains(hint), "{advice}");
        }
    }
}
