//! `quarantine = true`, or the reason: kept apart from the mailboxes it was for.

use ::mail::Ruling;
use toml::de::DeValue;

use super::super::diagnostic::Diagnostic;
use super::super::source::{Reader, Value};
use super::{Action, Then};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quarantine(String);

pub(super) fn read(value: &Value<'_>, then: &Then<'_>, reader: &mut Reader<'_>) -> Option<Action> {
    let reason = match value.get_ref() {
        DeValue::Boolean(true) => format!("rule {}", then.rule),
        DeValue::Boolean(false) => {
            let said = Diagnostic::error(value.span(), "`quarantine` is false, which changes nothing");
            reader.say(said.hint("leave it out"));
            return None;
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => {
            let reason = reader.string("quarantine", value, "expected true, or the reason")?;
            reader.is_line("quarantine", reason, value.span()).then(|| reason.to_owned())?
        }
    };
    Some(Action::Quarantine(Quarantine(reason)))
}

impl Quarantine {
    /// The first reason stays.
    pub(super) fn apply(&self, ruling: &mut Ruling) {
        ruling.quarantine.get_or_insert_with(|| self.0.clone());
    }
}
