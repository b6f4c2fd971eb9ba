//! `add-header = "X-Dept: accounts"`, or a list: fields on top of the copy. A value is text: nothing in it stands for
//! what a condition found.

use ::mail::Ruling;

use super::super::diagnostic::Diagnostic;
use super::super::source::{Reader, Value};
use super::field::may_change;
use super::{Action, Then};

/// Most octets of a value as written.
const VALUE_MAX: usize = 1000;

/// Names and values as written; who puts them into a header encodes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddHeader(Vec<(String, String)>);

pub(super) fn read(value: &Value<'_>, _: &Then<'_>, reader: &mut Reader<'_>) -> Option<Action> {
    let expected = "expected \"Name: value\", or a list of them";
    let texts = reader.strings("add-header", value, expected);
    let all = texts.len();
    let mut found = Vec::with_capacity(all);
    for (text, span) in texts {
        let Some((name, value)) = text.split_once(':') else {
            let message = format!("`add-header`: `{}` has no colon", text.escape_debug());
            reader.say(Diagnostic::error(span, message).label(expected));
            continue;
        };
        let value = value.trim();
        if !may_change("add-header", name, span.clone(), reader)
            || !reader.is_line("add-header", value, span.clone())
        {
            continue;
        }
        if value.len() > VALUE_MAX {
            let message = format!("`add-header`: a value of {} octets", value.len());
            reader.say(Diagnostic::error(span, message).label(format!("expected at most {VALUE_MAX}")));
            continue;
        }
        found.push((name.to_owned(), value.to_owned()));
    }
    (all > 0 && found.len() == all).then_some(Action::AddHeader(AddHeader(found)))
}

impl AddHeader {
    pub(super) fn apply(&self, ruling: &mut Ruling) {
        ruling.add.extend(self.0.iter().cloned());
    }
}
