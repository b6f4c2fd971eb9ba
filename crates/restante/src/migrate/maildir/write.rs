use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, FileTimes};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use mail::Uid;

use crate::migrate::list::base;
use crate::migrate::unix::{UnixLines, create};

/// Messages that become durable together.
const BATCH: usize = 256;

/// A Maildir that mail is written to, each message whole or not at all: into `tmp`, synced, and only then
/// into `new`. A message's name is made of its own, so that what is there already is known.
pub struct MaildirWriter {
    folder: PathBuf,
    host: String,
    /// Names up to the flags that are there.
    there: HashSet<String>,
    open: Option<Begun>,
    /// Written and not yet synced.
    waiting: Vec<String>,
}

struct Begun {
    name: String,
    file: io::BufWriter<File>,
    lines: UnixLines,
    received_ms: u64,
}

impl MaildirWriter {
    /// Makes the folders that are missing. `host` becomes part of each name.
    pub fn open(folder: &Path, host: &str) -> io::Result<Self> {
        for part in ["tmp", "new", "cur"] {
            DirBuilder::new().recursive(true).mode(0o700).create(folder.join(part))?;
        }
        let mut there = HashSet::new();
        for part in ["new", "cur"] {
            for entry in fs::read_dir(folder.join(part))? {
                there.insert(base(&entry?.file_name().to_string_lossy()).to_owned());
            }
        }
        // What a name may not have: it would be a folder, or begin the flags.
        let host = host.replace(['/', ':'], "_");
        Ok(Self { folder: folder.into(), host, there, open: None, waiting: Vec::new() })
    }

    /// Begins a message: its name, and whether it is new. One that is there already is not written again.
    pub fn begin(&mut self, uid: Uid, received_ms: u64) -> io::Result<(String, bool)> {
        let name = format!("{}.{uid}.{}", received_ms / 1000, self.host);
        if !self.there.insert(name.clone()) {
            return Ok((name, false));
        }
        let file = io::BufWriter::with_capacity(64 << 10, create(&self.tmp(&name))?);
        self.open = Some(Begun { name: name.clone(), file, lines: UnixLines::default(), received_ms });
        Ok((name, true))
    }

    /// The next octets of the message that was begun.
    pub fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let Some(begun) = &mut self.open else { return Ok(()) };
        let file = &mut begun.file;
        begun.lines.write(octets, |run| file.write_all(run))
    }

    /// The message is whole.
    pub fn finish(&mut self) -> io::Result<()> {
        let Some(mut begun) = self.open.take() else { return Ok(()) };
        let file = &mut begun.file;
        begun.lines.finish(|run| file.write_all(run))?;
        let file = begun.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let received = UNIX_EPOCH + Duration::from_millis(begun.received_ms);
        file.set_times(FileTimes::new().set_modified(received))?;
        self.waiting.push(begun.name);
        if self.waiting.len() >= BATCH { self.sync() } else { Ok(()) }
    }

    /// The message will not become whole: it leaves nothing.
    pub fn abandon(&mut self) -> io::Result<()> {
        let Some(begun) = self.open.take() else { return Ok(()) };
        drop(begun.file);
        self.there.remove(&begun.name);
        fs::remove_file(self.tmp(&begun.name))
    }

    /// Makes durable what is written.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        // One sync for all of them; a name in `new` promises that the octets are on the disk.
        rustix::fs::syncfs(File::open(self.folder.join("tmp"))?)?;
        for name in self.waiting.drain(..) {
            let new = self.folder.join("new").join(&name);
            fs::rename(self.folder.join("tmp").join(&name), new)?;
        }
        File::open(self.folder.join("new"))?.sync_all()
    }

    fn tmp(&self, name: &str) -> PathBuf {
        self.folder.join("tmp").join(name)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn put(writer: &mut MaildirWriter, uid: u64, octets: &[u8]) -> Option<String> {
        let (name, new) = writer.begin(Uid(uid), 1_700_000_000_123).expect("begun");
        for part in octets.chunks(3) {
            writer.write(part).expect("written");
        }
        writer.finish().expect("finished");
        new.then_some(name)
    }

    fn files(folder: &Path, part: &str) -> Vec<String> {
        let entries = fs::read_dir(folder.join(part)).expect("listed");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("one").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_message_is_in_new_when_it_is_whole_and_has_its_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/Maildir");
        let mut writer = MaildirWriter::open(&path, "mx/a:b").expect("made");
        let name = put(&mut writer, 0x2a, b"A: b\r\n\r\nfrom\rhere\r\nlast\r\n").expect("not there");
        assert_eq!(name, "1700000000.r000000000000002a.mx_a_b");
        assert_eq!((files(&path, "tmp").len(), files(&path, "new").len()), (1, 0), "before the sync");
        writer.sync().expect("synced");
        assert_eq!((files(&path, "tmp").len(), files(&path, "new")), (0, vec![name.clone()]));
        let found = path.join("new").join(name);
        assert_eq!(fs::read(&found).expect("read"), b"A: b\n\nfrom\rhere\nlast\n");
        let metadata = fs::metadata(found).expect("there");
        assert_eq!((metadata.mtime(), metadata.mode() & 0o777), (1_700_000_000, 0o600));
    }

    #[test]
    fn what_is_there_is_not_written_again_whatever_its_flags() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = MaildirWriter::open(folder.path(), "mx").expect("made");
        let name = put(&mut writer, 1, b"x\r\n").expect("not there");
        writer.sync().expect("synced");
        let moved = folder.path().join("cur").join(format!("{name}:2,S"));
        fs::rename(folder.path().join("new").join(&name), moved).expect("moved");
        let mut writer = MaildirWriter::open(folder.path(), "mx").expect("opened");
        assert_eq!(put(&mut writer, 1, b"x\r\n"), None);
        assert!(put(&mut writer, 2, b"y\r\n").is_some());
        assert_eq!(put(&mut writer, 2, b"y\r\n"), None);
        writer.sync().expect("synced");
        assert_eq!(files(folder.path(), "new").len(), 1);
    }

    #[test]
    fn half_a_message_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = MaildirWriter::open(folder.path(), "mx").expect("made");
        writer.begin(Uid(1), 0).expect("begun");
        writer.write(b"half").expect("written");
        writer.abandon().expect("gone");
        writer.sync().expect("synced");
        assert!(files(folder.path(), "tmp").is_empty() && files(folder.path(), "new").is_empty());
        assert!(put(&mut writer, 1, b"whole\r\n").is_some(), "a later try is not taken for the first");
    }

    #[test]
    fn a_batch_is_synced_by_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = MaildirWriter::open(folder.path(), "mx").expect("made");
        for uid in 0..BATCH as u64 + 3 {
            put(&mut writer, uid, b"x\r\n");
        }
        assert_eq!(files(folder.path(), "new").len(), BATCH);
    }
}
