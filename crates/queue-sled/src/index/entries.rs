//! Entries as the writer of the index changes them: each stands in the chunk of its mailbox that begins with
//! the nearest uid not above its own.

use mail::{MailboxName, Uid};

use super::apply::Index;
use super::kv::IndexError;
use super::rows::{EntryRow, VALUE_MAX};
use super::{chunk, keys};

const MISSING: IndexError = IndexError::Damaged("a row of entries is missing");

/// The entries of a chunk as they are packed.
fn parts(value: &[u8], first: Uid) -> Result<Vec<(Uid, Vec<u8>)>, IndexError> {
    let mut entries = Vec::new();
    chunk::scan(value, first, |found| {
        entries.push((found.uid, found.packed(value).to_vec()));
        Ok(true)
    })?;
    Ok(entries)
}

impl Index {
    /// An entry, if it is there.
    pub(super) fn entry(&mut self, name: &MailboxName, uid: Uid) -> Result<Option<EntryRow>, IndexError> {
        let Some((first, value)) = self.chunk_of(name, uid)? else { return Ok(None) };
        Ok(chunk::find(&value, first, uid)?.map(|found| found.row))
    }

    /// Adds an entry whose uid is above all others of its mailbox.
    pub(super) fn add_entry(
        &mut self,
        name: &MailboxName,
        uid: Uid,
        row: &EntryRow,
    ) -> Result<(), IndexError> {
        let packed = chunk::pack(uid, row);
        let last = self.chunks(name)?.last().copied();
        let known = self.change(name);
        known.row.octets += row.octets;
        known.row.entries.add(&uid.0.to_be_bytes(), &packed);
        if let Some(first) = last {
            let row = self.row(keys::entry(name, first))?;
            let value = row.as_mut().ok_or(MISSING)?;
            if chunk::push(value, first, uid, &packed) {
                return Ok(());
            }
        }
        let mut value = Vec::new();
        chunk::push(&mut value, uid, uid, &packed);
        self.begin_chunk(name, uid)?;
        self.put(keys::entry(name, uid), value);
        Ok(())
    }

    /// Adds an entry wherever its uid belongs: a trash is filled in any order.
    pub(super) fn insert_entry(
        &mut self,
        name: &MailboxName,
        uid: Uid,
        row: &EntryRow,
    ) -> Result<(), IndexError> {
        let Some(lowest) = self.chunks(name)?.first().copied() else { return self.add_entry(name, uid, row) };
        let packed = chunk::pack(uid, row);
        let known = self.change(name);
        known.row.octets += row.octets;
        known.row.entries.add(&uid.0.to_be_bytes(), &packed);
        // What is below all others goes into the lowest chunk, which then begins with it.
        let (first, mut value) = self.chunk_of(name, uid.max(lowest))?.ok_or(MISSING)?;
        if uid >= first && chunk::insert(&mut value, first, uid, &packed)? {
            self.put(keys::entry(name, first), value);
            return Ok(());
        }
        let mut entries = parts(&value, first)?;
        let at = entries.partition_point(|(other, _)| *other < uid);
        if at == entries.len() {
            self.begin_chunk(name, uid)?;
            return self.write_chunk(name, uid, &[(uid, packed)]);
        }
        entries.insert(at, (uid, packed));
        let octets: usize = entries.iter().map(|(_, packed)| packed.len() + 10).sum();
        let whole = octets <= VALUE_MAX;
        let middle = if whole { entries.len() } else { entries.len() / 2 };
        let (left, right) = entries.split_at(middle);
        if uid < first {
            self.chunks(name)?.retain(|chunk| *chunk != first);
            self.remove(keys::entry(name, first));
            self.begin_chunk(name, uid)?;
        }
        self.write_chunk(name, first.min(uid), left)?;
        if let Some((second, _)) = right.first() {
            self.begin_chunk(name, *second)?;
            self.write_chunk(name, *second, right)?;
        }
        Ok(())
    }

