//! Rules: what an admin wants done with which mail. Pure: no socket, no clock, no store.

mod facts;

pub use facts::{Attachment, Content, Facts, Person, To};
