use std::sync::Arc;

use mail::Uid;
use queue::Stamp;

use crate::index::rows::EntryRow;
use crate::log::Lsn;
use crate::log::change::SLOT;
use crate::log::record::HEADER;

/// Entries of one chunk: what is copied when a chunk that somebody still reads gets one more.
const CHUNK: usize = 512;

/// An entry in 32 octets: what listing needs, and where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) uid: Uid,
    /// Octets served.
    pub(crate) octets: u64,
    /// The record that holds the body, and where in it the body begins.
    pub(crate) record: u64,
    pub(crate) body_at: u32,
    /// The slot of that record that points at the additions; [`AT_UID`]: the one that the uid names.
    pub(crate) slot: u16,
}

/// No record has that many slots.
pub(crate) const AT_UID: u16 = u16::MAX;

impl Place {
    pub(crate) fn of(uid: Uid, row: &EntryRow) -> Self {
        let slot = row.slot.unwrap_or(AT_UID);
        Self { uid, octets: row.octets, record: row.place, body_at: row.body_at, slot }
    }

    /// Where the slot is that points at its additions.
    pub(crate) fn slot(&self) -> Lsn {
        match self.slot {
            AT_UID => Lsn(self.uid.0),
            slot => Lsn(self.record + (HEADER + slot as usize * SLOT) as u64),
        }
    }
}

/// Entries in the order of their uids, shared chunk by chunk: a snapshot costs a pointer for each chunk, and
/// a change copies the one chunk it touches.
#[derive(Debug, Clone, Default)]
pub(crate) struct List {
    chunks: Vec<Arc<Chunk>>,
    len: usize,
    octets: u64,
}

#[derive(Debug, Clone, Default)]
struct Chunk {
    places: Vec<Place>,
    /// The UIDLs of other servers, by uid: few mailboxes have any.
    foreign: Vec<(Uid, Box<str>)>,
}

impl Chunk {
    fn first(&self) -> Uid {
        self.places.first().map_or(Uid(0), |place| place.uid)
    }
}

impl List {
    /// Adds an entry whose uid is above all others.
    pub(crate) fn push(&mut self, place: Place, foreign: Option<Box<str>>) {
        if self.chunks.last().is_none_or(|chunk| chunk.places.len() >= CHUNK) {
            self.chunks.push(Arc::default());
        }
        let Some(chunk) = self.chunks.last_mut().map(Arc::make_mut) else { return };
        chunk.places.push(place);
        chunk.foreign.extend(foreign.map(|foreign| (place.uid, foreign)));
        self.len += 1;
        self.octets += place.octets;
    }

    /// Takes an entry out, if it is there.
    pub(crate) fn remove(&mut self, uid: Uid) {
        let Some(ordinal) = self.chunks.partition_point(|chunk| chunk.first() <= uid).checked_sub(1) else {
            return;
        };
        let Ok(at) = self.chunks[ordinal].places.binary_search_by_key(&uid, |place| place.uid) else {
            return;
        };
        let chunk = Arc::make_mut(&mut self.chunks[ordinal]);
        let place = chunk.places.remove(at);
        chunk.foreign.retain(|(of, _)| *of != uid);
        if chunk.places.is_empty() {
            self.chunks.remove(ordinal);
        }
        self.len -= 1;
        self.octets -= place.octets;
    }

