//! The words of mail that every other crate speaks: addresses and paths, envelopes, ids,
//! header fields and the secrets that must not be printed.
//!
//! It knows no store, no socket, no configuration and no other crate of the house.
//! Read [`Envelope`] first: it is what is known of a message beside its octets.

mod address;
mod envelope;
mod fold;
mod header;
mod id;
mod name;
mod path;
mod secret;
mod shown;

pub use address::{Address, AddressError, Domain, LocalPart};
pub use envelope::{Body, Cut, Envelope, Protocol, Recipient, TlsFacts, Trace};
pub use fold::fold;
pub use header::write_field;
pub use id::{QueueId, Uid};
pub use name::{MailboxName, NameError, ViewName};
pub use path::{ForwardPath, PathError, ReversePath};
pub use secret::Secret;
pub use shown::{harmless, shown};
