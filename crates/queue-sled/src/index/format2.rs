//! Rows of format 2, as snaps of 0.1 have them, brought up to today's: there a view had a row for each entry that it had
//! fetched or was done with.

use std::collections::BTreeMap;

use mail::{MailboxName, Uid, ViewName};
use serde::Deserialize;

use super::keys::{self, Set};
use super::kv::{IndexError, IndexKv, Op};
use super::rows::{Digest, FORMAT, StateRow, ViewRow, decode, encode};
use super::{chunk, packed_runs};

/// The format of such rows.
pub(crate) const FORMAT_2: u32 = 2;

/// `V`
#[derive(Deserialize)]
struct OldView {
    after: u64,
}

/// Bits of an `S` row.
const DONE: u8 = 1;
const FETCHED: u8 = 2;

type Marks = BTreeMap<Uid, u8>;

/// Changes what stands otherwise today. Nothing is changed when it is not what it says of itself.
pub(crate) fn upgrade(kv: &dyn IndexKv) -> Result<(), IndexError> {
    let Some(state) = kv.get(keys::STATE)? else { return Ok(()) };
    let mut state: StateRow = decode(&state)?;
    let (mut old, mut new) = (Digest::default(), Digest::default());
    kv.scan(keys::MAILBOXES, &[], &mut |key, value| {
        old.add(key, value);
        new.add(key, value);
        Ok(true)
    })?;
    let mut ops: Vec<Op> = Vec::new();
    let mut views: BTreeMap<(MailboxName, ViewName), Marks> = BTreeMap::new();
    // When it joined nobody has noted: not later than this.
    let joined_ms = (state.applied >> 32) * 1000;
    kv.scan(keys::VIEWS, &[], &mut |key, value| {
        old.add(key, value);
        let (mailbox, view) = keys::names(key).ok_or(BAD)?;
        let view = std::str::from_utf8(view).ok().and_then(|view| ViewName::kept(view).ok()).ok_or(BAD)?;
        let OldView { after } = decode(value)?;
        let row = encode(&ViewRow { after, joined_ms, offered: 0 });
        new.add(key, &row);
        ops.push((key.to_vec(), Some(row)));
        views.insert((mailbox, view), Marks::new());
        Ok(true)
    })?;
    if old != state.mailboxes {
        return Err(IndexError::Damaged("mailboxes are missing"));
    }
    kv.scan(keys::RUNS, &[], &mut |key, value| {
        let (mailbox, view, _) = keys::view_of(key).ok_or(BAD)?;
        // Of a view that has not joined nothing is remembered any more.
        if let Some(marks) = views.get_mut(&(mailbox, view)) {
            let uid = Uid(keys::number(key).ok_or(BAD)?);
            marks.insert(uid, value.first().copied().unwrap_or(0));
        }
        ops.push((key.to_vec(), None));
        Ok(true)
    })?;
    for ((mailbox, view), marks) in views.iter().filter(|(_, marks)| !marks.is_empty()) {
        for (set, bit) in [(Set::Done, DONE), (Set::Fetched, FETCHED)] {
            let runs = runs(kv, mailbox, |uid| marks.get(&uid).is_some_and(|mark| mark & bit != 0))?;
            for (first, value) in packed_runs::pack(&runs) {
                let key = keys::run(mailbox, view, set, first);
                new.add(&key, &value);
                ops.push((key, Some(value)));
            }
        }
    }
    (state.format, state.mailboxes) = (FORMAT, new);
    ops.push((keys::STATE.to_vec(), Some(encode(&state))));
    kv.apply(ops)
}

const BAD: IndexError = IndexError::Damaged("a view of an earlier format");

