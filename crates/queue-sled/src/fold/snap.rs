//! `snap/<lsn:016x>.idx`: the rows of the index as the log alone makes them, up to one place of it. Beside it
//! `snap/<lsn:016x>.copy`, the same once more.
//!
//! | octets | what |
//! |---|---|
//! | 0..8, 8..12 | magic, format of the rows |
//! | 12..28, 28..36 | the store's uuid, the place |
//! | 36..40 | crc32c of all before |
//! | blocks | length and crc32c of a block's rows, 4 octets each; then the rows: lengths of key and value, 2 octets each, key, value |
//! | tail | postcard of [`Tail`] |
//! | last 24 | place and length of the tail, 8 octets each; crc32c of the tail, crc32c of these |
//!
//! All numbers are little-endian. What is freed in the log is not there to make a snap from again: whoever
//! changes the rows must go on reading these.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::liveness::Liveness;
use crate::disk::{Disk, DiskFile, Open, read_exact, write_all};
use crate::index::format2::FORMAT_2;
use crate::index::kv::{EachRow, Op};
use crate::index::rows::FORMAT;
use crate::index::{IndexError, IndexKv};
use crate::log::Lsn;
use crate::log::segment::{le_u32, le_u64};

const MAGIC: &[u8; 8] = b"restsnp\0";
const HEAD: usize = 40;
const END: usize = 24;
/// Octets of rows after which a block ends.
const BLOCK: usize = 16 << 10;

#[derive(Serialize, Deserialize)]
struct Tail {
    /// The first key of each block, and where it begins.
    blocks: Vec<(Vec<u8>, u64)>,
    rows: u64,
    liveness: Liveness,
}

/// Where a snap of that place is.
pub(crate) fn snap_path(folder: &Path, lsn: Lsn) -> PathBuf {
    folder.join(format!("{:016x}.idx", lsn.0))
}

/// Where its copy is.
pub(super) fn copy_path(folder: &Path, lsn: Lsn) -> PathBuf {
    folder.join(format!("{:016x}.copy", lsn.0))
}

/// The place in the name of a snap, or of a copy.
pub(crate) fn snap_lsn(name: &str) -> Option<Lsn> {
    let digits = name.strip_suffix(".idx").or_else(|| name.strip_suffix(".copy"));
    u64::from_str_radix(digits.filter(|digits| digits.len() == 16)?, 16).ok().map(Lsn)
}

/// Writes a snap, row by row in the order of keys.
pub(crate) struct SnapWriter {
    file: Arc<dyn DiskFile>,
    at: u64,
    block: Vec<u8>,
    tail: Tail,
}

impl SnapWriter {
    pub(crate) fn create(disk: &dyn Disk, path: &Path, store: [u8; 16], lsn: Lsn) -> io::Result<Self> {
        let file = disk.open(path, Open::Create)?;
        write_all(&*file, &head(FORMAT, store, lsn), 0)?;
        let tail = Tail { blocks: Vec::new(), rows: 0, liveness: Liveness::default() };
        Ok(Self { file, at: HEAD as u64, block: Vec::new(), tail })
    }

    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), IndexError> {
        if self.block.is_empty() {
            self.tail.blocks.push((key.to_vec(), self.at));
            self.block.resize(8, 0);
        }
        let length = |octets: &[u8]| u16::try_from(octets.len()).map(u16::to_le_bytes);
        let too_long = |_| IndexError::Damaged("a row longer than any");
        self.block.extend_from_slice(&length(key).map_err(too_long)?);
        self.block.extend_from_slice(&length(value).map_err(too_long)?);
        self.block.extend_from_slice(key);
        self.block.extend_from_slice(value);
        self.tail.rows += 1;
        self.tail.liveness.count(key, value)?;
        if self.block.len() >= BLOCK { Ok(self.end_block()?) } else { Ok(()) }
    }

    fn end_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let rows = self.block.len() - 8;
        let crc = crc32c::crc32c(&self.block[8..]);
        self.block[..4].copy_from_slice(&u32::try_from(rows).map_err(io::Error::other)?.to_le_bytes());
        self.block[4..8].copy_from_slice(&crc.to_le_bytes());
        write_all(&*self.file, &self.block, self.at)?;
        self.at += self.block.len() as u64;
        self.block.clear();
        Ok(())
    }

    /// Writes what is left and makes it durable under the name it has.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.end_block()?;
        let mut tail = postcard::to_stdvec(&self.tail).map_err(io::Error::other)?;
        let mut end = Vec::with_capacity(END);
        end.extend_from_slice(&self.at.to_le_bytes());
        end.extend_from_slice(&(tail.len() as u64).to_le_bytes());
        end.extend_from_slice(&crc32c::crc32c(&tail).to_le_bytes());
        end.extend_from_slice(&crc32c::crc32c(&end).to_le_bytes());
        tail.extend_from_slice(&end);
        write_all(&*self.file, &tail, self.at)?;
        self.file.fdatasync()
    }
}

