use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Names one accepted message, from the 250 to the last copy's end. Engines mint it; it is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueueId(pub u64);

/// Names one entry of one mailbox for ever: what UIDL prints (RFC 1939 §7). Grows in the order of delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uid(pub u64);

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for QueueId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// `r` and 16 hex digits.
impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{:016x}", self.0)
    }
}

/// Why a text is no uid of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a uid is an r and 16 hex digits")]
pub struct UidError;

impl FromStr for Uid {
    type Err = UidError;

    fn from_str(text: &str) -> Result<Self, UidError> {
        let digits = text.strip_prefix('r').filter(|digits| digits.len() == 16).ok_or(UidError)?;
        u64::from_str_radix(digits, 16).map(Self).map_err(|_| UidError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_reads_as_it_prints() {
        for number in [0, 1, 0x6a2b_0001_0000_1000, u64::MAX] {
            assert_eq!(Uid(number).to_string().parse(), Ok(Uid(number)));
        }
        for text in ["", "r", "r1", "0000000000000001", "r00000000000000001", "rzzzzzzzzzzzzzzzz"] {
            assert_eq!(text.parse::<Uid>(), Err(UidError), "{text}");
        }
    }
}
