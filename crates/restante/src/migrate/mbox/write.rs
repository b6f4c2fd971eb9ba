use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use mail::ReversePath;

use super::from_line;
use super::quoting::Quoter;
use crate::migrate::unix::{UnixLines, create};

/// An mbox (mboxrd, lines end in LF) that is written beside its place and put there when it is whole.
pub struct MboxWriter {
    path: PathBuf,
    part: PathBuf,
    file: io::BufWriter<File>,
    open: Option<Begun>,
    octets: u64,
}

/// The message at hand.
struct Begun {
    /// Where it begins.
    at: u64,
    lines: UnixLines,
    quoter: Quoter,
}

impl MboxWriter {
    /// Begins the file. One that is there already is never touched.
    pub fn create(path: &Path) -> io::Result<Self> {
        must_not_be_there(path)?;
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = io::BufWriter::with_capacity(256 << 10, create(&part)?);
        Ok(Self { path: path.into(), part, file, open: None, octets: 0 })
    }

    /// Begins a message.
    pub fn begin(&mut self, sender: &ReversePath, received_ms: u64) -> io::Result<()> {
        self.open = Some(Begun { at: self.octets, lines: UnixLines::default(), quoter: Quoter::new() });
        let line = from_line::write(sender, received_ms);
        let mut put = counted(&mut self.file, &mut self.octets);
        put(line.as_bytes())?;
        put(b"\n")
    }

    /// The next octets of the message that was begun.
    pub fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let Some(begun) = &mut self.open else { return Ok(()) };
        let mut put = counted(&mut self.file, &mut self.octets);
        begun.lines.write(octets, |run| begun.quoter.write(run, &mut put))
    }

    /// The message is whole.
    pub fn finish(&mut self) -> io::Result<()> {
        let Some(mut begun) = self.open.take() else { return Ok(()) };
        let mut put = counted(&mut self.file, &mut self.octets);
        begun.lines.finish(|run| begun.quoter.write(run, &mut put))?;
        begun.quoter.finish(&mut put)?;
        put(b"\n")
    }

    /// The message will not become whole: it leaves nothing.
    pub fn abandon(&mut self) -> io::Result<()> {
        let Some(begun) = self.open.take() else { return Ok(()) };
        self.file.flush()?;
        self.file.get_ref().set_len(begun.at)?;
        self.file.seek(SeekFrom::Start(begun.at))?;
        self.octets = begun.at;
        Ok(())
    }

    /// All messages are in it: makes it durable, and gives it its name.
    pub fn close(self) -> io::Result<()> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        must_not_be_there(&self.path)?;
        fs::rename(&self.part, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn must_not_be_there(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes to a file, and counts.
fn counted<'w>(file: &'w mut impl Write, count: &'w mut u64) -> impl FnMut(&[u8]) -> io::Result<()> + 'w {
    |run| {
        *count += run.len() as u64;
        file.write_all(run)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::migrate::Letter;
    use crate::migrate::mbox::{Quoting, letters};

    fn put(writer: &mut MboxWriter, octets: &[u8]) {
        writer.begin(&ReversePath::Null, 10_000).expect("begun");
        for part in octets.chunks(5) {
            writer.write(part).expect("written");
        }
        writer.finish().expect("finished");
    }

    const FROM: &str = "From MAILER-DAEMON Thu Jan  1 00:00:10 1970\n";

    #[test]
    fn messages_are_quoted_and_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.mbox");
        let mut writer = MboxWriter::create(&path).expect("made");
        put(&mut writer, b"A: 1\r\n\r\nFrom x\r\n>From y\r\n");
        put(&mut writer, b"no end");
        put(&mut writer, b"");
        assert!(!path.exists(), "not before it is whole");
        writer.close().expect("closed");
        let text = fs::read_to_string(&path).expect("read");
        assert_eq!(text, format!("{FROM}A: 1\n\n>From x\n>>From y\n\n{FROM}no end\n\n{FROM}\n"));
        assert!(!folder.path().join("out.mbox.part").exists());
    }

    #[test]
    fn half_a_message_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.mbox");
        let mut writer = MboxWriter::create(&path).expect("made");
        put(&mut writer, b"A: 1\r\n");
        writer.begin(&ReversePath::Null, 0).expect("begun");
        writer.write(&b"half\r\n".repeat(100_000)).expect("written");
        writer.abandon().expect("gone");
        put(&mut writer, b"A: 3\r\n");
        writer.close().expect("closed");
        assert_eq!(fs::read_to_string(&path).expect("read"), format!("{FROM}A: 1\n\n{FROM}A: 3\n\n"));
    }

    #[test]
    fn what_is_there_is_never_touched() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.mbox");
        let writer = MboxWriter::create(&path).expect("made");
        fs::write(&path, "precious").expect("written");
        assert!(writer.close().is_err());
        assert!(MboxWriter::create(&path).is_err());
        assert_eq!(fs::read_to_string(&path).expect("read"), "precious");
    }

    /// A message as the store may hold it, out of anything.
    fn stored(raw: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(raw).replace("\r\n", "\n").replace(['\r', '\0'], "");
        let ended = if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" };
        ended.replace('\n', "\r\n").into_bytes()
    }

    proptest! {
        /// Whatever messages are written, the same are read: as many, and each octet for octet.
        #[test]
        fn what_is_written_is_read(parts in vec(vec(select(PARTS), 0..12), 0..6)) {
            let messages: Vec<_> = parts.iter().map(|parts| stored(parts.concat().as_bytes())).collect();
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("mbox");
            let mut writer = MboxWriter::create(&path).expect("made");
            messages.iter().for_each(|message| put(&mut writer, message));
            writer.close().expect("closed");
            let letters = letters(&path, Quoting::Mboxrd, None).expect("an mbox");
            let read = |letter: &Letter| {
                let (mut text, mut out) = (letter.open().expect("opened"), Vec::new());
                while let Some(octets) = text.chunk().expect("read") {
                    out.extend_from_slice(octets);
                }
                out
            };
            prop_assert_eq!(letters.iter().map(read).collect::<Vec<_>>(), messages);
        }
    }

    /// What is most likely to be taken for something else.
    const PARTS: &[&str] = &[
        "From ",
        ">",
        ">>From ",
        "\n",
        "\n\n",
        "\r\n",
        "a",
        "A: b\n",
        "From x Thu Jan  1 00:00:10 1970\n",
        "\r",
        "\u{fc}",
        "X-IMAP: 1\nSubject: DON'T",
        ".\n",
    ];
}
