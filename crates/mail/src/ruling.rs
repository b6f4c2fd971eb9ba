use serde::{Deserialize, Serialize};

use crate::MailboxName;

/// What the rules decided for one recipient, at the gate, before the 250. It is kept with the message: whatever
/// is reloaded or installed later, the router does what was decided.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ruling {
    /// The names of the rules that matched, in order.
    pub rules: Vec<String>,
    /// Where it goes instead of the directory's answer; an empty list is nowhere (discard).
    pub deliver: Option<Vec<MailboxName>>,
    /// Where it goes besides, whatever becomes of it otherwise: also what is held back or discarded.
    pub copy: Vec<MailboxName>,
    /// Why it is kept in quarantine instead of in the mailboxes it was for.
    pub quarantine: Option<String>,
    /// Fields that are put on top: name and value.
    pub add: Vec<(String, String)>,
    /// Names of fields that are hidden.
    pub remove: Vec<String>,
    /// What is put before the subject.
    pub tags: Vec<String>,
    /// After how many seconds in its mailbox it goes.
    pub expire: Option<u64>,
}

impl Ruling {
    /// Whether nothing was decided: the directory's answer stands, and the message is as it came.
    pub fn is_nothing(&self) -> bool {
        *self == Self { rules: self.rules.clone(), ..Self::default() }
    }
}
