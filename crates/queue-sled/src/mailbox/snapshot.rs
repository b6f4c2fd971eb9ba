//! What a view lists at one instant. The entries are the mailbox's own, whoever looks at them: of each chunk a view has
//! a pointer, and a mask where it does not see all of it.

use std::sync::Arc;

use mail::Uid;
use queue::{Runs, Stamp};

use super::Place;
use super::list::{CHUNK, Chunk, List};

const WORDS: usize = CHUNK / 64;

/// Which entries of a chunk a view does not list.
#[derive(Debug, PartialEq, Eq)]
struct Mask {
    hidden: [u64; WORDS],
    /// Of those that it lists.
    len: usize,
    octets: u64,
}

impl Mask {
    /// Where the `nth` entry stands that is listed.
    fn select(&self, mut nth: usize) -> Option<usize> {
        for (ordinal, hidden) in self.hidden.iter().enumerate() {
            let mut listed = !hidden;
            let count = listed.count_ones() as usize;
            if nth >= count {
                nth -= count;
                continue;
            }
            for _ in 0..nth {
                listed &= listed - 1;
            }
            return Some(ordinal * 64 + listed.trailing_zeros() as usize);
        }
        None
    }
}

#[derive(Debug, Clone)]
struct Part {
    chunk: Arc<Chunk>,
    mask: Option<Arc<Mask>>,
}

impl Part {
    fn len(&self) -> usize {
        self.mask.as_ref().map_or(self.chunk.places.len(), |mask| mask.len)
    }

    fn octets(&self) -> u64 {
        self.mask.as_ref().map_or(self.chunk.octets, |mask| mask.octets)
    }

    fn lists_the_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chunk, &other.chunk) && self.mask == other.mask
    }
}

/// What a view does not list.
#[derive(Clone, Copy)]
pub(crate) struct Hidden<'a> {
    /// Everything up to it.
    pub(crate) after: Uid,
    pub(crate) done: &'a Runs,
}

impl Hidden<'_> {
    /// What is left of a chunk: nothing, all of it, or some.
    fn part(&self, chunk: &Arc<Chunk>) -> Option<Part> {
        let (first, last) = (chunk.places.first()?.uid, chunk.places.last()?.uid);
        let mut runs = self.done.runs_from(first).peekable();
        let next = runs.peek().copied();
        let all = next.is_some_and(|run| run.0 <= first && last <= run.1);
        if last <= self.after || all {
            return None;
        }
        if first > self.after && next.is_none_or(|run| last < run.0) {
            return Some(Part { chunk: chunk.clone(), mask: None });
        }
        let mut mask = Mask { hidden: [0; WORDS], len: 0, octets: 0 };
        for (at, place) in chunk.places.iter().enumerate() {
            while runs.next_if(|run| run.1 < place.uid).is_some() {}
            if place.uid <= self.after || runs.peek().is_some_and(|run| run.0 <= place.uid) {
                mask.hidden[at / 64] |= 1 << (at % 64);
            } else {
                mask.len += 1;
                mask.octets += place.octets;
            }
        }
        // What stands behind the last entry is no entry.
        let places = chunk.places.len();
        for at in places..CHUNK {
            mask.hidden[at / 64] |= 1 << (at % 64);
        }
        let mask = (mask.len < places).then(|| Arc::new(mask));
        let part = Part { chunk: chunk.clone(), mask };
        (part.len() > 0).then_some(part)
    }
}

/// A view of a mailbox at one instant.
#[derive(Debug)]
pub(crate) struct Snapshot {
    parts: Vec<Part>,
    /// The number of each part's first entry.
    starts: Vec<usize>,
    len: usize,
    octets: u64,
    stamp: Stamp,
}

impl Snapshot {
    /// All of a mailbox.
    pub(crate) fn whole(list: &List, stamp: Stamp) -> Self {
        Self::of(list.chunks.iter().map(|chunk| Part { chunk: chunk.clone(), mask: None }).collect(), stamp)
    }

    /// What a view lists of it. Where `before` had the same chunk, and nothing else was hidden then, the work is done
    /// already.
    pub(crate) fn without(list: &List, hidden: Hidden<'_>, before: Option<&Self>) -> Self {
        let mut known = before.map_or(&[][..], |before| &before.parts).iter().peekable();
        let mut parts = Vec::with_capacity(list.chunks.len());
        for chunk in &list.chunks {
            let first = chunk.places.first().map_or(Uid(0), |place| place.uid);
            while known
                .next_if(|part| part.chunk.places.first().is_some_and(|place| place.uid < first))
                .is_some()
            {}
            match known.peek().filter(|part| Arc::ptr_eq(&part.chunk, chunk)) {
                Some(part) => parts.push((*part).clone()),
                None => parts.extend(hidden.part(chunk)),
            }
        }
        parts.shrink_to_fit();
        Self::of(parts, Stamp(0))
    }

