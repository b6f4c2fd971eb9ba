//! Maildir: a file for each message, in `new` and `cur`.

mod read;
mod write;

pub(super) use read::open;
pub use read::{Letters, Maildir};
pub use write::MaildirWriter;
