//! `remove-header = "X-Priority"`, or a list: fields that are not served; the octets received stay.

use ::mail::Ruling;

use super::super::source::{Reader, Value};
use super::field::may_change;
use super::{Action, Then};

/// Names in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoveHeader(Vec<String>);

pub(super) fn read(value: &Value<'_>, _: &Then<'_>, reader: &mut Reader<'_>) -> Option<Action> {
    let texts = reader.strings("remove-header", value, "expected the name of a field, or a list of them");
    let all = texts.len();
    let mut found = Vec::with_capacity(all);
    for (name, span) in texts {
        if may_change("remove-header", name, span, reader) {
            found.push(name.to_ascii_lowercase());
        }
    }
    (all > 0 && found.len() == all).then_some(Action::RemoveHeader(RemoveHeader(found)))
}

impl RemoveHeader {
    pub(super) fn apply(&self, ruling: &mut Ruling) {
        for name in &self.0 {
            if !ruling.remove.contains(name) {
                ruling.remove.push(name.clone());
            }
        }
    }
}
