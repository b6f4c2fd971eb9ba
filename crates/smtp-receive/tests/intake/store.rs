//! The memory engine with a door that can be shut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mail::{Envelope, MailboxName, QueueId, Uid, ViewName};
use queue::{
    Deletion, Delivered, Expunge, Fetched, Incoming, Join, MailboxStatus, MemoryStore, Queued, Route, Store,
    StoreError, Trashed, Undone, Unwanted, Usage, ViewState,
};

#[derive(Clone, Default)]
pub(crate) struct Doored {
    pub(crate) inner: MemoryStore,
    pub(crate) door: Arc<Door>,
}

#[derive(Default)]
pub(crate) struct Door {
    /// `admit` fails from the so-manieth call on, counted from 1; 0 is never.
    pub(crate) shut_from: AtomicU64,
    pub(crate) admitted: AtomicU64,
    /// Every write fails.
    pub(crate) writes_fail: AtomicBool,
    /// Messages begun and neither kept nor dropped.
    pub(crate) open: AtomicU64,
}

pub(crate) struct DooredIncoming {
    inner: <MemoryStore as Store>::Incoming,
    door: Arc<Door>,
}

impl Drop for DooredIncoming {
    fn drop(&mut self) {
        self.door.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Incoming for DooredIncoming {
    async fn write(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        if self.door.writes_fail.load(Ordering::SeqCst) {
            return Err(StoreError::Io(std::io::ErrorKind::Other.into()));
        }
        self.inner.write(octets).await
    }

    fn octets(&self) -> u64 {
        self.inner.octets()
    }

    async fn reread(&mut self, from: u64) -> Result<&[u8], StoreError> {
        self.inner.reread(from).await
    }

    async fn commit(mut self, envelope: Envelope) -> Result<QueueId, StoreError> {
        let empty = MemoryStore::new().incoming(None)?;
        std::mem::replace(&mut self.inner, empty).commit(envelope).await
    }
}

impl Store for Doored {
    type Incoming = DooredIncoming;
    type Maildrop = <MemoryStore as Store>::Maildrop;

    fn admit(&self, _octets: u64) -> Result<(), StoreError> {
        let call = self.door.admitted.fetch_add(1, Ordering::SeqCst) + 1;
        let from = self.door.shut_from.load(Ordering::SeqCst);
        if from > 0 && call >= from { Err(StoreError::Full("disk")) } else { Ok(()) }
    }

    fn incoming(&self, expected: Option<u64>) -> Result<Self::Incoming, StoreError> {
        self.door.open.fetch_add(1, Ordering::SeqCst);
        Ok(DooredIncoming { inner: self.inner.incoming(expected)?, door: self.door.clone() })
    }

    async fn queued(&self, after: Option<QueueId>, limit: usize) -> Result<Vec<Queued>, StoreError> {
        self.inner.queued(after, limit).await
    }

    async fn arrival(&self) {
        self.inner.arrival().await;
    }

    async fn deliver(&self, routes: Vec<Route>) -> Result<Vec<Delivered>, StoreError> {
        self.inner.deliver(routes).await
    }

    async fn hold(&self, id: QueueId, held: bool) -> Result<bool, StoreError> {
        self.inner.hold(id, held).await
    }

    async fn open(&self, mailbox: &MailboxName, view: &ViewName) -> Result<Self::Maildrop, StoreError> {
        self.inner.open(mailbox, view).await
    }

    async fn whole(&self, mailbox: &MailboxName) -> Result<Self::Maildrop, StoreError> {
        self.inner.whole(mailbox).await
    }

    async fn delete(&self, groups: Vec<Expunge>) -> Result<(), StoreError> {
        self.inner.delete(groups).await
    }

    async fn seen(&self, group: Fetched) -> Result<(), StoreError> {
        self.inner.seen(group).await
    }

    async fn views(&self, mailbox: &MailboxName) -> Result<Vec<ViewState>, StoreError> {
        self.inner.views(mailbox).await
    }

    async fn trash(&self, mailbox: &MailboxName, uids: Vec<Uid>) -> Result<(), StoreError> {
        self.inner.trash(mailbox, uids).await
    }

    async fn trashed(
        &self,
        mailbox: &MailboxName,
        after: Uid,
        limit: usize,
    ) -> Result<Vec<Trashed>, StoreError> {
        self.inner.trashed(mailbox, after, limit).await
    }

    async fn came(
        &self,
        mailbox: &MailboxName,
        after: Uid,
        limit: usize,
    ) -> Result<Vec<(Uid, u64)>, StoreError> {
        self.inner.came(mailbox, after, limit).await
    }

    async fn deletions(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
        since_ms: u64,
    ) -> Result<Vec<Deletion>, StoreError> {
        self.inner.deletions(mailbox, view, since_ms).await
    }

    async fn undo(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
        uids: Vec<Uid>,
    ) -> Result<Vec<Undone>, StoreError> {
        self.inner.undo(mailbox, view, uids).await
    }

    async fn purge(&self, mailbox: &MailboxName, uids: Vec<Uid>) -> Result<(), StoreError> {
        self.inner.purge(mailbox, uids).await
    }

    async fn older_than(
        &self,
        mailbox: &MailboxName,
        before_ms: u64,
        now_ms: u64,
        limit: usize,
    ) -> Result<Vec<Uid>, StoreError> {
        self.inner.older_than(mailbox, before_ms, now_ms, limit).await
    }

    async fn join(&self, mailbox: &MailboxName, view: &ViewName, from: Join) -> Result<(), StoreError> {
        self.inner.join(mailbox, view, from).await
    }

    async fn leave(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
        unwanted: Unwanted,
    ) -> Result<(), StoreError> {
        self.inner.leave(mailbox, view, unwanted).await
    }

    fn usage(&self, mailbox: &MailboxName) -> Usage {
        self.inner.usage(mailbox)
    }

    async fn mailboxes(&self) -> Result<Vec<MailboxStatus>, StoreError> {
        self.inner.mailboxes().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}
