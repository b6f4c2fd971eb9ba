use std::io;
use std::path::Path;

use super::OpenError;
use super::format::{self, FORMAT};
use crate::clock::wall_ms;
use crate::disk::{Disk, Open, read_exact};
use crate::ground::{Ground, Sizes};
use crate::index::checkpoint::replace;
use crate::log::segment::PAGE;
use crate::params::Params;

/// `STORE`: what stays the same for the life of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) format: u32,
    pub(crate) store_id: [u8; 16],
    pub(crate) segment_size: u32,
    pub(crate) created_ms: u64,
    /// New segments have ids from here on: what lies below may have been handed out by the store that this one
    /// was restored from.
    pub(crate) ids_from: u32,
}

const MAGIC: &str = "restante store ";
const CRC: &str = "crc32c = ";
/// Its file.
pub(crate) const STORE: &str = "STORE";

impl Identity {
    /// Reads it; makes the store when its folder is empty of ours.
    pub(super) fn read_or_make(
        ground: &Ground,
        store: &Path,
        params: &Params,
    ) -> Result<(Self, bool), OpenError> {
        let disk = &*ground.disk;
        if disk.open(&store.join(crate::backup::MANIFEST), Open::Read).is_ok() {
            return Err(OpenError::Backup);
        }
        for folder in ["log", "big", "idx"] {
            disk.create_dir(&store.join(folder))?;
        }
        let Some(identity) = Self::read(disk, store)? else { return Self::make(ground, store, params) };
        if !identity.fits(ground.sizes) {
            return Err(damaged());
        }
        if identity.format < FORMAT {
            format::upgrade(disk, store, identity.format)?;
            replace(disk, store, STORE, Self { format: FORMAT, ..identity }.text().as_bytes())?;
        }
        Ok((identity, false))
    }

    /// Reads it; `None` when there is none.
    pub(crate) fn read(disk: &dyn Disk, folder: &Path) -> Result<Option<Self>, OpenError> {
        let file = match disk.open(&folder.join(STORE), Open::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let octets = usize::try_from(file.len()?).unwrap_or(usize::MAX).min(4096);
        let mut text = vec![0; octets];
        read_exact(&*file, &mut text, 0)?;
        Self::parse(&String::from_utf8_lossy(&text)).map(Some)
    }

    fn make(ground: &Ground, store: &Path, params: &Params) -> Result<(Self, bool), OpenError> {
        let disk = &*ground.disk;
        if disk.list(&store.join("log"))?.iter().any(|name| name.ends_with(".seg")) {
            return Err(OpenError::Salvage("the file STORE is missing".to_owned()));
        }
        let mut store_id = [0; 16];
        getrandom::fill(&mut store_id).map_err(io::Error::other)?;
        let segment_size = params.segment_size_for(disk.space(store)?.total, ground.sizes);
        let identity = Self { format: FORMAT, store_id, segment_size, created_ms: wall_ms(), ids_from: 0 };
        replace(disk, store, STORE, identity.text().as_bytes())?;
        Ok((identity, true))
    }

    pub(crate) fn text(self) -> String {
        let Self { format, store_id, segment_size, created_ms, ids_from } = self;
        let id: String = store_id.iter().map(|octet| format!("{octet:02x}")).collect();
        let mut text =
            format!("{MAGIC}{format}\nid = {id}\nsegment-size = {segment_size}\ncreated-ms = {created_ms}\n");
        if ids_from > 0 {
            text.push_str(&format!("ids-from = {ids_from}\n"));
        }
        let crc = crc32c::crc32c(text.as_bytes());
        format!("{text}{CRC}{crc:08x}\n")
    }

    /// A store opened with another segment size would believe that half of its log is missing: the octets are
    /// checked, and what they say too. How a later format is checked only a later version knows.
    fn parse(text: &str) -> Result<Self, OpenError> {
        let first = text.lines().next().and_then(|line| line.strip_prefix(MAGIC));
        let format: u32 = first.and_then(|number| number.parse().ok()).ok_or_else(damaged)?;
        if format > FORMAT {
            return Err(OpenError::Newer(format!(
                "the store: its format is {format}, known here is {FORMAT}"
            )));
        }
        Self::fields(text, format).ok_or_else(damaged)
    }

    fn fields(text: &str, format: u32) -> Option<Self> {
        let (text, crc) = text.split_at(text.rfind(CRC)?);
        let crc = u32::from_str_radix(crc.strip_prefix(CRC)?.trim_end(), 16).ok()?;
        if crc != crc32c::crc32c(text.as_bytes()) {
            return None;
        }
        let fields = || text.lines().filter_map(|line| line.split_once(" = "));
        let field = |name: &str| fields().find(|(key, _)| *key == name).map(|(_, value)| value);
        let id = u128::from_str_radix(field("id")?, 16).ok()?;
        Some(Self {
            format,
            store_id: id.to_be_bytes(),
            segment_size: field("segment-size")?.parse().ok()?,
            created_ms: field("created-ms")?.parse().ok()?,
            ids_from: field("ids-from").map_or(Some(0), |number| number.parse().ok())?,
        })
    }

    fn fits(self, sizes: Sizes) -> bool {
        self.segment_size.is_multiple_of(PAGE) && self.segment_size >= sizes.segment_min
    }
}

fn damaged() -> OpenError {
    OpenError::Salvage("the file STORE is damaged".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity { format: 1, store_id: [7; 16], segment_size: 64 << 20, created_ms: 5, ids_from: 0 }
    }

    #[test]
    fn any_changed_octet_of_it_is_seen() {
        for ids_from in [0, 77] {
            let identity = Identity { ids_from, ..identity() };
            let text = identity.text();
            assert_eq!(Identity::parse(&text).expect("whole"), identity);
            for at in 0..text.len() - 1 {
                let mut octets = text.clone().into_bytes();
                octets[at] ^= 1;
                let changed = String::from_utf8_lossy(&octets).into_owned();
                assert!(Identity::parse(&changed).is_err(), "octet {at}");
            }
        }
        assert!(identity().fits(Sizes::default()));
        assert!(!Identity { segment_size: 4097, ..identity() }.fits(Sizes::default()));
    }

    #[test]
    fn what_a_later_version_wrote_is_told_from_damage() {
        let later = Identity { format: 2, ..identity() }.text();
        let error = Identity::parse(&later).expect_err("not ours to read");
        assert!(matches!(error, OpenError::Newer(_)), "{error}");
        // Whatever else it says, and however it is checked.
        let error = Identity::parse("restante store 17\nsha = x\n").expect_err("not ours to read");
        assert_eq!(
            error.to_string(),
            "a later version has written the store: its format is 17, known here is 1"
        );
        assert!(matches!(Identity::parse("restante stone 1\n"), Err(OpenError::Salvage(_))));
    }
}
