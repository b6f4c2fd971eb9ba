use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::Value;
use super::lists::List;
use crate::rules::Surroundings;
use crate::rules::diagnostic::{Diagnostic, Severity};
use crate::rules::pattern::{Gathered, Literals};

/// What reading one file needs everywhere: its text, what stands around it, its lists, and what there is to say.
pub(crate) struct Reader<'s> {
    pub(crate) text: &'s str,
    pub(crate) around: &'s Surroundings<'s>,
    pub(super) lists: BTreeMap<String, List>,
    pub(crate) numbers: Numbers,
    said: Vec<Diagnostic>,
    pub(crate) errors: usize,
}

/// What rules number through, so that one message is asked everything but once.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// The literals of all globs.
    pub(crate) literals: Gathered,
    questions: usize,
}

impl Numbers {
    /// The number of the next question.
    pub(crate) fn question(&mut self) -> usize {
        self.questions += 1;
        self.questions - 1
    }

    /// The literals, to be looked for at once, and how many questions there are.
    pub(crate) fn finish(self) -> (Literals, usize) {
        (self.literals.finish(), self.questions)
    }
}

/// Most that is said of one file: who has more to mend begins with these.
const SAID: usize = 500;

impl<'s> Reader<'s> {
    pub(crate) fn new(text: &'s str, around: &'s Surroundings<'s>) -> Self {
        Self {
            text,
            around,
            lists: BTreeMap::new(),
            numbers: Numbers::default(),
            said: Vec::new(),
            errors: 0,
        }
    }

    pub(crate) fn say(&mut self, diagnostic: Diagnostic) {
        self.errors += usize::from(diagnostic.severity == Severity::Error);
        // One list read for two conditions says its faults once.
        if self.said.len() < SAID && !self.said.contains(&diagnostic) {
            self.said.push(diagnostic);
        }
    }

    /// Whether something was said that stops the load.
    pub(crate) fn failed(&self) -> bool {
        self.errors > 0
    }

    /// All that was said, in the order of the file.
    pub(crate) fn into_said(mut self) -> Vec<Diagnostic> {
        self.said.sort_by_key(|diagnostic| diagnostic.span.as_ref().map_or(0, |span| span.start));
        self.said
    }

    /// Says that a value is of the wrong kind.
    pub(crate) fn wrong_kind(&mut self, key: &str, value: &Value<'_>, expected: &str) {
        let kind = match value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.say(Diagnostic::error(value.span(), format!("`{key}` cannot be {kind}")).label(expected));
    }

    /// A string.
    pub(crate) fn string<'t>(&mut self, key: &str, value: &'t Value<'_>, expected: &str) -> Option<&'t str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_kind(key, value, expected);
        }
        text
    }

    /// A string with something in it, and nothing that would break a line.
    pub(crate) fn line<'t>(&mut self, key: &str, value: &'t Value<'_>) -> Option<&'t str> {
        let text = self.string(key, value, "expected a string: \"…\"")?;
        self.is_line(key, text, value.span()).then_some(text)
    }

    /// Whether a text has something in it, and nothing that would break a line; says what is wrong with it.
    pub(crate) fn is_line(&mut self, key: &str, text: &str, span: Range<usize>) -> bool {
        if text.trim().is_empty() {
            self.say(Diagnostic::error(span, format!("`{key}` is empty")).label("expected a text"));
            return false;
        }
        if text.chars().any(char::is_control) {
            let message = format!("`{key}` has a control character in it");
            self.say(Diagnostic::error(span, message).label("expected one line of text"));
            return false;
        }
        true
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, key: &str, value: &Value<'_>) -> Option<bool> {
        if let DeValue::Boolean(flag) = value.get_ref() {
            return Some(*flag);
        }
        self.wrong_kind(key, value, "expected true or false");
        None
    }

    /// A string, or each of a list of them, with its place. An empty list is a fault: nothing is one of nothing.
    pub(crate) fn strings<'t>(
        &mut self,
        key: &str,
        value: &'t Value<'t>,
        expected: &str,
    ) -> Vec<(&'t str, Range<usize>)> {
        match value.get_ref() {
            DeValue::String(text) => vec![(text.as_ref(), value.span())],
            DeValue::Array(items) => {
                if items.is_empty() {
                    self.say(
                        Diagnostic::error(value.span(), format!("`{key}` is an empty list")).label(expected),
                    );
                }
                let items = items.iter();
                items.filter_map(|item| Some((self.string(key, item, expected)?, item.span()))).collect()
            }
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Table(_) => {
                self.wrong_kind(key, value, expected);
                Vec::new()
            }
        }
    }

    /// A table.
    pub(crate) fn table<'t>(
        &mut self,
        key: &str,
        value: &'t Value<'t>,
        expected: &str,
    ) -> Option<&'t DeTable<'t>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong_kind(key, value, expected);
        }
        table
    }

    /// The tables of `[[key]]`, each with its place.
    pub(crate) fn tables<'t>(
        &mut self,
        key: &str,
        value: &'t Value<'t>,
    ) -> Vec<(&'t DeTable<'t>, Range<usize>)> {
        let expected = format!("expected [[{key}]]");
        let DeValue::Array(items) = value.get_ref() else {
            let said =
                Diagnostic::error(value.span(), format!("`{key}` is no list of tables")).label(expected);
            let brackets = format!("write [[{key}]], with two pairs of brackets: there may be several");
            let table = matches!(value.get_ref(), DeValue::Table(_));
            self.say(said.maybe(table.then_some(brackets)));
            return Vec::new();
        };
        items.iter().filter_map(|item| Some((self.table(key, item, &expected)?, item.span()))).collect()
    }
}