    fn of(parts: Vec<Part>, stamp: Stamp) -> Self {
        let mut starts = Vec::with_capacity(parts.len());
        let (mut len, mut octets) = (0, 0);
        for part in &parts {
            starts.push(len);
            len += part.len();
            octets += part.octets();
        }
        Self { parts, starts, len, octets, stamp }
    }

    pub(crate) fn stamped(self, stamp: Stamp) -> Self {
        Self { stamp, ..self }
    }

    /// Whether it lists the same entries at the same places.
    pub(crate) fn lists_the_same(&self, other: &Self) -> bool {
        let same = || self.parts.iter().zip(&other.parts).all(|(one, two)| one.lists_the_same(two));
        self.len == other.len
            && self.octets == other.octets
            && self.parts.len() == other.parts.len()
            && same()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The `index`-th entry, and its foreign UIDL.
    pub(crate) fn get(&self, index: usize) -> Option<(&Place, Option<&str>)> {
        let ordinal = self.starts.partition_point(|start| *start <= index).checked_sub(1)?;
        let Part { chunk, mask } = self.parts.get(ordinal)?;
        let nth = index - self.starts[ordinal];
        let at = mask.as_ref().map_or(Some(nth), |mask| mask.select(nth))?;
        let place = chunk.places.get(at)?;
        Some((place, chunk.foreign(place.uid)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::mailbox::list::AT_UID;

    fn place(uid: u64) -> Place {
        Place { uid: Uid(uid), octets: uid % 7, record: uid, body_at: 64, slot: AT_UID }
    }

    fn listed(snapshot: &Snapshot) -> Vec<(u64, Option<String>)> {
        let all = (0..=snapshot.len()).map_while(|at| snapshot.get(at));
        let all: Vec<_> = all.map(|(place, foreign)| (place.uid.0, foreign.map(Into::into))).collect();
        assert_eq!(all.len(), snapshot.len());
        all
    }

    /// Runs over what is done of a mailbox.
    fn runs(model: &BTreeMap<u64, Option<String>>, done: impl Fn(u64) -> bool) -> Runs {
        let uids: Vec<_> = model.keys().map(|uid| Uid(*uid)).collect();
        let mut runs = Runs::default();
        for (at, uid) in uids.iter().enumerate().filter(|(_, uid)| done(uid.0)) {
            runs.insert(*uid, at.checked_sub(1).map(|at| uids[at]), uids.get(at + 1).copied());
        }
        runs
    }

    proptest! {
        /// Insertions and removals in any order give what a map gives, no snapshot ever changes, and a view lists what
        /// it does not hide, whether it was looked at before or not.
        #[test]
        fn a_list_is_a_sorted_map(
            steps in proptest::collection::vec((0u8..5, 0usize..3000), 1..2500),
            (modulo, after) in (1u64..5, 0u64..3000),
        ) {
            let (mut list, mut model, mut next) = (List::default(), BTreeMap::new(), 0u64);
            let mut kept = Vec::new();
            let hides = |uid: u64| uid.is_multiple_of(modulo);
            let mut before = None;
            for (ordinal, (what, which)) in steps.into_iter().enumerate() {
                let foreign = (which % 10 == 0).then(|| format!("f{which}"));
                match what {
                    0 if !model.is_empty() => {
                        let uid = model.keys().nth(which % model.len()).copied().unwrap_or(0);
                        list.remove(Uid(uid));
                        list.remove(Uid(uid));
                        model.remove(&uid);
                    }
                    1 if !model.contains_key(&(which as u64 % (next + 1))) => {
                        let uid = which as u64 % (next + 1);
                        list.insert(place(uid), foreign.clone().map(Into::into));
                        model.insert(uid, foreign);
                    }
                    _ => {
                        next += 1 + which as u64 % 3;
                        list.insert(place(next), foreign.clone().map(Into::into));
                        model.insert(next, foreign);
                    }
                }
                if ordinal % 400 == 0 {
                    let done = runs(&model, hides);
                    let hidden = Hidden { after: Uid(after), done: &done };
                    let mut wanted = model.clone();
                    wanted.retain(|uid, _| *uid > after && !hides(*uid));
                    let snapshot = Snapshot::without(&list, hidden, before.as_ref());
                    prop_assert!(snapshot.lists_the_same(&Snapshot::without(&list, hidden, None)));
                    prop_assert_eq!(snapshot.octets(), wanted.keys().map(|uid| uid % 7).sum::<u64>());
                    prop_assert_eq!(listed(&snapshot), wanted.into_iter().collect::<Vec<_>>());
                    before = Some(snapshot);
                    kept.push((Snapshot::whole(&list, Stamp(0)), model.clone()));
                }
            }
            prop_assert_eq!(list.len(), model.len());
            let octets: u64 = model.keys().map(|uid| uid % 7).sum();
            kept.push((Snapshot::whole(&list, Stamp(0)), model));
            prop_assert_eq!(kept.last().map(|(snapshot, _)| snapshot.octets()), Some(octets));
            for (snapshot, model) in kept {
                prop_assert_eq!(listed(&snapshot), model.into_iter().collect::<Vec<_>>());
            }
        }
    }

    fn filled(last: u64) -> List {
        let mut list = List::default();
        (1..=last).for_each(|uid| list.insert(place(uid), None));
        list
    }

    /// Where a view joined, and what it is done with, may begin and end at any entry of any chunk; and there is no mask
    /// of all or of nothing.
    #[test]
    fn a_view_lists_what_it_does_not_hide_at_every_edge() {
        const EDGES: [u64; 8] = [1, 2, 511, 512, 513, 1024, 1025, 1030];
        let list = filled(1030);
        let pairs = EDGES.into_iter().flat_map(|from| EDGES.map(|to| (from, to)));
        let runs = pairs.filter(|(from, to)| from <= to).map(Some).chain([None]);
        for (run, after) in runs.flat_map(|run| EDGES.map(|after| (run, after - 1))) {
            let done = Runs::new(run.map(|(from, to)| (Uid(from), Uid(to))).into_iter().collect());
            let snapshot = Snapshot::without(&list, Hidden { after: Uid(after), done: &done }, None);
            let is_done = |uid: &u64| run.is_some_and(|(from, to)| (from..=to).contains(uid));
            let wanted: Vec<_> = (after + 1..=1030).filter(|uid| !is_done(uid)).collect();
            let found: Vec<_> = listed(&snapshot).into_iter().map(|(uid, _)| uid).collect();
            assert_eq!(found, wanted, "{run:?} is done of what came after {after}");
            for part in &snapshot.parts {
                assert!(part.len() > 0 && part.mask.is_some() == (part.len() < part.chunk.places.len()));
            }
        }
    }

    /// Whoever lists the same is given the same listing: so many entries with so many octets are not enough.
    #[test]
    fn as_much_of_other_entries_is_not_the_same() {
        let list = filled(1100);
        let without = |runs: &[(u64, u64)]| {
            let done = Runs::new(runs.iter().map(|(from, to)| (Uid(*from), Uid(*to))).collect());
            Snapshot::without(&list, Hidden { after: Uid(0), done: &done }, None)
        };
        let (one, other) = (without(&[(7, 7)]), without(&[(14, 14)]));
        assert_eq!((one.len(), one.octets()), (other.len(), other.octets()));
        assert!(!one.lists_the_same(&other) && one.lists_the_same(&without(&[(7, 7)])));
        // All of it, or the beginning.
        assert!(!without(&[]).lists_the_same(&without(&[(1025, 1100)])));
        // Where no chunk is in both.
        let (one, other) = (without(&[(513, 1100)]), without(&[(1, 512), (1025, 1100)]));
        assert_eq!((one.len(), one.parts.len()), (other.len(), other.parts.len()));
        assert!(!one.lists_the_same(&other));
    }

    #[test]
    fn a_view_costs_a_bit_for_an_entry_and_nothing_where_it_sees_all_or_nothing() {
        let mut list = filled(5120);
        let done = Runs::new(vec![(Uid(1), Uid(1500)), (Uid(2000), Uid(2000))]);
        let hidden = Hidden { after: Uid(0), done: &done };
        let snapshot = Snapshot::without(&list, hidden, None);
        let masks: Vec<_> = snapshot.parts.iter().map(|part| part.mask.is_some()).collect();
        assert_eq!(masks, [[true; 2].as_slice(), &[false; 6]].concat());
        assert_eq!(size_of::<Mask>(), 80);
        // Of a chunk in which nothing has changed the mask is made once.
        list.remove(Uid(1501));
        let after = Snapshot::without(&list, hidden, Some(&snapshot));
        let mask = |snapshot: &Snapshot, at: usize| snapshot.parts[at].mask.clone().expect("some is hidden");
        let kept = [0, 1].map(|at| Arc::ptr_eq(&mask(&snapshot, at), &mask(&after, at)));
        assert_eq!(kept, [false, true]);
    }
}
