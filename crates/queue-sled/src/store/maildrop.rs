use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use mail::Envelope;
use queue::{Additions, Entry, Maildrop, Message, Piece, Served, Stamp, StoreError};

use crate::log::Lsn;
use crate::mailbox::{Place, Snapshot};
use crate::reader::{Body, Reader, Wait, unblocked};
use crate::space::Pin;

/// Most octets of a chunk; a message no longer than that is one.
const CHUNK: usize = 256 << 10;

/// A view of a mailbox at one instant.
///
/// What it lists stays readable while it lives: nothing is freed in the log or beside it that a maildrop lists
/// which was opened before.
pub struct SledMaildrop {
    reader: Arc<Reader>,
    snapshot: Arc<Snapshot>,
    pin: Arc<Pin>,
}

impl SledMaildrop {
    /// `pin` was taken before `snapshot`.
    pub(super) fn new(reader: Arc<Reader>, snapshot: Arc<Snapshot>, pin: Arc<Pin>) -> Self {
        Self { reader, snapshot, pin }
    }

    /// Opens the `index`-th as it came in: nothing is put around it, and nothing hidden.
    pub async fn received(&self, index: usize) -> Result<SledMessage, StoreError> {
        let place = self.place(index)?;
        let (reader, pin) = (self.reader.clone(), self.pin.clone());
        unblocked(move |wait| SledMessage::open_received(&reader, &place, wait, pin.clone())).await
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
        Some(Entry { uid: place.uid, octets: place.octets, foreign_uidl, body: place.record })
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
        let pin = self.pin.clone();
        unblocked(move |wait| SledMessage::open(&reader, &place, range.clone(), wait, pin.clone())).await
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
    /// Nothing when only a part is wanted.
    check: Option<Check>,
    place: Place,
    reader: Arc<Reader>,
    #[expect(dead_code, reason = "held so that nothing it reads is freed")]
    pin: Arc<Pin>,
}

/// The crc of the octets received up to a place, those that are not served too.
#[derive(Debug, Clone, Copy, Default)]
struct Check {
    at: u64,
    crc: u32,
}

impl Check {
    fn add(&mut self, octets: &[u8]) {
        self.at += octets.len() as u64;
        self.crc = crc32c::crc32c_append(self.crc, octets);
    }

    fn holds(self, body: &Body) -> bool {
        self.at < body.octets || self.crc == body.crc
    }
}

impl SledMessage {
    fn open(
        reader: &Arc<Reader>,
        place: &Place,
        range: Range<u64>,
        wait: Wait,
        pin: Arc<Pin>,
    ) -> Result<Self, StoreError> {
        let additions = reader.entry(place, wait)?.additions;
        let body = reader.body(place, wait)?;
        let whole = Served::new(&additions, body.octets);
        if whole.octets() != place.octets {
            return Err(damaged(place, &body, "is not as long as it was"));
        }
        Self::begin(reader, place, additions, body, range, wait, pin)
    }

    fn open_received(
        reader: &Arc<Reader>,
        place: &Place,
        wait: Wait,
        pin: Arc<Pin>,
    ) -> Result<Self, StoreError> {
        let body = reader.body(place, wait)?;
        Self::begin(reader, place, Additions::default(), body, 0..u64::MAX, wait, pin)
    }

    fn begin(
        reader: &Arc<Reader>,
        place: &Place,
        additions: Additions,
        body: Body,
        range: Range<u64>,
        wait: Wait,
        pin: Arc<Pin>,
    ) -> Result<Self, StoreError> {
        let whole = Served::new(&additions, body.octets);
        if reader.suspects.contains(place) {
            inspect(place, &body, wait)?;
            reader.suspects.clear(place);
        }
        let all = range.start == 0 && range.end >= whole.octets();
        let served = whole.within(range);
        let short = body.octets <= CHUNK as u64 && served.octets() <= CHUNK as u64;
        let ready = short.then(|| read_whole(place, &additions, &body, &served, wait)).transpose()?;
        let mut pieces = if short { Vec::new() } else { served.pieces().to_vec() };
        pieces.reverse();
        let ready = ready.filter(|octets| !octets.is_empty());
        let check = all.then(Check::default);
        let (prelude, place, reader) = (additions.prelude.into(), *place, reader.clone());
        Ok(Self { ready, prelude, pieces, body, check, place, reader, pin })
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

    /// Octets that are served. What lies between them is read too when the whole is checked: what is hidden
    /// counts for the crc.
    async fn received(&mut self, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.pass(range.start).await?;
        let octets = self.read(range).await?;
        if !self.pieces.iter().any(|piece| matches!(piece, Piece::Received(_))) {
            self.pass(self.body.octets).await?;
        }
        if self.check.is_some_and(|check| !check.holds(&self.body)) {
            self.reader.suspects.insert(&self.place);
            return Err(damaged(&self.place, &self.body, ROTTEN));
        }
        Ok(octets)
    }

    /// Counts what is not served before `to`.
    async fn pass(&mut self, to: u64) -> Result<(), StoreError> {
        while let Some(Check { at, .. }) = self.check
            && at < to
        {
            self.read(at..to.min(at + CHUNK as u64)).await?;
        }
        Ok(())
    }

    async fn read(&mut self, range: Range<u64>) -> Result<Bytes, StoreError> {
        let body = self.body.clone();
        let octets =
            unblocked(move |wait| read_part(&body, range.clone(), wait)).await.inspect_err(|_| {
                self.reader.suspects.insert(&self.place);
            })?;
        if let Some(check) = &mut self.check {
            check.add(&octets);
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
fn read_whole(
    place: &Place,
    additions: &Additions,
    body: &Body,
    served: &Served,
    wait: Wait,
) -> Result<Bytes, StoreError> {
    let received = read_part(body, 0..body.octets, wait)?;
    if crc32c::crc32c(&received) != body.crc {
        return Err(damaged(place, body, ROTTEN));
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

/// Reads all of a long message, to know before it is served.
fn inspect(place: &Place, body: &Body, wait: Wait) -> Result<(), StoreError> {
    let mut check = Check::default();
    while check.at < body.octets {
        check.add(&read_part(body, check.at..body.octets.min(check.at + CHUNK as u64), wait)?);
    }
    if check.holds(body) { Ok(()) } else { Err(damaged(place, body, ROTTEN)) }
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

const ROTTEN: &str = "has not the octets that came in";

/// For the log: which message, and where an admin finds it.
fn damaged(place: &Place, body: &Body, what: &str) -> StoreError {
    StoreError::Damaged(format!("{} in {} {what}", place.uid, body.origin))
}
