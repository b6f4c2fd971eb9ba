//! The value of an `M` row: entries of one mailbox that follow each other. sled copies a page for every row it
//! is given, so fifty entries in one row cost what one would.

use std::ops::Range;

use mail::Uid;
use serde::{Deserialize, Serialize};

use super::kv::IndexError;
use super::rows::{EntryRow, VALUE_MAX};

const SHARED: u8 = 1;
/// Behind the entry stands how long after its delivery it came into the trash.
const TRASHED: u8 = 2;

/// An entry as a chunk has it: numbers as distances from its uid, which makes most of them short.
#[derive(Serialize, Deserialize)]
struct Packed {
    flags: u8,
    octets: u64,
    /// Ms since the second that the uid's segment is named after.
    time: i64,
    /// The uid less the queue id.
    back: u64,
    body_at: u32,
    recipient: Option<u16>,
    /// When it is not the record of the first day.
    place: Option<u64>,
    slot: Option<u16>,
    beside: Option<u64>,
    foreign_uidl: Option<String>,
}

/// One entry of a chunk, and where in the value it stands.
pub(crate) struct Found {
    pub(crate) uid: Uid,
    pub(crate) row: EntryRow,
    /// With the distance of its uid in front.
    whole: Range<usize>,
    packed: Range<usize>,
}

impl Found {
    /// What the digest of a mailbox has of it.
    pub(crate) fn packed<'a>(&self, value: &'a [u8]) -> &'a [u8] {
        &value[self.packed.clone()]
    }
}

/// The form of an entry that its mailbox's digest is over.
pub(crate) fn pack(uid: Uid, row: &EntryRow) -> Vec<u8> {
    let trashed = if row.trashed_ms.is_some() { TRASHED } else { 0 };
    let packed = Packed {
        flags: trashed | if row.shared { SHARED } else { 0 },
        octets: row.octets,
        time: row.time_ms.wrapping_sub(epoch(uid)).cast_signed(),
        back: uid.0.wrapping_sub(row.body),
        body_at: row.body_at,
        recipient: row.recipient,
        place: (row.place != row.body).then_some(row.place),
        slot: row.slot,
        beside: row.beside,
        foreign_uidl: row.foreign_uidl.clone(),
    };
    let mut value = super::rows::encode(&packed);
    if let Some(trashed) = row.trashed_ms {
        value.extend(super::rows::encode(&trashed.wrapping_sub(row.time_ms).cast_signed()));
    }
    value
}

fn unpack(uid: Uid, packed: Packed, trashed: Option<i64>) -> EntryRow {
    let body = uid.0.wrapping_sub(packed.back);
    let time_ms = epoch(uid).wrapping_add(packed.time.cast_unsigned());
    EntryRow {
        octets: packed.octets,
        time_ms,
        body,
        place: packed.place.unwrap_or(body),
        body_at: packed.body_at,
        slot: packed.slot,
        recipient: packed.recipient,
        shared: packed.flags & SHARED != 0,
        beside: packed.beside,
        foreign_uidl: packed.foreign_uidl,
        trashed_ms: trashed.map(|after| time_ms.wrapping_add(after.cast_unsigned())),
    }
}

/// Segments are named after the clock: close to when the entry came.
fn epoch(uid: Uid) -> u64 {
    (uid.0 >> 32) * 1000
}

/// Adds an entry behind all others of a chunk that begins with `first`; false when the chunk is full.
pub(crate) fn push(value: &mut Vec<u8>, first: Uid, uid: Uid, packed: &[u8]) -> bool {
    let distance = super::rows::encode(&(uid.0 - first.0));
    if !value.is_empty() && value.len() + distance.len() + packed.len() > VALUE_MAX {
        return false;
    }
    value.extend_from_slice(&distance);
    value.extend_from_slice(packed);
    true
}

/// Puts an entry between the others of a chunk that begins with `first`, which is not above it; false when the chunk
/// is full.
pub(crate) fn insert(value: &mut Vec<u8>, first: Uid, uid: Uid, packed: &[u8]) -> Result<bool, IndexError> {
    let mut entry = super::rows::encode(&(uid.0 - first.0));
    entry.extend_from_slice(packed);
    if value.len() + entry.len() > VALUE_MAX {
        return Ok(false);
    }
    let mut at = value.len();
    scan(value, first, |found| {
        let below = found.uid < uid;
        if !below {
            at = found.whole.start;
        }
        Ok(below)
    })?;
    value.splice(at..at, entry);
    Ok(true)
}

/// The uids of a chunk.
pub(crate) fn uids(value: &[u8], first: Uid) -> Result<Vec<Uid>, IndexError> {
    let mut uids = Vec::new();
    scan(value, first, |found| {
        uids.push(found.uid);
        Ok(true)
    })?;
    Ok(uids)
}

/// Gives every entry of a chunk to `each`, until that says false.
pub(crate) fn scan(
    value: &[u8],
    first: Uid,
    mut each: impl FnMut(Found) -> Result<bool, IndexError>,
) -> Result<(), IndexError> {
    let bad = |_| IndexError::Damaged("a row of entries is not what was written");
    let at = |rest: &[u8]| value.len() - rest.len();
    let mut rest = value;
    while !rest.is_empty() {
        let start = at(rest);
        let (distance, behind) = postcard::take_from_bytes::<u64>(rest).map_err(bad)?;
        let (packed, mut behind_all) = postcard::take_from_bytes::<Packed>(behind).map_err(bad)?;
        let mut trashed = None;
        if packed.flags & TRASHED != 0 {
            let (after, rest) = postcard::take_from_bytes::<i64>(behind_all).map_err(bad)?;
            (trashed, behind_all) = (Some(after), rest);
        }
        let uid = Uid(first.0.wrapping_add(distance));
        let (whole, range) = (start..at(behind_all), at(behind)..at(behind_all));
        if !each(Found { uid, row: unpack(uid, packed, trashed), whole, packed: range })? {
            break;
        }
        rest = behind_all;
    }
    Ok(())
}

