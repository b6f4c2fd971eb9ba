//! The worst that a cut makes of what was written and not synced: not only old octets where the new ones never
//! came, but none, any, or those of another place.
//!
//! A sector that is written again with the octets it has stays as it is. Only a start does that, with the last batch;
//! everywhere else no acknowledged sector is written again, and nothing of what was acknowledged can tear.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::{Inode, Machine, Reaches, SECTOR, WAYS, sectors, sectors_of};
use crate::disk::simulated::Chance;

/// What stands in a sector that the write has not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Instead {
    /// What was there before: of a file that is used again, records of its earlier life.
    Old,
    Zeros,
    Garbage,
    /// Another sector of the file, of this batch or of one before it.
    Elsewhere,
}

use Instead::{Elsewhere, Garbage, Old, Zeros};

/// Of one image all sectors that were lost look alike, or each as it happens to.
const KINDS: [&[Instead]; 6] =
    [&[Old], &[Old], &[Zeros], &[Garbage], &[Elsewhere], &[Old, Zeros, Garbage, Elsewhere]];

/// A machine in which what was written to one file is torn, and nothing else has happened yet.
pub(crate) struct Torn {
    pub(crate) machine: Machine,
    /// The same for two images of one instant that are the same there, whatever the garbage.
    pub(crate) print: u64,
    /// All of it has reached the platter: not torn at all.
    pub(crate) is_whole: bool,
    /// It was written over what an earlier life of the file has left.
    pub(crate) is_over_old: bool,
}

impl Machine {
    /// Tears what is not synced of a file, sector by sector.
    pub(crate) fn tear(&self, inode: Inode, chance: &mut Chance) -> Torn {
        let mut machine = self.clone();
        let file = machine.file_mut(inode);
        let unsynced = std::mem::take(&mut file.unsynced);
        let parts: Vec<_> = unsynced
            .iter()
            .flat_map(|(at, octets)| {
                sectors_of(*at, octets.len()).map(move |(from, to)| (at + from, &octets[from..to]))
            })
            .collect();
        let (way, kinds, one) = (chance.pick(&WAYS), chance.pick(&KINDS), chance.below(parts.len()));
        let mut print = DefaultHasher::new();
        let (mut is_whole, mut is_over_old) = (true, false);
        for (ordinal, (at, octets)) in parts.iter().enumerate() {
            let mut there = vec![0; octets.len()];
            file.platter.read(&mut there, *at);
            is_over_old |= there.iter().any(|octet| *octet != 0);
            let mut is_garbage = false;
            if there == *octets {
                // It stays, see above.
            } else if way.reaches(ordinal, one, chance) {
                there.copy_from_slice(octets);
            } else {
                match chance.pick(kinds) {
                    Old => {}
                    Zeros => there.fill(0),
                    Garbage => {
                        is_garbage = true;
                        there.fill_with(|| chance.number().to_le_bytes()[0]);
                    }
                    Elsewhere => {
                        let end = at + octets.len();
                        let from = chance.below(sectors(0, end).len()) * SECTOR;
                        file.cache.read(&mut there, from);
                    }
                }
            }
            file.platter.write(&there, *at);
            is_whole &= there == *octets;
            (at, is_garbage).hash(&mut print);
            if !is_garbage {
                there.hash(&mut print);
            }
        }
        file.cache = file.platter.clone();
        Torn { machine, print: print.finish(), is_whole, is_over_old }
    }
}

impl Reaches {
    /// Whether it reaches the sector of that number; `one` is that from which on, or in which alone, it differs.
    pub(super) fn reaches(self, ordinal: usize, one: usize, chance: &mut Chance) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Beginning => ordinal < one,
            Self::Some(tenths) => chance.below(10) < tenths,
            Self::AllButOne => ordinal != one,
        }
    }
}
