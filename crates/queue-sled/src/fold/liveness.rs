use std::collections::{BTreeMap, BTreeSet};

use mail::Uid;
use serde::{Deserialize, Serialize};

use crate::index::rows::{BodyRow, QueueRow, decode};
use crate::index::{IndexError, chunk, keys};
use crate::log::Lsn;

/// About what a record takes beside its body: header, envelope, additions.
const RECORD: u64 = 768;

/// What still lives in which segment, and which files beside the log: told by rows that the log alone has made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Liveness {
    /// About how many octets; a segment that is not here is dead.
    pub(crate) segments: BTreeMap<u32, u64>,
    pub(crate) files: BTreeSet<u64>,
}

impl Liveness {
    /// Counts what a row keeps alive.
    pub(super) fn count(&mut self, key: &[u8], value: &[u8]) -> Result<(), IndexError> {
        match key.first() {
            Some(b'Q') => {
                let row: QueueRow = decode(value)?;
                self.body(row.place, row.octets, row.beside);
            }
            Some(b'B') if key.ends_with(&[0, 0]) => {
                let row: BodyRow = decode(value)?;
                self.body(row.place, row.octets, row.beside);
            }
            Some(b'M') => {
                let first = Uid(keys::number(key).ok_or(IndexError::Damaged("an entry's key"))?);
                chunk::scan(value, first, |entry| {
                    let row = entry.row;
                    if row.shared {
                        // Its octets are counted once, with the body's own row.
                        self.add(row.place, 0);
                    } else {
                        self.body(row.place, row.octets, row.beside);
                    }
                    if row.slot.is_none() {
                        self.add(entry.uid.0, RECORD);
                    }
                    Ok(true)
                })?;
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    fn body(&mut self, place: u64, octets: u64, beside: Option<u64>) {
        self.add(place, RECORD + if beside.is_none() { octets } else { 0 });
        self.files.extend(beside);
    }

    fn add(&mut self, place: u64, octets: u64) {
        *self.segments.entry(Lsn(place).segment()).or_default() += octets;
    }
}
