//! `discard = true`: taken, and kept nowhere for this recipient.

use ::mail::Ruling;

use super::super::diagnostic::Diagnostic;
use super::super::source::{Reader, Value};
use super::{Action, Then};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Discard;

pub(super) fn read(value: &Value<'_>, _: &Then<'_>, reader: &mut Reader<'_>) -> Option<Action> {
    if reader.flag("discard", value)? {
        return Some(Action::Discard(Discard));
    }
    let said = Diagnostic::error(value.span(), "`discard` is false, which changes nothing");
    reader.say(said.hint("leave it out"));
    None
}

impl Discard {
    /// It takes the place of where the message would have gone; copies that rules above asked for stay.
    pub(super) fn apply(&self, ruling: &mut Ruling) {
        ruling.deliver = Some(Vec::new());
    }
}
