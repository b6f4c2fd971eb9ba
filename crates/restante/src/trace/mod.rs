//! The trace: what became of each message, one event a line, in a file a day. It is written beside the mail and
//! never in its way, and read by `restante trace`, also while the daemon is down.

mod days;
mod judged;
mod keeper;
mod line;
mod pen;
mod places;
mod search;
mod story;
mod tally;

pub(crate) use days::{Bounds, Folder};
pub(crate) use judged::{Judged, Ruled, about};
pub(crate) use keeper::{Judgements, Keeper};
pub(crate) use line::{Line, What};
pub(crate) use places::Places;
pub(crate) use search::{Query, each, search};
pub(crate) use story::{story, table};
pub(crate) use tally::Tally;
