//! How entries come back.

use std::collections::BTreeSet;

use mail::{MailboxName, QueueId, Uid, ViewName};
use queue::Undone;

use super::apply::{Effect, Index, Outcome};
use super::delivery::{hold_too, rename_holder};
use super::keys::Set;
use super::kv::IndexError;
use super::removal::{may_delete, take_out};
use super::rows::EntryRow;
use crate::log::change::{Back, SLOT, UndoChange};
use crate::log::record::{HEADER, RecordHeader};
use crate::mailbox::Place;

/// Each under a new uid and for one view alone: what that view was done with and is still in the mailbox, and what is
/// in the trash. What stays in the trash for others comes back once for each of them: whoever does not know whether it
/// is done asks again. What is neither, or is another message by now, leaves its uid unused. All of it goes down in one
/// batch: half of it done again would bring things back twice.
pub(super) fn undo(
    index: &mut Index,
    header: &RecordHeader,
    UndoChange { mailbox, view, back, .. }: UndoChange,
) -> Result<Outcome, IndexError> {
    if !may_delete(index.known(&mailbox), &view) {
        return Ok(Outcome::NoView);
    }
    let deleted = take_deleted(index, &mailbox, &view, &back)?;
    // Read once: there may be as many of them as come back now.
    let mut returned = index.noted_uids(&mailbox.trash(), &view.returned())?;
    let mut undone = Vec::new();
    for (ordinal, Back { was, message }) in back.iter().enumerate() {
        let now = Uid(header.lsn.0 + (HEADER + ordinal * SLOT) as u64);
        let noted = deleted.contains(was);
        if bring_back(index, header, (&mailbox, &view), (*was, now, *message), noted, &mut returned)? {
            undone.push(Undone { was: *was, now });
        }
    }
    if !undone.is_empty() {
        index.changed(&mailbox, header.lsn);
        index.prune(header.lsn, &mailbox.trash(), &view.returned())?;
    }
    Ok(Outcome::Undone(undone))
}

/// Which of them the view was done with. They are no deletions any more.
fn take_deleted(
    index: &mut Index,
    mailbox: &MailboxName,
    view: &ViewName,
    back: &[Back],
) -> Result<BTreeSet<Uid>, IndexError> {
    let asked: BTreeSet<Uid> = back.iter().map(|back| back.was).collect();
    let mut deleted = BTreeSet::new();
    for number in index.journal(mailbox, view).to_vec() {
        index.strike(mailbox, view, number, |_, uid| {
            let found = asked.contains(&uid);
            deleted.extend(found.then_some(uid));
            Ok(!found)
        })?;
    }
    Ok(deleted)
}

fn bring_back(
    index: &mut Index,
    header: &RecordHeader,
    (mailbox, view): (&MailboxName, &ViewName),
    (was, now, message): (Uid, Uid, QueueId),
    deleted: bool,
    returned: &mut BTreeSet<Uid>,
) -> Result<bool, IndexError> {
    let trash = mailbox.trash();
    let others: Vec<_> =
        index.known(mailbox).into_iter().flat_map(|known| known.views.keys().cloned()).collect();
    let others: Vec<_> = others.into_iter().filter(|other| other != view).collect();
    let kept = if deleted { index.entry(mailbox, was)? } else { None };
    let (home, row) = match kept {
        Some(row) => (mailbox, row),
        None => match index.entry(&trash, was)? {
            Some(row) => (&trash, row),
            None => return Ok(false),
        },
    };
    if row.body != message.0 {
        return Ok(false);
    }
    let moves = home == &trash && others.is_empty();
    if home == &trash && !moves {
        if !returned.insert(was) {
            return Ok(false);
        }
        index.note(&trash, &view.returned(), (header.time_ms, was))?;
    }
    if moves {
        take_out(index, &trash, was)?;
        index.changed(&trash, header.lsn);
        if row.shared {
            rename_holder(index, message, was, now)?;
        }
    } else {
        hold_too(index, (mailbox, was, &row), now)?;
        if !row.shared {
            index.replace_entry(home, was, &EntryRow { shared: true, ..row.clone() })?;
            index.recounted(home);
        }
    }
    let shared = row.shared || !moves;
    let time_ms = header.time_ms;
    let row = EntryRow { time_ms, slot: None, shared, foreign_uidl: None, trashed_ms: None, ..row };
    index.add_entry(mailbox, now, &row)?;
    index.effect(Effect::Added(mailbox.clone(), Place::of(now, &row), None));
    // Whoever releases decides of it as of any other.
    for other in others.iter().filter(|other| **other != ViewName::releaser()) {
        index.mark(mailbox, other, Set::Done, now)?;
    }
    Ok(true)
}
