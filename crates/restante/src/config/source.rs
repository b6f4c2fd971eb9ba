use std::fmt;
use std::path::PathBuf;

use super::mask::mask;

/// One of the three files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum File {
    /// `restante.toml`: the machine.
    Restante,
    /// `mailboxes.toml`: who gets mail and who may collect it.
    Mailboxes,
    /// `rules.toml`: what happens to mail.
    Rules,
}

impl File {
    /// All, in the order they are read.
    pub const ALL: [Self; 3] = [Self::Restante, Self::Mailboxes, Self::Rules];

    /// Its name in the configuration folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Restante => "restante.toml",
            Self::Mailboxes => "mailboxes.toml",
            Self::Rules => "rules.toml",
        }
    }
}

/// A file as a fault shows it: its text is there with every secret blotted out.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) shown: String,
}

impl Source {
    pub(super) fn new(path: PathBuf, text: &str) -> Self {
        Self { path, shown: mask(text) }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}
