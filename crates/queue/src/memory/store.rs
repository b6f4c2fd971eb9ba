//! The calls of the contract, each a look at the state or one change of it.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::BytesMut;
use mail::{MailboxName, QueueId, Uid, ViewName};

use super::handles::{MemoryIncoming, MemoryMaildrop};
use super::{Mailbox, MemoryStore, Stored, View};
use crate::{
    Deletion, Delivered, Expunge, Fetched, Join, MailboxStatus, Queued, Route, Stamp, Store, StoreError,
    Trashed, Undone, Unwanted, Usage, ViewState,
};

/// Tells apart what two views see of one mailbox.
fn salt(view: &ViewName) -> u64 {
    let mut hasher = DefaultHasher::new();
    view.hash(&mut hasher);
    hasher.finish()
}

impl Store for MemoryStore {
    type Incoming = MemoryIncoming;
    type Maildrop = MemoryMaildrop;

    fn admit(&self, _octets: u64) -> Result<(), StoreError> {
        Ok(())
    }

    fn incoming(&self, _expected: Option<u64>) -> Result<Self::Incoming, StoreError> {
        Ok(MemoryIncoming { store: self.clone(), received: BytesMut::new() })
    }

    async fn queued(&self, after: Option<QueueId>, limit: usize) -> Result<Vec<Queued>, StoreError> {
        let from = after.map_or(0, |id| id.0 + 1);
        let state = self.lock();
        Ok(state.queue.range(QueueId(from)..).take(limit).map(|(_, (queued, _))| queued.clone()).collect())
    }

    async fn arrival(&self) {
        self.shared.arrival.notified().await;
    }

    async fn deliver(&self, routes: Vec<Route>) -> Result<Vec<Delivered>, StoreError> {
        let mut state = self.lock();
        let entries = routes.iter().flat_map(|route| &route.entries);
        let octets = entries.map(|entry| entry.additions.prelude.len()).sum();
        state.most_at_once = state.most_at_once.max(octets);
        let mut outcomes = Vec::with_capacity(routes.len());
        for route in routes {
            if !state.queue.contains_key(&route.id) {
                outcomes.push(Delivered::NotQueued);
                continue;
            }
            if state.too_large.contains(&route.id) {
                return Err(StoreError::TooLarge("for the test"));
            }
            state.change()?;
            let Some((queued, received)) = state.queue.remove(&route.id) else { continue };
            let enter = |entry| state.enter(entry, queued.id, &queued.envelope, &received);
            let uids = route.entries.into_iter().map(enter).collect();
            outcomes.push(Delivered::Entries(uids));
        }
        Ok(outcomes)
    }

    async fn hold(&self, id: QueueId, held: bool) -> Result<bool, StoreError> {
        let mut state = self.lock();
        state.change()?;
        let found = state.queue.get_mut(&id);
        let queued = found.map(|(queued, _)| queued.held = held).is_some();
        drop(state);
        self.shared.arrival.notify_one();
        Ok(queued)
    }

    async fn open(&self, mailbox: &MailboxName, view: &ViewName) -> Result<Self::Maildrop, StoreError> {
        let meanwhile = self.lock().meanwhile();
        self.deliver(Vec::from_iter(meanwhile)).await?;
        let state = self.lock();
        let found = state.mailboxes.get(mailbox);
        let joined = found.and_then(|found| found.views.get(view));
        if joined.is_none() && *view != ViewName::owner() {
            return Err(StoreError::NoView);
        }
        let sees = |uid: Uid| joined.is_none_or(|view| view.sees(uid));
        let entries = found.into_iter().flat_map(|found| found.entries.values());
        let entries = entries.filter(|entry| sees(entry.uid)).cloned().collect();
        // A view that hides nothing has the stamp of the mailbox; the model makes no more of it than that.
        let hides = joined.is_some_and(|view| !view.done.is_empty() || view.after > Uid(0));
        let salt = if hides { salt(view) } else { 0 };
        Ok(MemoryMaildrop { entries, stamp: Stamp(found.map_or(0, |found| found.changed) ^ salt) })
    }

    async fn whole(&self, mailbox: &MailboxName) -> Result<Self::Maildrop, StoreError> {
        let state = self.lock();
        let found = state.mailboxes.get(mailbox);
        let entries = found.into_iter().flat_map(|found| found.entries.values()).cloned().collect();
        Ok(MemoryMaildrop { entries, stamp: Stamp(found.map_or(0, |found| found.changed)) })
    }

    async fn delete(&self, groups: Vec<Expunge>) -> Result<(), StoreError> {
        let mut state = self.lock();
        for group in &groups {
            let found = state.mailboxes.get(&group.mailbox);
            if found.map_or(group.view != ViewName::owner(), |found| !found.can_delete(&group.view)) {
                return Err(StoreError::NoView);
            }
        }
        state.change()?;
        let now_ms = state.now_ms();
        for Expunge { mailbox, view, uids, unwanted } in groups {
            if let Some(found) = state.mailboxes.get_mut(&mailbox) {
                let gone = found.delete(&view, &uids, now_ms);
                state.let_go(&mailbox, gone, unwanted);
            }
        }
        Ok(())
    }

