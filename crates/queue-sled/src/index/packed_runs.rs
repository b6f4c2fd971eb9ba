//! Runs as rows: some hundred to a row. Where a row begins is told by the runs themselves, so that the rows say the same
//! whichever way the set has come about, and a change touches those around it.

use mail::Uid;
use queue::Runs;

use super::kv::IndexError;
use super::rows::{VALUE_MAX, encode};

type Run = (Uid, Uid);

/// The first uid of a row, and its value.
pub(super) type Row = (Uid, Vec<u8>);

/// One run in 128 begins a row, whatever stands around it.
fn begins(run: Run) -> bool {
    (run.0.0 >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57 == 0
}

/// Runs in ascending order as rows.
pub(super) fn pack(runs: &[Run]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut before = Uid(0);
    for run in runs {
        let length = run.1.0 - run.0.0;
        let more = encode(&(run.0.0.wrapping_sub(before.0), length));
        match rows.last_mut() {
            Some((_, value)) if !begins(*run) && value.len() + more.len() <= VALUE_MAX => value.extend(more),
            Some(_) | None => rows.push((run.0, encode(&length))),
        }
        before = run.1;
    }
    rows
}

/// The rows in which two sets differ: those of the one, and those of the other.
pub(super) fn differing(old: &Runs, new: &Runs) -> (Vec<Row>, Vec<Row>) {
    let (old, new) = old.differing(new, begins);
    (pack(&old), pack(&new))
}

/// Adds the runs of a row.
pub(super) fn unpack(first: Uid, value: &[u8], runs: &mut Vec<Run>) -> Result<(), IndexError> {
    const BAD: IndexError = IndexError::Damaged("a row of runs");
    let (length, mut rest) = postcard::take_from_bytes::<u64>(value).map_err(|_| BAD)?;
    let mut run = (first, first.0.checked_add(length).map(Uid).ok_or(BAD)?);
    loop {
        if runs.last().is_some_and(|(_, before)| *before >= run.0) {
            return Err(BAD);
        }
        runs.push(run);
        if rest.is_empty() {
            return Ok(());
        }
        let ((gap, length), behind) = postcard::take_from_bytes::<(u64, u64)>(rest).map_err(|_| BAD)?;
        let first = run.1.0.checked_add(gap).ok_or(BAD)?;
        run = (Uid(first), first.checked_add(length).map(Uid).ok_or(BAD)?);
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn runs(gaps: &[(u64, u64)]) -> Vec<Run> {
        let mut at = 0;
        let run = |(gap, length): &(u64, u64)| {
            let first = at + gap;
            at = first + length;
            (Uid(first), Uid(at))
        };
        gaps.iter().map(run).collect()
    }

    proptest! {
        #[test]
        fn rows_are_read_back_and_differ_where_the_sets_do(
            mut gaps in proptest::collection::vec((1u64..1 << 44, 0u64..1 << 40), 1..1500),
            changes in proptest::collection::vec((0usize..1500, 0u8..3), 0..4),
        ) {
            let old = runs(&gaps);
            let mut read = Vec::new();
            for (first, value) in pack(&old) {
                prop_assert!(value.len() <= VALUE_MAX);
                unpack(first, &value, &mut read).expect("readable");
            }
            prop_assert_eq!(&read, &old);
            for (at, what) in changes {
                let at = at % gaps.len();
                match what {
                    0 if gaps.len() > 1 => drop(gaps.remove(at)),
                    1 => gaps.insert(at, (5, 5)),
                    _ => gaps[at].1 += 1,
                }
            }
            // Only around the changes; the runs behind keep their places in half of them.
            let new = runs(&gaps);
            let mut rows: BTreeMap<_, _> = pack(&old).into_iter().collect();
            let (gone, come) = differing(&Runs::new(old), &Runs::new(new.clone()));
            for (first, value) in gone {
                prop_assert_eq!(rows.remove(&first), Some(value));
            }
            rows.extend(come);
            prop_assert_eq!(rows, pack(&new).into_iter().collect::<BTreeMap<_, _>>());
        }
    }

    #[test]
    fn every_other_message_of_many_takes_six_octets() {
        let all: Vec<Run> = (1..5001u64)
            .map(|n| (Uid((0x6929_0000 << 32) + n * 2 * 8192), Uid((0x6929_0000 << 32) + n * 2 * 8192)))
            .collect();
        let rows = pack(&all);
        let octets: usize = rows.iter().map(|(_, value)| value.len() + 40).sum();
        assert!(rows.len() < 100 && octets < 6 * all.len(), "{} rows, {octets} octets", rows.len());
        let mut fewer = all.clone();
        fewer.remove(2500);
        let (gone, come) = differing(&Runs::new(all), &Runs::new(fewer));
        assert!(gone.len() + come.len() < 12, "{} and {}", gone.len(), come.len());
    }

    /// Rows that are on disk begin where this said so: another answer would leave them behind, and needs another format.
    #[test]
    fn where_a_row_begins_never_changes() {
        let at = |base: u64| {
            let begins = |n: &u64| begins((Uid(base + n * 8), Uid(u64::MAX)));
            (0..800).filter(begins).collect::<Vec<_>>()
        };
        assert_eq!(at(0), [0, 89, 233, 322, 466, 610, 699]);
        assert_eq!(at(0x6929_0000 << 32), [116, 205, 349, 493, 582, 726]);
    }
}