fn runs(
    kv: &dyn IndexKv,
    mailbox: &MailboxName,
    is_in: impl Fn(Uid) -> bool,
) -> Result<Vec<(Uid, Uid)>, IndexError> {
    let (mut runs, mut open): (Vec<(Uid, Uid)>, bool) = (Vec::new(), false);
    kv.scan(&keys::entries(mailbox), &[], &mut |key, value| {
        let first = Uid(keys::number(key).ok_or(IndexError::Damaged("an entry's key"))?);
        for uid in chunk::uids(value, first)? {
            let found = is_in(uid);
            match runs.last_mut() {
                Some((_, last)) if found && open => *last = uid,
                Some(_) | None if found => runs.push((uid, uid)),
                Some(_) | None => {}
            }
            open = found;
        }
        Ok(true)
    })?;
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use queue::contract::{name, view};

    use super::*;
    use crate::index::kv::MemoryKv;
    use crate::index::rows::{EntryRow, MailboxRow};

    fn entry(uid: u64) -> EntryRow {
        EntryRow {
            octets: 1,
            time_ms: 1,
            body: uid,
            place: uid,
            body_at: 64,
            slot: None,
            recipient: None,
            shared: false,
            beside: None,
            foreign_uidl: None,
            trashed_ms: None,
        }
    }

    /// `S` mailbox, view, uid.
    fn mark(view: &str, uid: u64, bits: u8) -> Op {
        let key = [b"Ssales\0", view.as_bytes(), b"\0", &uid.to_be_bytes()].concat();
        (key, Some(vec![bits]))
    }

    /// A mailbox with entries in two rows, two views that have joined it, and marks of them and of one that has not.
    fn old() -> MemoryKv {
        let kv = MemoryKv::default();
        let mut ops = vec![(keys::mailbox(&name("sales")), Some(encode(&MailboxRow::default())))];
        for uids in [1..=10, 20..=30] {
            let first = Uid(*uids.start());
            let mut value = Vec::new();
            for uid in uids {
                assert!(chunk::push(&mut value, first, Uid(uid), &chunk::pack(Uid(uid), &entry(uid))));
            }
            ops.push((keys::entry(&name("sales"), first), Some(value)));
        }
        for (member, after) in [("alice", 0u64), ("bob", 25)] {
            ops.push((keys::view(&name("sales"), &view(member)), Some(encode(&after))));
        }
        let mut summed = Digest::default();
        for (key, value) in &ops {
            let value = value.as_ref().expect("all are put");
            if key.starts_with(keys::MAILBOXES) || key.starts_with(keys::VIEWS) {
                summed.add(key, value);
            }
        }
        // Done with the last of one row and the first of the next; of what is gone, and by who is gone, marks stayed.
        let done = [2, 6, 10, 15, 20].map(|uid| mark("alice", uid, DONE));
        let both = [mark("alice", 3, DONE | FETCHED), mark("alice", 4, FETCHED), mark("bob", 30, FETCHED)];
        ops.extend(done.into_iter().chain(both).chain([mark("carol", 1, DONE)]));
        let applied = 1_700_000_000 << 32 | 4096;
        let state = StateRow { format: FORMAT_2, applied, mailboxes: summed, ..StateRow::default() };
        ops.push((keys::STATE.to_vec(), Some(encode(&state))));
        kv.apply(ops).expect("applied");
        kv
    }

    fn rows(kv: &MemoryKv, family: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut rows = BTreeMap::new();
        kv.scan(family, &[], &mut |key, value| {
            rows.insert(key.to_vec(), value.to_vec());
            Ok(true)
        })
        .expect("readable");
        rows
    }

    #[test]
    fn what_a_view_was_done_with_stays_done() {
        let kv = old();
        upgrade(&kv).expect("upgraded");
        let views: Vec<ViewRow> =
            rows(&kv, keys::VIEWS).values().map(|row| decode(row).expect("a row")).collect();
        let joined_ms = 1_700_000_000_000;
        assert_eq!(views, [0, 25].map(|after| ViewRow { after, joined_ms, offered: 0 }));
        let mut found = BTreeMap::new();
        for (key, value) in rows(&kv, keys::RUNS) {
            let (_, of, rest) = keys::view_of(&key).expect("a key");
            let runs: &mut Vec<_> = found.entry((of.to_string(), rest[0])).or_default();
            packed_runs::unpack(Uid(keys::number(&key).expect("a uid")), &value, runs).expect("a row");
        }
        let runs = |runs: &[(u64, u64)]| runs.iter().map(|(first, last)| (Uid(*first), Uid(*last))).collect();
        let wanted = [
            (("alice".to_owned(), Set::Done as u8), runs(&[(2, 3), (6, 6), (10, 20)])),
            (("alice".to_owned(), Set::Fetched as u8), runs(&[(3, 4)])),
            (("bob".to_owned(), Set::Fetched as u8), runs(&[(30, 30)])),
        ];
        assert_eq!(found, wanted.into());
        let mut summed = Digest::default();
        for family in [keys::MAILBOXES, keys::VIEWS, keys::RUNS] {
            rows(&kv, family).iter().for_each(|(key, value)| summed.add(key, value));
        }
        let state: StateRow = decode(&rows(&kv, keys::STATE)[keys::STATE]).expect("a row");
        assert_eq!((state.format, state.mailboxes), (FORMAT, summed));
    }

    #[test]
    fn what_is_not_what_it_says_is_left_as_it_is() {
        let kv = old();
        kv.apply(vec![(keys::view(&name("sales"), &view("bob")), None)]).expect("applied");
        let before = rows(&kv, &[]);
        assert!(upgrade(&kv).is_err());
        assert_eq!(rows(&kv, &[]), before);
        // And where nothing is there is nothing to do.
        let none = MemoryKv::default();
        upgrade(&none).expect("nothing to do");
        assert!(rows(&none, &[]).is_empty());
    }
}
