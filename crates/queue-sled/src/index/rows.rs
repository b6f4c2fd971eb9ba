//! Values of the index. It can always be built again, so these may change with [`FORMAT`] alone: an index of
//! another format is put aside.

use mail::{MailboxName, Uid};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::kv::IndexError;

/// The shape of keys and values.
pub(crate) const FORMAT: u32 = 3;
/// sled puts longer values into files that it never syncs; nothing of ours comes near.
pub(crate) const VALUE_MAX: usize = 1024;

/// `X`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct StateRow {
    pub(crate) format: u32,
    pub(crate) store: [u8; 16],
    /// The place of the next record to apply.
    pub(crate) applied: u64,
    /// Over the `Q` family, and over `A`, `V`, `S` and `G`: what a start checks before it believes them.
    pub(crate) queue: Digest,
    pub(crate) mailboxes: Digest,
}

/// `A`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct MailboxRow {
    pub(crate) octets: u64,
    /// Over the entries; its count is how many messages there are.
    pub(crate) entries: Digest,
    /// The place of the last record that changed what a view lists.
    pub(crate) changed: u64,
}

/// `V`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ViewRow {
    /// It sees entries above this uid.
    pub(crate) after: u64,
    pub(crate) joined_ms: u64,
    /// The highest uid that it was offered.
    pub(crate) offered: u64,
}

/// One of the entries in an `M` row; `chunk.rs` says how they stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryRow {
    /// Octets served.
    pub(crate) octets: u64,
    pub(crate) time_ms: u64,
    /// The queue id of its message.
    pub(crate) body: u64,
    /// The record that now holds the body, and where in it the body begins.
    pub(crate) place: u64,
    pub(crate) body_at: u32,
    /// Which slot of that record points at its additions. `None`: the one that the uid names, in the ROUTE.
    pub(crate) slot: Option<u16>,
    /// The first recipient that led here.
    pub(crate) recipient: Option<u16>,
    /// Others hold the body too, or did: it has `B` rows.
    pub(crate) shared: bool,
    /// The body is in this file beside the log.
    pub(crate) beside: Option<u64>,
    pub(crate) foreign_uidl: Option<String>,
    /// When it came into the trash that it is in.
    pub(crate) trashed_ms: Option<u64>,
}

/// `Q`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QueueRow {
    pub(crate) place: u64,
    pub(crate) body_at: u32,
    pub(crate) octets: u64,
    pub(crate) held: bool,
    /// The body is in this file beside the log.
    pub(crate) beside: Option<u64>,
}

/// `B`, one chunk, of a body that several entries hold; one that was delivered to a single entry has none, and
/// goes with it. The body goes with its last holder: how many are left stands in the first chunk.
///
/// So the index alone does not know where a body's only entry is: whoever moves a body must name its holders,
/// which the log tells. A holder is named by the mailbox that it was delivered to; it may be in the trash of that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BodyRow {
    pub(crate) place: u64,
    pub(crate) octets: u64,
    pub(crate) beside: Option<u64>,
    pub(crate) left: u32,
    pub(crate) holders: Vec<(Uid, MailboxName)>,
}

/// Count and XOR of the hashes of some rows: tells lost, stale and foreign rows, at the price of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Digest {
    pub(crate) rows: u64,
    pub(crate) hash: u64,
}

impl Digest {
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.rows += 1;
        self.hash ^= hash(key, value);
    }

    pub(crate) fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.rows = self.rows.saturating_sub(1);
        self.hash ^= hash(key, value);
    }
}

fn hash(key: &[u8], value: &[u8]) -> u64 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(key), value);
    // Spread, so that the XOR of several does not cancel as CRCs do.
    let mut mixed = u64::from(crc) ^ ((value.len() as u64) << 32);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

pub(crate) fn encode<T: Serialize>(row: &T) -> Vec<u8> {
    let mut value = Vec::with_capacity(64);
    postcard::to_io(row, &mut value).expect("rows serialize, and a Vec takes all");
    value
}

pub(crate) fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T, IndexError> {
    postcard::from_bytes(value).map_err(|_| IndexError::Damaged("a row is not what was written"))
}