    /// Writes a chunk that is begun already, and what does not fit it as others behind it.
    fn write_chunk(
        &mut self,
        name: &MailboxName,
        mut first: Uid,
        entries: &[(Uid, Vec<u8>)],
    ) -> Result<(), IndexError> {
        let mut value = Vec::new();
        for (uid, packed) in entries {
            if !chunk::push(&mut value, first, *uid, packed) {
                self.put(keys::entry(name, first), std::mem::take(&mut value));
                self.begin_chunk(name, *uid)?;
                first = *uid;
                chunk::push(&mut value, first, *uid, packed);
            }
        }
        self.put(keys::entry(name, first), value);
        Ok(())
    }

    /// The entries next to a uid, whether there is one of that uid or not.
    pub(super) fn neighbours(
        &mut self,
        name: &MailboxName,
        uid: Uid,
    ) -> Result<(Option<Uid>, Option<Uid>), IndexError> {
        let from = self.chunks(name)?.partition_point(|first| *first <= uid).saturating_sub(1);
        let here = self.uids_at(name, from)?;
        let mut before = here.iter().rfind(|other| **other < uid).copied();
        let mut after = here.iter().find(|other| **other > uid).copied();
        // A chunk that is there has an entry, but the first of it may be gone.
        if before.is_none() && from > 0 {
            before = self.uids_at(name, from - 1)?.last().copied();
        }
        if after.is_none() {
            after = self.uids_at(name, from + 1)?.first().copied();
        }
        Ok((before, after))
    }

    /// The uids of one chunk of a mailbox; none of one that is not there.
    fn uids_at(&mut self, name: &MailboxName, ordinal: usize) -> Result<Vec<Uid>, IndexError> {
        let Some(first) = self.chunks(name)?.get(ordinal).copied() else { return Ok(Vec::new()) };
        chunk::uids(&self.get(&keys::entry(name, first))?.ok_or(MISSING)?, first)
    }

    /// Takes an entry out; what it was, if it was there.
    pub(super) fn remove_entry(
        &mut self,
        name: &MailboxName,
        uid: Uid,
    ) -> Result<Option<EntryRow>, IndexError> {
        let Some((first, mut value)) = self.chunk_of(name, uid)? else { return Ok(None) };
        let Some(found) = chunk::find(&value, first, uid)? else { return Ok(None) };
        let known = self.change(name);
        known.row.octets = known.row.octets.saturating_sub(found.row.octets);
        known.row.entries.remove(&uid.0.to_be_bytes(), found.packed(&value));
        chunk::remove(&mut value, &found);
        let key = keys::entry(name, first);
        if value.is_empty() {
            self.chunks(name)?.retain(|chunk| *chunk != first);
            self.remove(key);
        } else {
            self.put(key, value);
        }
        Ok(Some(found.row))
    }

    /// Gives an entry that is there other values; a chunk that grows too long by that is divided.
    pub(super) fn replace_entry(
        &mut self,
        name: &MailboxName,
        uid: Uid,
        row: &EntryRow,
    ) -> Result<(), IndexError> {
        let missing = IndexError::Damaged("an entry is missing");
        let Some((first, value)) = self.chunk_of(name, uid)? else { return Err(missing) };
        let mut entries = parts(&value, first)?;
        let found = chunk::find(&value, first, uid)?.ok_or(missing)?;
        let new = chunk::pack(uid, row);
        let known = self.change(name);
        known.row.octets = known.row.octets.saturating_sub(found.row.octets) + row.octets;
        known.row.entries.remove(&uid.0.to_be_bytes(), found.packed(&value));
        known.row.entries.add(&uid.0.to_be_bytes(), &new);
        entries.iter_mut().filter(|(other, _)| *other == uid).for_each(|(_, packed)| packed.clone_from(&new));
        self.write_chunk(name, first, &entries)
    }

