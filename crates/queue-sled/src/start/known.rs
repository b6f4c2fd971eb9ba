//! `DAMAGE`: the places of the log that were found damaged when an index was brought up to it, kept for all starts
//! to come. The index goes on behind them, so that none of these would see them again.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use crate::disk::{Disk, Open, read_exact};
use crate::index::checkpoint::replace;
use crate::log::Lsn;
use crate::log::scan::Damage;

const DAMAGE: &str = "DAMAGE";
const MAGIC: &str = "restante damage 1\n";
const CRC: &str = "crc32c = ";
/// A segment with more places than this has one from the first to the last of them: the file stays small.
const MOST: usize = 16;

/// The places that earlier starts have found, as far as one of the segments in `log` has them. When the file
/// cannot be believed it may have named any place, so it counts as having named all.
pub(crate) fn read(disk: &dyn Disk, store: &Path, log: &BTreeSet<u32>) -> Vec<Damage> {
    let mut places = match load(disk, store) {
        Ok(text) => parse(&text).unwrap_or_else(|| everything(log)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(_) => everything(log),
    };
    places.retain(|place| log.range(place.from.segment()..=place.to.segment()).next().is_some());
    places
}

/// Each place once, in order, and not too many of them.
pub(crate) fn unite(mut places: Vec<Damage>) -> Vec<Damage> {
    places.sort_unstable_by_key(|place| (place.from, place.to));
    places.dedup();
    let of_one = |one: &Damage, other: &Damage| one.from.segment() == other.from.segment();
    let united = places.chunk_by(of_one).flat_map(|same| match same {
        [first, ..] if same.len() > MOST => {
            let to = same.iter().map(|place| place.to).max().unwrap_or(first.to);
            vec![Damage { from: first.from, to }]
        }
        few => few.to_vec(),
    });
    united.collect()
}

/// Leaves these places, and no others, to the next start.
pub(crate) fn keep(disk: &dyn Disk, store: &Path, places: &[Damage]) -> io::Result<()> {
    let kept = match load(disk, store) {
        Ok(kept) => Some(kept),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(_) => Some(String::new()),
    };
    match kept {
        None if places.is_empty() => Ok(()),
        Some(kept) if kept == text(places) => Ok(()),
        Some(_) if places.is_empty() => {
            disk.unlink(&store.join(DAMAGE))?;
            disk.fsync_dir(store)
        }
        Some(_) | None => replace(disk, store, DAMAGE, text(places).as_bytes()),
    }
}

fn load(disk: &dyn Disk, store: &Path) -> io::Result<String> {
    let file = disk.open(&store.join(DAMAGE), Open::Read)?;
    let mut text = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
    read_exact(&*file, &mut text, 0)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn text(places: &[Damage]) -> String {
    let lines: String = places.iter().map(|place| format!("{place}\n")).collect();
    let text = format!("{MAGIC}{lines}");
    let crc = crc32c::crc32c(text.as_bytes());
    format!("{text}{CRC}{crc:08x}\n")
}

fn parse(text: &str) -> Option<Vec<Damage>> {
    let (text, crc) = text.split_at(text.rfind(CRC)?);
    let crc = u32::from_str_radix(crc.strip_prefix(CRC)?.strip_suffix('\n')?, 16).ok()?;
    if crc != crc32c::crc32c(text.as_bytes()) {
        return None;
    }
    text.strip_prefix(MAGIC)?.lines().map(place).collect()
}

fn place(line: &str) -> Option<Damage> {
    let (from, to) = line.split_once('-')?;
    let (from, to) = (lsn(from)?, lsn(to)?);
    (from <= to).then_some(Damage { from, to })
}

fn lsn(text: &str) -> Option<Lsn> {
    let (segment, offset) = text.split_once(':')?;
    let number = |text| u32::from_str_radix(text, 16).ok();
    Some(Lsn::new(number(segment)?, number(offset)?))
}

fn everything(log: &BTreeSet<u32>) -> Vec<Damage> {
    let ends = log.first().zip(log.last());
    ends.map(|(first, last)| Damage { from: Lsn::new(*first, 0), to: Lsn::new(*last, u32::MAX) })
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    fn at(segment: u32, from: u32) -> Damage {
        Damage { from: Lsn::new(segment, from), to: Lsn::new(segment, from + 64) }
    }

    #[test]
    fn places_are_kept_until_their_segment_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |log: &[u32]| read(&RealDisk, folder.path(), &log.iter().copied().collect());
        assert_eq!(read(&[3, 5]), []);
        let places = unite(vec![at(5, 8192), at(3, 4096), at(5, 8192)]);
        assert_eq!(places, [at(3, 4096), at(5, 8192)], "in order, each once");
        keep(&RealDisk, folder.path(), &places).expect("kept");
        assert_eq!(read(&[3, 5]), places);
        assert_eq!(read(&[5, 7]), [at(5, 8192)]);
        keep(&RealDisk, folder.path(), &[]).expect("removed");
        keep(&RealDisk, folder.path(), &[]).expect("no error");
        assert!(!folder.path().join(DAMAGE).exists());
    }

    #[test]
    fn a_file_that_cannot_be_believed_names_all_of_the_log() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = BTreeSet::from([3, 5]);
        keep(&RealDisk, folder.path(), &[at(5, 4096)]).expect("kept");
        let path = folder.path().join(DAMAGE);
        let whole = std::fs::read(&path).expect("read");
        for octet in 0..whole.len() {
            let mut octets = whole.clone();
            octets[octet] ^= 1;
            std::fs::write(&path, octets).expect("written");
            assert_eq!(read(&RealDisk, folder.path(), &log), everything(&log), "octet {octet}");
            std::fs::write(&path, &whole[..octet]).expect("written");
            assert_eq!(read(&RealDisk, folder.path(), &log), everything(&log), "cut at {octet}");
        }
        keep(&RealDisk, folder.path(), &everything(&log)).expect("kept");
        assert_eq!(read(&RealDisk, folder.path(), &log), everything(&log));
    }

    #[test]
    fn many_places_of_a_segment_are_one() {
        let many: Vec<_> = (1..100).map(|n| at(3, n * 4096)).chain([at(5, 4096)]).collect();
        let from_first_to_last = Damage { from: Lsn::new(3, 4096), to: at(3, 99 * 4096).to };
        assert_eq!(unite(many), [from_first_to_last, at(5, 4096)]);
    }
}
