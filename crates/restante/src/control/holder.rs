use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The process that has a store's lock, by proc_locks(5); none when nobody has it, or it cannot be known.
pub(crate) fn holder(store: &Path) -> Option<u32> {
    let inode = fs::metadata(store.join("LOCK")).ok()?.ino();
    holder_in(&fs::read_to_string("/proc/locks").ok()?, inode)
}

/// `1: FLOCK  ADVISORY  WRITE 1234 fd:01:131090 0 EOF`; one that waits has an arrow behind its number.
fn holder_in(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (kind, pid) = (words.next()?, words.nth(2)?);
        let locked = words.next()?.rsplit(':').next()?;
        let found = kind == "FLOCK" && locked.parse() == Ok(inode);
        pid.parse().ok().filter(|_| found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_found_among_others() {
        let locks = "1: POSIX  ADVISORY  WRITE 7 fd:01:42 0 EOF\n2: FLOCK  ADVISORY  WRITE 1234 fd:01:42 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 99 fd:01:43 0 EOF\nrubbish\n";
        assert_eq!(holder_in(locks, 42), Some(1234));
        assert_eq!((holder_in(locks, 43), holder_in("", 42)), (None, None));
    }

    #[test]
    fn we_hold_what_we_have_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let params =
            queue_sled::Params { segment_size: Some(16 << 20), ballast: 0, ..queue_sled::Params::default() };
        let (store, _) = queue_sled::SledStore::open(folder.path(), params).expect("a store");
        // Not every kernel shows its locks.
        if !fs::read_to_string("/proc/locks").unwrap_or_default().is_empty() {
            assert_eq!(holder(folder.path()), Some(std::process::id()));
        }
        drop(store);
    }
}
