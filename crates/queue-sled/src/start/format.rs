//! The format of a store, as `STORE` names it: what an older version wrote is brought up here, what a later one
//! wrote is refused.
//!
//! Formats so far:
//!
//! | format | written by | what changed |
//! |---|---|---|
//! | 1 | 0.1 | the first |
//!
//! Whoever changes what is on disk so that an older version would read it wrongly raises [`FORMAT`], adds a row
//! above and an arm to [`upgrade`], and adds a store of the old format to `tests/fixtures/`. What can be told
//! apart by itself needs none of that: a kind of record, a version of metas, a format of rows.

use std::io;
use std::path::Path;

use crate::disk::Disk;

/// The format that this version writes.
pub(crate) const FORMAT: u32 = 1;

/// Brings a store up to [`FORMAT`], one format at a time. It may be cut off anywhere and begun again: whoever
/// calls this writes the new number into `STORE` only when it has returned.
pub(super) fn upgrade(_disk: &dyn Disk, _store: &Path, from: u32) -> io::Result<()> {
    for format in from..FORMAT {
        tracing::info!(from = format, to = format + 1, "the store is brought up to a later format");
        // The arm of each format stands here. There is only the first, and nothing before it.
    }
    Ok(())
}
