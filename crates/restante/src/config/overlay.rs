//! Password hashes that were made anew at a login. The daemon never writes to the configuration folder, so
//! a stronger hash is kept in the state folder, keyed to the string it stands for: when an admin changes
//! that string, the stronger one is void.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::replace::{Access, replace};

const NAME: &str = "strengthened.toml";
const HEAD: &str = "# Written by restante: stronger hashes of passwords in mailboxes.toml, made at logins.\n\
                    # Without this file nobody is locked out: they are made again.\n\n";

/// The stronger hashes of one state folder. One process writes it.
#[derive(Debug)]
pub struct Overlay {
    path: PathBuf,
    kept: Mutex<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Written {
    #[serde(default)]
    hash: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    configured: String,
    stronger: String,
}

impl Overlay {
    /// Reads what a state folder keeps. A file that is not readable as TOML is logged and counts as empty:
    /// the configured hashes still open every mailbox.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let path = state_dir.join(NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let written: Written = toml::from_str(&text).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), error = error.message(), "stronger hashes are made again");
            Written::default()
        });
        let kept = written.hash.into_iter().map(|entry| (entry.configured, entry.stronger)).collect();
        Ok(Self { path, kept: Mutex::new(kept) })
    }

    /// Configured string to stronger hash, for those of the configuration that `configured` says are there;
    /// the others are void and forgotten at the next write.
    pub fn load(&self, configured: impl Fn(&str) -> bool) -> HashMap<String, String> {
        let mut kept = self.lock();
        kept.retain(|old, _| configured(old));
        kept.iter().map(|(old, new)| (old.clone(), new.clone())).collect()
    }

    /// Keeps a stronger hash of a configured string. On disk when it returns; blocks for an fsync.
    pub fn keep(&self, configured: &str, stronger: &str) -> io::Result<()> {
        let mut kept = self.lock();
        kept.insert(configured.to_owned(), stronger.to_owned());
        let hash =
            kept.iter().map(|(old, new)| Entry { configured: old.clone(), stronger: new.clone() }).collect();
        let text = toml::to_string(&Written { hash }).map_err(io::Error::other)?;
        replace(&self.path, format!("{HEAD}{text}").as_bytes(), Access { mode: 0o600, owner: None })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        // Every change under the lock is one map operation: what a panic left behind is still whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_stronger_hash_lives_as_long_as_the_string_it_stands_for() {
        let dir = tempfile::tempdir().expect("a folder");
        let overlay = Overlay::open(dir.path()).expect("nothing there");
        overlay.keep("$6$a$x", "$argon2id$1").expect("kept");
        overlay.keep("$6$b$x", "$argon2id$2").expect("kept");
        overlay.keep("$6$a$x", "$argon2id$3").expect("kept");
        let path = dir.path().join(NAME);
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);

        let again = Overlay::open(dir.path()).expect("readable");
        let all = again.load(|_| true);
        assert_eq!((all.len(), all["$6$a$x"].as_str()), (2, "$argon2id$3"));
        assert_eq!(again.load(|old| old == "$6$b$x").len(), 1);
        again.keep("$6$c$x", "$argon2id$4").expect("kept");
        let left = Overlay::open(dir.path()).expect("readable").load(|_| true);
        assert!(!left.contains_key("$6$a$x") && left.len() == 2, "the void one is forgotten");
    }

    #[test]
    fn a_broken_file_locks_nobody_out() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join(NAME), "[[hash]\nconfigured").expect("written");
        let overlay = Overlay::open(dir.path()).expect("counts as empty");
        assert!(overlay.load(|_| true).is_empty());
        overlay.keep("$6$a$x", "$argon2id$1").expect("kept");
        assert_eq!(Overlay::open(dir.path()).expect("readable").load(|_| true).len(), 1);
    }
}
