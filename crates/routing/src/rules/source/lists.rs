use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::de::DeValue;

use super::{Fields, Reader, Value, did_you_mean};
use crate::rules::diagnostic::Diagnostic;
use crate::rules::pattern::{Kind, Set};

/// Most entries of a list.
const ENTRIES: usize = 100_000;
/// What stands before the name of a list where a pattern could stand.
const PREFIX: &str = "list:";

/// A named list of patterns.
pub(super) struct List {
    name_span: Range<usize>,
    pub(super) entries: Vec<Entry>,
    used: bool,
    /// What became of it, for each kind of values that it was asked about.
    pub(super) sets: BTreeMap<Kind, Arc<Set>>,
}

/// One entry of a list.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) text: String,
    /// Its place; of a file's entry, where the file is named.
    pub(super) span: Range<usize>,
    /// `vip.txt:12`, for an entry of a file.
    pub(super) line: Option<String>,
}

impl Reader<'_> {
    /// Reads `[lists]`.
    pub(crate) fn read_lists(&mut self, value: &Value<'_>) {
        let Some(table) = self.table("lists", value, "expected [lists]") else { return };
        for (name, span, value) in Fields::in_order(table) {
            let entries = match value.get_ref() {
                DeValue::Array(_) => {
                    let entries = self.strings(name, value, "expected a list: [\"…\", \"…\"]");
                    let entry = |(text, span): (&str, _)| Entry { text: text.to_owned(), span, line: None };
                    entries.into_iter().map(entry).collect()
                }
                DeValue::Table(table) => {
                    let mut fields = Fields::new(table, value.span(), "list");
                    let file = fields.get("file");
                    fields.finish(self);
                    match file {
                        Some(file) => self.list_file(file),
                        None => {
                            let said =
                                Diagnostic::error(value.span(), format!("list `{name}` has no `file`"));
                            self.say(said.hint(format!("{name} = {{ file = \"{name}.txt\" }}")));
                            Vec::new()
                        }
                    }
                }
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_) => {
                    self.wrong_kind(name, value, "expected a list, or { file = \"…\" }");
                    Vec::new()
                }
            };
            if entries.len() > ENTRIES {
                let message = format!("list `{name}` has {} entries: at most {ENTRIES}", entries.len());
                self.say(Diagnostic::error(value.span(), message));
            }
            let entries = entries.into_iter().take(ENTRIES).collect();
            let list = List { name_span: span, entries, used: false, sets: BTreeMap::new() };
            self.lists.insert(name.to_owned(), list);
        }
    }

    fn list_file(&mut self, value: &Value<'_>) -> Vec<Entry> {
        let Some(name) = self.line("file", value) else { return Vec::new() };
        let text = match (self.around.read_list)(name) {
            Ok(text) => text,
            Err(why) => {
                self.say(Diagnostic::error(
                    value.span(),
                    format!("list file `{name}` cannot be read: {why}"),
                ));
                return Vec::new();
            }
        };
        let lines = text.lines().zip(1..).map(|(line, number)| (line.trim(), number));
        lines
            .filter(|(line, _)| !line.is_empty() && !line.starts_with('#'))
            .map(|(line, number)| Entry {
                text: line.to_owned(),
                span: value.span(),
                line: Some(format!("{name}:{number}")),
            })
            .take(ENTRIES + 1)
            .collect()
    }

    /// The list that a pattern names: `list:vip`. `Some(None)`: it names one that is not there, which is said.
    pub(super) fn named_list(&mut self, pattern: &str, span: &Range<usize>) -> Option<Option<String>> {
        let name = pattern.strip_prefix(PREFIX)?;
        if let Some(list) = self.lists.get_mut(name) {
            list.used = true;
            return Some(Some(name.to_owned()));
        }
        let hint = did_you_mean(name, self.lists.keys().map(String::as_str))
            .unwrap_or_else(|| format!("define it: lists.{name} = [\"…\"]"));
        self.say(Diagnostic::error(span.clone(), format!("there is no list `{name}`")).hint(hint));
        Some(None)
    }

    /// Says which lists nobody uses.
    pub(crate) fn finish_lists(&mut self) {
        let unused: Vec<_> = self.lists.iter().filter(|(_, list)| !list.used).collect();
        let said: Vec<_> = unused
            .into_iter()
            .map(|(name, list)| {
                let message = format!("no rule uses list `{name}`");
                Diagnostic::warning(list.name_span.clone(), message)
                    .hint(format!("in a condition it is \"{PREFIX}{name}\""))
            })
            .collect();
        said.into_iter().for_each(|said| self.say(said));
    }
}
