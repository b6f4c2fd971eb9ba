//! What a message's octets say about it before anybody believes them.
//!
//! Today that is the pre-scan: one linear pass over the octets as they arrive, with bounds on everything
//! that a parser would later have to hold in memory. It knows no socket, no store and no parser of mail.
//! Read [`Prescan`] first.

mod prescan;

pub use prescan::{HeaderFault, HeaderLimits, Prescan, Scanned};
