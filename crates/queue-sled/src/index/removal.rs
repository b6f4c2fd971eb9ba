//! What views do with entries, and how entries go.

use std::collections::HashSet;

use mail::{MailboxName, QueueId, Uid, ViewName};
use queue::Join;

use super::apply::{Effect, Index, Known, Outcome};
use super::kv::IndexError;
use super::rows::{DONE, FETCHED};
use super::{chunk, delivery, keys};
use crate::log::Lsn;
use crate::log::change::{Group, ViewChange};

/// All groups or none: none when one of the views has not joined.
pub(super) fn delete(
    index: &mut Index,
    by: Lsn,
    groups: &[Group],
    last_view_removes: bool,
) -> Result<Outcome, IndexError> {
    if !groups.iter().all(|group| may_delete(index.known(&group.mailbox), &group.view)) {
        return Ok(Outcome::NoView);
    }
    for group in groups {
        let mut changed = false;
        for uid in &group.uids {
            changed |= delete_one(index, group, *uid, last_view_removes)?;
            index.breathe()?;
        }
        if changed {
            index.changed(&group.mailbox, by);
        }
    }
    Ok(Outcome::Done)
}

fn may_delete(known: Option<&Known>, view: &ViewName) -> bool {
    let alone = known.is_none_or(|known| known.views.is_empty());
    if alone { *view == ViewName::owner() } else { known.is_some_and(|known| known.views.contains_key(view)) }
}

fn delete_one(
    index: &mut Index,
    Group { mailbox, view, .. }: &Group,
    uid: Uid,
    last_view_removes: bool,
) -> Result<bool, IndexError> {
    if index.entry(mailbox, uid)?.is_none() {
        return Ok(false);
    }
    let joined: Vec<_> = index.known(mailbox).into_iter().flat_map(|known| known.views.clone()).collect();
    if joined.is_empty() {
        return remove(index, mailbox, uid);
    }
    let marked = mark(index, mailbox, view, uid, DONE)?;
    if marked {
        index.effect(Effect::Done(mailbox.clone(), view.clone(), uid));
    }
    if last_view_removes && !wanted(index, mailbox, &joined, uid)? {
        return remove(index, mailbox, uid);
    }
    Ok(marked)
}

/// Whether one of these views still lists an entry.
fn wanted(
    index: &Index,
    mailbox: &MailboxName,
    views: &[(ViewName, Uid)],
    uid: Uid,
) -> Result<bool, IndexError> {
    for (view, after) in views {
        if uid > *after && marks(index, mailbox, view, uid)? & DONE == 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

fn marks(index: &Index, mailbox: &MailboxName, view: &ViewName, uid: Uid) -> Result<u8, IndexError> {
    let value = index.get(&keys::mark(mailbox, view, uid))?;
    Ok(value.and_then(|value| value.first().copied()).unwrap_or(0))
}

/// Marks only grow. False when it was there already.
fn mark(
    index: &mut Index,
    mailbox: &MailboxName,
    view: &ViewName,
    uid: Uid,
    bit: u8,
) -> Result<bool, IndexError> {
    let old = marks(index, mailbox, view, uid)?;
    if old & bit == 0 {
        index.put(keys::mark(mailbox, view, uid), vec![old | bit]);
    }
    Ok(old & bit == 0)
}

pub(super) fn seen(index: &mut Index, groups: &[Group]) -> Result<Outcome, IndexError> {
    for group in groups {
        for uid in &group.uids {
            if index.entry(&group.mailbox, *uid)?.is_some() {
                mark(index, &group.mailbox, &group.view, *uid, FETCHED)?;
            }
            index.breathe()?;
        }
    }
    Ok(Outcome::Done)
}

pub(super) fn purge(
    index: &mut Index,
    by: Lsn,
    mailbox: &MailboxName,
    uids: &[Uid],
) -> Result<Outcome, IndexError> {
    let mut changed = false;
    for uid in uids {
        changed |= remove(index, mailbox, *uid)?;
        index.breathe()?;
    }
    if changed {
        index.changed(mailbox, by);
    }
    Ok(Outcome::Done)
}

/// Entry, totals, marks and the hold on the body: all of it, or none in this batch. False when it is not there.
fn remove(index: &mut Index, mailbox: &MailboxName, uid: Uid) -> Result<bool, IndexError> {
    let Some(row) = index.remove_entry(mailbox, uid)? else { return Ok(false) };
    let known = index.change(mailbox);
    let owner = (!known.views.contains_key(&ViewName::owner())).then(ViewName::owner);
    let views: Vec<_> = known.views.keys().cloned().chain(owner).collect();
    for view in views {
        if marks(index, mailbox, &view, uid)? != 0 {
            index.remove(keys::mark(mailbox, &view, uid));
        }
    }
    if row.shared {
        delivery::let_go(index, QueueId(row.body), uid)?;
    } else {
        index.died(row.octets);
    }
    index.effect(Effect::Removed(mailbox.clone(), uid));
    Ok(true)
}

pub(super) fn view(index: &mut Index, by: Lsn, change: &ViewChange) -> Result<Outcome, IndexError> {
    let ViewChange { mailbox, view, join } = change;
    let joined = index.known(mailbox).is_some_and(|known| known.views.contains_key(view));
    match join {
        Some(from) if !joined => {
            let after = match from {
                Join::All => Uid(0),
                Join::Now => Uid(by.0),
                Join::After(uid) => *uid,
            };
            index.put_view(mailbox, view, Some(after));
            index.effect(Effect::Joined(mailbox.clone(), view.clone(), after));
            index.changed(mailbox, by);
        }
        None if joined => leave(index, by, mailbox, view)?,
        Some(_) | None => {}
    }
    Ok(Outcome::Done)
}

/// What only the leaving view was waiting for goes, then its marks, then the view: in that order, so that
/// half of it can be done again.
fn leave(index: &mut Index, by: Lsn, mailbox: &MailboxName, view: &ViewName) -> Result<(), IndexError> {
    let mut others: Vec<_> = index.known(mailbox).into_iter().flat_map(|known| known.views.clone()).collect();
    let after = others.iter().find(|(name, _)| name == view).map_or(Uid(0), |(_, after)| *after);
    others.retain(|(name, _)| name != view);
    let (mut marked, mut done) = (Vec::new(), HashSet::new());
    index.scan(&keys::marks_of(mailbox, view), &mut |key, value| {
        let uid = Uid(keys::number(key).ok_or(IndexError::Damaged("a mark's key"))?);
        marked.push(uid);
        if value.first().is_some_and(|bits| bits & DONE != 0) {
            done.insert(uid);
        }
        Ok(true)
    })?;
    if !others.is_empty() {
        let mut waiting = Vec::new();
        index.scan(&keys::entries(mailbox), &mut |key, value| {
            let first = Uid(keys::number(key).ok_or(IndexError::Damaged("an entry's key"))?);
            chunk::scan(value, first, |entry| {
                if entry.uid > after && !done.contains(&entry.uid) {
                    waiting.push(entry.uid);
                }
                Ok(true)
            })?;
            Ok(true)
        })?;
        for uid in waiting {
            if !wanted(index, mailbox, &others, uid)? {
                remove(index, mailbox, uid)?;
            }
            index.breathe()?;
        }
    }
    for uid in marked {
        index.remove(keys::mark(mailbox, view, uid));
        index.breathe()?;
    }
    index.put_view(mailbox, view, None);
    index.effect(Effect::Left(mailbox.clone(), view.clone()));
    index.changed(mailbox, by);
    Ok(())
}
