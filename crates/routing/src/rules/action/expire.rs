//! `expire = "30 days"`: how long the copy stays in its mailbox.

use std::time::Duration;

use ::mail::Ruling;

use super::super::diagnostic::Diagnostic;
use super::super::source::{Reader, Value};
use super::{Action, Then};

const MIN: Duration = Duration::from_secs(60);
/// A year is as long as who reads it has it: 365.25 days.
const MAX: Duration = Duration::from_secs(36_525 * 86_400);

/// In seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expire(u64);

pub(super) fn read(value: &Value<'_>, _: &Then<'_>, reader: &mut Reader<'_>) -> Option<Action> {
    let expected = "expected a time such as \"30 days\"";
    let text = reader.string("expire", value, expected)?;
    let why = match humantime::parse_duration(text) {
        Ok(time) if (MIN..=MAX).contains(&time) => return Some(Action::Expire(Expire(time.as_secs()))),
        Ok(_) => "is out of range: from 1 min to 100 years",
        Err(_) => "is no length of time",
    };
    let message = format!("`expire`: `{}` {why}", text.escape_debug());
    reader.say(Diagnostic::error(value.span(), message).label(expected));
    None
}

impl Expire {
    /// The shortest of several.
    pub(super) fn apply(&self, ruling: &mut Ruling) {
        ruling.expire = Some(ruling.expire.map_or(self.0, |other| other.min(self.0)));
    }
}
