use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use super::error::{At, BackupError};
use crate::disk::{Disk, Open, read_exact};

/// Its file.
pub(crate) const MANIFEST: &str = "MANIFEST";
const MAGIC: &str = "restante backup ";
const FORMAT: u32 = 1;
const CRC: &str = "crc32c = ";

/// What belongs to a backup. Text, so that people can read it: some fields, then a line for each file with
/// its crc32c and its octets, and at the end a crc32c of all that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) store_id: [u8; 16],
    pub(crate) made_ms: u64,
    /// The place in the log up to which everything is in it.
    pub(crate) end: u64,
    pub(crate) files: BTreeMap<String, Kept>,
}

/// A file of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) octets: u64,
    pub(crate) crc: u32,
}

impl Manifest {
    pub(crate) fn text(&self) -> String {
        let id: String = self.store_id.iter().map(|octet| format!("{octet:02x}")).collect();
        let (made, end, count) = (self.made_ms, self.end, self.files.len());
        let mut text =
            format!("{MAGIC}{FORMAT}\nid = {id}\nmade-ms = {made}\nend = {end:016x}\nfiles = {count}\n");
        for (name, Kept { octets, crc }) in &self.files {
            let _ = writeln!(text, "{crc:08x} {octets} {name}");
        }
        let crc = crc32c::crc32c(text.as_bytes());
        format!("{text}{CRC}{crc:08x}\n")
    }

    /// Reads it; `None` when there is none.
    pub(crate) fn read(disk: &dyn Disk, folder: &Path) -> Result<Option<Self>, BackupError> {
        let path = folder.join(MANIFEST);
        let file = match disk.open(&path, Open::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.at(&path)?,
        };
        let octets =
            file.len().and_then(|octets| usize::try_from(octets).map_err(io::Error::other)).at(&path)?;
        let mut text = vec![0; octets];
        read_exact(&*file, &mut text, 0).at(&path)?;
        let text = String::from_utf8_lossy(&text);
        let format = text.lines().next().and_then(|line| line.strip_prefix(MAGIC)?.parse::<u32>().ok());
        if let Some(format) = format.filter(|format| *format > FORMAT) {
            return Err(BackupError::Newer(format!(
                "the backup: its format is {format}, known here is {FORMAT}"
            )));
        }
        let damaged = || BackupError::Damaged { path, what: "damaged".to_owned() };
        Self::parse(&text).ok_or_else(damaged).map(Some)
    }

    fn parse(text: &str) -> Option<Self> {
        let (text, crc) = text.split_at(text.rfind(CRC)?);
        let crc = u32::from_str_radix(crc.strip_prefix(CRC)?.trim_end(), 16).ok()?;
        if crc != crc32c::crc32c(text.as_bytes()) || !text.starts_with(MAGIC) {
            return None;
        }
        let mut lines = text.lines().skip(1);
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(" = ");
        let store_id = u128::from_str_radix(field("id")?, 16).ok()?.to_be_bytes();
        let made_ms = field("made-ms")?.parse().ok()?;
        let end = u64::from_str_radix(field("end")?, 16).ok()?;
        let count: usize = field("files")?.parse().ok()?;
        let files = lines.map(line).collect::<Option<BTreeMap<_, _>>>()?;
        (files.len() == count).then_some(Self { store_id, made_ms, end, files })
    }
}

fn line(line: &str) -> Option<(String, Kept)> {
    let (crc, rest) = line.split_once(' ')?;
    let (octets, name) = rest.split_once(' ')?;
    let kept = Kept { octets: octets.parse().ok()?, crc: u32::from_str_radix(crc, 16).ok()? };
    // It is joined to a folder when it is restored.
    let inside = name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
    inside.then(|| (name.to_owned(), kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_whole_or_not_at_all() {
        let files = [("log/00000007.seg", 8192, 5), ("big/0000000000000001.msg", 0, 0)];
        let files = files.map(|(name, octets, crc)| (name.to_owned(), Kept { octets, crc }));
        let manifest = Manifest { store_id: [9; 16], made_ms: 3, end: 7 << 32, files: files.into() };
        let text = manifest.text();
        assert_eq!(Manifest::parse(&text), Some(manifest));
        for at in 0..text.len() - 1 {
            let mut octets = text.clone().into_bytes();
            octets[at] ^= 1;
            assert_eq!(Manifest::parse(&String::from_utf8_lossy(&octets)), None, "octet {at}");
            assert_eq!(Manifest::parse(&text[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for name in ["../x", "/etc/x", "log/../../x", "log//x", ""] {
            assert_eq!(line(&format!("00000000 1 {name}")), None, "{name}");
        }
    }
}
