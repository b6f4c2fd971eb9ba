//! `deliver = ["accounts"]`: there instead of where the recipient leads.

use ::mail::{MailboxName, Ruling};

use super::super::source::{Reader, Value};
use super::mailbox::mailboxes;
use super::{Action, Then};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deliver(Vec<MailboxName>);

pub(super) fn read(value: &Value<'_>, _: &Then<'_>, reader: &mut Reader<'_>) -> Option<Action> {
    mailboxes("deliver", value, reader).map(|mailboxes| Action::Deliver(Deliver(mailboxes)))
}

impl Deliver {
    /// What an earlier rule said is where it would have gone: that is replaced.
    pub(super) fn apply(&self, ruling: &mut Ruling) {
        ruling.deliver = Some(self.0.clone());
    }
}
