//! SMTP and LMTP intake: what a stranger says on port 25 becomes a message in the queue, or a refusal
//! before the 250.
//!
//! It knows no rules, no mailbox formats and no configuration files: what must be decided before the 250
//! beyond the protocol it asks the directory, the store and a [`Policy`]. Read [`Session`] first: the
//! protocol, without a socket.

mod driver;
mod policy;
mod session;

pub use driver::{Receiving, Service, Smtp, serve};
pub use policy::{AcceptAll, Decision, Inspection, Policy, SessionPolicy, Verdict};
pub use session::Session;
pub use session::params::{BareNewline, Dialect, ErrorLimits, Params, Patience, Probes, Stress};
pub use session::reply::{Ending, Fault, PolicyRefusal, Refusal, Reply};
pub use session::step::{Answer, Ask, Step};
pub use session::text_reader::TextReader;
