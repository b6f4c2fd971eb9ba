//! mbox: one file for all messages, each behind a line `From <sender> <date>`.

mod from_line;
mod quoting;
mod read;
mod write;

pub use quoting::Quoting;
pub(super) use quoting::Unquoted;
pub use read::letters;
pub use write::MboxWriter;
