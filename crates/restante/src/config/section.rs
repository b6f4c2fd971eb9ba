//! Reads a TOML table key by key: what is asked for is known, what is left at the end is a fault.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Severity};
use super::nearest::nearest;
use super::source::File;
use super::value::Problem;

/// What reading one file gives beside its values.
#[derive(Debug)]
pub(super) struct Notes {
    pub(super) file: File,
    pub(super) faults: Vec<Fault>,
    /// Every key that was asked for, as `table.key`.
    pub(super) known: BTreeSet<String>,
}

impl Notes {
    pub(super) fn new(file: File) -> Self {
        Self { file, faults: Vec::new(), known: BTreeSet::new() }
    }

    pub(super) fn error(&mut self, span: Range<usize>, problem: Problem) {
        let fault = Fault::error(self.file, span, problem.message).label(problem.expected);
        self.faults.push(match problem.hint {
            Some(hint) => fault.hint(hint),
            None => fault,
        });
    }

    /// Whether something wrong was said after the first `before` of the faults.
    pub(super) fn has_errors_since(&self, before: usize) -> bool {
        self.faults.iter().skip(before).any(|fault| fault.severity == Severity::Error)
    }

    pub(super) fn warn(&mut self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.faults.push(Fault::error(self.file, span, message).hint(hint).warning());
    }
}

/// What to write where one table stands in the place of several.
pub(super) fn brackets(table: &str) -> String {
    format!("write [[{table}]], with two pairs of brackets: there may be several")
}

/// A table that is being read. `finish` it.
#[derive(Debug)]
pub(super) struct Section<'t, 'n> {
    table: &'t DeTable<'t>,
    /// Where a fault of the table itself is shown.
    span: Range<usize>,
    /// Its name with a dot behind it; empty for the file's own keys.
    prefix: String,
    asked: Vec<&'static str>,
    unread: Vec<&'static str>,
    /// Keys of other tables that are looked for here, and where they belong.
    elsewhere: &'static [(&'static str, &'static str)],
    pub(super) notes: &'n mut Notes,
}

impl<'t, 'n> Section<'t, 'n> {
    /// The keys of a whole file.
    pub(super) fn top(table: &'t Spanned<DeTable<'t>>, notes: &'n mut Notes) -> Self {
        let (prefix, asked, unread) = (String::new(), Vec::new(), Vec::new());
        Self { table: table.get_ref(), span: 0..0, prefix, asked, unread, elsewhere: &[], notes }
    }

    /// Where the table is.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// What it is called: `smtp.limits`.
    pub(super) fn name(&self) -> &str {
        self.prefix.trim_end_matches('.')
    }

    /// Where the value of a key is; the table when the key is not there.
    pub(super) fn span_of(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or_else(|| self.span(), Spanned::span)
    }

    /// Whether the file has the key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where the value of a key of a table is, when it is there.
    pub(super) fn find(&self, table: &str, key: &str) -> Option<Range<usize>> {
        let inner = self.table.get(table)?.get_ref().as_table()?;
        inner.get(key).map(Spanned::span)
    }