    /// Gives an entry another place, if it is there.
    pub(crate) fn replace(&mut self, place: Place) {
        let Some(ordinal) = self.chunks.partition_point(|chunk| chunk.first() <= place.uid).checked_sub(1)
        else {
            return;
        };
        let found = self.chunks[ordinal].places.binary_search_by_key(&place.uid, |place| place.uid);
        if let Ok(at) = found {
            Arc::make_mut(&mut self.chunks[ordinal]).places[at] = place;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// A list of the entries that `keep` wants; chunks it wants whole stay shared.
    pub(crate) fn filtered(&self, keep: impl Fn(Uid) -> bool) -> Self {
        let mut list = Self::default();
        for chunk in &self.chunks {
            let kept: Vec<_> = chunk.places.iter().filter(|place| keep(place.uid)).copied().collect();
            list.len += kept.len();
            list.octets += kept.iter().map(|place| place.octets).sum::<u64>();
            if kept.len() == chunk.places.len() {
                list.chunks.push(chunk.clone());
            } else if !kept.is_empty() {
                let foreign = chunk.foreign.iter().filter(|(uid, _)| keep(*uid)).cloned().collect();
                list.chunks.push(Arc::new(Chunk { places: kept, foreign }));
            }
        }
        list
    }

    pub(crate) fn snapshot(self, stamp: Stamp) -> Snapshot {
        let mut starts = Vec::with_capacity(self.chunks.len());
        let mut at = 0;
        for chunk in &self.chunks {
            starts.push(at);
            at += chunk.places.len();
        }
        Snapshot { list: self, starts, stamp }
    }
}

/// A view of a mailbox at one instant.
#[derive(Debug)]
pub(crate) struct Snapshot {
    list: List,
    /// The number of each chunk's first entry.
    starts: Vec<usize>,
    stamp: Stamp,
}

impl Snapshot {
    pub(crate) fn len(&self) -> usize {
        self.list.len
    }

    pub(crate) fn octets(&self) -> u64 {
        self.list.octets
    }

    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The `index`-th entry, and its foreign UIDL.
    pub(crate) fn get(&self, index: usize) -> Option<(&Place, Option<&str>)> {
        let ordinal = self.starts.partition_point(|start| *start <= index).checked_sub(1)?;
        let chunk = self.list.chunks.get(ordinal)?;
        let place = chunk.places.get(index - self.starts[ordinal])?;
        let foreign = chunk.foreign.binary_search_by_key(&place.uid, |(uid, _)| *uid).ok();
        Some((place, foreign.map(|at| &*chunk.foreign[at].1)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn place(uid: u64) -> Place {
        Place { uid: Uid(uid), octets: uid % 7, record: uid, body_at: 64, slot: AT_UID }
    }

    fn listed(snapshot: &Snapshot) -> Vec<(u64, Option<String>)> {
        (0..)
            .map_while(|at| snapshot.get(at))
            .map(|(place, foreign)| (place.uid.0, foreign.map(Into::into)))
            .collect()
    }

    #[test]
    fn an_entry_has_32_octets() {
        assert_eq!(size_of::<Place>(), 32);
    }

    proptest! {
        /// Pushes and removals in any order give what a map gives, and no snapshot ever changes.
        #[test]
        fn a_list_is_a_sorted_map(steps in proptest::collection::vec((any::<bool>(), 0usize..3000), 1..2500)) {
            let (mut list, mut model, mut next) = (List::default(), BTreeMap::new(), 0u64);
            let mut kept = Vec::new();
            for (ordinal, (push, which)) in steps.into_iter().enumerate() {
                if push || model.is_empty() {
                    next += 1 + which as u64 % 3;
                    let foreign = (which % 10 == 0).then(|| format!("f{which}"));
                    list.push(place(next), foreign.clone().map(Into::into));
                    model.insert(next, foreign);
                } else {
                    let uid = model.keys().nth(which % model.len()).copied().unwrap_or(0);
                    list.remove(Uid(uid));
                    list.remove(Uid(uid));
                    model.remove(&uid);
                }
                if ordinal % 400 == 0 {
                    let model: Vec<_> = model.clone().into_iter().collect();
                    kept.push((list.clone().snapshot(Stamp(0)), model));
                }
            }
            let wanted: Vec<_> = model.clone().into_iter().filter(|(uid, _)| uid % 3 != 0).collect();
            prop_assert_eq!(listed(&list.filtered(|uid| uid.0 % 3 != 0).snapshot(Stamp(0))), wanted);
            let octets: u64 = model.keys().map(|uid| uid % 7).sum();
            kept.push((list.snapshot(Stamp(0)), model.into_iter().collect()));
            prop_assert_eq!(kept.last().map(|(snapshot, _)| snapshot.octets()), Some(octets));
            for (snapshot, model) in kept {
                prop_assert_eq!(listed(&snapshot), model);
            }
        }
    }
}
