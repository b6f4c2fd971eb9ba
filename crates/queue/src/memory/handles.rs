//! What the engine in memory hands out: messages on their way in and out, and maildrops.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use mail::{Envelope, QueueId};

use super::{MemoryStore, Stored};
use crate::{Entry, Incoming, Maildrop, Message, Piece, Queued, Served, Stamp, StoreError};

/// A message on its way into a [`MemoryStore`].
pub struct MemoryIncoming {
    pub(super) store: MemoryStore,
    pub(super) received: BytesMut,
}

impl Incoming for MemoryIncoming {
    async fn write(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        self.received.extend_from_slice(octets);
        Ok(())
    }

    fn octets(&self) -> u64 {
        self.received.len() as u64
    }

    async fn reread(&mut self, from: u64) -> Result<&[u8], StoreError> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(self.received.get(from..).unwrap_or_default())
    }

    async fn commit(self, envelope: Envelope) -> Result<QueueId, StoreError> {
        let mut state = self.store.lock();
        state.change()?;
        let id = QueueId(state.mint());
        let octets = self.received.len() as u64;
        let queued = Queued { id, envelope: Arc::new(envelope), octets, held: false };
        state.queue.insert(id, (queued, self.received.freeze()));
        drop(state);
        self.store.shared.arrival.notify_one();
        Ok(id)
    }
}

/// A view of a [`MemoryStore`] as it was when it was opened.
pub struct MemoryMaildrop {
    pub(super) entries: Vec<Arc<Stored>>,
    pub(super) stamp: Stamp,
}

impl MemoryMaildrop {
    fn get(&self, index: usize) -> Result<&Arc<Stored>, StoreError> {
        self.entries.get(index).ok_or_else(|| StoreError::Damaged("no such message".into()))
    }
}

impl Maildrop for MemoryMaildrop {
    type Message = MemoryMessage;

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn entry(&self, index: usize) -> Option<Entry<'_>> {
        self.entries.get(index).map(|stored| Entry {
            uid: stored.uid,
            octets: stored.octets,
            foreign_uidl: stored.foreign_uidl.as_deref(),
            body: stored.body,
        })
    }

    fn octets(&self) -> u64 {
        self.entries.iter().map(|stored| stored.octets).sum()
    }

    fn stamp(&self) -> Stamp {
        self.stamp
    }

    async fn envelope(&self, index: usize) -> Result<Arc<Envelope>, StoreError> {
        self.get(index).map(|stored| stored.envelope.clone())
    }

    async fn message(&self, index: usize, range: Range<u64>) -> Result<Self::Message, StoreError> {
        let stored = self.get(index)?;
        let served = Served::new(&stored.additions, stored.received.len() as u64).within(range);
        Ok(MemoryMessage { stored: stored.clone(), pieces: served.pieces().to_vec().into_iter() })
    }
}

/// The octets of one message of a [`MemoryStore`].
pub struct MemoryMessage {
    stored: Arc<Stored>,
    pieces: std::vec::IntoIter<Piece>,
}

impl Message for MemoryMessage {
    async fn chunk(&mut self) -> Result<Option<Bytes>, StoreError> {
        let narrow = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(self.pieces.next().map(|piece| match piece {
            Piece::Prelude(range) => Bytes::copy_from_slice(&self.stored.additions.prelude[range]),
            Piece::Received(range) => self.stored.received.slice(narrow(range.start)..narrow(range.end)),
            Piece::Crlf(range) => Bytes::from_static(b"\r\n").slice(range),
        }))
    }
}
