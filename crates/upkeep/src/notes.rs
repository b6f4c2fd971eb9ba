use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use mail::MailboxName;

use crate::eras::Eras;

/// What one run leaves to the next: a small file of lines, renamed into place so that it is whole. Whatever is
/// lost of it makes nothing go: without the time nothing grows old for a day and holds begin anew, and a warning
/// that is forgotten is sent once more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Notes {
    /// The wall clock at the last look, in milliseconds since 1970.
    pub(crate) time_ms: Option<u64>,
    /// How long nothing grows old yet.
    pub(crate) suspended: Duration,
    /// Because the clock has jumped, and not because it ran for the first time.
    pub(crate) doubted: bool,
    /// What the clock has jumped over.
    pub(crate) eras: Eras,
    /// Mailboxes whose owners know that they are nearly full.
    pub(crate) warned: BTreeSet<MailboxName>,
}

impl Notes {
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut notes = Self::default();
        let (mut over, mut begun_ms) = (Vec::new(), 0);
        for (word, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            match word {
                "time" => notes.time_ms = value.parse().ok(),
                "suspended" => notes.suspended = value.parse().map(Duration::from_millis).unwrap_or_default(),
                "doubted" => notes.doubted = value == "yes",
                "jumped" => over.extend(value.split_once(' ').and_then(|(from, to)| {
                    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
                    (from <= to).then_some((from, to))
                })),
                "since" => begun_ms = value.parse().unwrap_or_default(),
                "warned" => notes.warned.extend(MailboxName::parse(value).ok()),
                _ => {}
            }
        }
        notes.eras = Eras::new(over, begun_ms);
        notes
    }

    /// Not synced: losing it loses no mail.
    pub(crate) async fn write(&self, path: &Path) -> io::Result<()> {
        let (text, path) = (self.text(), path.to_owned());
        tokio::task::spawn_blocking(move || write(&path, &text)).await.map_err(io::Error::other)?
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // A String takes all.
        let _ = self.time_ms.map_or(Ok(()), |time| writeln!(text, "time {time}"));
        let _ = writeln!(text, "suspended {}", self.suspended.as_millis());
        if self.doubted {
            let _ = writeln!(text, "doubted yes");
        }
        let (over, begun_ms) = self.eras.kept();
        for (from, to) in over {
            let _ = writeln!(text, "jumped {from} {to}");
        }
        if begun_ms > 0 {
            let _ = writeln!(text, "since {begun_ms}");
        }
        for mailbox in &self.warned {
            let _ = writeln!(text, "warned {mailbox}");
        }
        text
    }
}

/// Renamed into place, so that it is whole.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let fresh = PathBuf::from(format!("{}.new", path.display()));
    fs::write(&fresh, text)?;
    fs::rename(fresh, path)
}

#[cfg(test)]
mod tests {
    use queue::contract::name;

    use super::*;

    #[tokio::test]
    async fn what_is_written_is_read_and_what_is_damaged_is_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("upkeep");
        assert_eq!(Notes::read(&path), Notes::default());
        let notes = Notes {
            time_ms: Some(1_795_000_000_000),
            suspended: Duration::from_millis(1500),
            doubted: true,
            eras: Eras::new(vec![(0, 7), (9, 12)], 30),
            warned: [name("alice"), name("müller@other.example")].into(),
        };
        notes.write(&path).await.expect("written");
        assert_eq!(Notes::read(&path), notes);
        fs::write(&path, "time soon\njumped 7\njumped 9 8\nwarned a/b\nnonsense\nwarned bob\n")
            .expect("written");
        assert_eq!(Notes::read(&path), Notes { warned: [name("bob")].into(), ..Notes::default() });
    }
}
