use serde::{Deserialize, Serialize};

use crate::Known;

/// What scanners said of one message. One that is not configured says nothing: `Is(None)`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Verdicts {
    /// Of the spam filter.
    pub spam: Known<Option<Spam>>,
    /// Of the virus scanner: the name of what it found, or that it found nothing.
    pub virus: Known<Option<Virus>>,
}

/// A spam filter's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spam {
    /// The score in hundredths: 1,530 is 15.3.
    pub score: i64,
    /// What it would do: `no action`, `add header`, `reject`, ...
    pub action: String,
    /// The names of what it noticed.
    pub symbols: Vec<String>,
}

/// A virus scanner's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Virus {
    /// What was found; nothing in a clean message.
    pub name: Option<String>,
}
