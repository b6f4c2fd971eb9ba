use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::committer::Chain;
use super::lsn::Lsn;
use super::record::HEADER;
use super::scan::{Damage, Extent, Image, Stop};
use super::segment::{BadHeader, PAGE, SegmentHeader, has_records, le_u64, segment_id, segment_path};
use super::segments::Segments;
use crate::disk::{Disk, Open, read_exact, write_all};
use crate::start::OpenError;

/// Where the log stands when the store is opened.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) chain: Chain,
    /// Where the valid octets of the last segment end; the start of the log when there is none.
    pub(crate) end: Lsn,
    /// Where the last valid batch begins.
    pub(crate) last_batch: u32,
    pub(crate) torn: bool,
    pub(crate) damage: Vec<Damage>,
    /// Invalid places of the last batch. What the index had applied there was acknowledged: then it is damage.
    pub(crate) holes: Vec<Damage>,
}

/// Finds the segments, registers them, and finds the end of the last one. Its last valid batch, or its header
/// when there is none, is written again with the octets that were read, and synced: a kill between write and
/// sync leaves pages that can be read and are on no platter. What is before is proven by what is behind it.
pub(crate) fn find(
    disk: &dyn Disk,
    log: &Path,
    store: [u8; 16],
    segment_size: u32,
    segments: &Segments,
) -> Result<Tail, OpenError> {
    let Headers { found: headers, last_id, shut } = headers(disk, log, store, segment_size)?;
    for header in headers.values() {
        segments.insert(header.clone());
    }
    let Some(newest) = headers.values().next_back() else {
        let chain = Chain { last_id, previous: 0, prev_end: 0 };
        let (torn, damage, holes) = (false, shut, Vec::new());
        return Ok(Tail { chain, end: Lsn(0), last_batch: 0, torn, damage, holes });
    };
    let file = disk.open(&segment_path(log, newest.id), Open::Write)?;
    let mut image = Image::default();
    image.load(&*file, segment_size)?;
    let scanned = image.scan(newest, PAGE, Extent::Tail, |_, _| Ok::<_, std::convert::Infallible>(()));
    let scanned = match scanned {
        Ok(scanned) => scanned,
        Err(Stop::Newer(lsn)) => return Err(OpenError::Newer(format!("the record at {lsn}"))),
        Err(Stop::Caller(never)) => match never {},
    };
    // The last record's padding lies behind the file's end only in an image that was cut there.
    let end = (scanned.end as usize).min(image.octets().len());
    let unproven = scanned.last_batch.map_or(0, |batch| batch as usize);
    write_all(&*file, &image.octets()[unproven..end], unproven as u64)?;
    file.fdatasync()?;
    if scanned.last_batch.is_none() {
        // Nor is it known then whether its name is durable.
        disk.fsync_dir(log)?;
    }
    Ok(Tail {
        chain: Chain { last_id, previous: newest.id, prev_end: scanned.end },
        end: Lsn::new(newest.id, scanned.end),
        last_batch: scanned.last_batch.unwrap_or(PAGE),
        torn: scanned.torn,
        damage: [shut, scanned.damage].concat(),
        holes: scanned.holes,
    })
}

