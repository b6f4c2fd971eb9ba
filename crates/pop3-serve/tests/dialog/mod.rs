//! Reads and replays the dialog files; their language is described in tests/dialogs/pop3/README.md.

mod read;
mod replay;
mod robust;

pub(crate) use read::Dialog;
pub(crate) use replay::Replay;
