use std::collections::{HashMap, HashSet};

use mail::{MailboxName, Uid, ViewName};

use super::views::Loaded;
use super::{List, Place};
use crate::index::rows::{DONE, Digest};
use crate::index::{IndexError, IndexKv, chunk, keys};

/// Reads one mailbox from the index, with what each of its views is done with. Nothing may be applied
/// meanwhile. What is read must add up to `digest`.
pub(crate) fn load(
    kv: &dyn IndexKv,
    name: &MailboxName,
    views: &[ViewName],
    digest: Digest,
) -> Result<Loaded, IndexError> {
    let mut list = List::default();
    let mut found = Digest::default();
    kv.scan(&keys::entries(name), &[], &mut |key, value| {
        let first = Uid(keys::number(key).ok_or(IndexError::Damaged("an entry's key"))?);
        chunk::scan(value, first, |entry| {
            found.add(&entry.uid.0.to_be_bytes(), entry.packed(value));
            list.push(Place::of(entry.uid, &entry.row), entry.row.foreign_uidl.map(Into::into));
            Ok(true)
        })?;
        Ok(true)
    })?;
    if found != digest {
        return Err(IndexError::Damaged("a mailbox lacks entries"));
    }
    let mut done = HashMap::new();
    for view in views {
        let mut uids = HashSet::new();
        kv.scan(&keys::marks_of(name, view), &[], &mut |key, value| {
            let uid = Uid(keys::number(key).ok_or(IndexError::Damaged("a mark's key"))?);
            if value.first().is_some_and(|bits| bits & DONE != 0) {
                uids.insert(uid);
            }
            Ok(true)
        })?;
        done.insert(view.clone(), uids);
    }
    Ok(Loaded::new(list, done))
}
