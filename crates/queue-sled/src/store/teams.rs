//! What views have done, what is in the trash, and what comes back.

use std::collections::{BTreeMap, BTreeSet};

use mail::{MailboxName, QueueId, Uid, ViewName};
use queue::{Additions, Deletion, RouteEntry, StoreError, Trashed, Undone, ViewState};

use super::{SledStore, too_long};
use crate::index::rows::EntryRow;
use crate::index::{IndexError, IndexKv, Outcome, chunk, journal, keys};
use crate::log::change::{Back, Draft, UndoChange};
use crate::mailbox::Place;
use crate::reader::{Wait, blocking};

/// Octets of additions in one UNDO record, and entries in it: what surely fits, whatever a single one has.
const UNDO_OCTETS: usize = 2 << 20;
const UNDO_ENTRIES: usize = 4000;

impl SledStore {
    pub(super) async fn view_states(&self, mailbox: &MailboxName) -> Result<Vec<ViewState>, StoreError> {
        self.settled(self.patience()).await?;
        Ok(self.engine.published.mailboxes.views(mailbox))
    }

    pub(super) async fn in_trash(
        &self,
        mailbox: &MailboxName,
        after: Uid,
        limit: usize,
    ) -> Result<Vec<Trashed>, StoreError> {
        let trash = mailbox.trash();
        self.read_index(move |kv| page(kv, &trash, after, limit)).await
    }

    pub(super) async fn came_into(
        &self,
        mailbox: &MailboxName,
        after: Uid,
        limit: usize,
    ) -> Result<Vec<(Uid, u64)>, StoreError> {
        let mailbox = mailbox.clone();
        let page = self.read_index(move |kv| page(kv, &mailbox, after, limit)).await?;
        Ok(page.into_iter().map(|entry| (entry.uid, entry.delivered_ms)).collect())
    }

    pub(super) async fn deleted(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
        since_ms: u64,
    ) -> Result<Vec<Deletion>, StoreError> {
        let (mailbox, view) = (mailbox.clone(), view.clone());
        self.read_index(move |kv| {
            let mut noted = journal::read_all(kv, &mailbox, &view)?;
            noted.retain(|(time_ms, _)| *time_ms >= since_ms);
            let asked = noted.iter().map(|(_, uid)| *uid).collect();
            let left = find(kv, &mailbox, &asked)?;
            let mut deletions: Vec<Deletion> = Vec::new();
            for (time_ms, uid) in noted.into_iter().filter(|(_, uid)| left.contains_key(uid)) {
                match deletions.last_mut() {
                    Some(last) if last.time_ms == time_ms => last.uids.push(uid),
                    Some(_) | None => deletions.push(Deletion { time_ms, uids: vec![uid] }),
                }
            }
            Ok(deletions)
        })
        .await
    }

    /// One record, as long as all of it fits one.
    pub(super) async fn bring_back(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
        uids: Vec<Uid>,
    ) -> Result<Vec<Undone>, StoreError> {
        self.settled(self.patience()).await?;
        if !self.engine.published.mailboxes.may_delete(mailbox, view) {
            return Err(StoreError::NoView);
        }
        // Nothing that is found from here on is freed before it is read.
        let _pin = self.engine.pins.pin();
        let (of, by) = (mailbox.clone(), view.clone());
        let found = self.read_index(move |kv| wanted(kv, &of, &by, uids)).await?;
        let (engine, of, by) = (self.engine.clone(), mailbox.clone(), view.clone());
        let drafts = blocking(move || {
            let read = |(uid, row): (Uid, EntryRow)| {
                let entry = engine.reader.entry(&Place::of(uid, &row), Wait::Allowed)?;
                let entry = RouteEntry { foreign_uidl: None, ..entry };
                Ok((Back { was: uid, message: QueueId(row.body) }, entry))
            };
            let read: Vec<_> = found.into_iter().map(read).collect::<Result<_, StoreError>>()?;
            parts(read).into_iter().map(|part| draft(&of, &by, part)).collect::<Result<Vec<_>, _>>()
        });
        let mut undone = Vec::new();
        for draft in drafts.await? {
            match self.change(Ok(draft)).await? {
                Outcome::Undone(part) => undone.extend(part),
                Outcome::NoView => return Err(StoreError::NoView),
                Outcome::Done | Outcome::Delivered(_) | Outcome::Held(_) => {
                    return Err(StoreError::Unavailable);
                }
            }
        }
        Ok(undone)
    }

