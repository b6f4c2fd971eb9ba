//! `copy = ["archive"]`: there besides.

use ::mail::{MailboxName, Ruling};

use super::super::source::{Reader, Value};
use super::mailbox::mailboxes;
use super::{Action, Then};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copy(Vec<MailboxName>);

pub(super) fn read(value: &Value<'_>, _: &Then<'_>, reader: &mut Reader<'_>) -> Option<Action> {
    mailboxes("copy", value, reader).map(|mailboxes| Action::Copy(Copy(mailboxes)))
}

impl Copy {
    pub(super) fn apply(&self, ruling: &mut Ruling) {
        for name in &self.0 {
            if !ruling.copy.contains(name) {
                ruling.copy.push(name.clone());
            }
        }
    }
}
