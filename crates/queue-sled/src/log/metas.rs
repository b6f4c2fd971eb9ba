//! Headers and metas of a segment without the bodies: what the fold reads.

use std::io;

use super::lsn::Lsn;
use super::record::{BadRecord, HEADER, RecordHeader};
use super::segment::SegmentHeader;
use crate::disk::{DiskFile, read_exact};

/// Octets that are read at once: several short messages, and never much of a long one.
const WINDOW: usize = 64 << 10;

/// Why not all of a segment could be read by its metas.
#[derive(Debug)]
pub(crate) enum BadMetas {
    Io(io::Error),
    /// What stands there is no record, or its meta has changed.
    Damaged(Lsn),
    Newer(Lsn),
}

/// A part of a file in memory.
struct Window<'a> {
    file: &'a dyn DiskFile,
    end: u32,
    at: u64,
    octets: Vec<u8>,
}

impl Window<'_> {
    fn get(&mut self, at: u64, octets: usize) -> io::Result<&[u8]> {
        let inside = at >= self.at && at + octets as u64 <= self.at + self.octets.len() as u64;
        if !inside {
            let left = usize::try_from(u64::from(self.end).saturating_sub(at)).unwrap_or(usize::MAX);
            self.octets.resize(WINDOW.min(left).max(octets), 0);
            self.at = at;
            read_exact(self.file, &mut self.octets, at)?;
        }
        let from = usize::try_from(at - self.at).map_err(io::Error::other)?;
        Ok(&self.octets[from..from + octets])
    }
}

/// Gives every record between two places of a segment to `each`, with its meta. Bodies are not read: one that
/// has rotted is found when somebody asks for it.
pub(crate) fn scan_metas<E: From<BadMetas>>(
    file: &dyn DiskFile,
    segment: &SegmentHeader,
    from: u32,
    end: u32,
    mut each: impl FnMut(&RecordHeader, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut window = Window { file, end, at: 0, octets: Vec::new() };
    let mut offset = from;
    while offset < end {
        let lsn = Lsn::new(segment.id, offset);
        let octets = window.get(u64::from(offset), HEADER).map_err(BadMetas::Io)?;
        let header = RecordHeader::decode(octets, segment.salt, lsn).map_err(|bad| match bad {
            BadRecord::Invalid => BadMetas::Damaged(lsn),
            BadRecord::Unknown => BadMetas::Newer(lsn),
        })?;
        let at = u64::from(offset) + HEADER as u64;
        let meta = window.get(at, header.meta_len as usize).map_err(BadMetas::Io)?;
        if !header.holds_meta(meta) {
            return Err(BadMetas::Damaged(lsn).into());
        }
        each(&header, meta)?;
        offset = header.next_offset();
    }
    Ok(())
}
