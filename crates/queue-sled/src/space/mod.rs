//! Room on the disk: what died in the log is freed, segments that are mostly dead are emptied, and files that
//! are free become segments again. All of it is decided from the fold (`fold/`), never from sled.

mod compaction;
mod keeper;
mod orders;
mod orphans;
mod pins;
mod scrub;
mod snaps;
mod victims;

pub(crate) use compaction::Mover;
pub(crate) use keeper::Keeper;
pub(crate) use orders::Orders;
pub use orders::Tidied;
pub(crate) use orphans::Orphans;
pub(crate) use pins::{Pin, Pins};
pub(crate) use scrub::Scrub;
