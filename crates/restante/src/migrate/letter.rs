use std::fs::File;
use std::io::{self, Read};
use std::ops::{Deref, Range};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mail::ReversePath;
use smtp_receive::{BareNewline, TextReader};

use super::maildir;
use super::mbox::{Quoting, Unquoted};
use super::uidl::Uidl;

/// Octets that are read at once.
const CHUNK: usize = 64 << 10;

/// One message of an old server, before it is read.
#[derive(Debug)]
pub struct Letter {
    /// Where it stands, for the person who must find it: a file, or a file and a number.
    pub name: String,
    /// What the old server's UIDL called it; none where that is not known.
    pub uidl: Option<Uidl>,
    /// When it came, in milliseconds since 1970.
    pub received_ms: u64,
    /// Who sent it, if that is written beside it.
    pub sender: Option<ReversePath>,
    /// Its octets in the file, near enough to show how far one is.
    pub octets: u64,
    /// Where its octets are.
    pub content: Content,
}

/// Where the octets of a message are.
#[derive(Debug, Clone)]
pub enum Content {
    /// A file of a Maildir, which may be renamed while it is looked for.
    File {
        /// Its name when it was listed.
        path: PathBuf,
        /// The Maildir, as it is called without links: it must lie in there.
        within: Arc<Path>,
    },
    /// A part of an mbox.
    Part {
        /// The mbox.
        file: Arc<File>,
        /// Which part.
        range: Range<u64>,
        /// How its lines are quoted.
        quoting: Quoting,
    },
}

impl Letter {
    /// Opens it.
    pub fn open(&self) -> io::Result<Text> {
        let source: Box<dyn Read + Send> = match &self.content {
            Content::File { path, within } => Box::new(maildir::open(path, within)?),
            Content::Part { file, range, quoting } => {
                Box::new(Unquoted::new(Part { file: file.clone(), range: range.clone() }, *quoting))
            }
        };
        Ok(Text::new(source))
    }
}

/// The octets of a message as a store may hold them: what ends a line is CRLF, and there is no NUL, as the
/// intake does it for networks that are trusted. Nothing else is changed.
pub struct Text {
    source: Box<dyn Read + Send>,
    reader: TextReader,
    raw: Vec<u8>,
    out: Vec<u8>,
    ended: bool,
    unterminated: bool,
}

impl Text {
    fn new(source: Box<dyn Read + Send>) -> Self {
        let reader = TextReader::new(BareNewline::Normalize, usize::MAX);
        Self { source, reader, raw: vec![0; CHUNK], out: Vec::new(), ended: false, unterminated: false }
    }

    /// The next octets; none at the end.
    pub fn chunk(&mut self) -> io::Result<Option<&[u8]>> {
        self.out.clear();
        while self.out.is_empty() && !self.ended {
            let length = match self.source.read(&mut self.raw) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                length => length?,
            };
            if length == 0 {
                let (rest, unterminated) = self.reader.finish();
                self.out.extend_from_slice(rest);
                (self.ended, self.unterminated) = (true, unterminated);
            }
            let mut raw = &self.raw[..length];
            while !raw.is_empty() {
                let (taken, text) = self.reader.read(raw);
                self.out.extend_from_slice(text);
                raw = &raw[taken..];
            }
        }
        Ok((!self.out.is_empty()).then_some(&self.out))
    }

    /// Whether the last line was not ended; known at the end.
    pub fn unterminated(&self) -> bool {
        self.unterminated
    }
}

/// A part of a file, read without moving the place that others read from.
pub(super) struct Part<F> {
    pub(super) file: F,
    pub(super) range: Range<u64>,
}

impl<F: Deref<Target = File>> Read for Part<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        match self.file.read_at(&mut buffer[..wanted], self.range.start)? {
            // Somebody has cut the file while we read it: half a message is none.
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.range.start += length as u64;
                Ok(length)
            }
        }
    }
}

/// Whether these octets begin what the old server has packed or encrypted: no mail, but what only it can read.
pub fn is_packed(head: &[u8]) -> bool {
    // gzip, bzip2, xz, zstd, and what Dovecot puts before LZ4 and before what it encrypts.
    const MARKS: [&[u8]; 6] =
        [b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"Dovecot-LZ4", b"CRYPTED\x03\x07"];
    MARKS.iter().any(|mark| head.starts_with(mark))
}

/// The sender that a delivery agent has noted on top of a message, if it did.
pub fn return_path(head: &[u8]) -> Option<ReversePath> {
    const NAME: &str = "return-path:";
    let header = head.split(|octet| *octet == b'\n').take_while(|line| !line.trim_ascii().is_empty());
    for line in header {
        if line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME.as_bytes()) {
            let path = std::str::from_utf8(&line[NAME.len()..]).ok()?.trim();
            return ReversePath::parse(path).ok().map(|(path, _)| path);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(raw: &[u8]) -> (Vec<u8>, bool) {
        let mut text = Text::new(Box::new(io::Cursor::new(raw.to_vec())));
        let mut out = Vec::new();
        while let Some(octets) = text.chunk().expect("read") {
            out.extend_from_slice(octets);
        }
        (out, text.unterminated())
    }

    #[test]
    fn line_ends_become_crlf_and_nuls_go_and_nothing_else_changes() {
        for (raw, stored, unterminated) in [
            (&b"a\nb\r\nc\rd\0e\n\xff\n"[..], &b"a\r\nb\r\nc\r\nde\r\n\xff\r\n"[..], false),
            (b"", b"", false),
            (b"\r", b"\r\n", false),
            (b"no end", b"no end", true),
            (b"\n\n", b"\r\n\r\n", false),
        ] {
            assert_eq!(text(raw), (stored.to_vec(), unterminated), "{}", raw.escape_ascii());
        }
        let long = b"x\n".repeat(CHUNK);
        assert_eq!(text(&long).0, b"x\r\n".repeat(CHUNK));
    }

    /// Also behind the reader that takes out NULs.
    #[test]
    fn what_is_packed_is_known_by_its_first_octets() {
        for raw in [&b"\x1f\x8b\x08\0\0x"[..], b"BZh91AY", b"\xfd7zXZ\0\0", b"\x28\xb5\x2f\xfd\x04\0"] {
            assert!(is_packed(&text(raw).0), "{}", raw.escape_ascii());
        }
        for raw in [&b"Received: x"[..], b"B: Zh", b"", b"\x1f"] {
            assert!(!is_packed(&text(raw).0), "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn the_sender_is_read_from_the_top_only() {
        let sender = |head: &str| return_path(head.as_bytes()).map(|path| path.to_string());
        assert_eq!(sender("Return-Path: <a@b.example>\r\nX: y\r\n\r\n").as_deref(), Some("a@b.example"));
        assert_eq!(sender("X: y\nreturn-path:<>\n\n").as_deref(), Some(""));
        for none in
            ["X: y\r\n\r\nReturn-Path: <a@b.example>\r\n", "Return-Path: nobody\n", "Return-Path:\n", ""]
        {
            assert_eq!(sender(none), None, "{none:?}");
        }
    }
}
