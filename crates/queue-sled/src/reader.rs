use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, io};

use mail::Envelope;
use queue::{RouteEntry, StoreError};

use crate::big::{self, BigFiles};
use crate::disk::{DiskFile, read_exact, read_exact_cached};
use crate::log::Lsn;
use crate::log::change::{Change, Relocated, SLOT, read_entry, read_slot};
use crate::log::record::{BESIDE, HEADER, Kind, RecordHeader};
use crate::log::segment::segment_path;
use crate::log::segments::Segments;
use crate::mailbox::Place;

/// What one read of a slot also brings of the entry behind it: nearly always all of it.
const SLOT_WINDOW: usize = 1024;

/// Reads messages and what belongs to them where the log has them.
pub(crate) struct Reader {
    pub(crate) segments: Arc<Segments>,
    pub(crate) big: BigFiles,
    pub(crate) suspects: Suspects,
}

/// Records whose body broke off when it was read. Their octets were on the way already, which must happen to
/// a client once at most: from then on such a body is read whole before any of it is served.
#[derive(Default)]
pub(crate) struct Suspects(Mutex<HashSet<u64>>);

impl Suspects {
    /// More than that are a broken disk, and clients see it all the same.
    const MAX: usize = 10_000;

    fn lock(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, place: &Place) {
        let mut suspects = self.lock();
        if suspects.len() < Self::MAX {
            suspects.insert(place.record);
        }
    }

    pub(crate) fn contains(&self, place: &Place) -> bool {
        self.lock().contains(&place.record)
    }

    /// Somebody has put it right.
    pub(crate) fn clear(&self, place: &Place) {
        self.lock().remove(&place.record);
    }
}

/// Whether a read may wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Only what is in the page cache; else an error of kind [`io::ErrorKind::WouldBlock`].
    Never,
    Allowed,
}

impl Wait {
    pub(crate) fn read(self, file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::Never => read_exact_cached(file, buffer, offset),
            Self::Allowed => read_exact(file, buffer, offset),
        }
    }
}

/// The octets received of one message.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) origin: Origin,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) at: u64,
    pub(crate) octets: u64,
    pub(crate) crc: u32,
}

/// Where an admin finds them, below the store's folder.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin {
    Log(Lsn),
    Big(u64),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(record) => {
                let path = segment_path(Path::new("log"), record.segment());
                write!(f, "{} at {}", path.display(), record.offset())
            }
            Self::Big(id) => write!(f, "big/{}", big::file_name(*id)),
        }
    }
}

impl Reader {
    /// What a message's record says of it. The body is not read.
    pub(crate) fn envelope(&self, record: Lsn, wait: Wait) -> Result<Arc<Envelope>, StoreError> {
        let file = self.segments.file(record.segment())?;
        let header = self.header(&*file, record, wait)?;
        let mut meta = vec![0; header.meta_len as usize];
        wait.read(&*file, &mut meta, u64::from(record.offset()) + HEADER as u64)?;
        let whole = header.holds_meta(&meta);
        match Change::decode(&header, &meta) {
            Ok(Change::Accept { envelope, .. } | Change::Relocate(Relocated { envelope, .. })) if whole => {
                Ok(envelope)
            }
            Ok(_) | Err(_) => Err(damaged(record)),
        }
    }

    /// What the router said of an entry: also what is served around the octets received.
    pub(crate) fn entry(&self, place: &Place, wait: Wait) -> Result<RouteEntry, StoreError> {
        let slot = place.slot();
        let file = self.segments.file(slot.segment())?;
        let at = u64::from(slot.offset());
        let mut window = [0; SLOT_WINDOW];
        // A slot so near the end of its segment that the window goes past it is read alone.
        let window = match wait.read(&*file, &mut window, at) {
            Ok(()) => &mut window[..],
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                wait.read(&*file, &mut window[..SLOT], at)?;
                &mut window[..SLOT]
            }
            Err(error) => return Err(error.into()),
        };
        let (delta, octets) = window.first_chunk().map_or((0, 0), |slot| read_slot(*slot));
        let (from, octets) = (delta as usize, octets as usize);
        if octets > crate::log::record::RECORD_MAX {
            return Err(damaged(slot));
        }
        let entry = match window.get(from..from + octets) {
            Some(entry) => read_entry(entry),
            None => {
                let mut entry = vec![0; octets];
                wait.read(&*file, &mut entry, at + u64::from(delta))?;
                read_entry(&entry)
            }
        };
        entry.map_err(|_| damaged(slot))
    }

    /// Where the octets received under an entry are.
    pub(crate) fn body(&self, place: &Place, wait: Wait) -> Result<Body, StoreError> {
        let record = Lsn(place.record);
        let file = self.segments.file(record.segment())?;
        let header = self.header(&*file, record, wait)?;
        let crc = header.body_crc;
        match header.kind {
            Kind::Relocate if header.flags & BESIDE != 0 => self.beside(&header),
            Kind::Accept | Kind::Relocate => {
                let at = u64::from(record.offset()) + u64::from(place.body_at);
                Ok(Body { origin: Origin::Log(record), file, at, octets: u64::from(header.body_len), crc })
            }
            Kind::Big => self.beside(&header),
            Kind::Route
            | Kind::Delete
            | Kind::Seen
            | Kind::View
            | Kind::Trash
            | Kind::Undo
            | Kind::Purge
            | Kind::Hold
            | Kind::Mailbox => Err(damaged(record)),
        }
    }

    /// The octets received of the message in a record, checked: their number, their crc, and themselves unless
    /// they are in a file beside the log.
    pub(crate) fn whole_body(&self, record: Lsn) -> Result<(u64, u32, Vec<u8>), StoreError> {
        let file = self.segments.file(record.segment())?;
        let header = self.header(&*file, record, Wait::Allowed)?;
        if header.kind == Kind::Big || header.flags & BESIDE != 0 {
            return Ok((self.big.open(header.id)?.len()?, header.body_crc, Vec::new()));
        }
        let mut body = vec![0; header.body_len as usize];
        let at = u64::from(record.offset()) + HEADER as u64 + u64::from(header.meta_len);
        read_exact(&*file, &mut body, at)?;
        if crc32c::crc32c(&body) != header.body_crc {
            return Err(damaged(record));
        }
        Ok((u64::from(header.body_len), header.body_crc, body))
    }

    fn beside(&self, header: &RecordHeader) -> Result<Body, StoreError> {
        let origin = Origin::Big(header.id);
        let file = match self.big.open(header.id) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Damaged(format!("{origin} is gone")));
            }
            opened => opened?,
        };
        let octets = file.len()?;
        Ok(Body { origin, file, at: 0, octets, crc: header.body_crc })
    }

    fn header(&self, file: &dyn DiskFile, record: Lsn, wait: Wait) -> Result<RecordHeader, StoreError> {
        let salt = self.segments.header(record.segment()).ok_or_else(|| damaged(record))?.salt;
        let mut header = [0; HEADER];
        wait.read(file, &mut header, u64::from(record.offset()))?;
        RecordHeader::decode(&header, salt, record).map_err(|_| damaged(record))
    }
}

/// Does with the page cache alone what it can; what needs the disk is done where waiting hurts nobody.
pub(crate) async fn unblocked<T: Send + 'static>(
    read: impl Fn(Wait) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match read(Wait::Never) {
        Err(StoreError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
            blocking(move || read(Wait::Allowed)).await
        }
        outcome => outcome,
    }
}

/// Runs what waits for the disk.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(StoreError::Unavailable))
}

fn damaged(place: Lsn) -> StoreError {
    StoreError::Damaged(format!("the log at {place}"))
}
