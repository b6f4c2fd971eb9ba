//! Writing a file so that it is there whole or not at all, also after a power cut.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Who may do what with a file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Permission bits.
    pub mode: u32,
    /// User and group; none: ours.
    pub owner: Option<(u32, u32)>,
}

impl Access {
    /// Like a file that is there.
    pub fn like(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self { mode: found.mode() & 0o7777, owner: Some((found.uid(), found.gid())) })
    }
}

/// Puts a new file in the place of an old one, or of none: written beside it, synced, renamed. A symbolic
/// link stays one: what it points to is replaced.
pub fn replace(path: &Path, octets: &[u8], access: Access) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.new"));
    // What a killed process left is nobody's: whoever writes holds the folder's lock.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let written = create(&beside, octets, access).and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.and_then(|()| sync_folder_of(&path))
}

/// Writes a file that was not there; nobody else can read it before its mode is set.
pub fn create(path: &Path, octets: &[u8], access: Access) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let found = file.metadata()?;
    if let Some((uid, gid)) = access.owner.filter(|owner| *owner != (found.uid(), found.gid())) {
        fchown(&file, Some(uid), Some(gid))?;
    }
    file.set_permissions(Permissions::from_mode(access.mode))?;
    file.write_all(octets)?;
    file.sync_all()?;
    sync_folder_of(path)
}

/// Makes a folder, and those above it, when it is not there; says whether it did.
pub fn create_folder(path: &Path, access: Access) -> io::Result<bool> {
    if path.is_dir() {
        return Ok(false);
    }
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        fs::create_dir_all(above)?;
    }
    DirBuilder::new().mode(0o700).create(path)?;
    let folder = File::open(path)?;
    if let Some((uid, gid)) = access.owner {
        fchown(&folder, Some(uid), Some(gid))?;
    }
    folder.set_permissions(Permissions::from_mode(access.mode))?;
    Ok(true)
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_and_link_stay_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().expect("a folder");
        let (file, link) = (dir.path().join("a.toml"), dir.path().join("link.toml"));
        create(&file, b"one", Access { mode: 0o640, owner: None }).expect("created");
        std::os::unix::fs::symlink("a.toml", &link).expect("a link");
        fs::write(dir.path().join(".a.toml.new"), "half").expect("what a killed process left");
        replace(&link, b"two", Access::like(&link).expect("there")).expect("replaced");
        assert_eq!(fs::read(&file).expect("there"), b"two");
        assert_eq!(fs::metadata(&file).expect("there").mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read_dir(dir.path()).expect("there").count(), 2);
    }

    #[test]
    fn what_is_there_is_not_created_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("a.toml");
        let access = Access { mode: 0o600, owner: None };
        create(&file, b"one", access).expect("created");
        let error = create(&file, b"two", access).expect_err("there already");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&file).expect("there"), b"one");
        assert!(!create_folder(dir.path(), access).expect("there"));
        assert!(create_folder(&dir.path().join("x/y"), Access { mode: 0o750, owner: None }).expect("made"));
        assert_eq!(fs::metadata(dir.path().join("x/y")).expect("there").mode() & 0o777, 0o750);
    }
}
