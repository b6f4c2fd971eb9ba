//! The files of a log, looked at and left alone.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, Open, read_exact};
use crate::log::Lsn;
use crate::log::record::HEADER;
use crate::log::segment::{BadHeader, PAGE, SegmentHeader, has_records, le_u64, segment_id};

/// A file that is a segment, or was to become one.
pub(super) struct Surveyed {
    pub(super) id: u32,
    pub(super) path: PathBuf,
    pub(super) octets: u64,
    pub(super) header: Head,
}

/// Its first page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Head {
    Good(SegmentHeader),
    /// It has its name, and got neither header nor record.
    NeverEntered,
    Newer(u32),
    Damaged,
}

/// All of them by their ids, oldest first. A spare with a header newer than all others is a segment that the
/// last crash has taken the name of.
pub(super) fn survey(disk: &dyn Disk, log: &Path) -> io::Result<Vec<Surveyed>> {
    let names = match disk.list(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        names => names?,
    };
    let mut found = Vec::new();
    for (name, id) in names.iter().filter_map(|name| Some((name, segment_id(name)?))) {
        found.extend(look(disk, &log.join(name), Some(id))?);
    }
    let newest = found.iter().map(|one| one.id).max().unwrap_or(0);
    for name in names.iter().filter(|name| name.starts_with("spare-")) {
        found.extend(look(disk, &log.join(name), None)?.filter(|spare| spare.id > newest));
    }
    found.sort_by_key(|one| one.id);
    // As a start sees it: a header may have been torn before the first record came.
    let is_good = |one: &&Surveyed| matches!(one.header, Head::Good(_));
    let newest = found.iter().rfind(is_good).map_or(0, |one| one.id);
    let whole = u64::from(PAGE) + HEADER as u64;
    for one in found.iter_mut().filter(|one| one.id > newest && one.octets >= whole) {
        if one.header == Head::Damaged && !has_records(&*disk.open(&one.path, Open::Read)?, one.id)? {
            one.header = Head::NeverEntered;
        }
    }
    Ok(found)
}

fn look(disk: &dyn Disk, path: &Path, id: Option<u32>) -> io::Result<Option<Surveyed>> {
    let file = match disk.open(path, Open::Read) {
        // Gone meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let octets = file.len()?;
    let mut pages = vec![0; PAGE as usize + HEADER];
    // What cannot be read is zeros here, and damage where something should be.
    let short = read_exact(&*file, &mut pages, 0).is_err();
    let (first, record) = pages.split_at(PAGE as usize);
    let decoded = SegmentHeader::decode(first);
    let Some(id) = id.or_else(|| decoded.as_ref().ok().map(|header| header.id)) else { return Ok(None) };
    let header = match decoded {
        Ok(header) if header.id == id && !short => Head::Good(header),
        Ok(_) if le_u64(record, 16) != Lsn::new(id, PAGE).0 && !short => Head::NeverEntered,
        Err(BadHeader::Blank) if record.iter().all(|octet| *octet == 0) && (!short || octets == 0) => {
            Head::NeverEntered
        }
        Err(BadHeader::Version(version)) => Head::Newer(version),
        Ok(_) | Err(BadHeader::Blank | BadHeader::Damaged) => Head::Damaged,
    };
    Ok(Some(Surveyed { id, path: path.to_owned(), octets, header }))
}
