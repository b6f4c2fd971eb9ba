//! A message at a new place.

use mail::{MailboxName, QueueId, Uid};

use super::apply::{Effect, Index, Outcome};
use super::delivery::holders_left;
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
    let mut found = Vec::with_capacity(uids.len());
    for (slot, (uid, entry)) in (0..).zip(uids.into_iter().zip(entries)) {
        found.extend(at(index, entry.mailbox, uid, message, from)?.map(|(home, row)| (slot, uid, home, row)));
    }
    let shared = found.iter().any(|(.., row)| row.shared);
    // Somebody has come to hold it since it was copied: all that hold a body have it in one place.
    if shared && holders_left(index, message)? as usize != found.len() {
        return Ok(Outcome::Done);
    }
    for (slot, uid, home, old) in found {
        let row = EntryRow { place: header.lsn.0, body_at, slot: Some(slot), beside: file, ..old };
        index.replace_entry(&home, uid, &row)?;
        index.effect(Effect::Moved(home.clone(), Place::of(uid, &row)));
        // A snapshot that is kept for the next session names places that may be freed before it comes.
        index.changed(&home, header.lsn);
    }
    if shared {
        move_body(index, message, header.lsn.0, file)?;
    }
    Ok(Outcome::Done)
}

/// An entry of this message that is still at its old place, in the mailbox that it was delivered to or in the trash of
/// that.
fn at(
    index: &mut Index,
    mailbox: MailboxName,
    uid: Uid,
    message: QueueId,
    from: u64,
) -> Result<Option<(MailboxName, EntryRow)>, IndexError> {
    let trash = mailbox.trash();
    for home in [mailbox, trash] {
        if let Some(row) = index.entry(&home, uid)? {
            return Ok((row.body == message.0 && row.place == from).then_some((home, row)));
        }
    }
    Ok(None)
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
