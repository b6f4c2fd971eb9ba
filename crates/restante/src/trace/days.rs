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

/// The folder of the trace: for each day, by UTC, a file of what became of mail, `YYYY-MM-DD.jsonl`, and one of what was
/// refused, `YYYY-MM-DD.refused.jsonl`. Strangers decide how much is refused: that has a share of its own, so that it
/// never pushes out what became of mail.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

/// One day's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Day {
    pub(crate) date: Date,
    pub(crate) kind: Kind,
    pub(crate) path: PathBuf,
    pub(crate) octets: u64,
}

/// What a day's file tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Mail that was taken.
    Mail,
    /// What was refused or broken off.
    Refused,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Mail, Self::Refused];

    fn suffix(self) -> &'static str {
        match self {
            Self::Mail => ".jsonl",
            Self::Refused => ".refused.jsonl",
        }
    }

    /// Octets of all files of this kind, of those of all.
    fn share(self, octets: u64) -> u64 {
        match self {
            Self::Mail => octets - octets / 4,
            Self::Refused => octets / 4,
        }
    }

    /// Octets of one day's file at most: one day of mail may be all there is, and one of refusals half.
    pub(super) fn of_a_day(self, octets: u64) -> u64 {
        match self {
            Self::Mail => self.share(octets),
            Self::Refused => self.share(octets) / 2,
        }
    }
}

/// The day and the kind of a file, by its name.
fn read_name(name: &str) -> Option<(Date, Kind)> {
    Kind::ALL.into_iter().find_map(|kind| Some((name.strip_suffix(kind.suffix())?.parse().ok()?, kind)))
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
            let Some((date, kind)) = name.to_str().and_then(read_name) else { continue };
            let path = entry.path();
            match fs::metadata(&path) {
                // It has just become too old.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // A pipe would never end, a folder cannot be read: one of them must not keep all the others.
                Ok(found) if !found.is_file() => {}
                found => days.push(Day { date, kind, path, octets: found?.len() }),
            }
        }
        days.sort_by_key(|day| (day.date, day.kind));
        Ok(days)
    }

    /// Opens a day's file to be written on. What a crash left of its last line is ended, so that it spoils no
    /// other.
    pub(super) fn open(&self, date: Date, kind: Kind) -> io::Result<File> {
        match DirBuilder::new().mode(0o700).create(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let path = self.0.join(format!("{date}{}", kind.suffix()));
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

    /// Removes what is older or more than is kept; today's files always stay. Too old is nothing while no clock is
    /// believed: `believed` is then none.
    pub(super) fn tidy(&self, today: Date, believed: Option<Date>, bounds: Bounds) -> io::Result<()> {
        let mut days = self.days()?;
        if let Some(believed) = believed {
            let oldest = believed.checked_sub(Span::new().days(i64::from(bounds.days))).unwrap_or(Date::MIN);
            for old in days.extract_if(.., |day| day.date < oldest && day.date != today) {
                fs::remove_file(&old.path)?;
            }
        }
        for kind in Kind::ALL {
            let of_kind = || days.iter().filter(|day| day.kind == kind);
            let mut octets: u64 = of_kind().map(|day| day.octets).sum();
            for day in of_kind().filter(|day| day.date != today) {
                if octets <= kind.share(bounds.octets) {
                    break;
                }
                fs::remove_file(&day.path)?;
                octets -= day.octets;
            }
        }
        Ok(())
    }

    /// Where the clock by which days grow old is kept for the next start.
    pub(super) fn clock(&self) -> PathBuf {
        self.0.with_extension("clock")
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

    fn put(folder: &Folder, day: &str, kind: Kind, octets: usize) {
        let mut file = folder.open(date(day), kind).expect("opened");
        file.write_all(&vec![b'x'; octets]).expect("written");
    }

    #[test]
    fn days_go_when_they_are_too_old_by_a_clock_that_is_believed_and_when_they_are_too_much() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::of(dir.path());
        assert_eq!(names(&folder), [""; 0]);
        let days = ["2026-11-01", "2026-11-02", "2026-11-27", "2026-11-28"];
        days.iter().for_each(|day| put(&folder, day, Kind::Mail, 100));
        fs::write(folder.path().join("notes.txt"), "not ours").expect("written");
        let roomy = Bounds { days: 20, octets: 1000 };
        let today = date("2026-11-28");
        folder.tidy(today, None, roomy).expect("tidied");
        assert_eq!(names(&folder), days, "no clock is believed");
        folder.tidy(date("2038-01-01"), None, roomy).expect("tidied");
        assert_eq!(names(&folder), days, "and what it says costs nothing");
        folder.tidy(today, Some(today), roomy).expect("tidied");
        assert_eq!(names(&folder), days[2..]);
        folder.tidy(today, Some(today), Bounds { days: 20, octets: 99 }).expect("tidied");
        assert_eq!(names(&folder), days[3..], "today's stays whatever it takes");
        assert!(folder.path().join("notes.txt").exists());
    }

    #[test]
    fn refusals_push_out_refusals_and_no_mail() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::of(dir.path());
        for day in ["2026-11-25", "2026-11-26", "2026-11-27"] {
            put(&folder, day, Kind::Mail, 200);
            put(&folder, day, Kind::Refused, 200);
        }
        put(&folder, "2026-11-28", Kind::Refused, 100);
        let kept = |kind| {
            let days = folder.days().expect("listed").into_iter().filter(|day| day.kind == kind);
            days.map(|day| day.date.to_string()).collect::<Vec<_>>()
        };
        folder.tidy(date("2026-11-28"), None, Bounds { days: 20, octets: 1200 }).expect("tidied");
        assert_eq!(kept(Kind::Mail), ["2026-11-25", "2026-11-26", "2026-11-27"]);
        assert_eq!(kept(Kind::Refused), ["2026-11-27", "2026-11-28"]);
    }

    #[test]
    fn what_is_no_file_is_no_day() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::of(dir.path());
        folder.open(date("2026-11-28"), Kind::Mail).expect("opened").write_all(b"{}\n").expect("written");
        fs::create_dir(folder.path().join("2026-11-01.jsonl")).expect("made");
        let nowhere = folder.path().join("2026-11-02.jsonl");
        std::os::unix::fs::symlink("/nonexistent", nowhere).expect("linked");
        assert_eq!(names(&folder), ["2026-11-28"]);
        folder.tidy(date("2026-11-28"), None, Bounds { days: 1, octets: 1 }).expect("tidied");
    }

    #[test]
    fn a_line_that_was_cut_off_is_ended() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::of(dir.path());
        let day = date("2026-11-28");
        folder.open(day, Kind::Mail).expect("opened").write_all(b"{\"at\":\"20").expect("written");
        folder.open(day, Kind::Mail).expect("opened").write_all(b"{}\n").expect("written");
        folder.open(day, Kind::Mail).expect("opened").write_all(b"{}\n").expect("written");
        let text = fs::read_to_string(&folder.days().expect("listed")[0].path).expect("read");
        assert_eq!(text, "{\"at\":\"20\n{}\n{}\n");
    }
}
