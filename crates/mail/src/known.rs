use serde::{Deserialize, Serialize};

/// Something that is known, or will be, or cannot be told now: what rules ask about a message comes bit by bit,
/// and some of it from servers that may be down.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Known<T> {
    /// Not before a later phase of the transaction.
    #[default]
    NotYet,
    /// It was asked for, and nobody could tell; why, in one line. Asked again later, it may be known.
    Unknown(String),
    /// It is this.
    Is(T),
}

impl<T> Known<T> {
    /// The same of a reference.
    pub fn as_ref(&self) -> Known<&T> {
        match self {
            Self::NotYet => Known::NotYet,
            Self::Unknown(why) => Known::Unknown(why.clone()),
            Self::Is(value) => Known::Is(value),
        }
    }

    /// What it is, if that is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::NotYet | Self::Unknown(_) => None,
        }
    }
}
