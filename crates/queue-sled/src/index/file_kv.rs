use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::deferred::Deferred;
use super::kv::{EachRow, IndexError, IndexKv, MemoryKv, Op, OpenIndex};
use crate::disk::{Disk, DiskFile, Open, read_exact, write_all};

/// Batches after which one is written without being asked: sled does so when its buffers are full.
const EAGER: usize = 3;
/// Changed keys that are kept back.
const KEYS_MAX: usize = 1000;

/// An index for tests on a disk in memory. It fails as sled does: what its file lacks at the end is lost
/// without a word, and what is torn ends it.
pub(crate) struct FileIndex {
    /// Whether changes are kept back as they are before sled. Without it the file has them much sooner.
    pub(crate) deferred: bool,
}

impl OpenIndex for FileIndex {
    fn open(&self, disk: &dyn Disk, idx: &Path) -> Result<Arc<dyn IndexKv>, IndexError> {
        let kv = FileKv::open(disk, idx)?;
        Ok(if self.deferred { Arc::new(Deferred::new(kv, KEYS_MAX)?) } else { Arc::new(kv) })
    }
}

/// Rows in memory; behind them a file to which batches are appended.
struct FileKv {
    rows: MemoryKv,
    tail: Mutex<Tail>,
}

struct Tail {
    file: Arc<dyn DiskFile>,
    at: u64,
    /// Over all batches so far: what an older batch has left behind the end never fits.
    crc: u32,
    unwritten: Vec<Op>,
    batches: usize,
}

impl FileKv {
    fn open(disk: &dyn Disk, idx: &Path) -> Result<Self, IndexError> {
        let path = idx.join("db");
        let file = match disk.open(&path, Open::Write) {
            Err(error) if error.kind() == ErrorKind::NotFound => disk.open(&path, Open::Create)?,
            outcome => outcome?,
        };
        let mut octets = vec![0; usize::try_from(file.len()?).expect("small")];
        read_exact(&*file, &mut octets, 0)?;
        let rows = MemoryKv::default();
        let (mut at, mut crc) = (0, 0);
        while let Some((batch, next)) = next_batch(&octets[at..], crc) {
            rows.apply(postcard::from_bytes(batch).map_err(|_| IndexError::Damaged("a batch"))?)?;
            at += 8 + batch.len();
            crc = next;
        }
        let tail = Tail { file, at: at as u64, crc, unwritten: Vec::new(), batches: 0 };
        Ok(Self { rows, tail: Mutex::new(tail) })
    }
}

/// The octets of the next batch, if it is whole.
fn next_batch(octets: &[u8], before: u32) -> Option<(&[u8], u32)> {
    let number = |at: usize| octets.get(at..).and_then(<[u8]>::first_chunk).map(|n| u32::from_le_bytes(*n));
    let batch = octets.get(8..8 + number(0)? as usize).filter(|batch| !batch.is_empty())?;
    let crc = crc32c::crc32c_append(before, batch);
    (number(4)? == crc).then_some((batch, crc))
}

impl Tail {
    fn write(&mut self) -> Result<(), IndexError> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let batch = postcard::to_stdvec(&self.unwritten).expect("rows serialize");
        let crc = crc32c::crc32c_append(self.crc, &batch);
        let octets = u32::try_from(batch.len()).expect("small");
        let written = [&octets.to_le_bytes(), &crc.to_le_bytes(), &batch[..]].concat();
        write_all(&*self.file, &written, self.at)?;
        self.unwritten.clear();
        self.at += written.len() as u64;
        self.crc = crc;
        Ok(())
    }
}

impl IndexKv for FileKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.rows.get(key)
    }

    fn apply(&self, ops: Vec<Op>) -> Result<(), IndexError> {
        let mut tail = self.tail.lock().expect("no panic inside");
        tail.unwritten.extend(ops.iter().cloned());
        tail.batches += 1;
        self.rows.apply(ops)?;
        if tail.batches.is_multiple_of(EAGER) { tail.write() } else { Ok(()) }
    }

    fn scan(&self, prefix: &[u8], from: &[u8], each: EachRow<'_>) -> Result<(), IndexError> {
        self.rows.scan(prefix, from, each)
    }

    fn flush(&self) -> Result<(), IndexError> {
        self.tail.lock().expect("no panic inside").write()
    }
}
