use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use mail::{MailboxName, ViewName};

use crate::notes::write;

/// A view of a mailbox.
pub(crate) type ViewOf = (MailboxName, ViewName);

/// What the look after views, trash and pickups leaves to the next run: a small file of lines, renamed into place so
/// that it is whole. Whatever is lost of it makes nothing go: a view that left stays longer, a claim lapses later, and
/// something is told once more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Memo {
    /// Views that the file does not declare any more, and since when.
    pub(crate) left: BTreeMap<ViewOf, u64>,
    /// Members of whose lapsing claims somebody was told, and when.
    pub(crate) lapsing: BTreeMap<ViewOf, u64>,
    /// Deletions whose mail is kept longer: the view where it is known, the instant, and until when.
    pub(crate) guarded: BTreeMap<(ViewOf, u64), u64>,
    /// Whose silence was told.
    pub(crate) silent: BTreeSet<ViewOf>,
    /// When postmaster got the last report.
    pub(crate) reported_ms: Option<u64>,
    /// What the next one says, with when it was noted.
    pub(crate) unsaid: Vec<(u64, String)>,
}

impl Memo {
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut memo = Self::default();
        for (word, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            // What is damaged is forgotten.
            let _ = memo.take(word, value);
        }
        memo
    }

    fn take(&mut self, word: &str, value: &str) -> Option<()> {
        match word {
            "left" => self.left.extend([seat_and(value)?]),
            "lapsing" => self.lapsing.extend([seat_and(value)?]),
            "guarded" => {
                let (rest, until) = value.rsplit_once(' ')?;
                self.guarded.insert(seat_and(rest)?, until.parse().ok()?);
            }
            "silent" => drop(self.silent.insert(seat(value)?)),
            "reported" => self.reported_ms = Some(value.parse().ok()?),
            "unsaid" => {
                let (ms, text) = value.split_once(' ')?;
                self.unsaid.push((ms.parse().ok()?, text.into()));
            }
            _ => {}
        }
        Some(())
    }

    /// Not synced: losing it loses no mail.
    pub(crate) async fn write(&self, path: &Path) -> io::Result<()> {
        let (text, path) = (self.text(), path.to_owned());
        tokio::task::spawn_blocking(move || write(&path, &text)).await.map_err(io::Error::other)?
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // A String takes all.
        for ((mailbox, view), ms) in &self.left {
            let _ = writeln!(text, "left {mailbox} {} {ms}", dash(view));
        }
        for ((mailbox, view), ms) in &self.lapsing {
            let _ = writeln!(text, "lapsing {mailbox} {} {ms}", dash(view));
        }
        for (((mailbox, view), ms), until) in &self.guarded {
            let _ = writeln!(text, "guarded {mailbox} {} {ms} {until}", dash(view));
        }
        for (mailbox, view) in &self.silent {
            let _ = writeln!(text, "silent {mailbox} {}", dash(view));
        }
        let _ = self.reported_ms.map_or(Ok(()), |ms| writeln!(text, "reported {ms}"));
        for (ms, line) in &self.unsaid {
            let _ = writeln!(text, "unsaid {ms} {}", line.replace(['\r', '\n'], " "));
        }
        text
    }
}

/// The owner's view has no name.
fn dash(view: &ViewName) -> &str {
    if *view == ViewName::owner() { "-" } else { view.as_str() }
}

fn seat(text: &str) -> Option<ViewOf> {
    let (mailbox, view) = text.split_once(' ')?;
    let view = if view == "-" { "" } else { view };
    Some((MailboxName::parse(mailbox).ok()?, ViewName::kept(view).ok()?))
}

fn seat_and(text: &str) -> Option<(ViewOf, u64)> {
    let (name, ms) = text.rsplit_once(' ')?;
    Some((seat(name)?, ms.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use queue::contract::{name, view};

    use super::*;

    #[tokio::test]
    async fn what_is_written_is_read_and_what_is_damaged_is_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("memo");
        assert_eq!(Memo::read(&path), Memo::default());
        let seats = [(name("sales"), view("bob@other.example")), (name("alice"), ViewName::owner())];
        let [bob, owner] = seats.clone();
        let memo = Memo {
            left: [(bob.clone(), 7), (owner.clone(), 8)].into(),
            lapsing: [(bob.clone(), 9)].into(),
            guarded: [((owner, 10), 11)].into(),
            silent: seats.into(),
            reported_ms: Some(12),
            unsaid: vec![(13, "bob has left".into())],
        };
        memo.write(&path).await.expect("written");
        assert_eq!(Memo::read(&path), memo);
        fs::write(&path, "left sales\nleft a/b c 1\nguarded sales bob 1\nnonsense\nreported 12\n")
            .expect("written");
        assert_eq!(Memo::read(&path), Memo { reported_ms: Some(12), ..Memo::default() });
    }
}
