//! The words of mail that every other crate speaks: addresses and paths, envelopes, ids,
//! header fields and the secrets that must not be printed.
//!
//! It knows no store, no socket, no configuration and no other crate of the house.
//! Read [`Envelope`] first: it is what is known of a message beside its octets.

mod address;
mod auth_results;
mod copies;
mod envelope;
mod fold;
mod header;
mod id;
mod journey;
mod known;
mod name;
mod path;
mod ruling;
mod secret;
mod section;
mod shown;
mod span;
mod verdicts;

pub use address::{Address, AddressError, Domain, LocalPart};
pub use auth_results::{
    ArcResult, AuthResult, AuthResults, DkimResult, DmarcPolicy, DmarcResult, IprevResult, SpfResult,
};
pub use copies::MailboxCopy;
pub use envelope::{Body, Cut, Envelope, Protocol, Recipient, RuledField, TlsFacts, Trace};
pub use fold::fold;
pub use header::{write_field, write_subject, write_text};
pub use id::{QueueId, Uid, UidError};
pub use journey::{About, Arrival, Client, Event, Journeys, Listen, Phase};
pub use known::Known;
pub use name::{MailboxName, NameError, ViewName};
pub use path::{ForwardPath, PathError, ReversePath};
pub use ruling::Ruling;
pub use secret::Secret;
pub use section::{ReceivedField, header_fields};
pub use shown::{harmless, shown};
pub use span::Span;
pub use verdicts::{Spam, Verdicts, Virus};