    /// Reads rows as they are at one moment, with all that was acknowledged in them.
    async fn read_index<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn IndexKv) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.settled(self.patience()).await?;
        let engine = self.engine.clone();
        blocking(move || {
            let _gate = engine.published.gate.enter();
            let kv = engine.kv.get().ok_or(StoreError::Unavailable)?;
            read(&*kv).map_err(|error| {
                tracing::error!(%error, "the index cannot be read");
                StoreError::Unavailable
            })
        })
        .await
    }
}

fn number(key: &[u8]) -> Result<Uid, IndexError> {
    Ok(Uid(keys::number(key).ok_or(IndexError::Damaged("an entry's key"))?))
}

/// Entries of a trash, or of any other mailbox, above `after`.
fn page(kv: &dyn IndexKv, trash: &MailboxName, after: Uid, limit: usize) -> Result<Vec<Trashed>, IndexError> {
    let mut found = Vec::new();
    let take = |(first, value): (Uid, Vec<u8>), found: &mut Vec<Trashed>| {
        chunk::scan(&value, first, |entry| {
            let row = entry.row;
            let trashed = Trashed {
                uid: entry.uid,
                octets: row.octets,
                delivered_ms: row.time_ms,
                trashed_ms: row.trashed_ms.unwrap_or(row.time_ms),
            };
            found.extend((entry.uid > after && found.len() < limit).then_some(trashed));
            Ok(found.len() < limit)
        })
    };
    // A row is looked into only when the next one does not begin below what is asked for.
    let mut last: Option<(Uid, Vec<u8>)> = None;
    kv.scan(&keys::entries(trash), &[], &mut |key, value| {
        let first = number(key)?;
        if let Some(row) = last.replace((first, value.to_vec())).filter(|_| first > after) {
            take(row, &mut found)?;
        }
        Ok(found.len() < limit)
    })?;
    last.map_or(Ok(()), |row| take(row, &mut found))?;
    Ok(found)
}

/// Where entries of a mailbox are: in it, or in its trash.
fn find(
    kv: &dyn IndexKv,
    mailbox: &MailboxName,
    asked: &BTreeSet<Uid>,
) -> Result<BTreeMap<Uid, (bool, EntryRow)>, IndexError> {
    let mut found = BTreeMap::new();
    for (home, in_trash) in [(mailbox.clone(), false), (mailbox.trash(), true)] {
        let (Some(lowest), Some(highest)) = (asked.first(), asked.last()) else { break };
        kv.scan(&keys::entries(&home), &[], &mut |key, value| {
            let first = number(key)?;
            if first > *highest {
                return Ok(false);
            }
            chunk::scan(value, first, |entry| {
                if entry.uid >= *lowest && asked.contains(&entry.uid) {
                    found.insert(entry.uid, (in_trash, entry.row));
                }
                Ok(true)
            })?;
            Ok(true)
        })?;
    }
    Ok(found)
}

/// What of these can come back for a view, each once and in their order.
fn wanted(
    kv: &dyn IndexKv,
    mailbox: &MailboxName,
    view: &ViewName,
    uids: Vec<Uid>,
) -> Result<Vec<(Uid, EntryRow)>, IndexError> {
    let deleted: BTreeSet<Uid> =
        journal::read_all(kv, mailbox, view)?.into_iter().map(|(_, uid)| uid).collect();
    let mut found = find(kv, mailbox, &uids.iter().copied().collect())?;
    let back: BTreeSet<Uid> =
        journal::read_all(kv, &mailbox.trash(), &view.returned())?.into_iter().map(|(_, uid)| uid).collect();
    found.retain(|uid, (in_trash, _)| if *in_trash { !back.contains(uid) } else { deleted.contains(uid) });
    Ok(uids.into_iter().filter_map(|uid| Some((uid, found.remove(&uid)?.1))).collect())
}

type Read = Vec<(Back, RouteEntry)>;

/// As many at once as one record takes.
fn parts(read: Read) -> Vec<Read> {
    let mut parts: Vec<Read> = Vec::new();
    let mut octets = 0;
    for one in read {
        let Additions { prelude, cuts, .. } = &one.1.additions;
        let more = prelude.len() + 16 * cuts.len();
        match parts.last_mut() {
            Some(part) if part.len() < UNDO_ENTRIES && octets + more <= UNDO_OCTETS => {
                octets += more;
                part.push(one);
            }
            Some(_) | None => {
                octets = more;
                parts.push(vec![one]);
            }
        }
    }
    parts
}

fn draft(mailbox: &MailboxName, view: &ViewName, part: Read) -> Result<Draft, StoreError> {
    let (back, entries) = part.into_iter().unzip();
    let undo = UndoChange { mailbox: mailbox.clone(), view: view.clone(), back, entries };
    Draft::undo(&undo).map_err(too_long)
}

#[cfg(test)]
mod tests;
