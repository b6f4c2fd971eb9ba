use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::keys;
use super::kv::{EachRow, IndexError, IndexKv, Op};
use super::rows::{StateRow, decode};

/// Changed keys that are kept back of an index on disk: a batch of these costs about ten milliseconds.
pub(crate) const KEYS_MAX: usize = 1_000;

/// Keeps changes in memory until there are many of them, then hands them on as one batch. A message that is
/// queued and routed within moments never touches the index as queued, and totals of a busy mailbox are
/// written once for many messages.
///
/// What is kept back may be lost with the process: its `applied_lsn` is kept back with it, so the next start
/// replays exactly that from the log.
pub(crate) struct Deferred<K> {
    inner: K,
    keys_max: usize,
    changed: Mutex<Changed>,
}

#[derive(Default)]
struct Changed {
    rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Where the rows below stand in the log: what was queued later never was below. The end of all places while
    /// rows are copied in that do not say it yet.
    handed_on: u64,
}

impl<K: IndexKv> Deferred<K> {
    pub(crate) fn new(inner: K, keys_max: usize) -> Result<Self, IndexError> {
        let handed_on = applied(inner.get(keys::STATE)?.as_deref())?;
        let changed = Mutex::new(Changed { handed_on, ..Changed::default() });
        Ok(Self { inner, keys_max, changed })
    }

    fn lock(&self) -> MutexGuard<'_, Changed> {
        // A panic inside sled is caught below this; a map operation leaves the map whole.
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands everything on in one batch. The lock is held meanwhile: a reader must find a key either here or
    /// there.
    fn hand_on(&self, changed: &mut Changed) -> Result<(), IndexError> {
        if changed.rows.is_empty() {
            return Ok(());
        }
        changed.handed_on = match changed.rows.get(keys::STATE) {
            Some(Some(state)) => applied(Some(state))?,
            Some(None) | None => u64::MAX,
        };
        self.inner.apply(std::mem::take(&mut changed.rows).into_iter().collect())
    }
}

fn applied(state: Option<&[u8]>) -> Result<u64, IndexError> {
    let state = state.map(decode::<StateRow>).transpose()?;
    Ok(state.map_or(0, |state| state.applied))
}

impl<K: IndexKv> IndexKv for Deferred<K> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        match self.lock().rows.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.inner.get(key),
        }
    }

    fn apply(&self, ops: Vec<Op>) -> Result<(), IndexError> {
        let mut changed = self.lock();
        for (key, value) in ops {
            let cancels = value.is_none()
                && key.starts_with(keys::QUEUE)
                && keys::number(&key).is_some_and(|id| id >= changed.handed_on);
            if cancels {
                changed.rows.remove(&key);
            } else {
                changed.rows.insert(key, value);
            }
        }
        if changed.rows.len() < self.keys_max { Ok(()) } else { self.hand_on(&mut changed) }
    }

    fn scan(&self, prefix: &[u8], from: &[u8], each: EachRow<'_>) -> Result<(), IndexError> {
        let first = from.max(prefix).to_vec();
        let ours: Vec<_> = self
            .lock()
            .rows
            .range(first..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let mut ours = ours.into_iter().peekable();
        let mut more = true;
        self.inner.scan(prefix, from, &mut |key, value| {
            while more && let Some((ours_first, ours_value)) = ours.next_if(|(ours, _)| ours.as_slice() < key)
            {
                more = ours_value.map_or(Ok(true), |value| each(&ours_first, &value))?;
            }
            if !more {
                return Ok(false);
            }
            more = match ours.next_if(|(ours, _)| ours.as_slice() == key) {
                Some((_, Some(value))) => each(key, &value)?,
                Some((_, None)) => true,
                None => each(key, value)?,
            };
            Ok(more)
        })?;
        for (key, value) in ours {
            if let (true, Some(value)) = (more, value) {
                more = each(&key, &value)?;
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), IndexError> {
        self.hand_on(&mut self.lock())?;
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::kv::MemoryKv;
    use super::*;

    fn rows(kv: &dyn IndexKv, prefix: &[u8], from: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        let mut each = |key: &[u8], value: &[u8]| {
            rows.push((key.to_vec(), value.to_vec()));
            Ok(rows.len() < limit)
        };
        kv.scan(prefix, from, &mut each).expect("readable");
        rows
    }

    fn op() -> impl Strategy<Value = Op> {
        let key = proptest::collection::vec(0u8..3, 1..3);
        (key, proptest::option::of(proptest::collection::vec(any::<u8>(), 0..2)))
    }

    proptest! {
        /// What is kept back reads as if it had been handed on.
        #[test]
        fn nobody_sees_a_difference(
            rounds in proptest::collection::vec((proptest::collection::vec(op(), 0..8), any::<bool>()), 0..8),
            from in proptest::collection::vec(0u8..3, 0..3),
            limit in 1usize..8,
        ) {
            let (plain, deferred) = (MemoryKv::default(), Deferred::new(MemoryKv::default(), 5).expect("empty"));
            for (ops, flush) in rounds {
                plain.apply(ops.clone()).expect("applied");
                deferred.apply(ops).expect("applied");
                if flush {
                    deferred.flush().expect("flushed");
                }
                for prefix in [&[][..], &[0], &[1], &[2, 1]] {
                    prop_assert_eq!(rows(&plain, prefix, &from, limit), rows(&deferred, prefix, &from, limit));
                }
                for key in [&[0][..], &[1, 1], &[2, 0]] {
                    prop_assert_eq!(plain.get(key).expect("read"), deferred.get(key).expect("read"));
                }
            }
        }
    }

    /// As an index is copied from a snap: the row that says where it stands comes last.
    #[test]
    fn what_was_queued_when_an_index_was_copied_can_be_taken_out_again() {
        let deferred = Deferred::new(MemoryKv::default(), 2).expect("empty");
        let queued = keys::queued(mail::QueueId(7));
        deferred
            .apply(vec![(b"A".to_vec(), Some(vec![1])), (queued.clone(), Some(vec![1]))])
            .expect("applied");
        let state = super::super::rows::encode(&StateRow { applied: 9, ..StateRow::default() });
        deferred.apply(vec![(keys::STATE.to_vec(), Some(state))]).expect("applied");
        deferred.apply(vec![(queued.clone(), None)]).expect("applied");
        assert_eq!(deferred.get(&queued).expect("read"), None);
        deferred.flush().expect("flushed");
        assert_eq!(deferred.inner.get(&queued).expect("read"), None, "it would be delivered again");
    }

    #[test]
    fn many_changes_are_handed_on_at_once_and_all_at_a_flush() {
        let deferred = Deferred::new(MemoryKv::default(), KEYS_MAX).expect("empty");
        for n in 0..u32::try_from(KEYS_MAX).expect("small") - 1 {
            deferred.apply(vec![(n.to_be_bytes().to_vec(), Some(vec![1]))]).expect("applied");
        }
        assert!(rows(&deferred.inner, &[], &[], 1).is_empty());
        deferred.apply(vec![(vec![9; 5], Some(vec![1]))]).expect("applied");
        assert_eq!(rows(&deferred.inner, &[], &[], usize::MAX).len(), KEYS_MAX);
        deferred.apply(vec![(vec![9; 5], None)]).expect("applied");
        deferred.flush().expect("flushed");
        assert_eq!(rows(&deferred.inner, &[], &[], usize::MAX).len(), KEYS_MAX - 1);
    }
}
