use std::io;
use std::path::PathBuf;

use crate::config::{EditError, Fault, Faults, File, Given};
use crate::control;

/// Why a verb did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The files have faults.
    #[error("the configuration has faults")]
    Config(Faults),
    /// What was asked for would give them faults: in what they have, and of what was given.
    #[error("that would not be a sound configuration")]
    Unsound(Faults, Vec<String>),
    /// What was to go is named elsewhere.
    #[error("mailbox `{0}` is still in use")]
    InUse(String, Faults),
    /// The command line does not make sense.
    #[error("{0}")]
    Usage(String),
    /// What came in does not fit: a password too short.
    #[error("{0}")]
    Data(String),
    /// What it is to be done to is not there.
    #[error("{0}")]
    NotThere(String),
    /// Something that must not be there is there.
    #[error("{0}")]
    Exists(String),
    /// The machine is not set up for it.
    #[error("{0}")]
    Refused(String),
    /// It cannot be had now.
    #[error("{0}")]
    Unavailable(String),
    /// Only root and the service may.
    #[error("{path}: permission denied: run this as root or as the user restante", path = .0.display())]
    Denied(PathBuf),
    /// A verb of the control socket did not do it.
    #[error("{0}")]
    Told(#[from] control::Fault),
    /// A file or folder cannot be read or written.
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Io(PathBuf, #[source] io::Error),
    /// Standard input cannot be read.
    #[error("cannot read the answer: {0}")]
    Input(#[source] io::Error),
    /// Standard output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// The exit code, after sysexits.h; 2 is what clap gives to wrong use.
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Data(_) | Self::Unsound(..) | Self::InUse(..) => 65,
            Self::Input(_) | Self::NotThere(_) => 66,
            Self::Unavailable(_) => 69,
            Self::Exists(_) => 73,
            Self::Told(fault) => fault.code.exit(),
            Self::Denied(_) => 77,
            Self::Io(_, error) if error.kind() == io::ErrorKind::PermissionDenied => 77,
            Self::Io(..) | Self::Output(_) => 74,
            Self::Config(_) | Self::Refused(_) => 78,
        }
    }

    /// What standard error is told: every fault, then one line that says what to do.
    pub fn words(&self, colour: bool) -> String {
        match self {
            Self::Config(faults) => {
                let count = counted(faults.errors(), "fault");
                format!(
                    "{}\n\nrestante: {count} in the configuration: correct that first",
                    faults.render(colour)
                )
            }
            Self::Unsound(faults, given) => {
                let count = counted(faults.errors() + given.len(), "fault");
                let faults = faults.clone().filter(|fault| fault.severity == crate::config::Severity::Error);
                let mut parts: Vec<String> = faults.texts(colour).collect();
                parts.extend(given.iter().map(|words| format!("restante: {words}")));
                parts.push(format!("restante: nothing was written, that would make {count}"));
                parts.join("\n\n")
            }
            Self::InUse(_, faults) => {
                format!(
                    "{}\n\nrestante: nothing was written: {self}; change that first",
                    faults.render(colour)
                )
            }
            Self::Io(_, error) => match cure(error) {
                Some(cure) => format!("restante: {self}; {cure}"),
                None => format!("restante: {self}"),
            },
            Self::Usage(_)
            | Self::Data(_)
            | Self::NotThere(_)
            | Self::Exists(_)
            | Self::Refused(_)
            | Self::Unavailable(_)
            | Self::Denied(_)
            | Self::Told(_)
            | Self::Input(_)
            | Self::Output(_) => format!("restante: {self}"),
        }
    }
}

/// What to do about a file or folder that cannot be read or written.
pub(crate) fn cure(error: &io::Error) -> Option<&'static str> {
    use io::ErrorKind;
    if error.kind() == ErrorKind::NotFound {
        return Some("make the folder that it is to be in first");
    }
    if error.kind() == ErrorKind::NotADirectory {
        return Some("a part of that path is a file: name a folder");
    }
    if error.kind() == ErrorKind::IsADirectory {
        return Some("that is a folder: name a file in it");
    }
    if error.kind() == ErrorKind::PermissionDenied {
        return Some("run this as somebody who may, or name another place");
    }
    if error.kind() == ErrorKind::ReadOnlyFilesystem {
        return Some("nothing can be written there: name a place on another disk");
    }
    if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        return Some("make room there, or name a place on another disk");
    }
    None
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Before(faults) => Self::Config(faults),
            EditError::After(faults, given) => {
                Self::Unsound(faults, given.iter().map(words_of_given).collect())
            }
            EditError::InUse(mailbox, faults) => Self::InUse(mailbox.to_string(), faults),
            EditError::Exists(..) => Self::Exists(format!("{error}; nothing was written")),
            EditError::NoMailbox(_) | EditError::NoPassword(_) => Self::NotThere(format!(
                "{error}; `restante mailbox list` shows what {} has",
                File::Mailboxes.name()
            )),
            EditError::Locked(_) => Self::Unavailable(error.to_string()),
            EditError::Io(path, error) => Self::Io(path, error),
        }
    }
}

/// What is wrong with what was given on the command line.
fn words_of_given(given: &Given) -> String {
    let argument = match given.key {
        "name" => "NAME",
        "addresses" => "--address",
        "quota" => "--quota",
        "passwords" => "--name",
        other => other,
    };
    let Fault { message, label, hint, .. } = &given.fault;
    let more = [Some(label.as_str()).filter(|label| !label.is_empty()), hint.as_deref()];
    let more: Vec<&str> = more.into_iter().flatten().collect();
    let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join("; ")) };
    format!("{argument}: {message}{more}")
}

/// "1 fault", "2 faults".
pub(crate) fn counted(count: usize, word: &str) -> String {
    let ending = match count {
        1 => "",
        _ if word.ends_with(['s', 'x']) => "es",
        _ => "s",
    };
    format!("{count} {word}{ending}")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{Failure, counted};

    #[test]
    fn what_cannot_be_written_is_one_line_that_says_what_to_do() {
        let dir = tempfile::tempdir().expect("a folder");
        let (none, file) = (dir.path().join("none/mail"), dir.path().join("file"));
        std::fs::write(&file, "").expect("written");
        let below = file.join("mail");
        for (path, cure) in
            [(&none, "make the folder"), (&below, "name a folder"), (&dir.path().into(), "name a file")]
        {
            let error = std::fs::File::create(path).expect_err("cannot be made");
            let failure = Failure::Io(path.clone(), error);
            let words = failure.words(false);
            assert!(words.contains(cure) && words.lines().count() == 1, "{words}");
            assert_eq!(failure.code(), 74);
        }
        let full = Failure::Io(file, io::ErrorKind::StorageFull.into());
        assert!(full.words(false).contains("make room"));
    }

    #[test]
    fn words_are_counted() {
        for (count, word, text) in
            [(0, "fault", "0 faults"), (1, "mailbox", "1 mailbox"), (2, "mailbox", "2 mailboxes")]
        {
            assert_eq!(counted(count, word), text);
        }
    }
}
