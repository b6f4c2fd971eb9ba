use mail::{MailboxName, Uid};

use super::{List, Place};
use crate::index::rows::Digest;
use crate::index::{IndexError, IndexKv, chunk, keys};

/// Reads the entries of one mailbox from the index. Nothing may be applied meanwhile. What is read must add up to
/// `digest`.
pub(crate) fn load(kv: &dyn IndexKv, name: &MailboxName, digest: Digest) -> Result<List, IndexError> {
    let mut list = List::default();
    let mut found = Digest::default();
    kv.scan(&keys::entries(name), &[], &mut |key, value| {
        let first = Uid(keys::number(key).ok_or(IndexError::Damaged("an entry's key"))?);
        chunk::scan(value, first, |entry| {
            found.add(&entry.uid.0.to_be_bytes(), entry.packed(value));
            list.insert(Place::of(entry.uid, &entry.row), entry.row.foreign_uidl.map(Into::into));
            Ok(true)
        })?;
        Ok(true)
    })?;
    if found == digest { Ok(list) } else { Err(IndexError::Damaged("a mailbox lacks entries")) }
}
