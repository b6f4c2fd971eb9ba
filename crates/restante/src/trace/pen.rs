use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;

use jiff::civil::Date;

use super::days::{Folder, Kind};

/// Writes one kind of the files of the trace, a day's file at a time.
pub(super) struct Pen {
    kind: Kind,
    file: Option<(Date, File)>,
}

impl Pen {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, file: None }
    }

    /// Writes lines to a day's file, and returns how many found no room there: strangers decide how much there is to
    /// tell, so no day may take more than its part of all `octets`. Of refusals those are written that fit.
    pub(super) fn write(
        &mut self,
        folder: &Folder,
        date: Date,
        lines: &[u8],
        octets: u64,
    ) -> io::Result<u64> {
        let written = self.append(folder, date, lines, self.kind.of_a_day(octets));
        if written.is_err() {
            self.file = None;
        }
        written
    }

    fn append(&mut self, folder: &Folder, date: Date, lines: &[u8], most: u64) -> io::Result<u64> {
        // Somebody may have removed it, or all of the folder: what is written to it then nobody could read.
        let is_there = |file: &File| file.metadata().is_ok_and(|found| found.nlink() > 0);
        if self.file.as_ref().is_none_or(|(of, file)| *of != date || !is_there(file)) {
            self.file = None;
        }
        let file = match &mut self.file {
            Some((_, file)) => file,
            none => &mut none.insert((date, folder.open(date, self.kind)?)).1,
        };
        let room = usize::try_from(most.saturating_sub(file.metadata()?.len())).unwrap_or(usize::MAX);
        let fit = match self.kind {
            Kind::Mail if lines.len() > room => 0,
            Kind::Refused if lines.len() > room => {
                memchr::memrchr(b'\n', &lines[..room]).map_or(0, |end| end + 1)
            }
            Kind::Mail | Kind::Refused => lines.len(),
        };
        let (fit, left) = lines.split_at(fit);
        file.write_all(fit)?;
        Ok(memchr::memchr_iter(b'\n', left).count() as u64)
    }
}
