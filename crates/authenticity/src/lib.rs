//! What can be told of a message before anybody believes it: who sent it, and whether its octets are fit for a
//! parser.
//!
//! The pre-scan is one linear pass over the octets as they arrive, with bounds on everything that a parser would
//! later have to hold in memory. The verifier asks name servers: SPF, the names of the client's address, DKIM,
//! DMARC and ARC; block lists of addresses beside it. Scanners look at whole messages, and the grey list has whoever
//! is new come again. This crate knows no session, no store and no rules. Read [`Verifier`] first, [`Resolver`] where
//! something else is to be asked of name servers.

mod authors;
mod dmarc;
mod dns;
mod dnsbl;
mod greylist;
mod iprev;
mod prescan;
mod results;
pub mod scanner;
mod section;
mod signed;
mod spf;
#[cfg(test)]
mod testing;
mod verifier;

pub use authors::{Author, Authors, authors};
pub use dns::{Answer, DnsFault, DnsSettings, NoResolver, Resolver};
pub use dnsbl::{Dnsbl, Listing, Listings};
pub use greylist::{Greyed, Greylist, GreylistSettings, Remembered};
pub use prescan::{HeaderFault, HeaderLimits, MimeExcess, Prescan, Scanned};
pub use results::{relayed, results_field};
pub use verifier::{MessageResults, Verifier, VerifierLimits};
