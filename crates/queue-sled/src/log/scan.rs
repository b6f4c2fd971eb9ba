use std::fmt;
use std::io;

use super::lsn::Lsn;
use super::record::{BadRecord, HEADER, RecordHeader};
use super::segment::{PAGE, SegmentHeader};
use crate::disk::{DiskFile, read_exact};

/// Octets of a segment that are no valid record though they should be: set aside, reported, passed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) from: Lsn,
    pub(crate) to: Lsn,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from, self.to)
    }
}

/// Where the valid octets of a segment end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The next segment says where.
    Sealed(u32),
    /// To be found out: this is the last one.
    Tail,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// Where the valid octets end.
    pub(crate) end: u32,
    /// Where the last batch begins that has a valid record.
    pub(crate) last_batch: Option<u32>,
    /// Something was begun behind the end.
    pub(crate) torn: bool,
    pub(crate) damage: Vec<Damage>,
    /// Invalid places of the last batch: never acknowledged, unless somebody knows better.
    pub(crate) holes: Vec<Damage>,
}

/// Why a scan stopped.
#[derive(Debug)]
pub(crate) enum Stop<E> {
    /// A record of a kind that only a later version writes.
    Newer(Lsn),
    /// The caller's reason.
    Caller(E),
}

/// The octets of one segment in memory. What cannot be read is zeros: no record, therefore damage where one
/// should be.
#[derive(Default)]
pub(crate) struct Image(Vec<u8>);

impl Image {
    /// Reads a segment whole; the buffer is kept for the next one.
    pub(crate) fn load(&mut self, file: &dyn DiskFile, octets: u32) -> io::Result<()> {
        const PIECE: usize = 1 << 20;
        let octets = (octets as usize).min(usize::try_from(file.len()?).unwrap_or(usize::MAX));
        self.0.resize(octets, 0);
        for (piece, at) in self.0.chunks_mut(PIECE).zip((0..).step_by(PIECE)) {
            if read_exact(file, piece, at).is_ok() {
                continue;
            }
            for (page, offset) in piece.chunks_mut(PAGE as usize).zip((at..).step_by(PAGE as usize)) {
                if let Err(error) = read_exact(file, page, offset) {
                    tracing::error!(%error, offset, "a page of the log cannot be read");
                    page.fill(0);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The record at `offset`, checked whole.
    fn record(&self, segment: &SegmentHeader, offset: u32) -> Result<RecordHeader, BadRecord> {
        let (header, content) = self.header(segment, offset)?;
        if header.holds(content) { Ok(header) } else { Err(BadRecord::Invalid) }
    }

    /// The record at `offset` if all but its body is whole.
    fn rotten(&self, segment: &SegmentHeader, offset: u32) -> Option<RecordHeader> {
        let (header, content) = self.header(segment, offset).ok()?;
        header.holds_meta(&content[..header.meta_len as usize]).then_some(header)
    }

    fn header(&self, segment: &SegmentHeader, offset: u32) -> Result<(RecordHeader, &[u8]), BadRecord> {
        let at = offset as usize;
        let octets = self.0.get(at..).ok_or(BadRecord::Invalid)?;
        let header = RecordHeader::decode(octets, segment.salt, Lsn::new(segment.id, offset))?;
        let end = usize::try_from(header.octets()).map_err(|_| BadRecord::Invalid)?;
        let content = octets.get(HEADER..end).ok_or(BadRecord::Invalid)?;
        Ok((header, content))
    }

    /// The first valid record from `offset` on.
    fn resync(&self, segment: &SegmentHeader, offset: u32, limit: u32) -> Option<u32> {
        let salt = segment.salt.to_le_bytes();
        (offset..limit).step_by(8).find(|at| {
            self.0.get(*at as usize..).is_some_and(|octets| octets.starts_with(&salt))
                && !matches!(self.record(segment, *at), Err(BadRecord::Invalid))
        })
    }

    /// Gives every valid record from `from` on to `each`, with its meta. In a segment that is sealed also those of
    /// which only the body has rotted, which is damage all the same: what they say is known, and whoever asks for
    /// the body is told. At the tail such a record was never whole.
    pub(crate) fn scan<E>(
        &self,
        segment: &SegmentHeader,
        from: u32,
        extent: Extent,
        mut each: impl FnMut(&RecordHeader, &[u8]) -> Result<(), E>,
    ) -> Result<Scanned, Stop<E>> {
        let limit = match extent {
            Extent::Sealed(end) => end,
            Extent::Tail => u32::try_from(self.0.len()).unwrap_or(u32::MAX),
        };
        let mut found =
            Scanned { end: from, last_batch: None, torn: false, damage: Vec::new(), holes: Vec::new() };
        // Invalid places that are damage only if a batch begins behind them: before that, the power may
        // simply have gone while the last batch was written.
        let mut holes: Vec<Damage> = Vec::new();
        let mut at = from;
        while at < limit {
            let header = match self.record(segment, at) {
                Ok(header) => header,
                Err(BadRecord::Invalid)
                    if let (Extent::Sealed(_), Some(header)) = (extent, self.rotten(segment, at)) =>
                {
                    let to = Lsn::new(segment.id, header.next_offset());
                    found.damage.push(Damage { from: header.lsn, to });
                    header
                }
                Err(BadRecord::Unknown) => return Err(Stop::Newer(Lsn::new(segment.id, at))),
                Err(BadRecord::Invalid) => {
                    let next = self.resync(segment, at + 8, limit);
                    let place = |offset| Lsn::new(segment.id, offset);
                    if next.is_some() || matches!(extent, Extent::Sealed(_)) {
                        holes.push(Damage { from: place(at), to: place(next.unwrap_or(limit)) });
                    }
                    let Some(next) = next else { break };
                    at = next;
                    continue;
                }
            };
            let proven = holes.iter().take_while(|hole| hole.from.offset() < header.batch_start).count();
            found.damage.extend(holes.drain(..proven));
            let meta = HEADER + at as usize..HEADER + at as usize + header.meta_len as usize;
            each(&header, &self.0[meta]).map_err(Stop::Caller)?;
            found.last_batch = Some(header.batch_start);
            at = header.next_offset();
            found.end = at;
        }
        match extent {
            Extent::Sealed(end) => {
                found.damage.append(&mut holes);
                found.end = end;
            }
            Extent::Tail => {
                found.torn = !holes.is_empty() || self.is_begun(segment, found.end);
                found.holes = holes;
            }
        }
        Ok(found)
    }

    /// Whether a batch was begun at `offset`. What an earlier life of the file has left there has another salt.
    fn is_begun(&self, segment: &SegmentHeader, offset: u32) -> bool {
        self.0.get(offset as usize..).is_some_and(|octets| octets.starts_with(&segment.salt.to_le_bytes()))
    }
}
