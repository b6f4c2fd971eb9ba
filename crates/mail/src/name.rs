use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fold;

/// Why a text cannot name a mailbox or a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("a name cannot be empty")]
    Empty,
    /// More octets than a name may have.
    #[error("a name has at most 255 octets")]
    TooLong,
    /// Control characters, white space, or one of the characters that logins and paths give a meaning.
    #[error("a name has letters, digits and . _ - ' only, and does not begin with a dot")]
    Character,
}

/// The mailbox that a route names and a store keeps: `alice`, or `alice@other.example` for a person of a
/// domain that is not the first. Always in folded form, so equal names are equal octets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MailboxName(Arc<str>);

impl MailboxName {
    /// Reads and folds a name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (local, domain) = match text.split_once('@') {
            Some((local, domain)) => (fold(local), Some(domain)),
            None => (fold(text), None),
        };
        check(&local)?;
        let folded = match domain {
            None => local,
            Some(domain) => {
                check(domain)?;
                let domain = crate::Domain::parse(domain).map_err(|_| NameError::Character)?;
                format!("{local}@{}", domain.folded())
            }
        };
        if folded.len() > 255 { Err(NameError::TooLong) } else { Ok(Self(folded.into())) }
    }

    /// The name in folded form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where a store keeps what is held back from this mailbox: `alice+quarantine`, which nobody can be called.
    pub fn quarantine(&self) -> Self {
        self.with(QUARANTINE)
    }

    /// The mailbox that this one is the quarantine of.
    pub fn quarantined_from(&self) -> Option<Self> {
        self.without(QUARANTINE)
    }

    /// Where a store keeps what was deleted from this mailbox: `alice+trash`, which nobody can be called.
    pub fn trash(&self) -> Self {
        self.with(TRASH)
    }

    /// The mailbox that this one is the trash of.
    pub fn trashed_from(&self) -> Option<Self> {
        self.without(TRASH)
    }

    /// A mailbox of a store, by the name that it is kept under: also what is held back, and what was deleted.
    pub fn kept(text: &str) -> Result<Self, NameError> {
        let (local, domain) = text.split_at(text.find('@').unwrap_or(text.len()));
        for suffix in [TRASH, QUARANTINE] {
            if let Some(local) = local.strip_suffix(suffix) {
                // Nothing is held back from a trash, and a trash has none itself.
                let of = Self::kept(&format!("{local}{domain}"))?;
                let fits =
                    of.trashed_from().is_none() && (suffix == TRASH || of.quarantined_from().is_none());
                return if fits { Ok(of.with(suffix)) } else { Err(NameError::Character) };
            }
        }
        Self::parse(text)
    }

    fn with(&self, suffix: &str) -> Self {
        let (local, domain) = self.0.split_at(self.0.find('@').unwrap_or(self.0.len()));
        Self(format!("{local}{suffix}{domain}").into())
    }

    fn without(&self, suffix: &str) -> Option<Self> {
        let (local, domain) = self.0.split_at(self.0.find('@').unwrap_or(self.0.len()));
        local.strip_suffix(suffix).map(|local| Self(format!("{local}{domain}").into()))
    }
}

/// What stands behind the local part of a quarantine's name; a `+` is in no mailbox's name.
const QUARANTINE: &str = "+quarantine";
/// The same of a trash.
const TRASH: &str = "+trash";
/// Not what any text parses to.
const RELEASER: &str = "+released";
const RETURNED: &str = "+returned.";

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one login sees of a mailbox. Every mailbox has the owner's view, which needs no declaration; a
/// team's members and declared devices have views of their own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ViewName(Arc<str>);

impl ViewName {
    /// The view of the mailbox's own login.
    pub fn owner() -> Self {
        Self("".into())
    }

    /// The view of whoever decides what a team lets go: what it is done with is released. No member can be called so.
    pub fn releaser() -> Self {
        Self(RELEASER.into())
    }

    /// By which a store notes, of a trash, what came back for this view and stays there for others.
    pub fn returned(&self) -> Self {
        Self(format!("{RETURNED}{}", self.0).into())
    }

