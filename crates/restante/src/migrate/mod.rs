//! Moving in from another server, and out to one: Maildir and mbox, both ways, with the unique ids that
//! clients know.
//!
//! It knows files and the store, no socket and no command line. Read [`Letter`] first, what comes in, and
//! [`Intake`], where it goes.
//!
//! A message that is brought in is served as the old server served it: nothing is put on top of it and
//! nothing in it is hidden, or a client that has left a copy here would find another message. Only its lines
//! end in CRLF, and NULs are gone, as everywhere in the store.

mod format;
mod intake;
mod letter;
mod lines;
mod list;
mod maildir;
mod mbox;
mod uidl;
mod unix;

pub use format::{Facts, FormatError, UidlFormat};
pub use intake::{Arrival, Intake, sweep};
pub use letter::{Content, Letter, Text, is_packed, return_path};
pub use list::{LineError, ListError, Listed, UidlList};
pub use maildir::{Letters, Maildir, MaildirWriter};
pub use mbox::{MboxWriter, Quoting, letters as mbox_letters};
pub use uidl::{Uidl, UidlError};
