//! Entries as the writer of the index changes them: each stands in the chunk of its mailbox that begins with
//! the nearest uid not above its own.

use mail::{MailboxName, Uid};

use super::apply::Index;
use super::kv::IndexError;
use super::rows::EntryRow;
use super::{chunk, keys};

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
            let key = keys::entry(name, first);
            let mut value = self.get(&key)?.ok_or(IndexError::Damaged("a row of entries is missing"))?;
            if chunk::push(&mut value, first, uid, &packed) {
                self.put(key, value);
                return Ok(());
            }
        }
        let mut value = Vec::new();
        chunk::push(&mut value, uid, uid, &packed);
        self.begin_chunk(name, uid)?;
        self.put(keys::entry(name, uid), value);
        Ok(())
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
        let mut entries = Vec::new();
        let mut old = None;
        chunk::scan(&value, first, |found| {
            let packed = found.packed(&value).to_vec();
            if found.uid == uid {
                entries.push((uid, chunk::pack(uid, row)));
                old = Some((found.row.octets, packed));
            } else {
                entries.push((found.uid, packed));
            }
            Ok(true)
        })?;
        let (octets, packed) = old.ok_or(missing)?;
        let known = self.change(name);
        known.row.octets = known.row.octets.saturating_sub(octets) + row.octets;
        known.row.entries.remove(&uid.0.to_be_bytes(), &packed);
        known.row.entries.add(&uid.0.to_be_bytes(), &chunk::pack(uid, row));
        let (mut first, mut value) = (first, Vec::new());
        for (uid, packed) in entries {
            if !chunk::push(&mut value, first, uid, &packed) {
                self.put(keys::entry(name, first), std::mem::take(&mut value));
                self.begin_chunk(name, uid)?;
                first = uid;
                chunk::push(&mut value, first, uid, &packed);
            }
        }
        self.put(keys::entry(name, first), value);
        Ok(())
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
        Ok(Some((first, value.ok_or(IndexError::Damaged("a row of entries is missing"))?)))
    }
}
