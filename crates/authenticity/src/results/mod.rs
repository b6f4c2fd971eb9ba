//! Authentication-Results (RFC 8601): the field that we write, and the one that a relay of ours wrote.

mod field;
mod grammar;
mod relay;
#[cfg(test)]
mod tests;

pub use field::results_field;
pub(crate) use grammar::{claim, same};
pub use relay::relayed;
