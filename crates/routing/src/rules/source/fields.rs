use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{Reader, Value, did_you_mean};
use crate::rules::diagnostic::Diagnostic;

/// A table that is read key by key: what is asked for is known, what is left at the end is a fault.
pub(crate) struct Fields<'t> {
    table: &'t DeTable<'t>,
    span: Range<usize>,
    name: &'static str,
    asked: Vec<&'static str>,
}

impl<'t> Fields<'t> {
    /// A table that is called `name` in what is said of it.
    pub(crate) fn new(table: &'t DeTable<'t>, span: Range<usize>, name: &'static str) -> Self {
        Self { table, span, name, asked: Vec::new() }
    }

    /// Where the table is.
    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Where the value of a key is; the table when the key is not there.
    pub(crate) fn span_of(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or_else(|| self.span(), Value::span)
    }

    pub(crate) fn get(&mut self, key: &'static str) -> Option<&'t Value<'t>> {
        self.asked.push(key);
        self.table.get(key)
    }

    /// Every key with its value, in the order of the file.
    pub(crate) fn in_order(table: &'t DeTable<'t>) -> Vec<(&'t str, Range<usize>, &'t Value<'t>)> {
        let mut rows: Vec<_> =
            table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value)).collect();
        rows.sort_by_key(|(_, span, _)| span.start);
        rows
    }

    /// Says what was not asked for.
    pub(crate) fn finish(self, reader: &mut Reader<'_>) {
        for (key, span, value) in Self::in_order(self.table) {
            if !self.asked.contains(&key) {
                reader.unknown(
                    key,
                    span,
                    matches!(value.get_ref(), DeValue::Table(_)),
                    self.name,
                    &self.asked,
                );
            }
        }
    }
}

impl Reader<'_> {
    /// Says that a key is none that is known here.
    pub(crate) fn unknown(
        &mut self,
        key: &str,
        span: Range<usize>,
        table: bool,
        place: &str,
        known: &[&str],
    ) {
        let what = if table { "table" } else { "key" };
        let place = if place.is_empty() { String::new() } else { format!(" in `{place}`") };
        let hint = did_you_mean(key, known.iter().copied())
            .unwrap_or_else(|| format!("known here: {}", known.join(", ")));
        self.say(Diagnostic::error(span, format!("unknown {what} `{key}`{place}")).hint(hint));
    }
}
