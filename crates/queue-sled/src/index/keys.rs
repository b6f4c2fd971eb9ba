//! Keys of the index: one octet for the family, names ended by a zero (no name holds one), numbers
//! big-endian so that their order is the order of keys.

use mail::{MailboxName, QueueId, Uid, ViewName};

/// Where the index stands in the log, and digests over its families.
pub(crate) const STATE: &[u8] = b"X";
/// Of one family, for scans.
pub(crate) const MAILBOXES: &[u8] = b"A";
/// See [`MAILBOXES`].
pub(crate) const VIEWS: &[u8] = b"V";
/// See [`MAILBOXES`].
pub(crate) const RUNS: &[u8] = b"S";
/// See [`MAILBOXES`].
pub(crate) const JOURNALS: &[u8] = b"G";
/// See [`MAILBOXES`].
pub(crate) const QUEUE: &[u8] = b"Q";
/// See [`MAILBOXES`].
pub(crate) const ENTRIES: &[u8] = b"M";
/// See [`MAILBOXES`].
pub(crate) const BODIES: &[u8] = b"B";

/// `A` mailbox: its totals.
pub(crate) fn mailbox(name: &MailboxName) -> Vec<u8> {
    named(b'A', name, 0)
}

/// `V` mailbox, view: a view that has joined.
pub(crate) fn view(name: &MailboxName, view: &ViewName) -> Vec<u8> {
    let mut key = named(b'V', name, view.as_str().len());
    key.extend_from_slice(view.as_str().as_bytes());
    key
}

/// `M` mailbox, uid: entries from that uid on, as far as they fit one row.
pub(crate) fn entry(name: &MailboxName, uid: Uid) -> Vec<u8> {
    let mut key = named(b'M', name, 8);
    key.extend_from_slice(&uid.0.to_be_bytes());
    key
}

/// All entries of a mailbox.
pub(crate) fn entries(name: &MailboxName) -> Vec<u8> {
    named(b'M', name, 0)
}

/// Which of a view's sets a run is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Set {
    Done = 1,
    Fetched = 2,
}

/// `S` mailbox, view, set, uid: runs of entries that a view is done with, or has fetched, the first of which begins
/// there.
pub(crate) fn run(name: &MailboxName, view: &ViewName, set: Set, first: Uid) -> Vec<u8> {
    let mut key = viewed(b'S', name, view, 9);
    key.push(set as u8);
    key.extend_from_slice(&first.0.to_be_bytes());
    key
}

/// `G` mailbox, view, number: a part of what a view was done with, and when.
pub(crate) fn journal(name: &MailboxName, view: &ViewName, number: u64) -> Vec<u8> {
    let mut key = viewed(b'G', name, view, 8);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// All of one view.
pub(crate) fn journal_of(name: &MailboxName, view: &ViewName) -> Vec<u8> {
    viewed(b'G', name, view, 0)
}

/// The mailbox and the view in an `S` or `G` key, and what stands behind them.
pub(crate) fn view_of(key: &[u8]) -> Option<(MailboxName, ViewName, &[u8])> {
    let (mailbox, rest) = names(key)?;
    let end = rest.iter().position(|octet| *octet == 0)?;
    let view = ViewName::kept(std::str::from_utf8(&rest[..end]).ok()?).ok()?;
    Some((mailbox, view, &rest[end + 1..]))
}

fn viewed(family: u8, name: &MailboxName, view: &ViewName, more: usize) -> Vec<u8> {
    let mut key = named(family, name, view.as_str().len() + 1 + more);
    key.extend_from_slice(view.as_str().as_bytes());
    key.push(0);
    key
}

/// `Q` id: a message that waits to be routed.
pub(crate) fn queued(id: QueueId) -> Vec<u8> {
    numbered(b'Q', id.0)
}

/// `B` body id, chunk: where a body is, and the entries that hold it.
pub(crate) fn body(id: QueueId, chunk: u16) -> Vec<u8> {
    let mut key = numbered(b'B', id.0);
    key.extend_from_slice(&chunk.to_be_bytes());
    key
}

/// The number at the end of an entry's, a run's, a journal's or a queue key.
pub(crate) fn number(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|number| u64::from_be_bytes(*number))
}

/// The mailbox in a key, and what stands behind it.
pub(crate) fn names(key: &[u8]) -> Option<(MailboxName, &[u8])> {
    let rest = key.get(1..)?;
    let end = rest.iter().position(|octet| *octet == 0)?;
    let name = std::str::from_utf8(&rest[..end]).ok()?;
    Some((MailboxName::kept(name).ok()?, &rest[end + 1..]))
}

fn named(family: u8, name: &MailboxName, more: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.as_str().len() + 2 + more);
    key.push(family);
    key.extend_from_slice(name.as_str().as_bytes());
    key.push(0);
    key
}

fn numbered(family: u8, number: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(11);
    key.push(family);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_has_no_entry_of_another() {
        let name = |text: &str| MailboxName::parse(text).expect("a name");
        let key = entry(&name("alice@b.example"), Uid(7));
        assert!(key.starts_with(&entries(&name("alice@b.example"))));
        assert!(!key.starts_with(&entries(&name("alice"))));
        assert_eq!(number(&key), Some(7));
        assert_eq!(names(&key).expect("a key").0, name("alice@b.example"));
    }

    #[test]
    fn the_owner_has_a_journal_of_his_own() {
        let alice = ViewName::parse("alice").expect("a name");
        let name = MailboxName::parse("sales").expect("a name");
        for name in [name.trash(), name.quarantine(), name] {
            let key = journal(&name, &alice, 7);
            assert!(key.starts_with(&journal_of(&name, &alice)));
            assert!(!key.starts_with(&journal_of(&name, &ViewName::owner())));
            assert_eq!(view_of(&key).expect("a key"), (name.clone(), alice.clone(), &7u64.to_be_bytes()[..]));
            let key = run(&name, &ViewName::releaser(), Set::Done, Uid(7));
            let (of, view, rest) = view_of(&key).expect("a key");
            assert_eq!((of, view, rest[0], number(&key)), (name, ViewName::releaser(), 1, Some(7)));
        }
    }
}
