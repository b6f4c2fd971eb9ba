//! What each view was done with, and when: rows that are filled one after the other, so that a deletion costs a few
//! octets. Beside a trash also what came back for a view, and stays there for others.

use std::collections::BTreeSet;

use mail::{MailboxName, Uid, ViewName};

use super::apply::Index;
use super::keys;
use super::kv::{IndexError, IndexKv};
use super::rows::{Digest, VALUE_MAX, encode};
use crate::log::Lsn;

/// Rows that one deletion drops at most.
const OLDEST: usize = 4;

/// Something that a view was done with, and when by the wall clock.
pub(crate) type Noted = (u64, Uid);

/// Gives what a row has to `each`.
fn scan(value: &[u8], mut each: impl FnMut(Noted)) -> Result<(), IndexError> {
    let (mut rest, mut before) = (value, (0u64, 0u64));
    while !rest.is_empty() {
        let bad = |_| IndexError::Damaged("a row of deletions");
        let ((time, uid), behind) = postcard::take_from_bytes::<(i64, i64)>(rest).map_err(bad)?;
        before = (before.0.wrapping_add_signed(time), before.1.wrapping_add_signed(uid));
        each((before.0, Uid(before.1)));
        rest = behind;
    }
    Ok(())
}

/// What a row has.
pub(crate) fn read(value: &[u8]) -> Result<Vec<Noted>, IndexError> {
    let mut noted = Vec::new();
    scan(value, |next| noted.push(next))?;
    Ok(noted)
}

/// All that a view was done with, oldest first.
pub(crate) fn read_all(
    kv: &dyn IndexKv,
    mailbox: &MailboxName,
    view: &ViewName,
) -> Result<Vec<Noted>, IndexError> {
    let mut noted = Vec::new();
    kv.scan(&keys::journal_of(mailbox, view), &[], &mut |_, value| {
        noted.extend(read(value)?);
        Ok(true)
    })?;
    Ok(noted)
}

fn push(value: &mut Vec<u8>, before: Noted, (time, uid): Noted) {
    let distance = |new: u64, old: u64| new.wrapping_sub(old).cast_signed();
    value.extend(encode(&(distance(time, before.0), distance(uid.0, before.1.0))));
}

fn write(noted: &[Noted]) -> Vec<u8> {
    let (mut value, mut before) = (Vec::new(), (0, Uid(0)));
    for next in noted {
        push(&mut value, before, *next);
        before = *next;
    }
    value
}

impl Index {
    /// Notes one at the end.
    pub(super) fn note(
        &mut self,
        mailbox: &MailboxName,
        view: &ViewName,
        noted: Noted,
    ) -> Result<(), IndexError> {
        let last = self.journal(mailbox, view).last().copied();
        if let Some(number) = last {
            let old = self.noted(mailbox, view, number)?;
            let mut value = old.clone();
            let mut before = (0, Uid(0));
            scan(&old, |next| before = next)?;
            push(&mut value, before, noted);
            if value.len() <= VALUE_MAX {
                self.put_summed(keys::journal(mailbox, view, number), Some(old), Some(value));
                return Ok(());
            }
        }
        let number = last.map_or(0, |last| last + 1);
        self.change(mailbox).journals.entry(view.clone()).or_default().push(number);
        self.put_summed(keys::journal(mailbox, view, number), None, Some(write(&[noted])));
        Ok(())
    }

    /// Takes out what is not kept, of one row. Whether anything was.
    pub(super) fn strike(
        &mut self,
        mailbox: &MailboxName,
        view: &ViewName,
        number: u64,
        mut keep: impl FnMut(&mut Self, Uid) -> Result<bool, IndexError>,
    ) -> Result<bool, IndexError> {
        let old = self.noted(mailbox, view, number)?;
        let mut left = Vec::new();
        let all = read(&old)?;
        for noted in &all {
            if keep(self, noted.1)? {
                left.push(*noted);
            }
        }
        if left.len() == all.len() {
            return Ok(false);
        }
        let new = (!left.is_empty()).then(|| write(&left));
        if new.is_none() {
            let known = self.change(mailbox);
            let rows = known.journals.entry(view.clone()).or_default();
            rows.retain(|other| *other != number);
            if rows.is_empty() {
                known.journals.remove(view);
            }
        }
        self.put_summed(keys::journal(mailbox, view, number), Some(old), new);
        Ok(true)
    }

