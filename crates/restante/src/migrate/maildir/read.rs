use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::migrate::letter::{Content, Letter};
use crate::migrate::list::{UidlList, base};
use crate::migrate::uidl::Uidl;

/// A Maildir of an old server.
#[derive(Debug)]
pub struct Maildir {
    folder: PathBuf,
    /// The same without links.
    within: Arc<Path>,
    /// Maildir++ folders beside the inbox, with their dots.
    pub folders: Vec<String>,
    /// There is a `dovecot-uidlist` in it.
    pub has_uidlist: bool,
}

/// One file, and what says where it stands among the others.
struct Found {
    letter: Letter,
    /// Its name up to the flags.
    base: String,
    /// By the old server's list, if that has an order; then by when it came, as its name says.
    order: ((u32, u64), Stamp, String),
}

/// When a message came, as the name of its file says: `<seconds>.M<microseconds>P<process>.<host>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stamp {
    seconds: u64,
    micros: u64,
}

impl Maildir {
    /// Looks at what is there. A folder without `cur` and `new` is no Maildir.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::metadata(folder)?;
        for part in ["cur", "new"] {
            if !folder.join(part).is_dir() {
                let why = format!("there is no folder `{part}` in it, so it is no Maildir");
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
        }
        let mut folders = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') && entry.path().join("cur").is_dir() {
                folders.push(name);
            }
        }
        folders.sort();
        let has_uidlist = folder.join("dovecot-uidlist").is_file();
        let within = folder.canonicalize()?.into();
        Ok(Self { folder: folder.into(), within, folders, has_uidlist })
    }

    /// Its messages, oldest first, then those of `folders`. What `list` names has the old server's unique id;
    /// all else the name of its file, which is what many servers print.
    pub fn letters(&self, folders: &[String], list: Option<&mut UidlList>) -> io::Result<Letters> {
        let mut inbox = files(&self.folder, &self.within)?;
        let mut letters = match list {
            None => sorted(inbox.found),
            Some(list) => named(inbox.found, list),
        };
        for name in folders {
            let name = name.strip_prefix('.').unwrap_or(name);
            let files = files(&self.folder.join(format!(".{name}")), &self.within)?;
            letters.extend(sorted(files.found));
            inbox.odd.extend(files.odd);
        }
        Ok(Letters { letters, odd: inbox.odd })
    }
}

/// What a Maildir has.
#[derive(Debug)]
pub struct Letters {
    /// Its messages.
    pub letters: Vec<Letter>,
    /// Names in its folders that are no files, and so no messages.
    pub odd: Vec<String>,
}

/// The messages under the names, and in the order, of an old server's list.
fn named(mut found: Vec<Found>, list: &mut UidlList) -> Vec<Letter> {
    for file in &mut found {
        let listed = list.take_file(&file.base);
        // What the list does not know came after it was written.
        file.order.0 = listed.as_ref().map_or((u32::MAX, u64::MAX), |listed| listed.order);
        file.letter.uidl = listed.map(|listed| listed.uidl).or(file.letter.uidl.take());
    }
    let mut letters = sorted(found);
    for (number, letter) in (1..).zip(&mut letters) {
        letter.uidl = list.take_number(number).map(|listed| listed.uidl).or(letter.uidl.take());
    }
    letters
}

fn sorted(mut found: Vec<Found>) -> Vec<Letter> {
    found.sort_by(|one, other| one.order.cmp(&other.order));
    found.into_iter().map(|found| found.letter).collect()
}

#[derive(Default)]
struct Files {
    found: Vec<Found>,
    odd: Vec<String>,
}

