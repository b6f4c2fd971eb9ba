use std::io;
use std::path::Path;

use super::OpenError;
use crate::clock::wall_ms;
use crate::disk::{Open, read_exact};
use crate::ground::{Ground, Sizes};
use crate::index::checkpoint::replace;
use crate::log::segment::PAGE;
use crate::params::Params;

/// `STORE`: what stays the same for the life of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) store_id: [u8; 16],
    pub(super) segment_size: u32,
}

const MAGIC: &str = "restante store 1\n";
const CRC: &str = "crc32c = ";

impl Identity {
    /// Reads it; makes the store when its folder is empty of ours.
    pub(super) fn read_or_make(
        ground: &Ground,
        store: &Path,
        params: &Params,
    ) -> Result<(Self, bool), OpenError> {
        let disk = &*ground.disk;
        for folder in ["log", "big", "idx"] {
            disk.create_dir(&store.join(folder))?;
        }
        let file = match disk.open(&store.join("STORE"), Open::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Self::make(ground, store, params);
            }
            Err(error) => return Err(error.into()),
        };
        let octets = usize::try_from(file.len()?).unwrap_or(usize::MAX).min(4096);
        let mut text = vec![0; octets];
        read_exact(&*file, &mut text, 0)?;
        let text = String::from_utf8_lossy(&text);
        let identity = Self::parse(&text, ground.sizes);
        let damaged = || OpenError::Salvage("the file STORE is damaged or of another version".to_owned());
        Ok((identity.ok_or_else(damaged)?, false))
    }

    fn make(ground: &Ground, store: &Path, params: &Params) -> Result<(Self, bool), OpenError> {
        let disk = &*ground.disk;
        if disk.list(&store.join("log"))?.iter().any(|name| name.ends_with(".seg")) {
            return Err(OpenError::Salvage("the file STORE is missing".to_owned()));
        }
        let mut store_id = [0; 16];
        getrandom::fill(&mut store_id).map_err(io::Error::other)?;
        let segment_size = params.segment_size_for(disk.space(store)?.total, ground.sizes);
        let identity = Self { store_id, segment_size };
        replace(disk, store, "STORE", identity.text().as_bytes())?;
        Ok((identity, true))
    }

    fn text(self) -> String {
        let id: String = self.store_id.iter().map(|octet| format!("{octet:02x}")).collect();
        let text =
            format!("{MAGIC}id = {id}\nsegment-size = {}\ncreated-ms = {}\n", self.segment_size, wall_ms());
        let crc = crc32c::crc32c(text.as_bytes());
        format!("{text}{CRC}{crc:08x}\n")
    }

    /// A store opened with another segment size would believe that half of its log is missing: the octets are
    /// checked, and what they say too.
    fn parse(text: &str, sizes: Sizes) -> Option<Self> {
        let (text, crc) = text.split_at(text.rfind(CRC)?);
        let crc = u32::from_str_radix(crc.strip_prefix(CRC)?.trim_end(), 16).ok()?;
        if crc != crc32c::crc32c(text.as_bytes()) {
            return None;
        }
        let field = |name: &str| {
            let lines = text.strip_prefix(MAGIC)?.lines();
            lines
                .filter_map(|line| line.split_once(" = "))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        let id = u128::from_str_radix(field("id")?, 16).ok()?;
        let segment_size: u32 = field("segment-size")?.parse().ok()?;
        if !segment_size.is_multiple_of(PAGE) || segment_size < sizes.segment_min {
            return None;
        }
        Some(Self { store_id: id.to_be_bytes(), segment_size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_octet_of_it_is_seen() {
        let identity = Identity { store_id: [7; 16], segment_size: 64 << 20 };
        let text = identity.text();
        assert_eq!(Identity::parse(&text, Sizes::default()), Some(identity));
        for at in 0..text.len() - 1 {
            let mut octets = text.clone().into_bytes();
            octets[at] ^= 1;
            let changed = String::from_utf8_lossy(&octets).into_owned();
            assert_eq!(Identity::parse(&changed, Sizes::default()), None, "octet {at}");
        }
        let odd = Identity { segment_size: 4097, ..identity };
        assert_eq!(Identity::parse(&odd.text(), Sizes::default()), None);
    }
}
