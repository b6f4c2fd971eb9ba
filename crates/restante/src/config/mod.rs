//! The three files an admin edits: from text to checked types, with everything that is wrong with them
//! said at once.
//!
//! Text is read through [`section`] (every key and value knows its place), each value becomes its type in
//! [`value`], the directory checks what mailboxes and addresses mean, and [`permission`] and [`tls`] look
//! at the files themselves. Read [`load`] first.

mod again;
mod care;
mod cut;
mod edit;
mod fault;
mod finding;
mod given;
mod load;
mod machine;
mod mailboxes;
mod mask;
mod nearest;
mod overlay;
pub mod permission;
mod reading;
pub mod replace;
mod rules;
mod section;
mod settings;
mod shipped;
mod source;
mod team;
mod telling;
mod tls;
mod value;

pub use care::{Guard, Quarantine, Watchdog};
pub use edit::{Edit, EditError, Sound};
pub use fault::{Fault, Faults, Severity};
pub use finding::Finding;
pub use given::Given;
pub use load::{Loaded, Texts, check, faults_of_rules, load, load_with_rules, machine, try_rules};
pub use overlay::Overlay;
pub(crate) use rules::last_good;
pub use rules::{Origin, Rules};
pub use settings::{
    Authenticity, BareNewline, BlockLists, Config, Greylist, Limits, Lmtp, LoginLimits, Pop3, Pop3Limits,
    Relay, Scanner, Smtp, SmtpLimits, Store, Tls, Utf8Fallback, WhenDown,
};
pub use shipped::shipped;
pub use source::File;
pub use telling::{Log, LogFormat, LogLevel, Metrics, Trace};
pub use tls::{outdated, unusable};
pub use value::{LENGTHS, Size};
