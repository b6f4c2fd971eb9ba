use super::lsn::Lsn;
use super::segment::{le_u32, le_u64, page_up};

/// Octets of a record's header.
pub(crate) const HEADER: usize = 64;
/// Most octets of a record, header, meta and body together. What is longer has its body beside the log.
pub(crate) const RECORD_MAX: usize = 4 << 20;

const CRC_AT: usize = 60;

/// What a record says. The numbers are on disk for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A message, its body inside.
    Accept = 1,
    /// Where one message went.
    Route = 2,
    /// What views no longer want.
    Delete = 3,
    /// What views have fetched.
    Seen = 4,
    /// A view joins or leaves.
    View = 5,
    /// Entries go to the trash whatever the views say.
    Trash = 6,
    /// Entries come back, under new uids.
    Undo = 7,
    /// Entries go whatever the views say.
    Purge = 8,
    /// The router shall pass a message by, or no longer.
    Hold = 9,
    /// A mailbox appears in the configuration, or disappears from it.
    Mailbox = 10,
    /// What lived elsewhere in the log lives here now.
    Relocate = 11,
    /// A message, its body in a file beside the log.
    Big = 12,
}

impl Kind {
    pub(super) fn from_octet(octet: u8) -> Option<Self> {
        Some(match octet {
            1 => Self::Accept,
            2 => Self::Route,
            3 => Self::Delete,
            4 => Self::Seen,
            5 => Self::View,
            6 => Self::Trash,
            7 => Self::Undo,
            8 => Self::Purge,
            9 => Self::Hold,
            10 => Self::Mailbox,
            11 => Self::Relocate,
            12 => Self::Big,
            _ => return None,
        })
    }
}

/// The record is the last of its batch: the next stands at the next page.
pub(crate) const LAST: u8 = 1;
/// Of a DELETE of version 1: an entry that every joined view is done with goes when the record is applied. Later ones
/// say that of each group.
pub(crate) const FINAL: u8 = 2;
/// Of a RELOCATE: the body is in the file beside the log that the id names.
pub(crate) const BESIDE: u8 = 4;

/// The first 64 octets of a record. All numbers are little-endian.
///
/// | octets | what |
/// |---|---|
/// | 0..8 | the segment's salt |
/// | 8 | kind |
/// | 9 | flags |
/// | 10..12 | slots: how many 8-octet slots its meta begins with |
/// | 12..16 | **batch_start**: where in this segment its batch begins |
/// | 16..24 | its own LSN |
/// | 24..32 | id: the message it is about; of a BIG, or when BESIDE, its file beside the log |
/// | 32..36, 36..40 | meta_len, body_len |
/// | 40..44 | body_crc: computed while the body came in, copied for ever |
/// | 44..48 | crc32c of meta and body |
/// | 48..56 | when it was written, ms since 1970 by the wall clock |
/// | 60..64 | crc32c of all before |
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    pub(crate) slots: u16,
    pub(crate) batch_start: u32,
    pub(crate) lsn: Lsn,
    pub(crate) id: u64,
    pub(crate) meta_len: u32,
    pub(crate) body_len: u32,
    pub(crate) body_crc: u32,
    pub(crate) content_crc: u32,
    pub(crate) time_ms: u64,
}

/// Why octets are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadRecord {
    /// Not of this segment or not of this place, or its octets have changed.
    Invalid,
    /// A kind that only a later version writes.
    Unknown,
}

