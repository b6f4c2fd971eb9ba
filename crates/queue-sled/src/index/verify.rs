use std::collections::HashMap;

use mail::{MailboxName, Uid};

use super::kv::{IndexError, IndexKv};
use super::rows::Digest;
use super::{Index, chunk, keys};

/// Whether the queue and, if `entries`, every entry add up to what the index says of itself. Entries are
/// looked at only after a stop that was none: sled can lose what it wrote last without a word.
pub(crate) fn verify(kv: &dyn IndexKv, index: &Index, entries: bool) -> Result<(), IndexError> {
    let mut queue = Digest::default();
    kv.scan(keys::QUEUE, &[], &mut |key, value| {
        queue.add(key, value);
        Ok(true)
    })?;
    if queue != index.queue_digest() {
        return Err(IndexError::Damaged("queued messages are missing"));
    }
    if !entries {
        return Ok(());
    }
    let mut found: HashMap<MailboxName, Digest> = HashMap::new();
    let mut current: Option<(MailboxName, Vec<u8>, Digest)> = None;
    kv.scan(keys::ENTRIES, &[], &mut |key, value| {
        if current.as_ref().is_none_or(|(_, prefix, _)| !key.starts_with(prefix)) {
            let (name, _) = keys::names(key).ok_or(IndexError::Damaged("an entry's key"))?;
            let prefix = keys::entries(&name);
            found.extend(
                current.replace((name, prefix, Digest::default())).map(|(name, _, digest)| (name, digest)),
            );
        }
        if let Some((_, _, digest)) = &mut current {
            let first = Uid(keys::number(key).ok_or(IndexError::Damaged("an entry's key"))?);
            chunk::scan(value, first, |entry| {
                digest.add(&entry.uid.0.to_be_bytes(), entry.packed(value));
                Ok(true)
            })?;
        }
        Ok(true)
    })?;
    found.extend(current.map(|(name, _, digest)| (name, digest)));
    let agrees = |(name, known): (&MailboxName, &super::apply::Known)| {
        found.get(name).copied().unwrap_or_default() == known.row.entries
    };
    let strangers = found.keys().any(|name| !index.mailboxes().contains_key(name));
    if index.mailboxes().iter().all(agrees) && !strangers {
        Ok(())
    } else {
        Err(IndexError::Damaged("entries are missing"))
    }
}
