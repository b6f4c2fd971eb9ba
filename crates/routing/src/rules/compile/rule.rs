use std::collections::HashSet;
use std::ops::Range;

use toml::de::DeTable;

use super::BUILT_IN;
use crate::rules::action::Actions;
use crate::rules::condition::Condition;
use crate::rules::diagnostic::Diagnostic;
use crate::rules::ruleset::Rule;
use crate::rules::source::{Fields, Reader, Value, did_you_mean};

/// Most octets of a rule's name.
const NAME: usize = 100;

impl Rule {
    /// Reads one `[[rule]]`; nothing when it has a fault, which is said.
    pub(super) fn read(table: &DeTable<'_>, span: Range<usize>, reader: &mut Reader<'_>) -> Option<Self> {
        let mut fields = Fields::new(table, span, "rule");
        let name = fields.get("name");
        let when = fields.get("when");
        let then = fields.get("then");
        let goes_on = fields.get("continue");
        let mode = fields.get("mode");
        let if_unknown = fields.get("if-unknown");
        let span = fields.span();
        fields.finish(reader);

        let name_span = name.map_or_else(|| span.clone(), Value::span);
        let name = match name {
            Some(value) => reader.line("name", value).filter(|name| is_name(name, &name_span, reader)),
            None => {
                let said = Diagnostic::error(span.clone(), "a rule has no `name`");
                reader.say(said.hint("logs, traces and tests tell of it by its name"));
                None
            }
        };
        let goes_on = goes_on.map_or(Some(false), |value| reader.flag("continue", value));
        let shadow = match mode {
            None => Some(false),
            Some(value) => choice("mode", value, &[("live", false), ("shadow", true)], reader),
        };
        let if_unknown = match if_unknown {
            None => Some(None),
            Some(value) => {
                choice("if-unknown", value, &[("match", Some(true)), ("skip", Some(false))], reader)
            }
        };
        let condition = match when {
            Some(value) => Condition::read(value, reader),
            None => Some(Condition::always()),
        };
        let actions = match then {
            Some(value) => Actions::read(value, name.unwrap_or_default(), goes_on.unwrap_or(false), reader),
            None => {
                let said = Diagnostic::error(span, "a rule has no `then`");
                reader.say(
                    said.hint("then = { deliver = [\"…\"] }; then = {} ends the search and changes nothing"),
                );
                None
            }
        };
        if let (Some(actions), Some(true), Some(then)) = (&actions, goes_on, then)
            && actions.is_empty()
        {
            let said = Diagnostic::warning(then.span(), "this rule does nothing, and the search goes on");
            reader.say(said.hint("to try out a rule, write mode = \"shadow\""));
        }
        Some(Self {
            name: name?.into(),
            span: name_span,
            when: condition?,
            then: actions?,
            ends: !goes_on?,
            shadow: shadow?,
            if_unknown: if_unknown?,
        })
    }
}

fn is_name(name: &str, span: &Range<usize>, reader: &mut Reader<'_>) -> bool {
    if name.len() > NAME {
        let said = Diagnostic::error(span.clone(), format!("a name of {} octets", name.len()));
        reader.say(said.label(format!("expected at most {NAME}")));
        return false;
    }
    if name.starts_with(BUILT_IN) && reader.text != super::DEFAULT {
        let message = format!("`{name}`: names that begin with `{BUILT_IN}` are of rules that are built in");
        reader.say(Diagnostic::error(span.clone(), message));
        return false;
    }
    true
}

/// One of a few words.
fn choice<T: Copy>(key: &str, value: &Value<'_>, words: &[(&str, T)], reader: &mut Reader<'_>) -> Option<T> {
    let names = || words.iter().map(|(word, _)| *word);
    let expected = format!("expected \"{}\"", names().collect::<Vec<_>>().join("\" or \""));
    let text = reader.string(key, value, &expected)?;
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
    if found.is_none() {
        let message = format!("`{key}` cannot be \"{}\"", text.escape_debug());
        reader
            .say(Diagnostic::error(value.span(), message).label(expected).maybe(did_you_mean(text, names())));
    }
    found
}

/// The names of all rules; says which are there twice.
pub(super) fn names<'t>(tables: &[(&'t DeTable<'t>, Range<usize>)], reader: &mut Reader<'_>) -> Vec<&'t str> {
    let values = tables.iter().filter_map(|(table, _)| table.get("name"));
    let names: Vec<_> = values.filter_map(|value| Some((value.get_ref().as_str()?, value.span()))).collect();
    let mut seen = HashSet::new();
    for (name, span) in &names {
        if !seen.insert(*name) {
            let said = Diagnostic::error(span.clone(), format!("there is already a rule `{name}`"));
            reader.say(said.hint("logs, traces and tests tell rules apart by their names"));
        }
    }
    names.into_iter().map(|(name, _)| name).collect()
}
