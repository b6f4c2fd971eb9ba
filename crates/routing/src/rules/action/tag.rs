//! `tag = "[list]"`: what is put before the subject.

use ::mail::Ruling;

use super::super::diagnostic::Diagnostic;
use super::super::source::{Reader, Value};
use super::{Action, Then};

/// Most octets of a tag.
const TAG_MAX: usize = 100;

/// As written; who puts it into a header encodes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag(String);

pub(super) fn read(value: &Value<'_>, _: &Then<'_>, reader: &mut Reader<'_>) -> Option<Action> {
    let text = reader.line("tag", value)?;
    if text.len() > TAG_MAX {
        let message = format!("`tag` has {} octets", text.len());
        reader.say(Diagnostic::error(value.span(), message).label(format!("expected at most {TAG_MAX}")));
        return None;
    }
    Some(Action::Tag(Tag(text.to_owned())))
}

impl Tag {
    pub(super) fn apply(&self, ruling: &mut Ruling) {
        if !ruling.tags.contains(&self.0) {
            ruling.tags.push(self.0.clone());
        }
    }
}
