use std::fmt;

use mail::{MailboxName, Uid};
use serde::Serialize;

/// How bad a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// No mail is concerned: the next start, or the store as it runs, puts it right.
    Mends,
    /// Mail may be lost; all other mail is served.
    Mail,
    /// The store cannot be opened: it must be salvaged or restored.
    Fatal,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// How bad it is.
    pub grade: Grade,
    /// Where: a file, or a place in the log.
    pub place: String,
    /// What is wrong, in one line.
    pub what: String,
    /// Whose mail it is about, as far as that can be told.
    pub whom: Vec<Whom>,
}

/// One message, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Whom {
    /// Nothing while it is queued.
    pub mailbox: Option<String>,
    /// As UIDL says it; while it is queued, its queue id.
    pub id: String,
    /// If it can be read.
    pub subject: Option<String>,
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Checked {
    /// What is wrong, in the order in which it was found.
    pub faults: Vec<Fault>,
    /// Segments of the log.
    pub segments: u64,
    /// Entries of all mailboxes.
    pub entries: u64,
    /// Messages that wait to be delivered.
    pub queued: u64,
}

impl Checked {
    pub(super) fn fault(&mut self, grade: Grade, place: impl fmt::Display, what: impl fmt::Display) {
        let (place, what) = (place.to_string(), what.to_string());
        self.faults.push(Fault { grade, place, what, whom: Vec::new() });
    }

    /// Whether a fault was already found with somebody's message.
    pub(super) fn has(&self, whom: &Whom) -> bool {
        let is_same = |other: &Whom| (&other.mailbox, &other.id) == (&whom.mailbox, &whom.id);
        self.faults.iter().flat_map(|fault| &fault.whom).any(is_same)
    }

    /// The worst of all faults.
    pub fn worst(&self) -> Option<Grade> {
        self.faults.iter().map(|fault| fault.grade).max()
    }
}

impl Whom {
    pub(super) fn entry(mailbox: &MailboxName, uid: Uid, subject: Option<String>) -> Self {
        Self { mailbox: Some(mailbox.to_string()), id: uid.to_string(), subject }
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.mailbox {
            Some(mailbox) => write!(f, "{mailbox}, {}", self.id)?,
            None => write!(f, "queued, {}", self.id)?,
        }
        self.subject.as_ref().map_or(Ok(()), |subject| write!(f, ", \"{subject}\""))
    }
}

/// What stands behind `Subject:` in the first octets of a message, safe for a terminal.
pub(super) fn subject(octets: &[u8]) -> Option<String> {
    const MOST: usize = 80;
    let mut lines = octets.split(|octet| *octet == b'\n').take_while(|line| !matches!(*line, b"\r" | b""));
    let first = lines.find(|line| line.len() >= 8 && line[..8].eq_ignore_ascii_case(b"subject:"))?;
    let text = String::from_utf8_lossy(&first[8..]);
    let shown = text.trim().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    Some(shown.take(MOST).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_safe_line() {
        let of = |text: &str| subject(text.as_bytes());
        assert_eq!(of("From: a\r\nSUBJECT:  hello \r\n\r\nSubject: no\r\n").as_deref(), Some("hello"));
        assert_eq!(of("Subject: \u{1b}[31mred\r\n").as_deref(), Some("\u{fffd}[31mred"));
        assert_eq!(of(&format!("Subject: {}\r\n", "x".repeat(200))).map(|subject| subject.len()), Some(80));
        assert_eq!(of("From: a\r\n\r\nSubject: no\r\n"), None);
    }
}
