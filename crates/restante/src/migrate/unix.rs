use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use memchr::memchr;

/// A file of our own, in the place of what a run that was cut off has left. The folder may be somebody else's, and
/// who writes into it root: a link that lies there is taken away, never followed.
pub(super) fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Turns CRLF into LF, as files of mail have it, and ends the last line.
#[derive(Debug, Default)]
pub(super) struct UnixLines {
    /// A CR came last: whether it goes is decided by what follows.
    held: bool,
    /// The last octet that went out was not an LF.
    open: bool,
}

impl UnixLines {
    /// Gives `out` what stands for these octets, run by run.
    pub(super) fn write<E>(
        &mut self,
        mut octets: &[u8],
        mut out: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.held && !octets.is_empty() {
            self.held = false;
            if octets[0] != b'\n' {
                self.put(b"\r", &mut out)?;
            }
        }
        while let Some(at) = memchr(b'\r', octets) {
            self.put(&octets[..at], &mut out)?;
            octets = &octets[at + 1..];
            match octets.first() {
                None => self.held = true,
                Some(b'\n') => {}
                Some(_) => self.put(b"\r", &mut out)?,
            }
        }
        self.put(octets, &mut out)
    }

    /// The message is over.
    pub(super) fn finish<E>(&mut self, mut out: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if std::mem::take(&mut self.held) {
            self.put(b"\r", &mut out)?;
        }
        if std::mem::take(&mut self.open) { out(b"\n") } else { Ok(()) }
    }

    fn put<E>(&mut self, run: &[u8], out: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let Some(last) = run.last() else { return Ok(()) };
        self.open = *last != b'\n';
        out(run)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn what_lies_behind_a_link_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let (precious, trap) = (folder.path().join("precious"), folder.path().join("trap"));
        fs::write(&precious, "precious").expect("written");
        std::os::unix::fs::symlink(&precious, &trap).expect("laid");
        io::Write::write_all(&mut create(&trap).expect("made"), b"mail").expect("written");
        assert_eq!(fs::read(&precious).expect("read"), b"precious");
        assert_eq!(fs::read(&trap).expect("read"), b"mail");
        create(&trap).expect("made anew");
        assert!(fs::read(&trap).expect("read").is_empty());
    }

    #[test]
    fn every_short_text_at_every_split() {
        const ALPHABET: &[u8] = b"\r\na";
        for length in 0..=7u32 {
            for number in 0..3usize.pow(length) {
                let input: Vec<u8> =
                    (0..length).map(|place| ALPHABET[number / 3usize.pow(place) % 3]).collect();
                let text = String::from_utf8(input.clone()).expect("ASCII").replace("\r\n", "\n");
                let wanted = if text.is_empty() || text.ends_with('\n') { text } else { format!("{text}\n") };
                for split in 0..=input.len() {
                    let mut out = Vec::new();
                    let mut take = |run: &[u8]| {
                        out.extend_from_slice(run);
                        Ok::<_, Infallible>(())
                    };
                    let mut lines = UnixLines::default();
                    let Ok(()) = lines.write(&input[..split], &mut take);
                    let Ok(()) = lines.write(&input[split..], &mut take);
                    let Ok(()) = lines.finish(&mut take);
                    assert_eq!(out, wanted.as_bytes(), "{} at {split}", input.escape_ascii());
                }
            }
        }
    }
}