    fn begin_chunk(&mut self, name: &MailboxName, first: Uid) -> Result<(), IndexError> {
        let chunks = self.chunks(name)?;
        let at = chunks.partition_point(|other| *other < first);
        chunks.insert(at, first);
        Ok(())
    }

    /// The chunk in which an entry stands if it stands anywhere.
    fn chunk_of(&mut self, name: &MailboxName, uid: Uid) -> Result<Option<(Uid, Vec<u8>)>, IndexError> {
        if self.known(name).is_none() {
            return Ok(None);
        }
        let chunks = self.chunks(name)?;
        let Some(at) = chunks.partition_point(|first| *first <= uid).checked_sub(1) else { return Ok(None) };
        let first = chunks[at];
        let value = self.get(&keys::entry(name, first))?;
        Ok(Some((first, value.ok_or(MISSING)?)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::Bound;
    use std::sync::Arc;

    use proptest::prelude::*;
    use queue::contract::name;

    use super::*;
    use crate::index::kv::{IndexKv, MemoryKv};
    use crate::index::rows::Digest;

    fn row(octets: u64, long: usize) -> EntryRow {
        EntryRow {
            octets,
            time_ms: 1,
            body: 64,
            place: 64,
            body_at: 64,
            slot: None,
            recipient: None,
            shared: false,
            beside: None,
            foreign_uidl: Some("x".repeat(long)),
            trashed_ms: None,
        }
    }

    proptest! {
        /// As in a trash, entries come in any order; they change and go. What is found, what stands beside it, the sums
        /// and the rows below are those of a sorted map.
        #[test]
        fn entries_are_a_sorted_map(
            steps in proptest::collection::vec((0u8..10, 0u64..300, 1usize..70), 1..300),
        ) {
            let (kv, store, home) = (Arc::new(MemoryKv::default()), [7; 16], name("alice"));
            let mut index = Index::load(kv.clone(), store).expect("empty");
            let mut model = BTreeMap::new();
            for (octets, (what, at, long)) in (1..).zip(steps) {
                let (uid, row) = (Uid((5 << 32) + at * 8), row(octets, long));
                let there = model.contains_key(&uid);
                match what {
                    0 | 1 => {
                        let gone = index.remove_entry(&home, uid).expect("readable");
                        prop_assert_eq!(gone, model.remove(&uid));
                    }
                    2 => {
                        index.flush().expect("applied");
                        index = Index::load(kv.clone(), store).expect("whole");
                    }
                    _ if there => {
                        index.replace_entry(&home, uid, &row).expect("it is there");
                        model.insert(uid, row);
                    }
                    _ => {
                        index.insert_entry(&home, uid, &row).expect("written");
                        model.insert(uid, row);
                    }
                }
                let before = model.range(..uid).next_back().map(|(uid, _)| *uid);
                let after = model.range((Bound::Excluded(uid), Bound::Unbounded)).next().map(|(uid, _)| *uid);
                prop_assert_eq!(index.neighbours(&home, uid).expect("readable"), (before, after));
                let found = index.entry(&home, uid).expect("readable");
                prop_assert_eq!(found.as_ref(), model.get(&uid));
            }
            index.flush().expect("applied");
            let (mut found, mut sum) = (Vec::new(), Digest::default());
            kv.scan(&keys::entries(&home), &[], &mut |key, value| {
                assert!((1..=VALUE_MAX).contains(&value.len()), "a row has entries, and is not too long");
                chunk::scan(value, Uid(keys::number(key).expect("a uid")), |entry| {
                    sum.add(&entry.uid.0.to_be_bytes(), entry.packed(value));
                    found.push((entry.uid, entry.row));
                    Ok(true)
                })?;
                Ok(true)
            }).expect("readable");
            let known = index.known(&home).map_or_else(Default::default, |known| known.row);
            let octets = model.values().map(|row| row.octets).sum::<u64>();
            prop_assert_eq!((known.octets, known.entries), (octets, sum));
            prop_assert_eq!(found, model.into_iter().collect::<Vec<_>>());
        }
    }
}
