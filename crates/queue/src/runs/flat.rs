//! Runs as they stand, in ascending order: all of a set that has few, or a part of one that has many.

use mail::Uid;

use super::Run;

/// How many begin at or before a uid.
fn begun(runs: &[Run], uid: Uid) -> usize {
    runs.partition_point(|(first, _)| *first <= uid)
}

pub(super) fn contains(runs: &[Run], uid: Uid) -> bool {
    let at = begun(runs, uid);
    at > 0 && uid <= runs[at - 1].1
}

/// See [`super::Runs::insert`].
pub(super) fn insert(runs: &mut Vec<Run>, uid: Uid, before: Option<Uid>, after: Option<Uid>) -> bool {
    let at = begun(runs, uid);
    if at > 0 && uid <= runs[at - 1].1 {
        return false;
    }
    let joins_left = at > 0 && before.is_none_or(|before| before <= runs[at - 1].1);
    let joins_right = at < runs.len() && after.is_none_or(|after| runs[at].0 <= after);
    match (joins_left, joins_right) {
        (true, true) => {
            runs[at - 1].1 = runs[at].1;
            runs.remove(at);
        }
        (true, false) => runs[at - 1].1 = uid,
        (false, true) => runs[at].0 = uid,
        (false, false) => runs.insert(at, (uid, uid)),
    }
    true
}

/// See [`super::Runs::forget`]. Whether anything has changed.
pub(super) fn forget(runs: &mut Vec<Run>, uid: Uid, before: Option<Uid>, after: Option<Uid>) -> bool {
    let at = begun(runs, uid);
    let Some(left) = at.checked_sub(1) else { return false };
    let (first, last) = runs[left];
    if last < uid {
        let joins = before == Some(last) && runs.get(at).is_some_and(|(first, _)| after == Some(*first));
        if joins {
            runs[left].1 = runs[at].1;
            runs.remove(at);
        }
        return joins;
    }
    match (uid == first, uid == last) {
        (true, true) => drop(runs.remove(left)),
        (true, false) => runs[left].0 = after.unwrap_or(last),
        (false, true) => runs[left].1 = before.unwrap_or(first),
        (false, false) => return false,
    }
    true
}

/// See [`super::Runs::arrive`]. Whether anything has changed.
pub(super) fn arrive(runs: &mut Vec<Run>, uid: Uid, before: Option<Uid>, after: Option<Uid>) -> bool {
    let Some(left) = begun(runs, uid).checked_sub(1) else { return false };
    let (first, last) = runs[left];
    match (before, after) {
        (Some(before), Some(after)) if uid < last => {
            runs[left] = (first, before);
            runs.insert(left + 1, (after, last));
            true
        }
        (Some(_) | None, Some(_) | None) => false,
    }
}

/// See [`super::Runs::differing`].
pub(super) fn differing(
    mut one: Vec<Run>,
    mut other: Vec<Run>,
    edge: impl Fn(Run) -> bool,
) -> (Vec<Run>, Vec<Run>) {
    let same = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
    let from = one[..same].iter().rposition(|run| edge(*run)).unwrap_or(0);
    one.drain(..from);
    other.drain(..from);
    let behind = one.iter().rev().zip(other.iter().rev()).take_while(|(one, other)| one == other).count();
    let again = one[one.len() - behind..].iter().position(|run| edge(*run));
    let left = again.map_or(0, |again| behind - again);
    one.truncate(one.len() - left);
    other.truncate(other.len() - left);
    (one, other)
}
