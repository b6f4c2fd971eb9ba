use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

/// Reads a file that has at most `max` octets; of a longer one [`ErrorKind::FileTooLarge`]. Whoever reloads waits for
/// this: a pipe, which may never end, is refused, and a device that does not end is longer.
pub(super) fn read_at_most(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_fifo() || kind.is_socket() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no file"));
    }
    let mut octets = Vec::new();
    match io::copy(&mut File::open(path)?.take(max.saturating_add(1)), &mut octets)? <= max {
        true => Ok(octets),
        false => Err(ErrorKind::FileTooLarge.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_end_is_not_read_to_its_end() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("rules.toml");
        fs::write(&file, b"four").expect("written");
        assert_eq!(read_at_most(&file, 4).expect("read"), b"four");
        let of = |path: &Path, max| read_at_most(path, max).expect_err("refused").kind();
        assert_eq!(of(&file, 3), ErrorKind::FileTooLarge);
        assert_eq!(of(Path::new("/dev/zero"), 1 << 16), ErrorKind::FileTooLarge);
        assert_eq!(read_at_most(Path::new("/dev/null"), 0).expect("read"), b"");
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
        assert!(made.success());
        assert_eq!(of(&pipe, 4), ErrorKind::InvalidInput);
        assert_eq!(of(&dir.path().join("none"), 4), ErrorKind::NotFound);
    }
}