    /// Keys that are missing, or have something wrong in their value: what stands for it means nothing. It has been said.
    pub(super) fn unread(&self) -> impl Iterator<Item = &'static str> {
        self.unread.iter().copied()
    }

    /// The value of a key is none that could be read, wholly or in part.
    pub(super) fn mark_unread(&mut self, key: &'static str) {
        self.unread.push(key);
    }

    /// What `finish` says of keys that belong into other tables.
    pub(super) fn elsewhere(&mut self, keys: &'static [(&'static str, &'static str)]) {
        self.elsewhere = keys;
    }

    /// The value of a key, when it is there and right.
    pub(super) fn get<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Result<T, Problem>,
    ) -> Option<T> {
        let value = self.ask(key)?;
        let found = self.read_value(key, value, &read);
        if found.is_none() {
            self.mark_unread(key);
        }
        found
    }

    /// The value of a key that is read elsewhere, when it is right; what is wrong with it is said there.
    pub(super) fn peek<T>(&self, key: &str, read: impl Fn(&DeValue<'_>) -> Result<T, Problem>) -> Option<T> {
        self.table.get(key).and_then(|value| read(value.get_ref()).ok())
    }

    /// The value of a key into its place; what stands there is the default.
    pub(super) fn set<T>(
        &mut self,
        key: &'static str,
        place: &mut T,
        read: impl Fn(&DeValue<'_>) -> Result<T, Problem>,
    ) {
        if let Some(value) = self.get(key, read) {
            *place = value;
        }
    }

    /// The values of a list that are right, each with its place; none when the key is not there.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Result<T, Problem>,
    ) -> Option<Vec<(T, Range<usize>)>> {
        let value = self.ask(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            let problem = Problem::new(format!("`{key}` is no list"), "expected a list: [\"…\", \"…\"]");
            self.notes.error(value.span(), problem);
            self.mark_unread(key);
            return None;
        };
        let read = items.iter().filter_map(|item| Some((self.read_value(key, item, &read)?, item.span())));
        let found: Vec<_> = read.collect();
        if found.len() < items.len() {
            self.mark_unread(key);
        }
        Some(found)
    }

    /// The values of a list into their place.
    pub(super) fn set_list<T>(
        &mut self,
        key: &'static str,
        place: &mut Vec<T>,
        read: impl Fn(&DeValue<'_>) -> Result<T, Problem>,
    ) {
        if let Some(values) = self.list(key, read) {
            *place = values.into_iter().map(|(value, _)| value).collect();
        }
    }

    /// A table by its name, when it is there.
    pub(super) fn table<R>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'t, '_>) -> R,
    ) -> Option<R> {
        let expected = format!("expected [{}{key}]", self.prefix);
        self.table_or(key, |_| Problem::new(format!("`{key}` is no table"), expected), read)
    }

    /// The same with words of its own for what is none.
    pub(super) fn table_or<R>(
        &mut self,
        key: &'static str,
        problem: impl FnOnce(&DeValue<'_>) -> Problem,
        read: impl FnOnce(&mut Section<'t, '_>) -> R,
    ) -> Option<R> {
        let value = self.ask(key)?;
        let before = self.notes.faults.len();
        let found = match value.get_ref() {
            DeValue::Table(table) => Some(self.inside(key, table, value.span(), read)),
            other => {
                self.notes.error(value.span(), problem(other));
                None
            }
        };
        if self.notes.has_errors_since(before) {
            self.mark_unread(key);
        }
        found
    }

    /// Each table of a list of tables. One that stands alone in the place of the list is a fault, and read all the same.
    pub(super) fn tables(&mut self, key: &'static str, mut read: impl FnMut(&mut Section<'t, '_>)) {
        let Some(value) = self.ask(key) else { return };
        let expected = format!("expected [[{}{key}]]", self.prefix);
        let DeValue::Array(items) = value.get_ref() else {
            let problem = Problem::new(format!("`{key}` is no list of tables"), expected);
            match value.get_ref() {
                DeValue::Table(table) => {
                    let hint = brackets(&format!("{}{key}", self.prefix));
                    self.notes.error(value.span(), problem.hint(hint));
                    self.inside(key, table, value.span(), &mut read);
                }
                _ => {
                    self.notes.error(value.span(), problem);
                    self.mark_unread(key);
                }
            }
            return;
        };
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(table) => self.inside(key, table, item.span(), &mut read),
                _ => {
                    let problem = Problem::new(format!("`{key}` holds tables"), expected.clone());
                    self.notes.error(item.span(), problem);
                    self.mark_unread(key);
                }
            }
        }
    }

    /// The values of a list of which each is one value or a table; those that are there, each with its place.
    pub(super) fn values_or_tables<T>(
        &mut self,
        key: &'static str,
        value: impl Fn(&DeValue<'_>) -> Result<T, Problem>,
        mut table: impl FnMut(&mut Section<'t, '_>) -> Option<T>,
    ) -> Vec<(T, Range<usize>)> {
        let Some(list) = self.ask(key) else { return Vec::new() };
        let DeValue::Array(items) = list.get_ref() else {
            let problem = Problem::new(format!("`{key}` is no list"), "expected a list: [\"…\", \"…\"]");
            self.notes.error(list.span(), problem);
            self.mark_unread(key);
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in items.iter() {
            let one = match item.get_ref() {
                DeValue::Table(inner) => self.inside(key, inner, item.span(), &mut table),
                _ => self.read_value(key, item, &value),
            };
            found.extend(one.map(|one| (one, item.span())));
        }
        if found.len() < items.len() {
            self.mark_unread(key);
        }
        found
    }

    /// Says what was not asked for.
    pub(super) fn finish(self) {
        for (key, value) in self.table {
            let name = key.get_ref().as_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let what = if matches!(value.get_ref(), DeValue::Table(_)) { "table" } else { "key" };
            let place = if self.prefix.is_empty() { String::new() } else { format!(" in `{}`", self.name()) };
            let fault = Fault::error(self.notes.file, key.span(), format!("unknown {what} `{name}`{place}"));
            let elsewhere = self.elsewhere.iter().find(|(key, _)| *key == name);
            self.notes.faults.push(match (elsewhere, nearest(name, &self.asked)) {
                (Some((_, place)), _) => fault.hint(*place),
                (None, Some(meant)) => fault.hint(format!("did you mean `{meant}`?")),
                (None, None) => fault.hint(format!("known here: {}", self.asked.join(", "))),
            });
        }
    }

    fn ask(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.asked.push(key);
        self.notes.known.insert(format!("{}{key}", self.prefix));
        self.table.get(key)
    }

    fn read_value<T>(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        read: &impl Fn(&DeValue<'_>) -> Result<T, Problem>,
    ) -> Option<T> {
        match read(value.get_ref()) {
            Ok(value) => Some(value),
            Err(problem) => {
                let message = format!("`{key}` {}", problem.message);
                self.notes.error(value.span(), Problem { message, ..problem });
                None
            }
        }
    }

    fn inside<R>(
        &mut self,
        key: &str,
        table: &'t DeTable<'t>,
        span: Range<usize>,
        read: impl FnOnce(&mut Section<'t, '_>) -> R,
    ) -> R {
        let prefix = format!("{}{key}.", self.prefix);
        let (asked, unread) = (Vec::new(), Vec::new());
        let mut inner = Section { table, span, prefix, asked, unread, elsewhere: &[], notes: self.notes };
        let result = read(&mut inner);
        inner.finish();
        result
    }
}
