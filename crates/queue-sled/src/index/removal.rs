//! How entries go: what views are done with, into the trash, and for good.

use mail::{MailboxName, QueueId, Uid, ViewName};
use queue::Unwanted;

use super::apply::{Effect, Index, Known, Outcome};
use super::keys::Set;
use super::kv::IndexError;
use super::{delivery, rows::EntryRow};
use crate::log::change::{Doomed, Group};
use crate::log::record::RecordHeader;
use crate::mailbox::Place;

/// All groups or none: none when one of the views has not joined.
pub(super) fn delete(
    index: &mut Index,
    header: &RecordHeader,
    groups: &[Doomed],
) -> Result<Outcome, IndexError> {
    if !groups.iter().all(|Doomed { group, .. }| may_delete(index.known(&group.mailbox), &group.view)) {
        return Ok(Outcome::NoView);
    }
    for Doomed { group, unwanted } in groups {
        let Group { mailbox, view, uids } = group;
        let (mut changed, mut removed) = (false, false);
        for uid in uids {
            if index.entry(mailbox, *uid)?.is_none() || is_done(index, mailbox, view, *uid) {
                continue;
            }
            index.breathe()?;
            changed = true;
            removed |= delete_one(index, header, (mailbox, view, *uid), *unwanted)?;
        }
        if removed {
            index.changed(mailbox, header.lsn);
        }
        if changed {
            index.prune(header.lsn, mailbox, view)?;
        }
    }
    Ok(Outcome::Done)
}

/// Whether a view may delete, and undo that.
pub(super) fn may_delete(known: Option<&Known>, view: &ViewName) -> bool {
    let alone = known.is_none_or(|known| known.views.is_empty());
    if alone { *view == ViewName::owner() } else { known.is_some_and(|known| known.views.contains_key(view)) }
}

fn is_done(index: &Index, mailbox: &MailboxName, view: &ViewName, uid: Uid) -> bool {
    let member = index.known(mailbox).and_then(|known| known.views.get(view));
    member.is_some_and(|member| member.done.contains(uid))
}

/// Whether one of the views that have joined still lists an entry.
pub(super) fn is_wanted(index: &Index, mailbox: &MailboxName, uid: Uid) -> bool {
    index.known(mailbox).is_some_and(|known| known.views.values().any(|member| member.wants(uid)))
}

/// True when it has left the mailbox.
fn delete_one(
    index: &mut Index,
    header: &RecordHeader,
    (mailbox, view, uid): (&MailboxName, &ViewName, Uid),
    unwanted: Unwanted,
) -> Result<bool, IndexError> {
    index.mark(mailbox, view, Set::Done, uid)?;
    let wanted = is_wanted(index, mailbox, uid);
    if wanted || unwanted != Unwanted::Goes {
        index.note(mailbox, view, (header.time_ms, uid))?;
    }
    if wanted { Ok(false) } else { let_go(index, header, mailbox, uid, unwanted) }
}

/// What becomes of an entry that nobody wants. True when it has left the mailbox.
pub(super) fn let_go(
    index: &mut Index,
    header: &RecordHeader,
    mailbox: &MailboxName,
    uid: Uid,
    unwanted: Unwanted,
) -> Result<bool, IndexError> {
    match unwanted {
        Unwanted::Stays => Ok(false),
        Unwanted::ToTrash => to_trash(index, header, mailbox, uid),
        Unwanted::Goes => remove(index, mailbox, uid),
    }
}

pub(super) fn purge(
    index: &mut Index,
    header: &RecordHeader,
    mailbox: &MailboxName,
    uids: &[Uid],
) -> Result<Outcome, IndexError> {
    all(index, header, mailbox, uids, Unwanted::Goes)
}

pub(super) fn trash(
    index: &mut Index,
    header: &RecordHeader,
    mailbox: &MailboxName,
    uids: &[Uid],
) -> Result<Outcome, IndexError> {
    all(index, header, mailbox, uids, Unwanted::ToTrash)
}

/// Whatever the views say.
fn all(
    index: &mut Index,
    header: &RecordHeader,
    mailbox: &MailboxName,
    uids: &[Uid],
    unwanted: Unwanted,
) -> Result<Outcome, IndexError> {
    let mut changed = false;
    for uid in uids {
        if index.entry(mailbox, *uid)?.is_some() {
            index.breathe()?;
            changed |= let_go(index, header, mailbox, *uid, unwanted)?;
        }
    }
    if changed {
        index.changed(mailbox, header.lsn);
    }
    Ok(Outcome::Done)
}

/// Entry, totals, marks and the hold on the body: all of it, or none in this batch. False when it is not there.
fn remove(index: &mut Index, mailbox: &MailboxName, uid: Uid) -> Result<bool, IndexError> {
    let Some(row) = take_out(index, mailbox, uid)? else { return Ok(false) };
    if row.shared {
        delivery::let_go(index, QueueId(row.body), uid)?;
    } else {
        index.died(row.octets);
    }
    Ok(true)
}

/// Into the mailbox's trash, under the same uid: whoever holds the body holds it there. What is in a trash stays
/// there.
fn to_trash(
    index: &mut Index,
    header: &RecordHeader,
    mailbox: &MailboxName,
    uid: Uid,
) -> Result<bool, IndexError> {
    if mailbox.trashed_from().is_some() {
        return Ok(false);
    }
    let Some(row) = take_out(index, mailbox, uid)? else { return Ok(false) };
    let trash = mailbox.trash();
    let row = EntryRow { trashed_ms: Some(header.time_ms), ..row };
    index.insert_entry(&trash, uid, &row)?;
    index.marked_around(&trash, uid)?;
    let place = Place::of(uid, &row);
    index.effect(Effect::Added(trash.clone(), place, row.foreign_uidl.map(Into::into)));
    index.changed(&trash, header.lsn);
    Ok(true)
}

/// Takes an entry out of a mailbox and of what its views have noted.
pub(super) fn take_out(
    index: &mut Index,
    mailbox: &MailboxName,
    uid: Uid,
) -> Result<Option<EntryRow>, IndexError> {
    let row = index.remove_entry(mailbox, uid)?;
    if row.is_some() {
        index.unmark(mailbox, uid)?;
        index.effect(Effect::Removed(mailbox.clone(), uid));
    }
    Ok(row)
}
