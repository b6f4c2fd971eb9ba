use std::ops::Range;
use std::sync::Arc;

use toml::de::DeValue;

use super::lists::Entry;
use super::{Reader, Value, did_you_mean};
use crate::rules::diagnostic::Diagnostic;
use crate::rules::pattern::{
    Bad, Gathered, Glob, Kind, PATTERN_MAX, Patterns, Set, Wanted, fold_domain, is_glob, regex_of,
};

const EXPECTED: &str = "expected a pattern, or a list of them";

impl Reader<'_> {
    /// One pattern or a list of them, of the file or of named lists.
    pub(crate) fn patterns(&mut self, key: &str, value: &Value<'_>, kind: Kind) -> Option<Patterns> {
        let mut found = Patterns::default();
        let mut own = Set::default();
        let before = self.errors;
        for (text, span) in self.strings(key, value, EXPECTED) {
            match self.named_list(text, &span) {
                Some(Some(name)) => {
                    let set = self.list_set(key, &name, kind);
                    found.lists.push((name.into(), set));
                }
                Some(None) => {}
                None => self.add(key, &mut own, &Entry { text: text.to_owned(), span, line: None }, kind),
            }
        }
        found.own = Arc::new(own);
        (self.errors == before).then_some(found)
    }

    /// The same, or `true` for any value and `false` for none.
    pub(crate) fn wanted(&mut self, key: &str, value: &Value<'_>, kind: Kind) -> Option<Wanted> {
        match value.get_ref() {
            DeValue::Boolean(there) => Some(Wanted::There(*there)),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => self.patterns(key, value, kind).map(Wanted::Matches),
        }
    }

    /// The texts of a list or of several, one by one, with their places: for what is no pattern.
    pub(crate) fn entries(
        &mut self,
        key: &str,
        value: &Value<'_>,
        expected: &str,
    ) -> Vec<(String, Range<usize>)> {
        let mut found = Vec::new();
        for (text, span) in self.strings(key, value, expected) {
            match self.named_list(text, &span) {
                Some(Some(name)) => {
                    let entries = self.lists.get(&name).into_iter().flat_map(|list| &list.entries);
                    found.extend(entries.map(|entry| (entry.text.clone(), entry.span.clone())));
                }
                Some(None) => {}
                None => found.push((text.to_owned(), span)),
            }
        }
        found
    }

    fn list_set(&mut self, key: &str, name: &str, kind: Kind) -> Arc<Set> {
        let Some(list) = self.lists.get(name) else { return Arc::default() };
        if let Some(set) = list.sets.get(&kind) {
            return set.clone();
        }
        let mut set = Set::default();
        for entry in list.entries.clone() {
            self.add(key, &mut set, &entry, kind);
        }
        let set = Arc::new(set);
        if let Some(list) = self.lists.get_mut(name) {
            list.sets.insert(kind, set.clone());
        }
        set
    }

    fn add(&mut self, key: &str, set: &mut Set, entry: &Entry, kind: Kind) {
        let (text, span) = (entry.text.as_str(), entry.span.clone());
        let of_line = entry.line.as_ref().map(|line| format!("{line}: ")).unwrap_or_default();
        if text.len() > PATTERN_MAX {
            let message = format!("{of_line}`{key}`: a pattern of {} octets", text.len());
            self.say(Diagnostic::error(span, message).label(format!("expected at most {PATTERN_MAX}")));
            return;
        }
        if let Err(Bad { why, at }) = set.add(text, kind, &mut self.numbers.literals) {
            let message = match at.as_ref().and_then(|at| text[1..].get(..at.start)) {
                Some(before) => {
                    let place = before.chars().count() + 1;
                    format!("{of_line}`{key}`: the regex is wrong at its character {place}: {why}")
                }
                None => format!("{of_line}`{key}`: the pattern cannot be used: {why}"),
            };
            let span = at
                .filter(|_| entry.line.is_none())
                .and_then(|at| self.inside(&span, text, at))
                .unwrap_or(span);
            self.say(Diagnostic::error(span, message));
            return;
        }
        if regex_of(text).is_some() || of_line.is_empty() && text.is_empty() {
            return;
        }
        let never = match kind {
            Kind::Text | Kind::Domain => None,
            Kind::Address => never_an_address(text),
            Kind::Recipient => never_an_address(text).or_else(|| self.never_ours(text)),
        };
        if let Some((why, hint)) = never {
            let message = format!("{of_line}`{key}`: `{text}` can never match: {why}");
            self.say(Diagnostic::warning(span, message).maybe(hint));
        }
    }

    /// The place in the file of a place in a regex, when the file spells it without escapes.
    fn inside(&self, span: &Range<usize>, text: &str, at: Range<usize>) -> Option<Range<usize>> {
        let spelled = self.text.get(span.clone())?;
        let plain = spelled.get(1..spelled.len().checked_sub(1)?)? == text;
        // Behind the quote and the slash.
        let start = span.start + 2;
        plain.then(|| start + at.start..start + at.end.max(at.start + 1))
    }

    /// Why no recipient of ours can match.
    fn never_ours(&self, pattern: &str) -> Option<(String, Option<String>)> {
        let directory = self.around.directory?;
        let (_, domain) = pattern.rsplit_once('@')?;
        let folded = fold_domain(domain);
        let ours = match mail::Domain::parse(domain) {
            Ok(domain) if !is_glob(&folded) => directory.is_ours(&domain),
            Ok(_) | Err(_) => {
                let glob = Glob::new(&folded, &mut Gathered::default()).ok()?;
                directory.domain_names().any(|name| glob.matches(name))
            }
        };
        let why = || format!("`{domain}` is not one of our domains");
        (!ours).then(|| (why(), did_you_mean(&folded, directory.domain_names())))
    }
}

/// Why no address can match.
fn never_an_address(pattern: &str) -> Option<(String, Option<String>)> {
    if matches!(pattern, "<>" | "postmaster") {
        return None;
    }
    match pattern.matches('@').count() {
        0 if is_glob(pattern) => None,
        0 => {
            let hint =
                if pattern.contains('.') { format!("\"*@{pattern}\"") } else { format!("\"{pattern}@*\"") };
            Some(("an address has an @".into(), Some(format!("did you mean {hint}?"))))
        }
        1 if pattern.starts_with('@') => {
            Some(("nothing stands before its @".into(), Some(format!("did you mean \"*{pattern}\"?"))))
        }
        1 => {
            let domain = pattern.rsplit_once('@').map_or("", |(_, domain)| domain);
            let bad = !is_glob(domain) && mail::Domain::parse(domain).is_err();
            bad.then(|| (format!("`{domain}` is no domain"), None))
        }
        // In a quoted local part an address may have more.
        _ if pattern.contains('"') || is_glob(pattern) => None,
        _ => Some(("an address has one @".into(), None)),
    }
}