    /// A view that has joined, by the name that it is kept under.
    pub fn kept(text: &str) -> Result<Self, NameError> {
        match text {
            "" => Ok(Self::owner()),
            RELEASER => Ok(Self::releaser()),
            text => match text.strip_prefix(RETURNED) {
                Some(view) => Ok(Self::kept(view)?.returned()),
                None => Self::parse(text),
            },
        }
    }

    /// A declared view: a member's or a device's name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        MailboxName::parse(text).map(|name| Self(name.0))
    }

    /// The name in folded form; nothing for the owner's view.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ViewName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check(part: &str) -> Result<(), NameError> {
    if part.is_empty() {
        return Err(NameError::Empty);
    }
    // `+` and `/` and `@` have a meaning in logins; the rest would ask for quoting in files, on command lines
    // and in addresses (RFC 5321 §4.1.2).
    let ok = |c: char| {
        c.is_alphanumeric() || ".-_'".contains(c) || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
    };
    if part.starts_with('.') || !part.chars().all(ok) {
        return Err(NameError::Character);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold() {
        assert_eq!(MailboxName::parse("Alice").expect("valid").as_str(), "alice");
        assert_eq!(
            MailboxName::parse("alice@XN--BCHER-KVA.example"),
            MailboxName::parse("ALICE@bücher.example")
        );
        assert_eq!(MailboxName::parse("a@straße.example").expect("valid").as_str(), "a@straße.example");
    }

    #[test]
    fn a_quarantine_and_a_trash_have_names_that_no_mailbox_can_have() {
        for text in ["alice", "alice@other.example"] {
            let name = MailboxName::parse(text).expect("valid");
            let trash = name.trash();
            assert_eq!(trash.as_str(), text.replace("alice", "alice+trash"));
            assert!(MailboxName::parse(trash.as_str()).is_err());
            assert_eq!((trash.trashed_from(), trash.quarantined_from()), (Some(name.clone()), None));
            let held = name.quarantine();
            assert_eq!(held.as_str(), text.replace("alice", "alice+quarantine"));
            assert!(MailboxName::parse(held.as_str()).is_err());
            assert_eq!((held.quarantined_from(), name.quarantined_from()), (Some(name), None));
        }
    }

    #[test]
    fn a_kept_mailbox_is_the_mailbox_that_was_kept() {
        for text in ["alice", "alice@other.example"] {
            let name = MailboxName::parse(text).expect("valid");
            for kept in [name.clone(), name.trash(), name.quarantine(), name.quarantine().trash()] {
                assert_eq!(MailboxName::kept(kept.as_str()), Ok(kept));
            }
            for kept in [name.trash().trash(), name.trash().quarantine(), name.quarantine().quarantine()] {
                assert!(MailboxName::kept(kept.as_str()).is_err(), "{kept}");
            }
        }
        assert!(MailboxName::kept("+trash").is_err() && MailboxName::kept("a+other").is_err());
    }

    #[test]
    fn a_kept_view_is_the_view_that_was_kept() {
        for view in
            [ViewName::owner(), ViewName::releaser(), ViewName::parse("bob@b.example").expect("valid")]
        {
            assert_eq!(ViewName::kept(view.as_str()), Ok(view));
        }
        for view in [ViewName::owner(), ViewName::releaser(), ViewName::parse("alice").expect("valid")] {
            assert_eq!(ViewName::kept(view.returned().as_str()), Ok(view.returned()));
        }
        assert!(ViewName::kept("+other").is_err() && ViewName::parse("+released").is_err());
    }

    /// RFC 5321 §4.1.2.
    #[test]
    fn what_logins_or_paths_would_read_otherwise_is_no_name() {
        for text in
            ["", ".", "..", "../x", "a/b", "a+b", "a b", "a@", "@b", "a@b@c", "a\0", "a\n", "a@b/c", "a\\b"]
        {
            assert!(MailboxName::parse(text).is_err(), "{text:?}");
        }
    }
}
