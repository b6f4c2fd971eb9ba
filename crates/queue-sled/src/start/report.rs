use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{0} is in use by another process")]
    Locked(PathBuf),
    /// It was written by a later version.
    #[error("a later version has written {0}")]
    Newer(String),
    /// A file of another store lies in it.
    #[error("{0} belongs to another store")]
    Foreign(PathBuf),
    /// It is a backup: mail that came in here would be mixed with the next one.
    #[error("it is a backup, not a store: `restante restore` makes one of it")]
    Backup,
    /// What is left of the log is not enough to go on from: `fsck --salvage` gets out what is intact.
    #[error("{0}: the store must be salvaged or restored")]
    Salvage(String),
    /// The index can neither be opened nor built.
    #[error("the index: {0}")]
    Index(String),
    /// The system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What a start has found; prints in words, for the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartReport {
    /// There was no store: one was made.
    pub created: bool,
    /// The last run was closed in good order.
    pub clean: bool,
    /// Records that the index did not have yet.
    pub replayed: u64,
    /// Why the index was built again from the log.
    pub rebuilt: Option<String>,
    /// A batch was begun and never acknowledged.
    pub torn_tail: bool,
    /// Places of the log that no longer hold what was written, as `from-to`: found now, or by an earlier start.
    pub damaged: Vec<String>,
}

impl fmt::Display for StartReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.created, self.clean) {
            (true, _) => "a new store",
            (false, true) => "the last run was closed in good order",
            (false, false) => "the last run was not closed",
        })?;
        if let Some(why) = &self.rebuilt {
            write!(f, "; the index was built again ({why})")?;
        }
        if self.replayed > 0 {
            write!(f, "; {} records replayed", self.replayed)?;
        }
        if self.torn_tail {
            f.write_str("; a batch that was never acknowledged ends the log")?;
        }
        if !self.damaged.is_empty() {
            write!(f, "; DAMAGED, set aside: {}", self.damaged.join(", "))?;
        }
        Ok(())
    }
}
