use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use mail::{Envelope, MailboxName, QueueId, Uid};
use queue::{Additions, Piece, RouteEntry, Served};
use serde::Serialize;

/// One message.
pub(super) struct Letter<'a> {
    pub(super) id: QueueId,
    pub(super) envelope: Option<&'a Envelope>,
    /// The octets received.
    pub(super) body: &'a [u8],
}

/// What stands beside each message.
#[derive(Serialize)]
struct Card<'a> {
    mailbox: Option<&'a MailboxName>,
    uidl: Option<String>,
    queue_id: String,
    recipients: Option<&'a [u16]>,
    /// Nothing when it is lost.
    envelope: Option<&'a Envelope>,
}

/// Writes messages into a folder: `mailboxes/<mailbox>/<uid>.eml` as a client would get them, `queued/`,
/// `unknown/` and `deleted/` as they came in; and beside each a `.json` with what is known of it. A mailbox
/// whose name can be no folder is `misnamed/<number>`.
pub(super) struct Exporter {
    dir: PathBuf,
    /// Names that can be no folder, in the order in which they were met.
    misnamed: Vec<MailboxName>,
}

impl Exporter {
    /// Into a folder that is empty or not there.
    pub(super) fn into(dir: &Path) -> io::Result<Self> {
        make(dir)?;
        if fs::read_dir(dir)?.next().is_some() {
            let kind = io::ErrorKind::AlreadyExists;
            return Err(io::Error::new(kind, format!("{} is not empty", dir.display())));
        }
        Ok(Self { dir: dir.to_owned(), misnamed: Vec::new() })
    }

    /// Writes one as its mailbox has it, `octets` long. False when only the octets received are left of it.
    pub(super) fn entry(
        &mut self,
        letter: &Letter<'_>,
        (mailbox, uid): &(MailboxName, Uid),
        entry: Option<&RouteEntry>,
        octets: Option<u64>,
    ) -> io::Result<bool> {
        let nothing = Additions { terminate: false, ..Additions::default() };
        let whole = entry.filter(|entry| {
            let served = Served::new(&entry.additions, letter.body.len() as u64).octets();
            octets.is_none_or(|octets| octets == served)
        });
        let additions = whole.map_or(&nothing, |entry| &entry.additions);
        let foreign = entry.and_then(|entry| entry.foreign_uidl.clone());
        let card = Card {
            mailbox: Some(mailbox),
            uidl: Some(foreign.unwrap_or_else(|| uid.to_string())),
            queue_id: letter.id.to_string(),
            recipients: entry.map(|entry| entry.recipients.as_slice()),
            envelope: letter.envelope,
        };
        let folder = self.folder_of(mailbox);
        write(&folder, &uid.to_string(), &served(additions, letter.body), &card)?;
        Ok(whole.is_some())
    }

    /// The log is read without a look at the names in it, and one that was tampered with can say anything, such
    /// as `../..`: what is no name gets a number, and its messages say what it was.
    fn folder_of(&mut self, mailbox: &MailboxName) -> PathBuf {
        if MailboxName::kept(mailbox.as_str()).as_ref() == Ok(mailbox) {
            return self.dir.join("mailboxes").join(mailbox.as_str());
        }
        let known = self.misnamed.iter().position(|name| name == mailbox);
        let number = known.unwrap_or_else(|| {
            self.misnamed.push(mailbox.clone());
            self.misnamed.len() - 1
        });
        self.dir.join("misnamed").join((number + 1).to_string())
    }

    /// Writes one as it came in.
    pub(super) fn received(&mut self, letter: &Letter<'_>, folder: &str) -> io::Result<()> {
        let card = Card {
            mailbox: None,
            uidl: None,
            queue_id: letter.id.to_string(),
            recipients: None,
            envelope: letter.envelope,
        };
        write(&self.dir.join(folder), &letter.id.to_string(), letter.body, &card)
    }

    /// Makes all of it durable.
    pub(super) fn finish(self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(&self.dir)?)?)
    }
}

fn served(additions: &Additions, body: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(additions.prelude.len() + body.len() + 2);
    let fit = |at: &u64| usize::try_from(*at).unwrap_or(usize::MAX);
    for piece in Served::new(additions, body.len() as u64).pieces() {
        octets.extend_from_slice(match piece {
            Piece::Prelude(range) => &additions.prelude[range.clone()],
            Piece::Received(range) => &body[fit(&range.start)..fit(&range.end)],
            Piece::Crlf(range) => &b"\r\n"[range.clone()],
        });
    }
    octets
}

fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn write(folder: &Path, name: &str, octets: &[u8], card: &Card<'_>) -> io::Result<()> {
    make(folder)?;
    let create = |end: &str| {
        let path = folder.join(format!("{name}.{end}"));
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    };
    create("eml")?.write_all(octets)?;
    create("json")?.write_all(&serde_json::to_vec_pretty(card)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_the_log_leads_out_of_the_folder() {
        let place = tempfile::tempdir().expect("a folder");
        let dir = place.path().join("out");
        let mut exporter = Exporter::into(&dir).expect("made");
        let name = |text: &str| serde_json::from_value::<MailboxName>(text.into()).expect("not looked at");
        for (text, folder) in [
            ("alice", "mailboxes/alice"),
            ("alice+trash", "mailboxes/alice+trash"),
            ("bob@other.example", "mailboxes/bob@other.example"),
            ("../../etc", "misnamed/1"),
            ("/etc", "misnamed/2"),
            ("..", "misnamed/3"),
            ("", "misnamed/4"),
            ("Alice", "misnamed/5"),
            ("/etc", "misnamed/2"),
            ("alice+other", "misnamed/6"),
        ] {
            assert_eq!(exporter.folder_of(&name(text)), dir.join(folder), "{text:?}");
        }
    }
}
