use std::io;
use std::path::Path;

use super::change::Draft;
use super::lsn::Lsn;
use super::record::{HEADER, RECORD_MAX, RecordHeader};
use super::scan::Damage;
use super::segment::segment_path;
use super::segments::Segments;
use crate::clock::wall_ms;
use crate::disk::{Disk, Open, read_exact, write_all};

/// Closes holes of the last batch with records that say nothing, before anything behind them is believed. A
/// start looks at records whole, the fold at their metas alone: of a record whose body is torn they would not
/// think the same, and whoever met the hole later would take it for damage. What stands there stays, as the body
/// of the record that closes it.
pub(crate) fn close(
    disk: &dyn Disk,
    log: &Path,
    segments: &Segments,
    batch_start: u32,
    holes: &[Damage],
) -> io::Result<()> {
    let Some(segment) = holes.first().map(|hole| hole.from.segment()) else { return Ok(()) };
    let Some(salt) = segments.header(segment).map(|header| header.salt) else { return Ok(()) };
    let file = disk.open(&segment_path(log, segment), Open::Write)?;
    for hole in holes {
        let mut at = hole.from.offset();
        while at < hole.to.offset() {
            let mut octets = vec![0; part((hole.to.offset() - at) as usize)];
            if let Err(error) = read_exact(&*file, &mut octets, u64::from(at)) {
                // It stays a hole: what cannot be read is no record to anybody.
                tracing::error!(%error, place = %Lsn::new(segment, at), "a hole in the log cannot be read");
                break;
            }
            let head = stamp(&mut octets, Lsn::new(segment, at), batch_start, salt);
            write_all(&*file, &octets[..head], u64::from(at))?;
            at += u32::try_from(octets.len()).map_err(io::Error::other)?;
        }
    }
    file.fdatasync()
}

/// How much of a hole one record closes.
fn part(octets: usize) -> usize {
    if octets > RECORD_MAX { RECORD_MAX / 2 } else { octets }
}

/// Makes a record of octets: header and meta over their beginning. How long those two are.
fn stamp(octets: &mut [u8], lsn: Lsn, batch_start: u32, salt: u64) -> usize {
    let nothing = Draft::delete(&[]).expect("nothing fits a record");
    let head = HEADER + nothing.meta_len as usize;
    octets[..head].copy_from_slice(&nothing.head[..head]);
    let header = RecordHeader {
        kind: nothing.kind,
        flags: nothing.flags,
        slots: 0,
        batch_start,
        lsn,
        id: 0,
        meta_len: nothing.meta_len,
        body_len: u32::try_from(octets.len() - head).expect("at most RECORD_MAX"),
        body_crc: crc32c::crc32c(&octets[head..]),
        content_crc: crc32c::crc32c(&octets[HEADER..]),
        time_ms: wall_ms(),
    };
    header.encode(salt, octets);
    head
}
