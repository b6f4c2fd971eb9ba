//! The control socket: how the command line talks to the daemon that has the store.
//!
//! `<state-dir>/control.sock` belongs to the service and lets in its owner and root, whoever else may reach it.
//! A connection carries one request. Every line is one JSON object with the version, `"v":1`:
//!
//! ```text
//! client   {"v":1,"verb":"status","args":{…}}
//! daemon   {"v":1,"progress":{"what":"messages","done":3,"of":7}}      any number of these
//! daemon   {"v":1,"result":…}
//!      or  {"v":1,"error":{"code":"…","text":"…","hint":"…"}}          one of these, and it is the last line
//! ```
//!
//! A verb that streams has items between request and answer, `{"v":1,"item":…}`, in one direction; a client
//! that sends them ends with `{"v":1,"end":true}`. Any line may carry `"octets":N` and is then followed by
//! exactly N raw octets, at most [`OCTETS_MAX`]: a message is as many items as it needs. Who reads slowly
//! holds nobody up but its own verb. A line has at most [`LINE_MAX`] octets: what may be longer is streamed.
//!
//! # How to add a verb
//!
//! Copy `verb/reload.rs`: its three types, and `serve`, which works on [`Desk`]. Give it a row in
//! `verb/mod.rs`. On the command line add `cli/<verb>.rs` with its row, and reach the verb by [`Reach`]:
//!
//! ```text
//! let reach = Reach::find(&context.config, NoStore::Refuse)?;      // the daemon, or the store itself
//! let answer = reach.ask::<Backup>(&Args { … }, |progress| …)?;    // no items
//!
//! let mut asked = reach.begin::<Import>(&args)?;                   // items to the daemon
//! asked.send(&Item { … }, octets)?;                                // while asked.is_taken()
//! asked.end()?;
//! let answer = asked.answer(|progress| …)?;
//!
//! let mut asked = reach.begin::<Export>(&args)?;                   // items from the daemon
//! loop { match asked.hear()? { Said::Item(item, octets) => …, Said::Progress(_) => …, Said::Answer(answer) => … } }
//! ```
//!
//! When the daemon is down, the same `serve` runs in the process of the command line, over a pair of sockets and
//! on threads that are the owner of the state folder: a verb is written once, and files of the caller's are
//! opened by the caller in both cases. What needs a daemon asks for [`Desk::daemon`], and answers that there is none.

mod call;
mod client;
mod desk;
mod door;
mod fault;
mod frame;
mod holder;
mod input;
mod offline;
mod reach;
pub mod report;
#[cfg(test)]
mod tests;
pub mod verb;

pub use call::Call;
pub use client::{Asked, Client, Said, Unreached};
pub use desk::{Current, Desk, Running};
pub use door::{Door, PATH_MAX, fits, socket};
pub use fault::{Code, Fault};
pub use frame::{Frame, LINE_MAX, OCTETS_MAX, Progress, VERSION};
pub(crate) use holder::holder;
pub use offline::Offline;
pub use reach::{AskedThere, NoStore, Reach};
pub(crate) use reach::{daemon_of, load, machine, readable};
pub use verb::Verb;

/// What a caller without rights is told.
const WHO_MAY: &str = "run this as root or as the user restante";
