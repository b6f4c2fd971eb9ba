//! A snap from the index in use: the one way left when no snap can be believed any more and the log lacks what
//! came first.

use std::sync::Arc;

use super::{FoldError, Folder, Snap, forget, over, snap_path};
use crate::index::rows::{BodyRow, Digest, decode};
use crate::index::verify::verify;
use crate::index::{Index, IndexError, IndexKv, KvCell, Published, chunk, keys};
use crate::log::Lsn;

impl Folder {
    /// Makes a snap of the index in use. sled may have lost rows without a word, so it counts only if what was
    /// read back adds up: queue, mailboxes, views, entries and holders, to the sums that the applier has in memory.
    pub(crate) fn rescue(
        &self,
        kv: &KvCell,
        published: &Published,
        pace: &dyn Fn() -> bool,
    ) -> Result<Arc<Snap>, FoldError> {
        const DRAFT: &str = "tmp-rescue";
        let (writer, state) = {
            // Nothing is applied meanwhile; what is durable waits in memory.
            let _gate = published.gate.enter();
            let building = || IndexError::Failed("the index is being built again".to_owned());
            let kv = kv.get().ok_or_else(building)?;
            let state = published.state();
            (self.begin(&kv, Lsn(state.applied), DRAFT, pace)?, state)
        };
        writer.finish()?;
        let draft = Arc::new(Snap::open(&*self.disk, &self.folder().join(DRAFT), self.store_id)?);
        let rows = over(Some(draft.clone()))?;
        let proven = Index::load(rows.clone(), self.store_id).and_then(|index| {
            if index.state() != state {
                return Err(IndexError::Damaged("it is not where it should be"));
            }
            verify(&*rows, &index, true)?;
            verify_holders(&*rows)
        });
        if let Err(error) = proven {
            forget(&*self.disk, &draft.path)?;
            return Err(FoldError::Unproven(error));
        }
        self.name(&draft, &snap_path(&self.folder(), draft.lsn))
    }
}

/// Whether every entry that shares its body is noted with the body, where that is, and nothing else is.
fn verify_holders(kv: &dyn IndexKv) -> Result<(), IndexError> {
    let (mut entries, mut holders) = (Digest::default(), Digest::default());
    let place = |place: u64, beside: Option<u64>| {
        let beside = beside.map_or([0; 8], u64::to_be_bytes);
        [place.to_be_bytes(), beside].concat()
    };
    let pair = |body: u64, uid: u64| [body.to_be_bytes(), uid.to_be_bytes()].concat();
    kv.scan(keys::ENTRIES, &[], &mut |key, value| {
        let first = mail::Uid(keys::number(key).ok_or(IndexError::Damaged("an entry's key"))?);
        chunk::scan(value, first, |entry| {
            let row = entry.row;
            if row.shared {
                entries.add(&pair(row.body, entry.uid.0), &place(row.place, row.beside));
            }
            Ok(true)
        })?;
        Ok(true)
    })?;
    let (mut left, mut noted) = (0, 0);
    kv.scan(keys::BODIES, &[], &mut |key, value| {
        let row: BodyRow = decode(value)?;
        let body = key.get(1..).and_then(<[u8]>::first_chunk);
        let body = u64::from_be_bytes(*body.ok_or(IndexError::Damaged("a body's key"))?);
        left += if key.ends_with(&[0, 0]) { u64::from(row.left) } else { 0 };
        noted += row.holders.len() as u64;
        for (uid, _) in &row.holders {
            holders.add(&pair(body, uid.0), &place(row.place, row.beside));
        }
        Ok(true)
    })?;
    if entries == holders && left == noted {
        Ok(())
    } else {
        Err(IndexError::Damaged("holders of bodies are missing"))
    }
}

#[cfg(test)]
mod tests {
    use mail::{MailboxName, QueueId, Uid};

    use super::*;
    use crate::index::kv::MemoryKv;
    use crate::index::rows::encode;

    /// A body that an entry of nobody's holds.
    #[test]
    fn a_holder_without_an_entry_is_seen() {
        let kv = MemoryKv::default();
        verify_holders(&kv).expect("nothing is missing");
        let holders = vec![(Uid(9), MailboxName::parse("alice").expect("a name"))];
        let row = BodyRow { place: 5, octets: 7, beside: None, left: 1, holders };
        kv.apply(vec![(keys::body(QueueId(5), 0), Some(encode(&row)))]).expect("in memory");
        verify_holders(&kv).expect_err("its entry is missing");
    }
}
