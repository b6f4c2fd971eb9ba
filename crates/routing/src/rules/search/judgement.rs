use mail::Ruling;
use serde::{Deserialize, Serialize};

/// What the rules say of a message for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Judgement {
    /// It is not taken.
    Refuse {
        /// Which rule says so.
        rule: String,
        /// The reply code: 4xx or 5xx.
        code: u16,
        /// The enhanced status code, of the same class.
        enhanced: String,
        /// What the sender is told.
        text: String,
    },
    /// A later phase decides. Never at the end of the data, where everything is known or unknown.
    Wait,
    /// What becomes of it depends on what nobody can tell now: 451.
    Defer {
        /// The first rule that depends on it.
        rule: String,
        /// What cannot be told, in one line.
        why: String,
    },
    /// It is taken.
    Decided(Decision),
}

/// What becomes of a message that is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Decision {
    /// What the rules that matched do.
    pub ruling: Ruling,
    /// Names of rules with `mode = "shadow"` that would have matched, in order.
    pub shadow: Vec<String>,
}
