use mail::{MailboxName, Uid};

use crate::index::{IndexError, IndexKv, chunk, keys};

/// The oldest entries of a mailbox that were delivered before `before_ms`; see [`queue::Store::older_than`].
/// Reads no further than to the first that was not.
pub(crate) fn older_than(
    kv: &dyn IndexKv,
    name: &MailboxName,
    before_ms: u64,
    now_ms: u64,
    limit: usize,
) -> Result<Vec<Uid>, IndexError> {
    let mut found = Vec::new();
    let mut more = true;
    kv.scan(&keys::entries(name), &[], &mut |key, value| {
        let first = Uid(keys::number(key).ok_or(IndexError::Damaged("an entry's key"))?);
        chunk::scan(value, first, |entry| {
            let time = time_of(entry.uid, entry.row.time_ms, now_ms);
            if time <= now_ms {
                more = time < before_ms && found.len() < limit;
                found.extend(more.then_some(entry.uid));
            }
            Ok(more)
        })?;
        Ok(more)
    })?;
    Ok(found)
}

/// When an entry was delivered. The segment that its uid names was begun before that, and not before the second
/// that it is named after: what a clock that had fallen back said is put right by it, unless the clock had run
/// ahead then.
fn time_of(uid: Uid, time_ms: u64, now_ms: u64) -> u64 {
    let begun = (uid.0 >> 32) * 1000;
    if begun <= now_ms { time_ms.max(begun) } else { time_ms }
}

#[cfg(test)]
mod tests {
    use queue::contract::name;

    use super::*;
    use crate::index::kv::MemoryKv;
    use crate::index::rows::EntryRow;

    /// In seconds, as segments are named.
    const DAY: u64 = 86_400;

    fn index(entries: &[(u64, u64)]) -> MemoryKv {
        let kv = MemoryKv::default();
        for (at, (segment, time)) in (0..).zip(entries) {
            let uid = Uid(segment << 32 | at);
            let row = EntryRow {
                octets: 1,
                time_ms: time * 1000,
                body: uid.0,
                place: uid.0,
                body_at: 64,
                slot: None,
                recipient: None,
                shared: false,
                beside: None,
                foreign_uidl: None,
                trashed_ms: None,
            };
            let mut value = Vec::new();
            chunk::push(&mut value, uid, uid, &chunk::pack(uid, &row));
            kv.apply(vec![(keys::entry(&name("alice"), uid), Some(value))]).expect("applied");
        }
        kv
    }

    fn older(kv: &MemoryKv, before: u64, now: u64, limit: usize) -> Vec<u64> {
        let found = older_than(kv, &name("alice"), before * 1000, now * 1000, limit).expect("readable");
        found.into_iter().map(|uid| uid.0 & 0xff).collect()
    }

    #[test]
    fn what_a_clock_that_was_wrong_said_makes_nobody_older() {
        let today = 20_000 * DAY;
        // Two that are old, one of a clock that had run ahead, one of a clock that had fallen back, one that
        // is old and has a younger one before it.
        let [old, ahead, back] = [today - 400 * DAY, today + 4000 * DAY, 1];
        let kv = index(&[
            (old, old),
            (old, old + DAY),
            (old, ahead),
            (today - DAY, back),
            (today - DAY, today - DAY),
            (today, old),
        ]);
        let year = today - 365 * DAY;
        assert_eq!(older(&kv, year, today, 9), [0, 1]);
        assert_eq!(older(&kv, year, today, 1), [0]);
        assert!(older(&kv, year, today, 0).is_empty());
        assert_eq!(
            older(&kv, old + DAY, today, 9),
            [0],
            "what was delivered at that instant was not before it"
        );
        assert_eq!(older(&kv, today + 1, today, 9), [0, 1, 3, 4, 5], "all but the one from the future");
        // A clock that ran ahead when the segment was begun names it so; then the entry's own time counts.
        assert_eq!(older(&index(&[(ahead, old), (ahead, today)]), year, today, 9), [0]);
    }
}