impl RecordHeader {
    pub(crate) fn encode(&self, salt: u64, to: &mut [u8]) {
        to[0..8].copy_from_slice(&salt.to_le_bytes());
        to[8] = self.kind as u8;
        to[9] = self.flags;
        to[10..12].copy_from_slice(&self.slots.to_le_bytes());
        to[12..16].copy_from_slice(&self.batch_start.to_le_bytes());
        to[16..24].copy_from_slice(&self.lsn.0.to_le_bytes());
        to[24..32].copy_from_slice(&self.id.to_le_bytes());
        to[32..36].copy_from_slice(&self.meta_len.to_le_bytes());
        to[36..40].copy_from_slice(&self.body_len.to_le_bytes());
        to[40..44].copy_from_slice(&self.body_crc.to_le_bytes());
        to[44..48].copy_from_slice(&self.content_crc.to_le_bytes());
        to[48..56].copy_from_slice(&self.time_ms.to_le_bytes());
        to[56..60].copy_from_slice(&[0; 4]);
        let crc = crc32c::crc32c(&to[..CRC_AT]);
        to[CRC_AT..HEADER].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads the header that stands at `lsn` of a segment with that salt. Only header and place are checked:
    /// [`RecordHeader::holds`] checks the rest.
    pub(crate) fn decode(octets: &[u8], salt: u64, lsn: Lsn) -> Result<Self, BadRecord> {
        let field = octets.get(..HEADER).ok_or(BadRecord::Invalid)?;
        let whole = le_u64(field, 0) == salt
            && le_u64(field, 16) == lsn.0
            && le_u32(field, CRC_AT) == crc32c::crc32c(&field[..CRC_AT]);
        if !whole {
            return Err(BadRecord::Invalid);
        }
        let kind = Kind::from_octet(field[8]).ok_or(BadRecord::Unknown)?;
        let header = Self {
            kind,
            flags: field[9],
            slots: u16::from_le_bytes([field[10], field[11]]),
            batch_start: le_u32(field, 12),
            lsn,
            id: le_u64(field, 24),
            meta_len: le_u32(field, 32),
            body_len: le_u32(field, 36),
            body_crc: le_u32(field, 40),
            content_crc: le_u32(field, 44),
            time_ms: le_u64(field, 48),
        };
        let fits =
            header.octets() <= RECORD_MAX as u64 && header.slots as usize * 8 <= header.meta_len as usize;
        if fits && header.batch_start <= lsn.offset() { Ok(header) } else { Err(BadRecord::Invalid) }
    }

    /// Whether these are the meta and body that it was written with.
    pub(crate) fn holds(&self, content: &[u8]) -> bool {
        content.len() as u64 == u64::from(self.meta_len) + u64::from(self.body_len)
            && crc32c::crc32c(content) == self.content_crc
    }

    /// Whether this is the meta that it was written with; the body need not be read for that.
    pub(crate) fn holds_meta(&self, meta: &[u8]) -> bool {
        let crc = crc32c::crc32c(meta);
        let content = match self.body_len {
            0 => crc,
            octets => crc32c::crc32c_combine(crc, self.body_crc, octets as usize),
        };
        content == self.content_crc
    }

    /// Octets of header, meta and body.
    pub(crate) fn octets(&self) -> u64 {
        HEADER as u64 + u64::from(self.meta_len) + u64::from(self.body_len)
    }

    /// Where in the segment its octets end, and where the next record begins.
    pub(crate) fn next_offset(&self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "a record has at most RECORD_MAX octets")]
        let end = self.lsn.offset() + (self.octets() as u32).next_multiple_of(8);
        if self.is_last() { page_up(end) } else { end }
    }

    pub(crate) fn is_last(&self) -> bool {
        self.flags & LAST != 0
    }

    /// The place where the next record begins: what a reader that has applied this one asks for next.
    pub(crate) fn next(&self) -> Lsn {
        Lsn::new(self.lsn.segment(), self.next_offset())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> RecordHeader {
        RecordHeader {
            kind: Kind::Route,
            flags: LAST,
            slots: 1,
            batch_start: 4096,
            lsn: Lsn::new(5, 8200),
            id: 77,
            meta_len: 20,
            body_len: 3,
            body_crc: 1,
            content_crc: crc32c::crc32c(&[9; 23]),
            time_ms: 1_700_000_000_000,
        }
    }

    fn encoded() -> [u8; HEADER] {
        let mut octets = [0; HEADER];
        header().encode(42, &mut octets);
        octets
    }

    #[test]
    fn what_is_written_is_read_at_its_own_place_only() {
        assert_eq!(RecordHeader::decode(&encoded(), 42, Lsn::new(5, 8200)), Ok(header()));
        assert_eq!(RecordHeader::decode(&encoded(), 43, Lsn::new(5, 8200)), Err(BadRecord::Invalid));
        assert_eq!(RecordHeader::decode(&encoded(), 42, Lsn::new(5, 8208)), Err(BadRecord::Invalid));
        assert!(header().holds(&[9; 23]) && !header().holds(&[8; 23]) && !header().holds(&[9; 22]));
    }

    #[test]
    fn any_flipped_bit_is_seen() {
        for bit in 0..HEADER * 8 {
            let mut octets = encoded();
            octets[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                RecordHeader::decode(&octets, 42, Lsn::new(5, 8200)),
                Err(BadRecord::Invalid),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn the_last_of_a_batch_is_followed_by_a_page() {
        assert_eq!(header().next_offset(), 12_288);
        assert_eq!(RecordHeader { flags: 0, ..header() }.next_offset(), 8200 + 88);
    }

    /// The octets of a record written today must be read by every later version.
    #[test]
    fn the_layout_is_what_it_was() {
        let hex: String = encoded()[..60].iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(
            hex,
            "2a0000000000000002010100001000000820000005000000\
             4d00000000000000140000000300000001000000"
                .to_owned()
                + &format!("{:08x}", header().content_crc.swap_bytes())
                + "0068e5cf8b01000000000000"
        );
    }
}
