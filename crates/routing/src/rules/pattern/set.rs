use std::collections::HashSet;
use std::sync::Arc;

use super::glob::{Glob, is_glob};
use super::literals::{Gathered, Slot};
use super::regex::{Bad, Regex};
use super::text::{Text, fold, fold_address, fold_domain};

/// What the values are that patterns are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// A domain or a host name.
    Domain,
    /// An address.
    Address,
    /// An address that mail comes to: one of ours.
    Recipient,
}

/// Patterns of one place, compiled; a value matches when one of them does.
#[derive(Debug, Default)]
pub(crate) struct Set {
    exact: HashSet<Box<str>>,
    globs: Vec<Glob>,
    regexes: Vec<Regex>,
}

impl Set {
    /// Takes one pattern as it is written.
    pub(crate) fn add(&mut self, pattern: &str, kind: Kind, gathered: &mut Gathered) -> Result<(), Bad> {
        if let Some(regex) = regex_of(pattern) {
            gathered.regex()?;
            self.regexes.push(Regex::new(regex)?);
            return Ok(());
        }
        let folded = match kind {
            Kind::Text => fold(pattern),
            Kind::Domain => fold_domain(pattern),
            // As SMTP writes the null path.
            Kind::Address if pattern == "<>" => "".into(),
            Kind::Address | Kind::Recipient => fold_address(pattern),
        };
        if is_glob(&folded) {
            self.globs.push(Glob::new(&folded, gathered)?);
        } else {
            self.exact.insert(folded.into());
        }
        Ok(())
    }

    fn fits(&self, slot: &Slot<'_>) -> bool {
        let exact = |text: &Text<'_>| self.exact.contains(text.folded());
        let regexes = |text: &Text<'_>| self.regexes.iter().any(|regex| regex.matches(text.raw()));
        (!self.exact.is_empty() && slot.texts().iter().any(exact))
            || self.globs.iter().any(|glob| slot.fits(glob))
            || (!self.regexes.is_empty() && slot.texts().iter().any(regexes))
    }
}

/// What stands between the slashes of `/regex/`.
pub(crate) fn regex_of(pattern: &str) -> Option<&str> {
    pattern.strip_prefix('/')?.strip_suffix('/')
}

/// The patterns of one condition: its own, and those of the lists that it names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patterns {
    pub(crate) own: Arc<Set>,
    /// With their names.
    pub(crate) lists: Vec<(Box<str>, Arc<Set>)>,
}

impl Patterns {
    /// Whether one of them fits a value.
    pub(crate) fn fit(&self, slot: &Slot<'_>) -> bool {
        self.sets().any(|set| set.fits(slot))
    }

    /// Whether everything that matches `other` matches these, as far as can be proved.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let has_list = |name: &str| self.lists.iter().any(|(mine, _)| &**mine == name);
        let lists = other.lists.iter().filter(|(name, _)| !has_list(name)).map(|(_, set)| set);
        std::iter::once(&other.own).chain(lists).all(|set| {
            let exact = set.exact.iter().all(|text| {
                self.sets()
                    .any(|mine| mine.exact.contains(text) || mine.globs.iter().any(|glob| glob.matches(text)))
            });
            let globs = set.globs.iter().all(|narrow| {
                self.sets().any(|mine| mine.globs.iter().any(|glob| glob.covers(narrow.as_str())))
            });
            let regexes = set.regexes.iter().all(|regex| {
                self.sets().any(|mine| mine.regexes.iter().any(|own| own.as_str() == regex.as_str()))
            });
            exact && globs && regexes
        })
    }

    fn sets(&self) -> impl Iterator<Item = &Set> {
        std::iter::once(&*self.own).chain(self.lists.iter().map(|(_, set)| &**set))
    }
}

/// What a condition wants of the values that a message has in one place.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// That there is one, or none.
    There(bool),
    /// That one of them matches.
    Matches(Patterns),
}

impl Wanted {
    pub(crate) fn of(&self, slot: &Slot<'_>) -> bool {
        match self {
            Self::There(there) => slot.texts().is_empty() != *there,
            Self::Matches(patterns) => patterns.fit(slot),
        }
    }

    /// Whether what `other` accepts this accepts too, as far as can be proved.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::There(a), Self::There(b)) => a == b,
            (Self::There(there), Self::Matches(_)) => *there,
            (Self::Matches(_), Self::There(_)) => false,
            (Self::Matches(a), Self::Matches(b)) => a.covers(b),
        }
    }
}
