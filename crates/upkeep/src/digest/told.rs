use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::civil::{Date, DateTime, Time};
use mail::{MailboxName, Uid};

/// What mailboxes were told: a small file of lines, renamed into place so that it is whole, and synced, for what is
/// forgotten would be told again.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    /// The last time, of those at which digests are due, of which all was sent. None before the first look of all.
    done: Option<DateTime>,
    mailboxes: BTreeMap<MailboxName, Told>,
}

/// What one mailbox was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// On which day last.
    pub(super) day: Option<Date>,
    /// Up to which message.
    pub(super) uid: Uid,
    /// What was begun and is not known to be done.
    pub(super) sending: Option<Sending>,
}

/// A digest on its way to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sending {
    pub(super) day: Date,
    /// Up to which message it tells.
    pub(super) uid: Uid,
    /// The instant that its envelope bears, in milliseconds since 1970.
    pub(super) at_ms: u64,
}

const NOTHING: Told = Told { day: None, uid: Uid(0), sending: None };

impl Record {
    pub(super) fn open(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut found = Self { path, done: None, mailboxes: BTreeMap::new() };
        for line in text.lines() {
            let _ = found.read(line);
        }
        found
    }

    /// A line that is damaged is passed by.
    fn read(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ')?;
        let mut parts = rest.splitn(4, ' ');
        let day: Date = parts.next()?.parse().ok()?;
        if word == "done" {
            // Versions before wrote the day alone: it is over then.
            let at = parts.next().and_then(|at| at.parse().ok()).unwrap_or(Time::MAX);
            self.done = Some(day.to_datetime(at));
            return Some(());
        }
        let uid: Uid = parts.next()?.parse().ok()?;
        let at_ms: u64 = parts.next()?.parse().ok()?;
        let mailbox = MailboxName::parse(parts.next()?).ok()?;
        let told = self.mailboxes.entry(mailbox).or_insert(NOTHING);
        match word {
            "told" => (told.day, told.uid) = (Some(day), uid),
            "sending" => told.sending = Some(Sending { day, uid, at_ms }),
            _ => {}
        }
        Some(())
    }

    /// Whether there was no look before.
    pub(super) fn is_new(&self) -> bool {
        self.done.is_none()
    }

    /// Whether anybody may have to be told at a time: at a later one of the same day, too, for the setting may have been
    /// changed since. A clock that was put back by more than a day is believed: nobody waits for the day that it came
    /// from.
    pub(super) fn is_due(&self, at: DateTime) -> bool {
        let is_long_ago = |done: DateTime| done.date().yesterday().is_ok_and(|before| at.date() < before);
        self.done.is_none_or(|done| at > done || is_long_ago(done))
    }

    pub(super) fn of(&self, mailbox: &MailboxName) -> Told {
        self.mailboxes.get(mailbox).copied().unwrap_or(NOTHING)
    }

    /// On disk when this returns; otherwise nothing has changed.
    pub(super) async fn set(&mut self, mailbox: &MailboxName, told: Told) -> io::Result<()> {
        let before = self.mailboxes.insert(mailbox.clone(), told);
        let written = self.write().await;
        if written.is_err() {
            match before {
                Some(before) => self.mailboxes.insert(mailbox.clone(), before),
                None => self.mailboxes.remove(mailbox),
            };
        }
        written
    }

    /// Everybody was told. Mailboxes from which nothing is held back are forgotten when their day is over: no name comes
    /// twice.
    pub(super) async fn done(&mut self, at: DateTime, held: &[MailboxName]) {
        let held: BTreeSet<&MailboxName> = held.iter().collect();
        self.mailboxes.retain(|mailbox, told| held.contains(mailbox) || told.day == Some(at.date()));
        self.done = Some(at);
        if let Err(error) = self.write().await {
            tracing::warn!(%error, "that the day's digests are sent is not written down: the next start looks again");
        }
    }

    async fn write(&self) -> io::Result<()> {
        let (text, path) = (self.text(), self.path.clone());
        tokio::task::spawn_blocking(move || write(&path, &text)).await.map_err(io::Error::other)?
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // A String takes all.
        let _ = self.done.map_or(Ok(()), |at| writeln!(text, "done {} {}", at.date(), at.time()));
        for (mailbox, Told { day, uid, sending }) in &self.mailboxes {
            if let Some(day) = day {
                let _ = writeln!(text, "told {day} {uid} 0 {mailbox}");
            }
            if let Some(Sending { day, uid, at_ms }) = sending {
                let _ = writeln!(text, "sending {day} {uid} {at_ms} {mailbox}");
            }
        }
        text
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let fresh = PathBuf::from(format!("{}.new", path.display()));
    let mut file = File::create(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(fresh, path)
}

#[cfg(test)]
mod tests {
    use queue::contract::name;

    use super::*;

    fn date(text: &str) -> Date {
        text.parse().expect("a date")
    }

    #[tokio::test]
    async fn what_is_written_is_read_and_what_is_damaged_is_passed_by() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("digests");
        let (alice, bob) = (name("alice"), name("bob"));
        let mut told = Record::open(path.clone());
        assert!(told.is_new());
        let sending = Sending { day: date("2026-11-29"), uid: Uid(9), at_ms: 77 };
        let of_alice = Told { day: Some(date("2026-11-28")), uid: Uid(7), sending: Some(sending) };
        told.set(&alice, of_alice).await.expect("written");
        told.set(&bob, Told { sending: None, ..of_alice }).await.expect("written");
        let mut text = fs::read_to_string(&path).expect("written");
        text.insert_str(0, "told never\nnonsense\nsending 2026-11-28 x 1 alice\n");
        fs::write(&path, text).expect("written");
        let mut again = Record::open(path.clone());
        assert_eq!((again.of(&alice), again.of(&name("carol"))), (of_alice, NOTHING));
        again.done(date("2026-11-29").at(7, 0, 0, 0), std::slice::from_ref(&alice)).await;
        let again = Record::open(path.clone());
        assert_eq!((again.of(&alice), again.of(&bob), again.is_new()), (of_alice, NOTHING, false));
        let due = |again: &Record, at: &str| again.is_due(at.parse().expect("a time"));
        for (at, is_due) in [
            ("2026-11-27T23:00", true),
            ("2026-11-28T07:00", false),
            ("2026-11-28T23:00", false),
            ("2026-11-29T06:59", false),
            ("2026-11-29T07:00", false),
            ("2026-11-29T07:01", true),
            ("2026-11-30T00:00", true),
        ] {
            assert_eq!(due(&again, at), is_due, "{at}");
        }
        // As a version wrote it that knew days alone.
        fs::write(&path, "done 2026-11-29\n").expect("written");
        let older = Record::open(path);
        assert_eq!((due(&older, "2026-11-29T23:59"), due(&older, "2026-11-30T00:00")), (false, true));
    }

    #[tokio::test]
    async fn who_was_told_today_is_not_forgotten_today() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut told = Record::open(folder.path().join("digests"));
        let (alice, today) = (name("alice"), date("2026-11-29"));
        let of_alice = Told { day: Some(today), uid: Uid(7), sending: None };
        told.set(&alice, of_alice).await.expect("written");
        told.done(today.at(7, 0, 0, 0), &[]).await;
        assert_eq!(told.of(&alice), of_alice);
        told.done(today.tomorrow().expect("a day").at(7, 0, 0, 0), &[]).await;
        assert_eq!(told.of(&alice), NOTHING);
    }
}
