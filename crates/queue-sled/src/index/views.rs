//! How views come, go, and get on.

use mail::{MailboxName, Uid, ViewName};
use queue::{Join, Unwanted};

use super::apply::{Index, Outcome};
use super::keys::Set;
use super::kv::IndexError;
use super::removal::let_go;
use super::rows::ViewRow;
use super::{chunk, keys};
use crate::log::change::{Group, ViewChange};
use crate::log::record::RecordHeader;

/// A view that has not joined has nothing to remember.
pub(super) fn seen(index: &mut Index, groups: &[Group], offered: Uid) -> Result<Outcome, IndexError> {
    for Group { mailbox, view, uids } in groups {
        let known = index.known(mailbox).and_then(|known| known.views.get(view));
        let Some(known) = known else { continue };
        if known.row.offered < offered.0
            && let Some(member) = index.member(mailbox, view)
        {
            member.row.offered = offered.0;
        }
        for uid in uids {
            if index.entry(mailbox, *uid)?.is_some() {
                index.mark(mailbox, view, Set::Fetched, *uid)?;
            }
        }
    }
    Ok(Outcome::Done)
}

pub(super) fn view(
    index: &mut Index,
    header: &RecordHeader,
    change: &ViewChange,
) -> Result<Outcome, IndexError> {
    let ViewChange { mailbox, view, join, unwanted } = change;
    let joined = index.known(mailbox).is_some_and(|known| known.views.contains_key(view));
    match join {
        Some(from) if !joined => {
            let after = match from {
                Join::All => 0,
                Join::Now => header.lsn.0,
                Join::After(uid) => uid.0,
            };
            index.join(mailbox, view, ViewRow { after, joined_ms: header.time_ms, offered: 0 });
            index.changed(mailbox, header.lsn);
        }
        None if joined => leave(index, header, (mailbox, view), *unwanted)?,
        Some(_) | None => {}
    }
    Ok(Outcome::Done)
}

/// What only the leaving view was waiting for goes, then what it had noted and the view itself: in that order, so
/// that half of it can be done again.
fn leave(
    index: &mut Index,
    header: &RecordHeader,
    (mailbox, view): (&MailboxName, &ViewName),
    unwanted: Unwanted,
) -> Result<(), IndexError> {
    let known = index.known(mailbox);
    let member = known.and_then(|known| known.views.get(view)).cloned();
    let alone = known.is_none_or(|known| known.views.len() < 2);
    let mut waiting = Vec::new();
    if let Some(member) = member.filter(|_| !alone && unwanted != Unwanted::Stays) {
        index.scan(&keys::entries(mailbox), &mut |key, value| {
            let first = Uid(keys::number(key).ok_or(IndexError::Damaged("an entry's key"))?);
            waiting.extend(chunk::uids(value, first)?.into_iter().filter(|uid| member.wants(*uid)));
            Ok(true)
        })?;
    }
    for uid in waiting {
        // The others' wishes: it itself is the one that wants it.
        let others = index.known(mailbox).into_iter().flat_map(|known| &known.views);
        if !others.filter(|(other, _)| *other != view).any(|(_, other)| other.wants(uid)) {
            index.breathe()?;
            let_go(index, header, mailbox, uid, unwanted)?;
        }
    }
    index.forget_journal(mailbox, view)?;
    index.forget_journal(&mailbox.trash(), &view.returned())?;
    index.part(mailbox, view);
    index.changed(mailbox, header.lsn);
    Ok(())
}
