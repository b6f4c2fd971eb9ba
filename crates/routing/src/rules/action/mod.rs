//! Actions: what a rule does with a message for one recipient. One action is one file with one row in each table
//! here; the compiler names the rows that a new one lacks.

mod add_header;
mod copy;
mod deliver;
mod discard;
mod expire;
mod field;
mod mailbox;
mod quarantine;
mod refuse;
mod remove_header;
mod tag;

use std::ops::Range;

use ::mail::Ruling;
use toml::de::DeTable;

pub(crate) use mailbox::mailboxes;
pub(crate) use refuse::Refusal;

use super::diagnostic::Diagnostic;
use super::source::{Fields, Reader, Value};

/// Reads an action; nothing when it has a fault, which is said.
type Read = fn(&Value<'_>, &Then<'_>, &mut Reader<'_>) -> Option<Action>;

/// Every action by its key.
const ACTIONS: [(&str, Read); 9] = [
    ("deliver", deliver::read),
    ("copy", copy::read),
    ("refuse", refuse::read),
    ("quarantine", quarantine::read),
    ("discard", discard::read),
    ("add-header", add_header::read),
    ("remove-header", remove_header::read),
    ("tag", tag::read),
    ("expire", expire::read),
];

/// Keys of `then` that belong to an action.
const BESIDE: [(&str, &str); 1] = [("text", "refuse")];

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Deliver(deliver::Deliver),
    Copy(copy::Copy),
    Refuse(Refusal),
    Quarantine(quarantine::Quarantine),
    Discard(discard::Discard),
    AddHeader(add_header::AddHeader),
    RemoveHeader(remove_header::RemoveHeader),
    Tag(tag::Tag),
    Expire(expire::Expire),
}

/// The table an action stands in.
struct Then<'t> {
    table: &'t DeTable<'t>,
    /// The rule's name.
    rule: &'t str,
}

/// All that one rule does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Actions(Vec<Action>);

impl Actions {
    /// Reads `then`.
    pub(crate) fn read(
        value: &Value<'_>,
        rule: &str,
        goes_on: bool,
        reader: &mut Reader<'_>,
    ) -> Option<Self> {
        let table = reader.table("then", value, "expected { deliver = [\"…\"], … }")?;
        let then = Then { table, rule };
        let mut found = Vec::new();
        let mut sound = true;
        for (key, span, value) in Fields::in_order(table) {
            if let Some((_, read)) = ACTIONS.iter().find(|(name, _)| *name == key) {
                match read(value, &then, reader) {
                    Some(action) => found.push((key, span, action)),
                    None => sound = false,
                }
                continue;
            }
            sound = false;
            match BESIDE.iter().find(|(name, _)| *name == key) {
                Some((_, action)) if table.contains_key(*action) => sound = true,
                Some((_, action)) => {
                    let message = format!("`{key}` belongs to `{action}`, which is not there");
                    reader.say(Diagnostic::error(span, message));
                }
                None if key == "continue" => {
                    let said = Diagnostic::error(span, "`continue` is of the rule, not of what it does");
                    reader.say(said.hint("write it beside `then`: continue = true"));
                }
                None => {
                    let known: Vec<&str> = ACTIONS
                        .iter()
                        .map(|(name, _)| *name)
                        .chain(BESIDE.iter().map(|(name, _)| *name))
                        .collect();
                    reader.unknown(key, span, false, "then", &known);
                }
            }
        }
        if table.is_empty() && !goes_on {
            // The search ends, and the directory's answer stands: what an exception looks like.
            return Some(Self::default());
        }
        sound &= agree(&found, goes_on, reader);
        sound.then(|| Self(found.into_iter().map(|(_, _, action)| action).collect()))
    }

    /// Does to the ruling of one recipient what all of them do.
    pub(crate) fn apply(&self, ruling: &mut Ruling) {
        for action in &self.0 {
            match action {
                Action::Deliver(it) => it.apply(ruling),
                Action::Copy(it) => it.apply(ruling),
                // It ends the search, and with it the ruling.
                Action::Refuse(_) => {}
                Action::Quarantine(it) => it.apply(ruling),
                Action::Discard(it) => it.apply(ruling),
                Action::AddHeader(it) => it.apply(ruling),
                Action::RemoveHeader(it) => it.apply(ruling),
                Action::Tag(it) => it.apply(ruling),
                Action::Expire(it) => it.apply(ruling),
            }
        }
    }

    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.0.iter().find_map(|action| match action {
            Action::Refuse(refusal) => Some(refusal),
            Action::Deliver(_)
            | Action::Copy(_)
            | Action::Quarantine(_)
            | Action::Discard(_)
            | Action::AddHeader(_)
            | Action::RemoveHeader(_)
            | Action::Tag(_)
            | Action::Expire(_) => None,
        })
    }

    /// Whether it keeps mail from the mailboxes it was for, as postmaster's must not be (RFC 5321 §4.5.1).
    pub(crate) fn turns_away(&self) -> bool {
        self.0.iter().any(|action| match action {
            Action::Refuse(_) | Action::Quarantine(_) => true,
            Action::Deliver(_)
            | Action::Copy(_)
            | Action::Discard(_)
            | Action::AddHeader(_)
            | Action::RemoveHeader(_)
            | Action::Tag(_)
            | Action::Expire(_) => false,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Says which actions contradict each other: what is refused or discarded is nowhere else, and no rule comes after.
fn agree(found: &[(&str, Range<usize>, Action)], goes_on: bool, reader: &mut Reader<'_>) -> bool {
    let last = found.iter().find(|(_, _, action)| matches!(action, Action::Refuse(_) | Action::Discard(_)));
    let Some((last, _, _)) = last else { return true };
    let mut agree = true;
    for (key, span, _) in found.iter().filter(|(key, _, _)| key != last) {
        let message = format!("`{key}` and `{last}` contradict each other");
        let said = Diagnostic::error(span.clone(), message);
        let hint = match (*last, *key) {
            ("discard", "copy") => Some("to have it in that mailbox alone, use `deliver`".to_owned()),
            ("refuse", _) => Some("what is refused is kept nowhere".to_owned()),
            _ => None,
        };
        reader.say(said.maybe(hint));
        agree = false;
    }
    if goes_on && let Some((_, span, _)) = found.iter().find(|(key, _, _)| key == last) {
        let message = format!("`{last}` ends the search, and `continue` goes on with it");
        reader.say(Diagnostic::error(span.clone(), message).hint("remove one of the two"));
        agree = false;
    }
    agree
}
