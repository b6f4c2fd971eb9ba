use std::sync::Arc;

use mail::Uid;

use crate::index::rows::EntryRow;
use crate::log::Lsn;
use crate::log::change::SLOT;
use crate::log::record::HEADER;

/// Entries of one chunk: what is copied when a chunk that somebody still reads gets one more.
pub(super) const CHUNK: usize = 512;

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
    pub(super) chunks: Vec<Arc<Chunk>>,
    len: usize,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Chunk {
    pub(super) places: Vec<Place>,
    pub(super) octets: u64,
    /// The UIDLs of other servers, by uid: few mailboxes have any.
    foreign: Vec<(Uid, Box<str>)>,
}

impl Chunk {
    fn first(&self) -> Uid {
        self.places.first().map_or(Uid(0), |place| place.uid)
    }

    pub(super) fn foreign(&self, uid: Uid) -> Option<&str> {
        let at = self.foreign.binary_search_by_key(&uid, |(uid, _)| *uid).ok()?;
        Some(&*self.foreign[at].1)
    }

    fn insert(&mut self, place: Place, foreign: Option<Box<str>>) {
        let at = self.places.partition_point(|other| other.uid < place.uid);
        self.places.insert(at, place);
        self.octets += place.octets;
        if let Some(foreign) = foreign {
            let at = self.foreign.partition_point(|(other, _)| *other < place.uid);
            self.foreign.insert(at, (place.uid, foreign));
        }
    }

    /// Keeps half, and gives the other.
    fn divide(&mut self) -> Self {
        let places = self.places.split_off(self.places.len() / 2);
        let from = places.first().map_or(Uid(u64::MAX), |place| place.uid);
        let foreign = self.foreign.split_off(self.foreign.partition_point(|(uid, _)| *uid < from));
        let octets = places.iter().map(|place| place.octets).sum();
        self.octets -= octets;
        Self { places, octets, foreign }
    }
}

impl List {
    /// Adds an entry: nearly always one whose uid is above all others.
    pub(crate) fn insert(&mut self, place: Place, foreign: Option<Box<str>>) {
        let chunks = &mut self.chunks;
        let mut ordinal = match chunks.last() {
            Some(last) if last.first() <= place.uid => chunks.len() - 1,
            Some(_) | None => chunks.partition_point(|chunk| chunk.first() <= place.uid).saturating_sub(1),
        };
        let is_last = ordinal + 1 >= chunks.len();
        let full = chunks.get(ordinal).is_none_or(|chunk| chunk.places.len() >= CHUNK);
        if full {
            let above = chunks.get(ordinal).and_then(|chunk| chunk.places.last());
            if is_last && above.is_none_or(|last| last.uid < place.uid) {
                ordinal = chunks.len();
                chunks.push(Arc::default());
            } else {
                let other = Arc::make_mut(&mut chunks[ordinal]).divide();
                let right = other.first() <= place.uid;
                chunks.insert(ordinal + 1, Arc::new(other));
                ordinal += usize::from(right);
            }
        }
        Arc::make_mut(&mut chunks[ordinal]).insert(place, foreign);
        self.len += 1;
    }

    /// Takes an entry out, if it is there.
    pub(crate) fn remove(&mut self, uid: Uid) {
        let Some((ordinal, at)) = self.find(uid) else { return };
        let chunk = Arc::make_mut(&mut self.chunks[ordinal]);
        let place = chunk.places.remove(at);
        chunk.octets -= place.octets;
        chunk.foreign.retain(|(of, _)| *of != uid);
        if chunk.places.is_empty() {
            self.chunks.remove(ordinal);
        }
        self.len -= 1;
    }

    /// Gives an entry another place, if it is there.
    pub(crate) fn replace(&mut self, place: Place) {
        if let Some((ordinal, at)) = self.find(place.uid) {
            Arc::make_mut(&mut self.chunks[ordinal]).places[at] = place;
        }
    }

    fn find(&self, uid: Uid) -> Option<(usize, usize)> {
        let ordinal = self.chunks.partition_point(|chunk| chunk.first() <= uid).checked_sub(1)?;
        let found = self.chunks[ordinal].places.binary_search_by_key(&uid, |place| place.uid);
        Some((ordinal, found.ok()?))
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_32_octets() {
        assert_eq!(size_of::<Place>(), 32);
    }

    /// A chunk that is divided for what comes between, as happens in a trash, keeps the names from other servers.
    #[test]
    fn what_comes_between_others_takes_no_names_away() {
        for between in [3, 511, 513, 1023] {
            let mut list = List::default();
            let uids = (1..=CHUNK as u64).map(|n| n * 2).chain([between]);
            for uid in uids {
                let place = Place { uid: Uid(uid), octets: 1, record: uid, body_at: 64, slot: AT_UID };
                list.insert(place, Some(format!("old-{uid}").into()));
            }
            assert_eq!((list.chunks.len(), list.len()), (2, CHUNK + 1));
            for chunk in &list.chunks {
                for Place { uid, .. } in &chunk.places {
                    assert_eq!(chunk.foreign(*uid), Some(&*format!("old-{}", uid.0)), "beside {between}");
                }
            }
        }
    }
}
