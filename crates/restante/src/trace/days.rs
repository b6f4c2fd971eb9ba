use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::{Span, Timestamp, tz::TimeZone};

/// How much of the trace is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Days before today.
    pub(crate) days: u32,
    /// Octets of all files.
    pub(crate) octets: u64,
}

/// The folder of the trace: one file for each day, `YYYY-MM-DD.jsonl`, by UTC.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

/// One day's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Day {
    pub(crate) date: Date,
    pub(crate) path: PathBuf,
    pub(crate) octets: u64,
}

impl Folder {
    pub(crate) fn of(state_dir: &Path) -> Self {
        Self(state_dir.join("trace"))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The days that are there, oldest first; none when there is no folder yet.
    pub(crate) fn days(&self) -> io::Result<Vec<Day>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut days = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let date = name.to_str().and_then(|name| name.strip_suffix(".jsonl")).map(str::parse);
            let Some(Ok(date)) = date else { continue };
            let path = entry.path();
            match fs::metadata(&path) {
                // It has just become too old.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // A pipe would never end, a folder cannot be read: one of them must not keep all the others.
                Ok(found) if !found.is_file() => {}
                found => days.push(Day { date, path, octets: found?.len() }),
            }
        }
        days.sort_by_key(|day| day.date);
        Ok(days)
    }

    /// Opens a day's file to be written on. What a crash left of its last line is ended, so that it spoils no
    /// other.
    pub(super) fn open(&self, date: Date) -> io::Result<File> {
        match DirBuilder::new().mode(0o700).create(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let path = self.0.join(format!("{date}.jsonl"));
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        if file.metadata()?.len() > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        Ok(file)
    }

    /// Removes what is older or more than is kept; today's file always stays. A clock that jumps ahead for a
    /// moment must not cost everything: of days that it calls too old one goes at a time, the oldest.
    pub(super) fn tidy(&self, today: Date, bounds: Bounds) -> io::Result<()> {
        let days = self.days()?;
        let oldest = today.checked_sub(Span::new().days(i64::from(bounds.days))).unwrap_or(Date::MIN);
        if let Some(old) = days.first().filter(|day| day.date < oldest) {
            return fs::remove_file(&old.path);
        }
        let mut octets: u64 = days.iter().map(|day| day.octets).sum();
        for day in days.iter().filter(|day| day.date != today) {
            if octets <= bounds.octets {
                break;
            }
            fs::remove_file(&day.path)?;
            octets -= day.octets;
        }
        Ok(())
    }
}

/// The day of an instant.
pub(super) fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().expect("a date")
    }

    fn names(folder: &Folder) -> Vec<String> {
        folder.days().expect("listed").iter().map(|day| day.date.to_string()).collect()
    }

    #[test]
    fn days_go_one_by_one_when_they_are_too_old_and_at_once_when_they_are_too_much() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::of(dir.path());
        assert_eq!(names(&folder), [""; 0]);
        let days = ["2026-11-01", "2026-11-02", "2026-11-27", "2026-11-28"];
        for day in days {
            folder.open(date(day)).expect("opened").write_all(&[b'x'; 100]).expect("written");
        }
        fs::write(folder.path().join("notes.txt"), "not ours").expect("written");
        let roomy = Bounds { days: 20, octets: 1000 };
        let today = date("2026-11-28");
        folder.tidy(today, roomy).expect("tidied");
        assert_eq!(names(&folder), days[1..]);
        folder.tidy(today, roomy).expect("tidied");
        folder.tidy(today, roomy).expect("tidied");
        assert_eq!(names(&folder), days[2..]);
        folder.tidy(today, Bounds { days: 20, octets: 99 }).expect("tidied");
        assert_eq!(names(&folder), days[3..], "today's stays whatever it takes");
        assert!(folder.path().join("notes.txt").exists());
    }

    #[test]
    fn what_is_no_file_is_no_day() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::of(dir.path());
        folder.open(date("2026-11-28")).expect("opened").write_all(b"{}\n").expect("written");
        fs::create_dir(folder.path().join("2026-11-01.jsonl")).expect("made");
        let nowhere = folder.path().join("2026-11-02.jsonl");
        std::os::unix::fs::symlink("/nonexistent", nowhere).expect("linked");
        assert_eq!(names(&folder), ["2026-11-28"]);
        folder.tidy(date("2026-11-28"), Bounds { days: 1, octets: 1 }).expect("tidied");
    }

    #[test]
    fn a_line_that_was_cut_off_is_ended() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::of(dir.path());
        let day = date("2026-11-28");
        folder.open(day).expect("opened").write_all(b"{\"at\":\"20").expect("written");
        folder.open(day).expect("opened").write_all(b"{}\n").expect("written");
        folder.open(day).expect("opened").write_all(b"{}\n").expect("written");
        let text = fs::read_to_string(&folder.days().expect("listed")[0].path).expect("read");
        assert_eq!(text, "{\"at\":\"20\n{}\n{}\n");
    }
}