fn head(format: u32, store: [u8; 16], lsn: Lsn) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&format.to_le_bytes());
    head.extend_from_slice(&store);
    head.extend_from_slice(&lsn.0.to_le_bytes());
    head.extend_from_slice(&crc32c::crc32c(&head).to_le_bytes());
    head
}

/// A snap, for reading: an index that never changes.
pub(crate) struct Snap {
    /// Of its rows: today's, or an earlier one that [`super::over`] brings up to it.
    pub(crate) format: u32,
    pub(crate) lsn: Lsn,
    pub(crate) octets: u64,
    pub(crate) path: PathBuf,
    file: Arc<dyn DiskFile>,
    tail: Tail,
    /// The block that was read last: look-ups come in the order of keys, more or less.
    last: Mutex<Option<(usize, Arc<Vec<u8>>)>>,
}

impl Snap {
    /// Opens a snap and reads all of it: only one that is whole counts.
    pub(crate) fn open(disk: &dyn Disk, path: &Path, store: [u8; 16]) -> Result<Self, IndexError> {
        let file = disk.open(path, Open::Read)?;
        let octets = file.len()?;
        if octets < (HEAD + END) as u64 {
            return Err(IndexError::Damaged("a snap that is too short"));
        }
        let mut start = vec![0; HEAD];
        read_exact(&*file, &mut start, 0)?;
        let lsn = Lsn(le_u64(&start, 28));
        let format = le_u32(&start, 8);
        let is_snap =
            start.starts_with(MAGIC) && le_u32(&start, HEAD - 4) == crc32c::crc32c(&start[..HEAD - 4]);
        if is_snap && format > FORMAT {
            return Err(IndexError::Newer(format));
        }
        if start != head(format, store, lsn) || !(FORMAT_2..=FORMAT).contains(&format) {
            return Err(IndexError::Damaged("a snap of another store or another format"));
        }
        let mut end = vec![0; END];
        read_exact(&*file, &mut end, octets - END as u64)?;
        let (at, length) = (le_u64(&end, 0), le_u64(&end, 8));
        let fits = at.checked_add(length).and_then(|end| end.checked_add(END as u64)) == Some(octets);
        if le_u32(&end, 20) != crc32c::crc32c(&end[..20]) || !fits {
            return Err(IndexError::Damaged("the end of a snap"));
        }
        let mut tail = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        read_exact(&*file, &mut tail, at)?;
        if le_u32(&end, 16) != crc32c::crc32c(&tail) {
            return Err(IndexError::Damaged("the tail of a snap"));
        }
        let tail = postcard::from_bytes(&tail).map_err(|_| IndexError::Damaged("the tail of a snap"))?;
        let snap = Self { format, lsn, octets, path: path.to_owned(), file, tail, last: Mutex::default() };
        snap.check()?;
        Ok(snap)
    }

    fn check(&self) -> Result<(), IndexError> {
        let mut rows = 0;
        let mut before: Option<Vec<u8>> = None;
        self.scan(&[], &[], &mut |key, _| {
            rows += 1;
            let ascends = before.as_deref().is_none_or(|before| before < key);
            before = Some(key.to_vec());
            if ascends { Ok(true) } else { Err(IndexError::Damaged("rows of a snap in no order")) }
        })?;
        if rows == self.tail.rows { Ok(()) } else { Err(IndexError::Damaged("a snap lacks rows")) }
    }

    pub(crate) fn liveness(&self) -> &Liveness {
        &self.tail.liveness
    }

    fn block(&self, ordinal: usize) -> Result<Arc<Vec<u8>>, IndexError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((kept, block)) = &*last
            && *kept == ordinal
        {
            return Ok(block.clone());
        }
        let at = self.tail.blocks[ordinal].1;
        let mut start = [0; 8];
        read_exact(&*self.file, &mut start, at)?;
        let length = le_u32(&start, 0) as usize;
        if length > 2 * BLOCK + 2 * usize::from(u16::MAX) {
            return Err(IndexError::Damaged("a block of a snap"));
        }
        let mut rows = vec![0; length];
        read_exact(&*self.file, &mut rows, at + 8)?;
        if le_u32(&start, 4) != crc32c::crc32c(&rows) {
            return Err(IndexError::Damaged("a block of a snap"));
        }
        let rows = Arc::new(rows);
        *last = Some((ordinal, rows.clone()));
        Ok(rows)
    }

    /// The block in which a key stands if it stands anywhere.
    fn block_of(&self, key: &[u8]) -> usize {
        self.tail.blocks.partition_point(|(first, _)| first.as_slice() <= key).saturating_sub(1)
    }
}

