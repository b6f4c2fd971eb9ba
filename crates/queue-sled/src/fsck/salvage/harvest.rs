//! The records of a log, whatever is wrong with it: each proves itself by its own crcs.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use crate::disk::{Disk, Open};
use crate::fsck::survey::{Head, Surveyed};
use crate::log::Lsn;
use crate::log::record::{BadRecord, HEADER, RecordHeader};
use crate::log::scan::Image;
use crate::log::segment::{PAGE, le_u64};

/// A record whose header is what was written.
pub(super) struct Record {
    pub(super) header: RecordHeader,
    /// If that is what was written.
    pub(super) meta: Option<Vec<u8>>,
    pub(super) path: PathBuf,
}

/// Octets that are no record any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) from: Lsn,
    pub(super) to: Lsn,
    pub(super) behind: Behind,
}

/// What stands behind octets that are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// A record or a segment, which proves that something was there.
    Record,
    /// Nothing: it is the end of the log, and may be a batch that was never acknowledged.
    End,
    /// A segment that was freed. Where this one's octets end nobody says any more.
    Freed,
    /// Octets that should be there and are not.
    Unknown,
}

/// All that was found, in the order of the log.
#[derive(Default)]
pub(super) struct Harvest {
    pub(super) records: Vec<Record>,
    pub(super) holes: Vec<Hole>,
}

impl Harvest {
    pub(super) fn of(disk: &dyn Disk, segments: &[Surveyed], mut told: impl FnMut(u64)) -> io::Result<Self> {
        let mut all = Self::default();
        let mut image = Image::default();
        let full = segments.iter().map(|segment| segment.octets).max().unwrap_or(0);
        for (ordinal, segment) in segments.iter().enumerate() {
            if segment.header == Head::NeverEntered {
                continue;
            }
            let octets = u32::try_from(segment.octets).unwrap_or(u32::MAX);
            image.load(&*disk.open(&segment.path, Open::Read)?, octets)?;
            let later = || segments[ordinal + 1..].iter().filter(|next| next.header != Head::NeverEntered);
            let sealed = later().find_map(|next| match &next.header {
                Head::Good(next) if next.previous == segment.id => Some(next.prev_end),
                Head::Good(_) | Head::NeverEntered | Head::Newer(_) | Head::Damaged => None,
            });
            let behind = match (sealed, later().next().map(|next| &next.header)) {
                (Some(_), _) => Behind::Record,
                (None, None) => Behind::End,
                (None, Some(Head::Good(_))) => Behind::Freed,
                (None, Some(Head::NeverEntered | Head::Newer(_) | Head::Damaged)) => Behind::Unknown,
            };
            let unless_sealed = if sealed.is_some() { Behind::Record } else { Behind::Unknown };
            let salt = match &segment.header {
                Head::Good(header) => Some(header.salt),
                Head::NeverEntered | Head::Newer(_) | Head::Damaged => guess(image.octets(), segment.id),
            };
            match salt {
                Some(salt) => all.gather(image.octets(), segment, salt, (sealed, behind)),
                None => all.hole(segment.id, PAGE, sealed.unwrap_or(octets), unless_sealed),
            }
            if sealed.is_none() && segment.octets < full {
                all.hole(segment.id, octets, u32::try_from(full).unwrap_or(u32::MAX), Behind::Unknown);
            }
            told(segment.octets);
        }
        Ok(all)
    }

    /// Up to `sealed`, if the next segment tells where the octets end: what was written behind that has failed.
    fn gather(
        &mut self,
        octets: &[u8],
        segment: &Surveyed,
        salt: u64,
        (sealed, behind): (Option<u32>, Behind),
    ) {
        let there = u32::try_from(octets.len()).unwrap_or(u32::MAX);
        let limit = sealed.unwrap_or(there).min(there);
        let mut at = PAGE;
        while at < limit {
            if let Ok(header) = RecordHeader::decode(&octets[at as usize..], salt, Lsn::new(segment.id, at)) {
                at = header.next_offset();
                self.take(octets, header, segment);
                continue;
            }
            let next = (at + 8..limit).step_by(8).find(|next| {
                let lsn = Lsn::new(segment.id, *next);
                let octets = &octets[*next as usize..];
                le_salt(octets) == Some(salt)
                    && !matches!(RecordHeader::decode(octets, salt, lsn), Err(BadRecord::Invalid))
            });
            let to = next.unwrap_or(limit);
            let blank = octets[at as usize..to.min(at + PAGE) as usize].iter().all(|octet| *octet == 0);
            if next.is_some() || sealed.is_some() || !blank {
                self.hole(segment.id, at, to, if next.is_some() { Behind::Record } else { behind });
            }
            at = to;
        }
        if let Some(end) = sealed.filter(|end| *end > limit) {
            self.hole(segment.id, limit, end, Behind::Record);
        }
    }

    fn take(&mut self, octets: &[u8], header: RecordHeader, segment: &Surveyed) {
        let from = header.lsn.offset() as usize + HEADER;
        let meta = octets.get(from..from + header.meta_len as usize).filter(|meta| header.holds_meta(meta));
        let body = from + header.meta_len as usize;
        let body = octets.get(body..body + header.body_len as usize);
        let whole = header.body_len == 0 || body.is_some_and(|body| crc32c::crc32c(body) == header.body_crc);
        if meta.is_none() || !whole {
            self.hole(segment.id, header.lsn.offset(), header.next_offset(), Behind::Record);
        }
        let (meta, path) = (meta.map(<[u8]>::to_vec), segment.path.clone());
        self.records.push(Record { header, meta, path });
    }

    fn hole(&mut self, segment: u32, from: u32, to: u32, behind: Behind) {
        self.holes.push(Hole { from: Lsn::new(segment, from), to: Lsn::new(segment, to), behind });
    }
}

fn le_salt(octets: &[u8]) -> Option<u64> {
    octets.get(..8).map(|salt| le_u64(salt, 0))
}

/// The salt of a segment whose first page is lost: the one under which most octets are records. Mail may hold
/// octets that look like a record, but only inside one: what is inside a record is never looked at.
fn guess(octets: &[u8], id: u32) -> Option<u64> {
    let mut weights: HashMap<u64, u64> = HashMap::new();
    let mut at = PAGE as usize;
    while let Some(salt) = octets.get(at..).and_then(le_salt) {
        let lsn = Lsn::new(id, u32::try_from(at).unwrap_or(u32::MAX));
        at = match RecordHeader::decode(&octets[at..], salt, lsn) {
            Ok(header) => {
                *weights.entry(salt).or_default() += header.octets();
                header.next_offset() as usize
            }
            Err(_) => at + 8,
        };
    }
    weights.into_iter().max_by_key(|(_, weight)| *weight).map(|(salt, _)| salt)
}
