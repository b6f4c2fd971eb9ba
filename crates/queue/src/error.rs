use std::io;

/// Why the store did not do what it was asked. Nothing was changed, unless said otherwise.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room: disk, inodes, or memory for messages in flight. Later may be better (SMTP 452 4.3.1).
    #[error("the store is full: {0}")]
    Full(&'static str),
    /// Writes have stopped after a failed sync; reading goes on.
    #[error("the store takes no writes: {0}")]
    ReadOnly(String),
    /// It was begun, and whether it is kept is not known: its sync failed, or has not come back. If it is,
    /// it is kept whole, and that will be the same for everyone.
    #[error("it is not known whether it was kept: {0}")]
    Unsure(String),
    /// It is more than this engine can do in one step, and will be at every try.
    #[error("too much for one step: {0}")]
    TooLarge(&'static str),
    /// The engine is shutting down, or cannot be reached.
    #[error("the store is not available")]
    Unavailable,
    /// No such mailbox view was ever joined.
    #[error("no view of that name on this mailbox")]
    NoView,
    /// What was kept can no longer be read as it was written.
    #[error("damaged: {0}")]
    Damaged(String),
    /// The system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StoreError {
    /// A copy for each of several waiters.
    pub fn share(&self) -> Self {
        match self {
            Self::Full(what) => Self::Full(what),
            Self::ReadOnly(why) => Self::ReadOnly(why.clone()),
            Self::Unsure(why) => Self::Unsure(why.clone()),
            Self::TooLarge(what) => Self::TooLarge(what),
            Self::Unavailable => Self::Unavailable,
            Self::NoView => Self::NoView,
            Self::Damaged(what) => Self::Damaged(what.clone()),
            Self::Io(error) => Self::Io(io::Error::new(error.kind(), error.to_string())),
        }
    }
}