/// The files of one Maildir. What begins with a dot is none of its messages.
fn files(folder: &Path, within: &Arc<Path>) -> io::Result<Files> {
    let mut files = Files::default();
    for part in ["cur", "new"] {
        for entry in fs::read_dir(folder.join(part))? {
            let entry = entry?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let metadata = match fs::metadata(entry.path()) {
                Ok(metadata) if metadata.is_file() => Some(metadata),
                Ok(_) => {
                    files.odd.push(entry.path().display().to_string());
                    continue;
                }
                // A delivery agent has renamed it meanwhile: it is listed under its other name, or it is gone.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                // It fails by its name, and alone, when it is to be read.
                Err(_) => None,
            };
            let content = Content::File { path: entry.path(), within: within.clone() };
            files.found.push(look(content, part, &name, metadata.as_ref()));
        }
    }
    files.found = apart(files.found);
    Ok(files)
}

/// A file that was moved or got flags while we listed was met twice, and is there once. Two that are there are
/// two messages, though only one of them can have the name.
fn apart(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by(|one, other| one.base.cmp(&other.base));
    let mut kept: Vec<Found> = Vec::with_capacity(found.len());
    for mut file in found {
        if let Some(before) = kept.last()
            && base(&before.base) == file.base
        {
            if !is_there(&before.letter) {
                kept.pop();
            } else if !is_there(&file.letter) {
                continue;
            } else {
                file.letter.uidl = None;
                // No list means this one.
                file.base.push(':');
            }
        }
        kept.push(file);
    }
    kept
}

fn is_there(letter: &Letter) -> bool {
    match &letter.content {
        Content::File { path, .. } => path.exists(),
        Content::Part { .. } => true,
    }
}

fn look(content: Content, part: &str, name: &OsStr, metadata: Option<&fs::Metadata>) -> Found {
    let name = name.to_string_lossy();
    let base = base(&name).to_owned();
    let stamp = Stamp::of(&base);
    let modified = metadata.and_then(|metadata| metadata.modified().ok());
    let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified = modified.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    // A copy that was not careful has set the one to today; a message that was moved here by IMAP has its
    // true time in the file alone. Whichever is older is right.
    let received_ms = match stamp.seconds {
        0 => modified,
        seconds => modified.min(seconds.saturating_mul(1000).saturating_add(stamp.micros / 1000)),
    };
    let letter = Letter {
        name: format!("{part}/{name}"),
        uidl: Uidl::parse(&base).ok(),
        received_ms,
        sender: None,
        octets: metadata.map_or(0, fs::Metadata::len),
        content,
    };
    Found { letter, order: ((0, 0), stamp, base.clone()), base }
}

impl Stamp {
    fn of(base: &str) -> Self {
        let mut parts = base.split('.');
        let seconds = parts.next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let micros = parts.next().and_then(|text| text.strip_prefix('M'));
        let digits = micros.map(|text| text.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default());
        let micros = digits.and_then(|text| text.parse().ok()).unwrap_or(0);
        Self { seconds, micros }
    }
}