/// The rows of a block.
fn rows(block: &[u8]) -> impl Iterator<Item = Result<(&[u8], &[u8]), IndexError>> {
    let mut rest = block;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let row = rest.split_first_chunk::<4>().and_then(|([a, b, c, d], behind)| {
            let (key, value) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
            let (key, behind) = behind.split_at_checked(usize::from(key))?;
            let (value, behind) = behind.split_at_checked(usize::from(value))?;
            rest = behind;
            Some((key, value))
        });
        if row.is_none() {
            rest = &[];
        }
        Some(row.ok_or(IndexError::Damaged("a row of a snap")))
    })
}

impl IndexKv for Snap {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        if self.tail.blocks.is_empty() {
            return Ok(None);
        }
        let block = self.block(self.block_of(key))?;
        for row in rows(&block) {
            let (found, value) = row?;
            if found >= key {
                return Ok((found == key).then(|| value.to_vec()));
            }
        }
        Ok(None)
    }

    fn apply(&self, _: Vec<Op>) -> Result<(), IndexError> {
        Err(IndexError::Damaged("a snap never changes"))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], each: EachRow<'_>) -> Result<(), IndexError> {
        let first = from.max(prefix);
        for ordinal in self.block_of(first)..self.tail.blocks.len() {
            let block = self.block(ordinal)?;
            for row in rows(&block) {
                let (key, value) = row?;
                if key < first {
                    continue;
                }
                if !key.starts_with(prefix) || !each(key, value)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::disk::RealDisk;

    const STORE: [u8; 16] = [7; 16];

    fn write(path: &Path, rows: &BTreeMap<Vec<u8>, Vec<u8>>) {
        let mut writer = SnapWriter::create(&RealDisk, path, STORE, Lsn(99)).expect("made");
        for (key, value) in rows {
            writer.push(key, value).expect("taken");
        }
        writer.finish().expect("durable");
    }

    fn key() -> impl Strategy<Value = Vec<u8>> {
        // A family that counts as nothing alive.
        proptest::collection::vec(0u8..4, 0..4).prop_map(|key| [&b"Z"[..], &key].concat())
    }

    proptest! {
        #[test]
        fn a_snap_reads_as_the_rows_it_was_written_from(
            rows in proptest::collection::btree_map(key(), proptest::collection::vec(any::<u8>(), 0..4000), 0..60),
            asked in proptest::collection::vec(key(), 1..20),
        ) {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("snap");
            write(&path, &rows);
            let snap = Snap::open(&RealDisk, &path, STORE).expect("whole");
            prop_assert_eq!(snap.lsn, Lsn(99));
            for key in asked {
                prop_assert_eq!(snap.get(&key).expect("read"), rows.get(&key).cloned());
                let mut found = Vec::new();
                snap.scan(b"Z", &key, &mut |key, value| {
                    found.push((key.to_vec(), value.to_vec()));
                    Ok(found.len() < 7)
                }).expect("read");
                let wanted: Vec<_> =
                    rows.range(key..).take(7).map(|(key, value)| (key.clone(), value.clone())).collect();
                prop_assert_eq!(found, wanted);
            }
        }
    }

    #[test]
    fn a_snap_of_a_later_version_is_told_from_damage() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("snap");
        write(&path, &BTreeMap::new());
        let mut octets = std::fs::read(&path).expect("read");
        octets[8..12].copy_from_slice(&(FORMAT + 1).to_le_bytes());
        std::fs::write(&path, &octets).expect("written");
        let damaged = Snap::open(&RealDisk, &path, STORE);
        assert!(matches!(damaged, Err(IndexError::Damaged(_))), "its crc is another");
        let crc = crc32c::crc32c(&octets[..HEAD - 4]);
        octets[HEAD - 4..HEAD].copy_from_slice(&crc.to_le_bytes());
        std::fs::write(&path, &octets).expect("written");
        let later = Snap::open(&RealDisk, &path, STORE);
        assert!(matches!(later, Err(IndexError::Newer(format)) if format == FORMAT + 1));
    }

    #[test]
    fn a_snap_that_was_cut_or_changed_anywhere_does_not_count() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("snap");
        let rows = (0u16..40).map(|n| ([&b"Z"[..], &n.to_be_bytes()].concat(), vec![7; 900]));
        write(&path, &rows.collect());
        let whole = std::fs::read(&path).expect("read");
        assert!(Snap::open(&RealDisk, &path, [8; 16]).is_err(), "of another store");
        for at in (0..whole.len()).step_by(61).chain(whole.len() - 200..whole.len()) {
            let mut octets = whole.clone();
            octets[at] ^= 16;
            std::fs::write(&path, &octets).expect("written");
            assert!(Snap::open(&RealDisk, &path, STORE).is_err(), "octet {at}");
            std::fs::write(&path, &whole[..at]).expect("written");
            assert!(Snap::open(&RealDisk, &path, STORE).is_err(), "cut at {at}");
        }
    }
}
