//! Maildir: a file for each message, in `new` and `cur`.

mod read;
mod write;

pub use read::Maildir;
pub(super) use read::open;
pub use write::MaildirWriter;
