//! Rules: what an admin wants done with which mail. Pure: no socket, no clock, no store.
//!
//! A [`RuleSet`] is compiled from the text of `rules.toml`, with everything that is wrong with it said at once, and
//! searched once for each envelope recipient: [`RuleSet::judge`]. Conditions answer yes, no, "nobody can tell now"
//! or "not known yet"; the search gives a judgement as soon as no answer that is still open can change it.
//!
//! | to add | put it | and |
//! |---|---|---|
//! | a condition | its family's file in `condition/`: its key, its reading, its three answers | a fixture in `tests/rules/` |
//! | a family of conditions | `condition/<family>.rs` | its rows in `condition/mod.rs` |
//! | an action | `action/<name>.rs` | its rows in `action/mod.rs`, its field in [`mail::Ruling`] |
//! | a fault that `check` can see | where the key is read, or `compile/` | its text in `tests/rules/bad/` |

mod action;
mod answer;
mod compile;
mod condition;
mod diagnostic;
mod facts;
mod pattern;
mod phase;
mod reads;
mod ruleset;
mod search;
mod source;
mod testing;

pub use compile::Surroundings;
pub use diagnostic::{Diagnostic, Severity};
pub use facts::{Attachment, Content, Facts, Person, To};
pub use phase::Phase;
pub use reads::Reads;
pub use ruleset::{Firing, RuleSet};
pub use search::{Asked, Decision, Examination, Explanation, Judgement, Said, Trial};
pub use source::nearest;
pub use testing::TestOutcome;