/// Opens a message's file, also where its flags have changed since it was listed. What is not in the Maildir is no
/// mail of its owner's: root reads here, and a link to a file that root alone may read is soon laid.
pub(in crate::migrate) fn open(path: &Path, within: &Path) -> io::Result<File> {
    let file = find(path)?;
    // Of what is open, not of its name, which may be another's by now.
    let real = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    if real.starts_with(within) {
        Ok(file)
    } else {
        let why = format!("a link out of the Maildir, to {}", real.display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
    }
}

fn find(path: &Path) -> io::Result<File> {
    let missing = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => error,
        opened => return opened,
    };
    let (Some(folder), Some(name)) = (path.parent().and_then(Path::parent), path.file_name()) else {
        return Err(missing);
    };
    let name = name.to_string_lossy();
    for part in ["cur", "new"] {
        for entry in fs::read_dir(folder.join(part))? {
            let entry = entry?;
            if base(&entry.file_name().to_string_lossy()) == base(&name) {
                return File::open(entry.path());
            }
        }
    }
    Err(missing)
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;
    use std::time::{Duration, SystemTime};

    use super::*;

    fn maildir() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for part in ["cur", "new", "tmp"] {
            fs::create_dir(folder.path().join(part)).expect("made");
        }
        folder
    }

    fn put(folder: &tempfile::TempDir, name: &str, seconds: u64) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("one")).expect("made");
        fs::write(&path, "Subject: x\n\n").expect("written");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let file = File::options().write(true).open(&path).expect("opened");
        file.set_times(FileTimes::new().set_modified(time)).expect("set");
    }

    fn names(folder: &tempfile::TempDir, list: Option<&str>) -> Vec<(String, Option<String>)> {
        let path = folder.path().join("list");
        let mut list = list.map(|text| {
            fs::write(&path, text).expect("written");
            UidlList::read(&path, None).expect("a list")
        });
        let maildir = Maildir::open(folder.path()).expect("a Maildir");
        let letters = maildir.letters(&[], list.as_mut()).expect("listed").letters;
        let uidl = |letter: &Letter| letter.uidl.as_ref().map(ToString::to_string);
        letters.iter().map(|letter| (letter.name.clone(), uidl(letter))).collect()
    }

    fn pair(name: &str, uidl: &str) -> (String, Option<String>) {
        (name.into(), Some(uidl.into()))
    }

    #[test]
    fn messages_come_in_the_order_they_came_in_and_keep_their_names() {
        let folder = maildir();
        for name in [
            "new/100.M9P1.h",
            "cur/100.M10P1.h:2,S",
            "cur/99.x.h:2,RS",
            "cur/.hidden",
            "tmp/1.x.h",
            "cur/sub/1.y.h",
        ] {
            put(&folder, name, 1000);
        }
        let wanted = [
            pair("cur/99.x.h:2,RS", "99.x.h"),
            pair("new/100.M9P1.h", "100.M9P1.h"),
            pair("cur/100.M10P1.h:2,S", "100.M10P1.h"),
        ];
        assert_eq!(names(&folder, None), wanted);
    }

    /// No message is passed by because another has its name, and what is no message is told.
    #[test]
    fn twins_are_two_messages_and_a_folder_is_none() {
        let folder = maildir();
        for name in ["cur/1.a.h:2,S", "new/1.a.h", "cur/1.a.h:2,RS", "cur/sub/2.b.h"] {
            put(&folder, name, 1000);
        }
        let found = Maildir::open(folder.path()).expect("a Maildir").letters(&[], None).expect("listed");
        let named = found.letters.iter().filter(|letter| letter.uidl.is_some()).count();
        assert_eq!((found.letters.len(), named), (3, 1));
        assert_eq!(found.odd, [folder.path().join("cur/sub").display().to_string()]);
        let list = names(&folder, Some("kept 1.a.h\n"));
        assert_eq!(list.iter().filter(|(_, uidl)| uidl.as_deref() == Some("kept")).count(), 1);
        assert_eq!(list.len(), 3);
        std::os::unix::fs::symlink(folder.path().join("new/1.a.h"), folder.path().join("new/3.c.h"))
            .expect("made");
        assert_eq!(names(&folder, None).len(), 4, "a message may be a link");
    }

    #[test]
    fn the_list_decides_the_order_and_what_it_does_not_know_is_last() {
        let folder = maildir();
        for name in ["cur/100.a.h:2,", "cur/101.b.h:2,S", "new/50.c.h", "cur/102.d.h:2,"] {
            put(&folder, name, 1000);
        }
        let list = "3 V1 N9\n5 :101.b.h:2,\n7 :100.a.h:2,S\n8 Pkept O1 :102.d.h:2,\n9 :gone.h\n";
        let wanted = [
            pair("cur/102.d.h:2,", "kept"),
            pair("cur/101.b.h:2,S", "0000000500000001"),
            pair("cur/100.a.h:2,", "0000000700000001"),
            pair("new/50.c.h", "50.c.h"),
        ];
        assert_eq!(names(&folder, Some(list)), wanted);
        let numbers = names(&folder, Some("first 1\nlast 4\n"));
        assert_eq!(numbers[0], pair("new/50.c.h", "first"));
        assert_eq!(numbers[3], pair("cur/102.d.h:2,", "last"));
    }

    #[test]
    fn the_older_of_two_times_is_the_true_one() {
        let folder = maildir();
        put(&folder, "cur/1000.copied.h:2,", 5_000_000);
        put(&folder, "cur/2000.moved.h:2,", 30);
        put(&folder, "cur/nonsense:2,", 40);
        let maildir = Maildir::open(folder.path()).expect("a Maildir");
        let letters = maildir.letters(&[], None).expect("listed").letters;
        let times: Vec<_> = letters.iter().map(|letter| letter.received_ms).collect();
        assert_eq!(times, [40_000, 1_000_000, 30_000]);
    }

    #[test]
    fn names_that_are_no_unique_ids_are_none() {
        let folder = maildir();
        put(&folder, &format!("cur/{}:2,", "x".repeat(71)), 1);
        put(&folder, "cur/r0123456789abcdef", 1);
        put(&folder, "cur/with space", 1);
        assert!(names(&folder, None).iter().all(|(_, uidl)| uidl.is_none()));
    }

    #[test]
    fn other_folders_are_named_and_read_when_asked_for() {
        let folder = maildir();
        put(&folder, "cur/1.a.h:2,S", 1);
        put(&folder, ".Sent/cur/2.b.h:2,S", 2);
        fs::create_dir(folder.path().join(".Sent/new")).expect("made");
        put(&folder, ".not-a-folder", 2);
        let maildir = Maildir::open(folder.path()).expect("a Maildir");
        assert_eq!((maildir.folders.as_slice(), maildir.has_uidlist), (&[".Sent".to_owned()][..], false));
        for name in ["Sent", ".Sent"] {
            let letters = maildir.letters(&[name.into()], None).expect("listed").letters;
            assert_eq!(letters.len(), 2, "{name}");
        }
        assert!(maildir.letters(&["Trash".into()], None).is_err());
    }

    #[test]
    fn a_file_is_found_after_its_flags_have_changed() {
        let folder = maildir();
        put(&folder, "new/1.a.h", 1);
        let listed = folder.path().join("new/1.a.h");
        fs::rename(&listed, folder.path().join("cur/1.a.h:2,S")).expect("moved");
        assert!(open(&listed, folder.path()).is_ok());
        assert!(open(&folder.path().join("new/2.a.h"), folder.path()).is_err());
    }

    #[test]
    fn no_link_leads_out_of_the_maildir() {
        let (folder, secret) = (maildir(), tempfile::tempdir().expect("a folder"));
        fs::write(secret.path().join("9.key"), "secret").expect("written");
        put(&folder, "cur/1.a.h", 1);
        let link = |to: PathBuf, name: &str| {
            std::os::unix::fs::symlink(to, folder.path().join(name)).expect("laid");
        };
        link(folder.path().join("cur/1.a.h"), "cur/2.inside.h");
        link(secret.path().join("9.key"), "cur/3.outside.h");
        fs::remove_dir(folder.path().join("new")).expect("removed");
        link(secret.path().into(), "new");
        let maildir = Maildir::open(folder.path()).expect("a Maildir");
        let letters = maildir.letters(&[], None).expect("listed").letters;
        let opened: Vec<_> = letters.iter().map(|letter| letter.open().is_ok()).collect();
        assert_eq!(opened, [true, true, false, false]);
        link("4.loop.h".into(), "cur/4.loop.h");
        assert_eq!(maildir.letters(&[], None).expect("the others").letters.len(), 5);
        let error = letters[2].open().err().expect("refused").to_string();
        assert!(error.starts_with("a link out of the Maildir, to ") && error.ends_with("9.key"), "{error}");
    }

    #[test]
    fn what_is_no_maildir_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = Maildir::open(folder.path()).expect_err("no Maildir");
        assert!(error.to_string().contains("no folder `cur`"), "{error}");
    }
}
