//! Into the queue, and out of it into mailboxes.

use std::sync::Arc;

use mail::{Envelope, MailboxName, QueueId, Uid};
use queue::{Delivered, Queued, RouteEntry, Served};

use super::apply::{Effect, Index, Outcome};
use super::keys;
use super::kv::IndexError;
use super::rows::{BodyRow, EntryRow, QueueRow, VALUE_MAX, decode, encode};
use crate::log::change::SLOT;
use crate::log::record::{HEADER, Kind, RecordHeader};
use crate::mailbox::Place;

/// Holders of one chunk of a `B` row: what leaves room for its numbers.
const HOLDERS_OCTETS: usize = VALUE_MAX - 64;

pub(super) fn accept(
    index: &mut Index,
    header: &RecordHeader,
    octets: u64,
    envelope: Arc<Envelope>,
) -> Result<Outcome, IndexError> {
    let id = QueueId(header.lsn.0);
    let body_at = u32::try_from(HEADER).expect("64") + header.meta_len;
    let beside = (header.kind == Kind::Big).then_some(header.id);
    let row = QueueRow { place: header.lsn.0, body_at, octets, held: false, beside };
    index.put_queued(id, None, Some(&row));
    index.effect(Effect::Queued(Queued { id, envelope, octets, held: false }));
    Ok(Outcome::Done)
}

pub(super) fn hold(index: &mut Index, message: QueueId, held: bool) -> Result<Outcome, IndexError> {
    let Some(old) = index.get(&keys::queued(message))? else { return Ok(Outcome::Held(false)) };
    let row = QueueRow { held, ..decode(&old)? };
    index.put_queued(message, Some(&old), Some(&row));
    index.effect(Effect::Held(message, held));
    Ok(Outcome::Held(true))
}

/// All entries in and the queue's row out, in one batch; nothing if it is not queued.
pub(super) fn route(
    index: &mut Index,
    header: &RecordHeader,
    message: QueueId,
    entries: Vec<RouteEntry>,
) -> Result<Outcome, IndexError> {
    let Some(old) = index.get(&keys::queued(message))? else {
        return Ok(Outcome::Delivered(Delivered::NotQueued));
    };
    let queued: QueueRow = decode(&old)?;
    index.put_queued(message, Some(&old), None);
    index.effect(Effect::Unqueued(message));
    let mut uids = Vec::with_capacity(entries.len());
    let mut holders = Vec::with_capacity(entries.len());
    if entries.is_empty() {
        index.died(queued.octets);
    }
    let shared = entries.len() > 1;
    for (ordinal, entry) in entries.into_iter().enumerate() {
        let uid = Uid(header.lsn.0 + (HEADER + ordinal * SLOT) as u64);
        if shared {
            holders.push((uid, entry.mailbox.clone()));
        }
        let row = EntryRow {
            octets: Served::new(&entry.additions, queued.octets).octets(),
            time_ms: header.time_ms,
            body: message.0,
            place: queued.place,
            body_at: queued.body_at,
            slot: None,
            recipient: entry.recipients.first().copied(),
            shared,
            beside: queued.beside,
            foreign_uidl: entry.foreign_uidl,
            trashed_ms: None,
        };
        index.add_entry(&entry.mailbox, uid, &row)?;
        let place = Place::of(uid, &row);
        index.effect(Effect::Added(entry.mailbox.clone(), place, row.foreign_uidl.map(Into::into)));
        index.changed(&entry.mailbox, header.lsn);
        uids.push(uid);
    }
    if shared {
        hold_body(index, message, &queued, holders);
    }
    Ok(Outcome::Delivered(Delivered::Entries(uids)))
}

