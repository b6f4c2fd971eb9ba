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
