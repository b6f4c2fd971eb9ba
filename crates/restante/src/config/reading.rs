use std::fs::{self, File, FileType};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Reads a regular file, or one that a link leads to, of at most `max` octets; of a longer one
/// [`ErrorKind::FileTooLarge`]. Whoever reloads waits for this: a pipe, a terminal or another device may never end, or
/// never begin.
pub(super) fn read_at_most(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    // Before it is opened, which does something to a device, and after it, for it may be another by then.
    expect_file(fs::metadata(path)?.file_type())?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    expect_file(file.metadata()?.file_type())?;
    let mut octets = Vec::new();
    match io::copy(&mut file.take(max.saturating_add(1)), &mut octets)? <= max {
        true => Ok(octets),
        false => Err(ErrorKind::FileTooLarge.into()),
    }
}

/// Says what was found where a file should be.
pub(super) fn expect_file(found: FileType) -> io::Result<()> {
    let kinds = [
        (found.is_dir(), "a folder"),
        (found.is_fifo(), "a pipe"),
        (found.is_socket(), "a socket"),
        (found.is_block_device() || found.is_char_device(), "a device"),
    ];
    match kinds.iter().find(|(is_it, _)| *is_it) {
        None => Ok(()),
        Some((_, kind)) => {
            Err(io::Error::new(ErrorKind::InvalidInput, format!("it is {kind}; expected a regular file")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ends_is_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("rules.toml");
        fs::write(&file, b"four").expect("written");
        assert_eq!(read_at_most(&file, 4).expect("read"), b"four");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).expect("linked");
        assert_eq!(read_at_most(&link, 4).expect("read"), b"four", "where a link leads");
        let of = |path: &Path, max| read_at_most(path, max).expect_err("refused").kind();
        assert_eq!(of(&file, 3), ErrorKind::FileTooLarge);
        assert_eq!(of(&dir.path().join("none"), 4), ErrorKind::NotFound);
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
        assert!(made.success());
        let socket = dir.path().join("socket");
        let _bound = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        for (path, kind) in [
            (&*pipe, "a pipe"),
            (&*socket, "a socket"),
            (dir.path(), "a folder"),
            // Each would be read for ever, or be empty: as a terminal, on which nobody types.
            (Path::new("/dev/zero"), "a device"),
            (Path::new("/dev/null"), "a device"),
            (Path::new("/dev/ptmx"), "a device"),
        ] {
            let said = read_at_most(path, 1 << 16).expect_err("refused").to_string();
            assert_eq!(said, format!("it is {kind}; expected a regular file"), "{}", path.display());
        }
    }
}