    /// Drops what is neither in the mailbox nor in its trash any more: from some of the oldest rows, and from one that
    /// the place of the record picks, so that in time it has been at each.
    pub(super) fn prune(
        &mut self,
        by: Lsn,
        mailbox: &MailboxName,
        view: &ViewName,
    ) -> Result<(), IndexError> {
        // The one that is being filled is looked at when it is full.
        let full = self.journal(mailbox, view).split_last().map_or(Vec::new(), |(_, full)| full.to_vec());
        let Some(last) = full.len().checked_sub(1) else { return Ok(()) };
        let trash = mailbox.trash();
        let mut look = |number: u64| {
            self.strike(mailbox, view, number, |index, uid| {
                Ok(index.entry(mailbox, uid)?.is_some() || index.entry(&trash, uid)?.is_some())
            })?;
            Ok::<_, IndexError>(!self.journal(mailbox, view).contains(&number))
        };
        let mut dropped = 0;
        while dropped < OLDEST.min(full.len()) && look(full[dropped])? {
            dropped += 1;
        }
        let picked = usize::try_from((by.0 >> 3) % full.len() as u64).unwrap_or(last);
        if picked > dropped {
            look(full[picked])?;
        }
        Ok(())
    }

    /// All of a view goes.
    pub(super) fn forget_journal(
        &mut self,
        mailbox: &MailboxName,
        view: &ViewName,
    ) -> Result<(), IndexError> {
        for number in self.journal(mailbox, view).to_vec() {
            self.strike(mailbox, view, number, |_, _| Ok(false))?;
        }
        Ok(())
    }

    /// All that is noted of a view.
    pub(super) fn noted_uids(
        &self,
        mailbox: &MailboxName,
        view: &ViewName,
    ) -> Result<BTreeSet<Uid>, IndexError> {
        let mut uids = BTreeSet::new();
        for number in self.journal(mailbox, view) {
            scan(&self.noted(mailbox, view, *number)?, |(_, uid)| _ = uids.insert(uid))?;
        }
        Ok(uids)
    }

    /// The numbers of a view's rows.
    pub(super) fn journal(&self, mailbox: &MailboxName, view: &ViewName) -> &[u64] {
        self.known(mailbox).and_then(|known| known.journals.get(view)).map_or(&[], Vec::as_slice)
    }

    fn noted(&self, mailbox: &MailboxName, view: &ViewName, number: u64) -> Result<Vec<u8>, IndexError> {
        self.get(&keys::journal(mailbox, view, number))?.ok_or(IndexError::Damaged("deletions are missing"))
    }

    /// Notes which rows there are.
    pub(super) fn load_journals(&mut self, found: &mut Digest) -> Result<(), IndexError> {
        const KEY: IndexError = IndexError::Damaged("the key of a row of deletions");
        let kv = self.kv.clone();
        kv.scan(keys::JOURNALS, &[], &mut |key, value| {
            found.add(key, value);
            let (mailbox, view, _) = keys::view_of(key).ok_or(KEY)?;
            let number = keys::number(key).ok_or(KEY)?;
            self.mailboxes.entry(mailbox).or_default().journals.entry(view).or_default().push(number);
            Ok(true)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_noted_is_read_back(noted in proptest::collection::vec((any::<u64>(), any::<u64>()), 0..50)) {
            let noted: Vec<Noted> = noted.into_iter().map(|(time, uid)| (time, Uid(uid))).collect();
            prop_assert_eq!(read(&write(&noted)).expect("readable"), noted);
        }
    }

    #[test]
    fn a_deletion_of_many_takes_five_octets() {
        let noted: Vec<_> =
            (0..100u64).map(|n| (1_764_300_000_000, Uid((0x6929_0000 << 32) + n * 8192))).collect();
        assert!(write(&noted).len() < 5 * noted.len() + 20, "{}", write(&noted).len());
    }
}
