//! Reads and replays the dialog files; their language is described in tests/dialogs/pop3/README.md.

mod read;
mod replay;

pub use read::{Dialog, Then, Turn};
pub use replay::Replay;
