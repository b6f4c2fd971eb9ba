//! The search: rules in the order of the file, once for each recipient, until one that matches ends it.

mod explain;
mod judge;
mod judgement;
mod trail;

pub use explain::{Asked, Explanation, Said, Trial};
pub use judge::Examination;
pub use judgement::{Decision, Judgement};
pub(crate) use trail::Trail;
