//! The patterns of `[[alias]]` and `[[refuse]]`: entered into every domain that they reach, and ordered so
//! that the first that fits is the answer.

use mail::{Domain, LocalPart};

use super::Builder;
use crate::fault::Item;
use crate::glob::{Glob, is_glob};
use crate::resolve::CLOSED;
use crate::table::{GlobOutcome, GlobRow};

impl Builder<'_> {
    pub(super) fn patterns(&mut self) {
        for (index, refuse) in self.spec.refused.iter().enumerate() {
            let text = refuse.text.as_deref().unwrap_or(CLOSED);
            self.pattern(Item::Refuse(index), &refuse.address, || GlobOutcome::Refused(text.into()));
        }
        for (index, alias) in self.spec.aliases.iter().enumerate() {
            self.pattern(Item::Alias(index), &alias.address, || GlobOutcome::Alias(index));
        }
        for domain in &mut self.table.domains {
            // Stable, and refusals were entered first: they win a tie, and then the file's order does.
            domain.globs.sort_by_key(|row| std::cmp::Reverse(row.literals));
        }
    }

    fn pattern(&mut self, item: Item, text: &str, outcome: impl Fn() -> GlobOutcome) {
        if !is_glob(text) {
            return;
        }
        let (local, domain) = match text.rsplit_once('@') {
            Some((local, domain)) => (local, Some(domain)),
            None => (text, None),
        };
        if LocalPart::parse(local).is_err() || local.starts_with('"') {
            self.error(item, "address", 0, format!("`{text}` is not a pattern over addresses"));
            return;
        }
        let Some(domains) = self.reached(item, text, domain) else { return };
        let pattern = Glob::new(&mail::fold(local));
        let literals = pattern.literals() + domain.map_or(0, |domain| Glob::new(domain).literals());
        let mut told = false;
        for index in domains {
            told = told || self.overlap(item, text, &pattern, literals, index);
            self.table.domains[index].globs.push(GlobRow {
                pattern: pattern.clone(),
                literals,
                spelled: text.to_owned(),
                outcome: outcome(),
            });
        }
    }

    /// The domains that the part after the `@` means; a bare pattern belongs to the first.
    fn reached(&mut self, item: Item, text: &str, domain: Option<&str>) -> Option<Vec<usize>> {
        let Some(domain) = domain else { return Some(vec![0]) };
        if !is_glob(domain) {
            let Ok(name) = Domain::parse(domain) else {
                self.error(item, "address", 0, format!("`{text}` is not a pattern: `{domain}` is no domain"));
                return None;
            };
            if let Some(index) = self.table.domain_names.get(name.folded().as_str()) {
                return Some(vec![*index]);
            }
            if self.unsure.domains {
                return None;
            }
            let (message, hint) = self.foreign(text, domain);
            self.error(item, "address", 0, message).hint = Some(hint);
            return None;
        }
        let glob = Glob::new(&mail::fold(domain));
        let mut reached: Vec<usize> = self
            .table
            .domain_names
            .iter()
            .filter(|(name, _)| glob.matches(name))
            .map(|(_, index)| *index)
            .collect();
        reached.sort_unstable();
        reached.dedup();
        if reached.is_empty() {
            if self.unsure.domains {
                return None;
            }
            self.error(item, "address", 0, format!("`{text}` fits none of our domains"));
            return None;
        }
        Some(reached)
    }

    /// Says at most once of a pattern that an earlier one fits the same addresses, and which one decides.
    fn overlap(&mut self, item: Item, text: &str, pattern: &Glob, literals: usize, domain: usize) -> bool {
        let rows = &self.table.domains[domain].globs;
        let Some(other) = rows.iter().find(|row| row.pattern.overlaps(pattern)) else { return false };
        let wins = if literals > other.literals { text } else { &other.spelled };
        let why = match (literals == other.literals, &other.outcome, item) {
            (false, _, _) => "its literal part is longer",
            (true, GlobOutcome::Refused(_), Item::Alias(_)) => "a refusal wins a tie",
            (true, _, _) => "it stands first",
        };
        let message = format!(
            "`{text}` and `{}` fit some addresses alike; `{wins}` decides there: {why}",
            other.spelled
        );
        self.warning(item, "address", 0, message);
        true
    }
}
