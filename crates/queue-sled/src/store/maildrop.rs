use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use mail::Envelope;
use queue::{Additions, Entry, Maildrop, Message, Piece, Served, Stamp, StoreError};

use crate::log::Lsn;
use crate::mailbox::{Place, Snapshot};
use crate::reader::{Body, Reader, Wait, unblocked};

/// Most octets of a chunk; a message no longer than that is one.
const CHUNK: usize = 256 << 10;

/// A view of a mailbox at one instant.
///
/// What it lists stays readable while it lives: nothing is freed in the log or beside it while a maildrop
/// that was opened before holds the [`Reader`].
pub struct SledMaildrop {
    reader: Arc<Reader>,
    snapshot: Arc<Snapshot>,
}

impl SledMaildrop {
    pub(super) fn new(reader: Arc<Reader>, snapshot: Arc<Snapshot>) -> Self {
        Self { reader, snapshot }
    }

    fn place(&self, index: usize) -> Result<Place, StoreError> {
        let none = || StoreError::Damaged("no such message".into());
        self.snapshot.get(index).map(|(place, _)| *place).ok_or_else(none)
    }
}

impl Maildrop for SledMaildrop {
    type Message = SledMessage;

    fn len(&self) -> usize {
        self.snapshot.len()
    }

    fn entry(&self, index: usize) -> Option<Entry<'_>> {
        let (place, foreign_uidl) = self.snapshot.get(index)?;
        Some(Entry { uid: place.uid, octets: place.octets, foreign_uidl })
    }

    fn octets(&self) -> u64 {
        self.snapshot.octets()
    }

    fn stamp(&self) -> Stamp {
        self.snapshot.stamp()
    }

    async fn envelope(&self, index: usize) -> Result<Arc<Envelope>, StoreError> {
        let record = Lsn(self.place(index)?.record);
        let reader = self.reader.clone();
        unblocked(move |wait| reader.envelope(record, wait)).await
    }

    async fn message(&self, index: usize, range: Range<u64>) -> Result<Self::Message, StoreError> {
        let place = self.place(index)?;
        let reader = self.reader.clone();
        unblocked(move |wait| SledMessage::open(&reader, &place, range.clone(), wait)).await
    }
}

/// The octets of one message, as they are read.
pub struct SledMessage {
    /// All of a short message.
    ready: Option<Bytes>,
    prelude: Bytes,
    /// What is still to come, the next piece last.
    pieces: Vec<Piece>,
    body: Body,
    check: Check,
}

/// The crc of the octets received, as far as they came in order from the first.
#[derive(Debug, Clone, Copy, Default)]
struct Check {
    at: u64,
    crc: u32,
}

impl SledMessage {
    fn open(reader: &Reader, place: &Place, range: Range<u64>, wait: Wait) -> Result<Self, StoreError> {
        let additions = reader.additions(place.uid, wait)?;
        let body = reader.body(place, wait)?;
        let whole = Served::new(&additions, body.octets);
        if whole.octets() != place.octets {
            return Err(StoreError::Damaged(format!("{} is not as long as it was", place.uid)));
        }
        let served = whole.within(range);
        let short = body.octets <= CHUNK as u64 && served.octets() <= CHUNK as u64;
        let ready = short.then(|| read_whole(&additions, &body, &served, wait)).transpose()?;
        let mut pieces = if short { Vec::new() } else { served.pieces().to_vec() };
        pieces.reverse();
        let ready = ready.filter(|octets| !octets.is_empty());
        Ok(Self { ready, prelude: additions.prelude.into(), pieces, body, check: Check::default() })
    }

    /// Takes the next at most [`CHUNK`] octets off what is to come.
    fn next_piece(&mut self) -> Option<Piece> {
        let piece = self.pieces.pop()?;
        if piece.octets() <= CHUNK as u64 {
            return Some(piece);
        }
        self.pieces.push(piece.slice(CHUNK as u64, piece.octets()));
        Some(piece.slice(0, CHUNK as u64))
    }

    async fn received(&mut self, range: Range<u64>) -> Result<Bytes, StoreError> {
        let (body, wanted) = (self.body.clone(), range.clone());
        let octets = unblocked(move |wait| read_part(&body, wanted.clone(), wait)).await?;
        if range.start == self.check.at {
            self.check = Check { at: range.end, crc: crc32c::crc32c_append(self.check.crc, &octets) };
        }
        if self.check.at == self.body.octets && self.check.crc != self.body.crc {
            return Err(rotten());
        }
        Ok(octets)
    }
}

impl Message for SledMessage {
    async fn chunk(&mut self) -> Result<Option<Bytes>, StoreError> {
        if let Some(ready) = self.ready.take() {
            return Ok(Some(ready));
        }
        Ok(match self.next_piece() {
            None => None,
            Some(Piece::Prelude(range)) => Some(self.prelude.slice(range)),
            Some(Piece::Crlf(range)) => Some(Bytes::from_static(b"\r\n").slice(range)),
            Some(Piece::Received(range)) => Some(self.received(range).await?),
        })
    }
}

/// Reads a short message, and serves nothing of it that is not what came in.
fn read_whole(additions: &Additions, body: &Body, served: &Served, wait: Wait) -> Result<Bytes, StoreError> {
    let received = read_part(body, 0..body.octets, wait)?;
    if crc32c::crc32c(&received) != body.crc {
        return Err(rotten());
    }
    if served.pieces() == [Piece::Received(0..body.octets)] {
        return Ok(received);
    }
    let mut octets = Vec::with_capacity(narrow(served.octets()));
    for piece in served.pieces() {
        match piece {
            Piece::Prelude(range) => octets.extend_from_slice(&additions.prelude[range.clone()]),
            Piece::Received(range) => {
                octets.extend_from_slice(&received[narrow(range.start)..narrow(range.end)]);
            }
            Piece::Crlf(range) => octets.extend_from_slice(&b"\r\n"[range.clone()]),
        }
    }
    Ok(octets.into())
}

fn read_part(body: &Body, range: Range<u64>, wait: Wait) -> Result<Bytes, StoreError> {
    let mut octets = vec![0; narrow(range.end - range.start)];
    wait.read(&*body.file, &mut octets, body.at + range.start)?;
    Ok(octets.into())
}

/// Chunks and short messages fit memory, and so their lengths a usize.
fn narrow(octets: u64) -> usize {
    usize::try_from(octets).unwrap_or(usize::MAX)
}

fn rotten() -> StoreError {
    StoreError::Damaged("the octets are not the ones that came in".into())
}