/// Looks at all segments.
fn headers(disk: &dyn Disk, log: &Path, store: [u8; 16], segment_size: u32) -> Result<Headers, OpenError> {
    let mut names: Vec<_> = disk.list(log)?;
    names.sort();
    let mut found = BTreeMap::new();
    let mut last_id = 0;
    let mut unreadable = Vec::new();
    for id in names.iter().filter_map(|name| segment_id(name)) {
        last_id = last_id.max(id);
        match read_header(disk, &segment_path(log, id), id)? {
            First::Header(header) if header.store == store => drop(found.insert(id, header)),
            First::Header(_) => return Err(OpenError::Foreign(segment_path(log, id))),
            First::NeverEntered => disk.unlink(&segment_path(log, id))?,
            First::Version(version) => {
                return Err(OpenError::Newer(format!("segment {id:08x} of version {version}")));
            }
            First::Damaged => unreadable.push(id),
        }
    }
    let newest = found.keys().next_back().copied().unwrap_or(0);
    let mut shut = Vec::new();
    let mut torn = Vec::new();
    for id in unreadable {
        let file = disk.open(&segment_path(log, id), Open::Read)?;
        let has_records = file.len()? != u64::from(segment_size) || has_records(&*file, id)?;
        match (id > newest, has_records) {
            // It would not be missed.
            (true, true) => {
                return Err(OpenError::Salvage(format!("the header of segment {id:08x} is damaged")));
            }
            // A header may be torn too, and what was never entered holds nothing.
            (true, false) => torn.push(id),
            // Where the log must be read it is missed. Where it need not be, what is in it is not served.
            (false, true) => shut.push(Damage { from: Lsn::new(id, 0), to: Lsn::new(id, PAGE) }),
            (false, false) => {}
        }
    }
    for id in torn {
        tracing::warn!(segment = format_args!("{id:08x}"), "its header was torn before its first record");
        disk.unlink(&segment_path(log, id))?;
    }
    let lost = names.iter().filter(|name| name.starts_with("spare-"));
    for name in lost {
        take_back(disk, log, name, store, newest, &mut found)?;
    }
    // What was taken back has used its id too.
    let last_id = found.keys().next_back().map_or(last_id, |id| last_id.max(*id));
    Ok(Headers { found, last_id, shut })
}

struct Headers {
    found: BTreeMap<u32, SegmentHeader>,
    /// The highest id that any file has.
    last_id: u32,
    /// First pages that are damaged before records that may be good.
    shut: Vec<Damage>,
}

/// A spare with a header newer than any segment's is a segment whose new name the last crash has taken.
fn take_back(
    disk: &dyn Disk,
    log: &Path,
    name: &str,
    store: [u8; 16],
    newest: u32,
    found: &mut BTreeMap<u32, SegmentHeader>,
) -> Result<(), OpenError> {
    let mut page = vec![0; PAGE as usize];
    let path = log.join(name);
    if read_exact(&*disk.open(&path, Open::Read)?, &mut page, 0).is_err() {
        return Ok(());
    }
    if let Ok(header) = SegmentHeader::decode(&page)
        && header.store == store
        && header.id > newest
    {
        disk.rename(&path, &segment_path(log, header.id))?;
        disk.fsync_dir(log)?;
        found.insert(header.id, header);
    }
    Ok(())
}

enum First {
    Header(SegmentHeader),
    /// It has its name, and got neither header nor record.
    NeverEntered,
    Version(u32),
    Damaged,
}

fn read_header(disk: &dyn Disk, path: &Path, id: u32) -> io::Result<First> {
    let mut pages = vec![0; PAGE as usize + HEADER];
    let file = disk.open(path, Open::Read)?;
    if let Err(error) = read_exact(&*file, &mut pages, 0) {
        // Shorter than any segment can be: cut, or never written.
        let empty = error.kind() == io::ErrorKind::UnexpectedEof && file.len()? == 0;
        return Ok(if empty { First::NeverEntered } else { First::Damaged });
    }
    let (header, record) = pages.split_at(PAGE as usize);
    let has_record = le_u64(record, 16) == Lsn::new(id, PAGE).0;
    Ok(match SegmentHeader::decode(header) {
        Ok(header) if header.id == id => First::Header(header),
        // A recycled file that had only been renamed.
        Ok(_) if !has_record => First::NeverEntered,
        Err(BadHeader::Blank) if record.iter().all(|octet| *octet == 0) => First::NeverEntered,
        Err(BadHeader::Version(version)) => First::Version(version),
        Ok(_) | Err(BadHeader::Blank | BadHeader::Damaged) => First::Damaged,
    })
}