    async fn seen(&self, group: Fetched) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.change()?;
        let Some(found) = state.mailboxes.get_mut(&group.mailbox) else { return Ok(()) };
        if let Some(view) = found.views.get_mut(&group.view) {
            view.offered = view.offered.max(group.offered);
            view.fetched.extend(group.uids.iter().filter(|uid| found.entries.contains_key(uid)));
        }
        Ok(())
    }

    async fn views(&self, mailbox: &MailboxName) -> Result<Vec<ViewState>, StoreError> {
        let state = self.lock();
        let Some(found) = state.mailboxes.get(mailbox) else { return Ok(Vec::new()) };
        let known = |(name, view): (&ViewName, &View)| ViewState {
            view: name.clone(),
            joined_ms: view.joined_ms,
            after: view.after,
            offered: view.offered,
            fetched: found.runs(&view.fetched),
            done: found.runs(&view.done),
        };
        Ok(found.views.iter().map(known).collect())
    }

    async fn trash(&self, mailbox: &MailboxName, uids: Vec<Uid>) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.change()?;
        state.let_go(mailbox, uids, Unwanted::ToTrash);
        Ok(())
    }

    async fn trashed(
        &self,
        mailbox: &MailboxName,
        after: Uid,
        limit: usize,
    ) -> Result<Vec<Trashed>, StoreError> {
        let state = self.lock();
        let entries =
            state.mailboxes.get(&mailbox.trash()).into_iter().flat_map(|trash| trash.entries.values());
        let trashed = |entry: &Arc<Stored>| Trashed {
            uid: entry.uid,
            octets: entry.octets,
            delivered_ms: entry.time_ms,
            trashed_ms: entry.trashed_ms,
        };
        Ok(entries.filter(|entry| entry.uid > after).take(limit).map(trashed).collect())
    }

    async fn came(
        &self,
        mailbox: &MailboxName,
        after: Uid,
        limit: usize,
    ) -> Result<Vec<(Uid, u64)>, StoreError> {
        let state = self.lock();
        let entries = state.mailboxes.get(mailbox).into_iter().flat_map(|found| found.entries.values());
        let came = entries.filter(|entry| entry.uid > after).map(|entry| (entry.uid, entry.time_ms));
        Ok(came.take(limit).collect())
    }

    async fn deletions(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
        since_ms: u64,
    ) -> Result<Vec<Deletion>, StoreError> {
        let state = self.lock();
        let known = state.mailboxes.get(mailbox).and_then(|found| found.deletions.get(view));
        let known = known.into_iter().flatten().filter(|deletion| deletion.time_ms >= since_ms);
        let left = known.map(|deletion| Deletion {
            uids: deletion.uids.iter().copied().filter(|uid| state.is_somewhere(mailbox, *uid)).collect(),
            ..*deletion
        });
        Ok(left.filter(|deletion| !deletion.uids.is_empty()).collect())
    }

    async fn undo(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
        uids: Vec<Uid>,
    ) -> Result<Vec<Undone>, StoreError> {
        let mut state = self.lock();
        if !state.mailboxes.get(mailbox).map_or(*view == ViewName::owner(), |found| found.can_delete(view)) {
            return Err(StoreError::NoView);
        }
        state.change()?;
        Ok(uids.into_iter().filter_map(|uid| state.undo_one(mailbox, view, uid)).collect())
    }

    async fn purge(&self, mailbox: &MailboxName, uids: Vec<Uid>) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.change()?;
        let changed = state.changes;
        if let Some(found) = state.mailboxes.get_mut(mailbox) {
            uids.iter().for_each(|uid| drop(found.remove(*uid)));
            found.changed = changed;
        }
        Ok(())
    }

    async fn older_than(
        &self,
        mailbox: &MailboxName,
        before_ms: u64,
        now_ms: u64,
        limit: usize,
    ) -> Result<Vec<Uid>, StoreError> {
        let state = self.lock();
        let entries = state.mailboxes.get(mailbox).into_iter().flat_map(|found| found.entries.values());
        let known = entries.filter(|entry| entry.time_ms <= now_ms);
        let older = known.take_while(|entry| entry.time_ms < before_ms);
        Ok(older.take(limit).map(|entry| entry.uid).collect())
    }

    async fn join(&self, mailbox: &MailboxName, view: &ViewName, from: Join) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.change()?;
        let (changed, last, joined_ms) = (state.changes, Uid(state.last_id), state.now_ms());
        let found = state.mailboxes.entry(mailbox.clone()).or_default();
        let after = match from {
            Join::All => Uid(0),
            Join::Now => last,
            Join::After(uid) => uid,
        };
        let (fetched, done) = (BTreeSet::new(), BTreeSet::new());
        let new = View { joined_ms, after, offered: Uid(0), fetched, done };
        found.views.entry(view.clone()).or_insert(new);
        found.changed = changed;
        Ok(())
    }

    async fn leave(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
        unwanted: Unwanted,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.change()?;
        let gone = state.mailboxes.get_mut(mailbox).map_or_else(Vec::new, |found| found.leave(view));
        state.let_go(mailbox, gone, unwanted);
        Ok(())
    }

    fn usage(&self, mailbox: &MailboxName) -> Usage {
        self.lock().usage(mailbox)
    }

    async fn mailboxes(&self) -> Result<Vec<MailboxStatus>, StoreError> {
        let state = self.lock();
        let kept =
            state.mailboxes.iter().filter(|(_, found)| !found.entries.is_empty() || !found.views.is_empty());
        let status = |(name, found): (&MailboxName, &Mailbox)| MailboxStatus {
            name: name.clone(),
            usage: state.usage(name),
            views: found.views.keys().cloned().collect(),
        };
        Ok(kept.map(status).collect())
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
