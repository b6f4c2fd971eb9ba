use std::cell::OnceCell;
use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};

use super::{Bad, Glob, Text};

/// Most literals that are looked for at once; globs beyond them are tried one by one.
const LITERALS: usize = 20_000;
/// Octets from which on looking for all literals at once is quicker than trying the globs.
const LONG: usize = 2048;

/// Most regexes of a file, with globs that have a `?`: each may take a megabyte.
const REGEXES: usize = 1000;

/// The literals of all globs of a file while it is read, and how many regexes it has.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    ids: HashMap<Box<str>, u32>,
    regexes: usize,
}

impl Gathered {
    /// The number of a literal.
    pub(super) fn id(&mut self, literal: &str) -> Option<u32> {
        if let Some(id) = self.ids.get(literal) {
            return Some(*id);
        }
        let id = u32::try_from(self.ids.len())
            .ok()
            .filter(|_| self.ids.len() < LITERALS && !literal.is_empty())?;
        self.ids.insert(literal.into(), id);
        Some(id)
    }

    /// Counts a regex in.
    pub(super) fn regex(&mut self) -> Result<(), Bad> {
        self.regexes += 1;
        if self.regexes <= REGEXES {
            return Ok(());
        }
        Err(Bad { why: format!("a file has at most {REGEXES} regexes, and globs with a `?`"), at: None })
    }

    pub(crate) fn finish(self) -> Literals {
        let mut rows: Vec<(Box<str>, u32)> = self.ids.into_iter().collect();
        rows.sort_by_key(|(_, id)| *id);
        let texts = rows.iter().map(|(text, _)| text.as_bytes());
        // Without it every glob is tried, which is slower and the same.
        let search = AhoCorasick::builder().match_kind(MatchKind::Standard).build(texts).ok();
        Literals { search, count: rows.len() }
    }
}

/// The literals of all globs of a rule set, found in one go: of a long text each glob is tried only if its literal
/// is in it.
#[derive(Debug, Default)]
pub(crate) struct Literals {
    search: Option<AhoCorasick>,
    count: usize,
}

/// The values that a message has in one place.
#[derive(Debug)]
pub(crate) struct Slot<'f> {
    texts: Vec<Text<'f>>,
    literals: Option<&'f Literals>,
    /// Which literals stand in some value; none of short values.
    found: OnceCell<Option<Vec<bool>>>,
}

impl<'f> Slot<'f> {
    pub(crate) fn new(texts: impl IntoIterator<Item = Text<'f>>, literals: Option<&'f Literals>) -> Self {
        Self { texts: texts.into_iter().collect(), literals, found: OnceCell::new() }
    }

    pub(crate) fn texts(&self) -> &[Text<'f>] {
        &self.texts
    }

    /// Whether a glob fits a value.
    pub(super) fn fits(&self, glob: &Glob) -> bool {
        let absent = |id: u32| self.found().is_some_and(|found| found.get(id as usize) == Some(&false));
        !glob.literal().is_some_and(absent) && self.texts.iter().any(|text| glob.matches(text.folded()))
    }

    fn found(&self) -> Option<&[bool]> {
        let look = || {
            let literals = self.literals?;
            let search = literals.search.as_ref()?;
            if self.texts.iter().map(|text| text.folded().len()).sum::<usize>() < LONG {
                return None;
            }
            let mut found = vec![false; literals.count];
            for text in &self.texts {
                for one in search.find_overlapping_iter(text.folded()) {
                    found[one.pattern().as_usize()] = true;
                }
            }
            Some(found)
        };
        self.found.get_or_init(look).as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::pattern::{Kind, Patterns, Set};

    #[test]
    fn long_values_match_as_short_ones_do() {
        let globs = ["*abc*", "*bc", "abcd*", "*é*x", "*", "a?c*", "*zz*", "*x"];
        let filler = "-".repeat(LONG);
        for value in ["abc", "abcd", "xxabcxx", "bc", "é x", "zz", "", "xyz", "a!c"] {
            for glob in globs {
                let mut gathered = Gathered::default();
                let mut set = Set::default();
                for glob in globs {
                    Set::default().add(glob, Kind::Text, &mut gathered).expect("a glob");
                }
                set.add(glob, Kind::Text, &mut gathered).expect("a glob");
                let patterns = Patterns { own: set.into(), lists: Vec::new() };
                let literals = gathered.finish();
                for long in [format!("{value}{filler}"), format!("{filler}{value}")] {
                    let plain = Slot::new([Text::new(&long)], None);
                    let looked = Slot::new([Text::new(&long)], Some(&literals));
                    assert!(looked.found().is_some());
                    assert_eq!(patterns.fit(&looked), patterns.fit(&plain), "{glob} on {value}");
                }
            }
        }
    }
}
