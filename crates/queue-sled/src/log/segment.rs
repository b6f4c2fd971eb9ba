use std::io;
use std::path::{Path, PathBuf};

use super::lsn::Lsn;
use crate::disk::{DiskFile, read_exact};

/// The unit in which batches are padded, so that no acknowledged sector is ever written again.
pub(crate) const PAGE: u32 = 4096;

const MAGIC: &[u8; 8] = b"restseg\0";
const VERSION: u32 = 1;
const CRC_AT: usize = 60;

/// The first page of a segment.
///
/// | octets | what |
/// |---|---|
/// | 0..8 | magic |
/// | 8..12 | version |
/// | 12..28 | the store's uuid |
/// | 28..32 | segment id |
/// | 32..40 | salt: random, the magic of every record in this segment |
/// | 40..44 | previous segment's id, 0 for none |
/// | 44..48 | **prev_end**: where the valid octets of the previous one end |
/// | 48..56 | when it was opened, ms since 1970 |
/// | 60..64 | crc32c of all before |
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) store: [u8; 16],
    pub(crate) id: u32,
    pub(crate) salt: u64,
    pub(crate) previous: u32,
    pub(crate) prev_end: u32,
    pub(crate) opened_ms: u64,
}

/// Why the first page of a file is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadHeader {
    /// Octets that were never written: a file that was never entered.
    Blank,
    /// A later version's.
    Version(u32),
    /// Anything else.
    Damaged,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut page = vec![0; PAGE as usize];
        page[0..8].copy_from_slice(MAGIC);
        page[8..12].copy_from_slice(&VERSION.to_le_bytes());
        page[12..28].copy_from_slice(&self.store);
        page[28..32].copy_from_slice(&self.id.to_le_bytes());
        page[32..40].copy_from_slice(&self.salt.to_le_bytes());
        page[40..44].copy_from_slice(&self.previous.to_le_bytes());
        page[44..48].copy_from_slice(&self.prev_end.to_le_bytes());
        page[48..56].copy_from_slice(&self.opened_ms.to_le_bytes());
        let crc = crc32c::crc32c(&page[..CRC_AT]);
        page[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        page
    }

    pub(crate) fn decode(page: &[u8]) -> Result<Self, BadHeader> {
        let field = page.get(..CRC_AT + 4).ok_or(BadHeader::Damaged)?;
        if field.iter().all(|octet| *octet == 0) {
            return Err(BadHeader::Blank);
        }
        if &field[0..8] != MAGIC || le_u32(field, CRC_AT) != crc32c::crc32c(&field[..CRC_AT]) {
            return Err(BadHeader::Damaged);
        }
        let version = le_u32(field, 8);
        if version != VERSION {
            return Err(BadHeader::Version(version));
        }
        let mut store = [0; 16];
        store.copy_from_slice(&field[12..28]);
        Ok(Self {
            store,
            id: le_u32(field, 28),
            salt: le_u64(field, 32),
            previous: le_u32(field, 40),
            prev_end: le_u32(field, 44),
            opened_ms: le_u64(field, 48),
        })
    }
}

/// Whether a segment of that id ever had a record. A record says its own place, whatever the salt; what an earlier
/// life of the file has left says another. Where it cannot be read it may have had one.
pub(crate) fn has_records(file: &dyn DiskFile, id: u32) -> io::Result<bool> {
    const PIECE: usize = 1 << 20;
    // How far into a record its place stands.
    const PLACE: usize = 16;
    let octets = usize::try_from(file.len()?).map_err(io::Error::other)?;
    let mut piece = vec![0; PIECE];
    for at in (PAGE as usize..octets).step_by(PIECE) {
        let piece = &mut piece[..PIECE.min(octets - at)];
        if read_exact(file, piece, at as u64).is_err() {
            return Ok(true);
        }
        // Eight divides a piece: no place stands in two.
        let says_itself = |offset: usize| {
            let record = u32::try_from(at + offset - PLACE).ok();
            record.is_some_and(|record| le_u64(piece, offset) == Lsn::new(id, record).0)
        };
        if (0..piece.len().saturating_sub(7)).step_by(8).any(says_itself) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The little-endian number at an offset that the caller has checked to be inside.
pub(crate) fn le_u32(octets: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&octets[at..at + 4]);
    u32::from_le_bytes(number)
}

/// See [`le_u32`].
pub(crate) fn le_u64(octets: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&octets[at..at + 8]);
    u64::from_le_bytes(number)
}

/// The next multiple of a page.
pub(crate) fn page_up(offset: u32) -> u32 {
    offset.next_multiple_of(PAGE)
}

/// `log/<id:08x>.seg`
pub(crate) fn segment_path(log: &Path, id: u32) -> PathBuf {
    log.join(format!("{id:08x}.seg"))
}

/// The id in a segment's file name.
pub(crate) fn segment_id(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".seg").filter(|digits| digits.len() == 8)?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            store: [7; 16],
            id: 0x6543_2100,
            salt: 9 << 40,
            previous: 3,
            prev_end: 8192,
            opened_ms: 5,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let page = header().encode();
        assert_eq!(page.len(), PAGE as usize);
        assert_eq!(SegmentHeader::decode(&page), Ok(header()));
    }

    #[test]
    fn any_flipped_bit_of_it_is_seen() {
        for bit in 0..64 * 8 {
            let mut page = header().encode();
            page[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&page), Err(BadHeader::Damaged), "bit {bit}");
        }
        assert_eq!(SegmentHeader::decode(&vec![0; 4096]), Err(BadHeader::Blank));
    }

    #[test]
    fn names() {
        assert_eq!(segment_id("6543210f.seg"), Some(0x6543_210f));
        assert_eq!(segment_path(Path::new("log"), 0x1f), Path::new("log/0000001f.seg"));
        for name in ["spare-1", "1f.seg", "0000001f", "0000001g.seg", "tmp"] {
            assert_eq!(segment_id(name), None);
        }
    }
}
