use std::fmt;

use directory::Directory;
use mail::MailboxName;
use queue_sled::backup::BackupError;
use serde::{Deserialize, Serialize};

use super::frame::VERSION;

/// Why a verb did not do what it was asked for, as it goes over the socket and into `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which kind; the exit code follows from it.
    pub code: Code,
    /// What is wrong, in one line.
    pub text: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The kinds of fault: a closed list, so that a script can count on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The octets are no line of the protocol.
    Malformed,
    /// The two speak different versions of the protocol.
    Version,
    /// Nobody here knows the verb.
    UnknownVerb,
    /// The arguments are not the verb's.
    Usage,
    /// The caller may not.
    Permission,
    /// Too many are asking at once.
    Busy,
    /// It cannot be had now.
    Unavailable,
    /// What was given does not fit.
    Data,
    /// What was asked for is not there.
    NotFound,
    /// What must not be there is there.
    Exists,
    /// Reading or writing failed.
    Io,
    /// The configuration has faults.
    Config,
    /// The other side went away or fell silent.
    Gone,
    /// A fault of ours.
    Internal,
    /// One of a later version.
    #[serde(other)]
    Other,
}

impl Fault {
    /// Nobody has a mailbox of that name.
    pub fn no_mailbox(name: &str, directory: &Directory) -> Self {
        let known = directory.mailbox_names();
        let hint = match routing::rules::nearest(name, known.iter().map(MailboxName::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`restante mailbox list` shows who there is".into(),
        };
        Self::new(Code::NotFound, format!("there is no mailbox `{name}`")).hint(hint)
    }
}

impl Code {
    /// The exit code of a verb that ends with it, after sysexits.h.
    pub fn exit(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Data => 65,
            Self::NotFound => 66,
            Self::Busy | Self::Unavailable | Self::Gone => 69,
            Self::Internal | Self::Other => 70,
            Self::Exists => 73,
            Self::Io => 74,
            Self::Malformed | Self::Version | Self::UnknownVerb => 76,
            Self::Permission => 77,
            Self::Config => 78,
        }
    }
}

impl Fault {
    /// With its words: one line, no capital, no full stop.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), hint: None }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Something that cannot happen.
    pub fn internal(text: impl Into<String>) -> Self {
        Self::new(Code::Internal, text)
    }

    /// The other side went away.
    pub fn gone(text: impl Into<String>) -> Self {
        Self::new(Code::Gone, text)
    }

    pub(super) fn version(theirs: u64) -> Self {
        let (ours, program) = (VERSION, env!("CARGO_PKG_VERSION"));
        let text =
            format!("version {theirs} of the control protocol, where restante {program} speaks {ours}");
        Self::new(Code::Version, text).hint(RESTART)
    }

    pub(super) fn unknown_verb(verb: &str) -> Self {
        let text = format!("restante {} does not know the verb `{verb}`", env!("CARGO_PKG_VERSION"));
        Self::new(Code::UnknownVerb, text).hint(RESTART)
    }
}

/// What brings a daemon and a command line of different age together.
const RESTART: &str = "after an update the daemon must be started again: systemctl restart restante";

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl std::error::Error for Fault {}

impl From<BackupError> for Fault {
    fn from(error: BackupError) -> Self {
        let text = error.to_string();
        let (code, hint) = match error {
            BackupError::Store(error) => return error.into(),
            BackupError::Busy => (Code::Busy, None),
            BackupError::Locked(_) => (Code::Unavailable, Some("systemctl stop restante")),
            BackupError::NotEmpty(_) | BackupError::OtherStore(_) => {
                (Code::Exists, Some("give every store a folder of its own"))
            }
            BackupError::IsStore(_) | BackupError::Inside(_) => {
                (Code::Exists, Some("give a folder on another disk"))
            }
            BackupError::Exists(_) => (Code::Exists, Some("--force moves it aside; nothing is removed")),
            BackupError::Unfinished(_) => {
                (Code::NotFound, Some("`restante backup` finishes one that was cut off"))
            }
            BackupError::Damaged { .. } => {
                (Code::Data, Some("use another backup; `restante fsck --salvage` gets out what is intact"))
            }
            BackupError::NoRoom { .. } => (Code::Io, Some("make room there, or restore onto a larger disk")),
            BackupError::Newer(_) => (Code::Data, Some("use the later restante")),
            BackupError::Io { ref error, .. } if error.kind() == std::io::ErrorKind::PermissionDenied => {
                (Code::Permission, Some(super::WHO_MAY))
            }
            BackupError::Io { ref error, .. } => (Code::Io, crate::cli::cure(error)),
        };
        Self { code, text, hint: hint.map(Into::into) }
    }
}

impl From<queue::StoreError> for Fault {
    fn from(error: queue::StoreError) -> Self {
        use queue::StoreError;
        let code = match &error {
            StoreError::Io(_) | StoreError::Damaged(_) | StoreError::Unsure(_) => Code::Io,
            StoreError::TooLarge(_) => Code::Data,
            StoreError::NoView => Code::NotFound,
            StoreError::Full(_) | StoreError::ReadOnly(_) | StoreError::Unavailable => Code::Unavailable,
        };
        Self::new(code, error.to_string())
    }
}