/// Looks for one entry.
pub(crate) fn find(value: &[u8], first: Uid, uid: Uid) -> Result<Option<Found>, IndexError> {
    let mut found = None;
    scan(value, first, |entry| {
        let more = entry.uid < uid;
        found = (entry.uid == uid).then_some(entry);
        Ok(more)
    })?;
    Ok(found)
}

/// Takes an entry out that was found in this very value.
pub(crate) fn remove(value: &mut Vec<u8>, found: &Found) {
    value.drain(found.whole.clone());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row() -> impl Strategy<Value = EntryRow> {
        let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u32>());
        let option = || proptest::option::of(any::<u16>());
        let more = (proptest::option::of(any::<u64>()), option(), option());
        (
            numbers,
            more,
            any::<bool>(),
            proptest::option::of(any::<u64>()),
            proptest::option::of("[!-~]{1,70}"),
            proptest::option::of(any::<u64>()),
        )
            .prop_map(
                |(
                    (octets, time_ms, body, body_at),
                    (place, slot, recipient),
                    shared,
                    beside,
                    foreign_uidl,
                    trashed_ms,
                )| {
                    EntryRow {
                        octets,
                        time_ms,
                        body,
                        place: place.unwrap_or(body),
                        body_at,
                        slot,
                        recipient,
                        shared,
                        beside,
                        foreign_uidl,
                        trashed_ms,
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn what_is_pushed_is_found_and_can_be_taken_out(
            rows in proptest::collection::vec((1u64..1 << 40, row()), 1..30),
            out in 0usize..30,
        ) {
            let (mut value, mut model, mut uid) = (Vec::new(), Vec::new(), Uid(7 << 32));
            let first = Uid(uid.0 + rows[0].0);
            for (distance, row) in rows {
                uid = Uid(uid.0 + distance);
                if push(&mut value, first, uid, &pack(uid, &row)) {
                    model.push((uid, row));
                }
            }
            prop_assert!(value.len() <= VALUE_MAX || model.len() == 1);
            let taken = model.remove(out % model.len());
            let found = find(&value, first, taken.0).expect("readable").expect("there");
            prop_assert_eq!(&found.row, &taken.1);
            prop_assert_eq!(found.packed(&value), pack(taken.0, &taken.1));
            remove(&mut value, &found);
            prop_assert!(find(&value, first, taken.0).expect("readable").is_none());
            let mut left = Vec::new();
            scan(&value, first, |entry| {
                left.push((entry.uid, entry.row));
                Ok(true)
            }).expect("readable");
            prop_assert_eq!(left, model);
        }
    }

    proptest! {
        #[test]
        fn what_is_put_between_is_in_its_place(
            rows in proptest::collection::btree_map(1u64..1 << 40, row(), 2..20),
            order in any::<u64>(),
        ) {
            let first = Uid(7 << 32);
            let mut shuffled: Vec<_> = rows.into_iter().map(|(uid, row)| (Uid(first.0 + uid), row)).collect();
            shuffled.sort_by_key(|(uid, _)| uid.0.wrapping_mul(order | 1));
            let (mut value, mut model) = (Vec::new(), Vec::new());
            for (uid, row) in shuffled {
                if insert(&mut value, first, uid, &pack(uid, &row)).expect("readable") {
                    model.push((uid, row));
                }
            }
            model.sort_by_key(|(uid, _)| *uid);
            let mut found = Vec::new();
            scan(&value, first, |entry| {
                found.push((entry.uid, entry.row));
                Ok(true)
            }).expect("readable");
            prop_assert!(value.len() <= VALUE_MAX);
            prop_assert_eq!(found, model);
        }
    }

    #[test]
    fn an_entry_of_usual_mail_takes_twenty_octets_or_so() {
        let uid = Uid(0x6543_2100 << 32 | 0x0123_4560);
        let row = EntryRow {
            octets: 4500,
            time_ms: 0x6543_2100 * 1000 + 3_600_000,
            body: uid.0 - 250_000,
            place: uid.0 - 250_000,
            body_at: 400,
            slot: None,
            recipient: Some(0),
            shared: false,
            beside: None,
            foreign_uidl: None,
            trashed_ms: None,
        };
        assert!(pack(uid, &row).len() <= 20, "{}", pack(uid, &row).len());
    }

    #[test]
    fn a_chunk_is_as_long_as_a_row_may_be_and_no_longer() {
        for (packed, fits) in [(19, true), (20, false)] {
            let mut value = vec![0; VALUE_MAX - 20];
            assert_eq!(push(&mut value, Uid(5), Uid(9), &vec![0; packed]), fits);
            assert_eq!(value.len(), if fits { VALUE_MAX } else { VALUE_MAX - 20 });
        }
        let mut alone = Vec::new();
        assert!(
            push(&mut alone, Uid(5), Uid(5), &[0; 2 * VALUE_MAX]),
            "one entry has a chunk, however long it is"
        );
    }
}
