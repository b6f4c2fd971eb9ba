//! A message at a new place.

use mail::{MailboxName, QueueId, Uid};

use super::apply::{Effect, Index, Outcome};
use super::keys;
use super::kv::IndexError;
use super::rows::{BodyRow, EntryRow, QueueRow, decode, encode};
use crate::log::change::Relocated;
use crate::log::record::{HEADER, RecordHeader};
use crate::mailbox::Place;

/// Moves what is still where it was when it was copied. Whatever was deleted meanwhile stays deleted.
pub(super) fn relocate(
    index: &mut Index,
    header: &RecordHeader,
    moved: Relocated,
) -> Result<Outcome, IndexError> {
    let body_at = u32::try_from(HEADER).expect("64") + header.meta_len;
    let Relocated { message, from, file, uids, entries, .. } = moved;
    if let Some(old) = index.get(&keys::queued(message))? {
        let row: QueueRow = decode(&old)?;
        if row.place == from {
            let row = QueueRow { place: header.lsn.0, body_at, beside: file, ..row };
            index.put_queued(message, Some(&old), Some(&row));
        }
    }
    let mut shared = false;
    for (slot, (uid, entry)) in (0..).zip(uids.into_iter().zip(entries)) {
        let Some(old) = at(index, &entry.mailbox, uid, message, from)? else { continue };
        shared |= old.shared;
        let row = EntryRow { place: header.lsn.0, body_at, slot: Some(slot), beside: file, ..old };
        index.replace_entry(&entry.mailbox, uid, &row)?;
        index.effect(Effect::Moved(entry.mailbox.clone(), Place::of(uid, &row)));
        // A snapshot that is kept for the next session names places that may be freed before it comes.
        index.changed(&entry.mailbox, header.lsn);
    }
    if shared {
        move_body(index, message, header.lsn.0, file)?;
    }
    Ok(Outcome::Done)
}

/// An entry of this message that is still at its old place.
fn at(
    index: &mut Index,
    mailbox: &MailboxName,
    uid: Uid,
    message: QueueId,
    from: u64,
) -> Result<Option<EntryRow>, IndexError> {
    let entry = index.entry(mailbox, uid)?;
    Ok(entry.filter(|row| row.body == message.0 && row.place == from))
}

fn move_body(index: &mut Index, message: QueueId, place: u64, beside: Option<u64>) -> Result<(), IndexError> {
    for chunk in 0.. {
        let key = keys::body(message, chunk);
        let Some(value) = index.get(&key)? else { break };
        let row = BodyRow { place, beside, ..decode(&value)? };
        index.put(key, encode(&row));
    }
    Ok(())
}