/// Notes who holds a body, if several do. A single holder is what most messages have, so no row says that: half
/// of all that a delivery would write.
fn hold_body(index: &mut Index, message: QueueId, queued: &QueueRow, holders: Vec<(Uid, MailboxName)>) {
    let left = u32::try_from(holders.len()).expect("slots are counted with 16 bits");
    let mut chunk = 0;
    let QueueRow { place, octets: body_octets, beside, .. } = *queued;
    let mut row = BodyRow { place, octets: body_octets, beside, left, holders: Vec::new() };
    let mut octets = 0;
    for holder in holders {
        let more = holder.1.as_str().len() + 12;
        if octets + more > HOLDERS_OCTETS {
            index.put(keys::body(message, chunk), encode(&row));
            row.holders.clear();
            (chunk, octets) = (chunk + 1, 0);
        }
        octets += more;
        row.holders.push(holder);
    }
    if !row.holders.is_empty() {
        index.put(keys::body(message, chunk), encode(&row));
    }
}

/// One holder more of the body that an entry of `mailbox` holds: alone so far, if it is not `shared`.
pub(super) fn hold_too(
    index: &mut Index,
    (mailbox, uid, row): (&MailboxName, Uid, &EntryRow),
    new: Uid,
) -> Result<(), IndexError> {
    let message = QueueId(row.body);
    if !row.shared {
        let holders = vec![(uid, mailbox.clone()), (new, mailbox.clone())];
        let EntryRow { place, body_at, octets, beside, .. } = *row;
        hold_body(index, message, &QueueRow { place, body_at, octets, held: false, beside }, holders);
        return Ok(());
    }
    let mut chunk = 0;
    while index.get(&keys::body(message, chunk + 1))?.is_some() {
        chunk += 1;
    }
    let mut last = holders_of(index, message, chunk)?;
    last.holders.push((new, mailbox.clone()));
    if encode(&last).len() > HOLDERS_OCTETS && last.holders.len() > 1 {
        last.holders = vec![(new, mailbox.clone())];
        chunk += 1;
    }
    index.put(keys::body(message, chunk), encode(&last));
    let mut first = holders_of(index, message, 0)?;
    first.left += 1;
    index.put(keys::body(message, 0), encode(&first));
    Ok(())
}

/// A holder is called otherwise from now on.
pub(super) fn rename_holder(
    index: &mut Index,
    message: QueueId,
    old: Uid,
    new: Uid,
) -> Result<(), IndexError> {
    for chunk in 0.. {
        let mut row = holders_of(index, message, chunk)?;
        if let Some((holder, _)) = row.holders.iter_mut().find(|(holder, _)| *holder == old) {
            *holder = new;
            index.put(keys::body(message, chunk), encode(&row));
            break;
        }
    }
    Ok(())
}

fn holders_of(index: &Index, message: QueueId, chunk: u16) -> Result<BodyRow, IndexError> {
    let value = index.get(&keys::body(message, chunk))?;
    decode(&value.ok_or(IndexError::Damaged("a holder that is not noted"))?)
}

/// How many hold a body that several hold.
pub(super) fn holders_left(index: &Index, message: QueueId) -> Result<u32, IndexError> {
    Ok(holders_of(index, message, 0)?.left)
}

/// One holder less; the body's rows go with the last.
pub(super) fn let_go(index: &mut Index, message: QueueId, uid: Uid) -> Result<(), IndexError> {
    let first_key = keys::body(message, 0);
    let Some(first) = index.get(&first_key)? else { return Ok(()) };
    let mut first: BodyRow = decode(&first)?;
    first.left -= 1;
    if first.left == 0 {
        index.died(first.octets);
        let mut chunk = 0;
        while index.get(&keys::body(message, chunk))?.is_some() {
            index.remove(keys::body(message, chunk));
            chunk += 1;
        }
        return Ok(());
    }
    let before = first.holders.len();
    first.holders.retain(|(holder, _)| *holder != uid);
    let mut found = first.holders.len() < before;
    index.put(first_key, encode(&first));
    let mut chunk = 1;
    while !found {
        let mut row = holders_of(index, message, chunk)?;
        if row.holders.iter().any(|(holder, _)| *holder == uid) {
            row.holders.retain(|(holder, _)| *holder != uid);
            index.put(keys::body(message, chunk), encode(&row));
            found = true;
        }
        chunk += 1;
    }
    Ok(())
}
