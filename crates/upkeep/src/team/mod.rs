//! What teams and devices need: views that join and leave, and mail that goes when everyone has it.
//!
//! `claim` and `presence` decide and know no store; `joining` and `releaser` carry out, and `held` is what the releaser
//! remembers.

pub(crate) mod claim;
pub(crate) mod held;
pub(crate) mod joining;
pub(crate) mod presence;
pub(crate) mod releaser;
#[cfg(test)]
mod tests;
