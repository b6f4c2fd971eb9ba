//! A look at a store that changes nothing in it: what is wrong, and for whom; and the way out with all mail that
//! is intact, whatever else is broken.

mod check;
mod entries;
mod report;
mod salvage;
mod survey;

pub use check::check;
#[cfg(test)]
pub(crate) use check::check_on;
pub use report::{Checked, Fault, Grade, Whom};
pub use salvage::{Salvaged, Wanted, salvage};
