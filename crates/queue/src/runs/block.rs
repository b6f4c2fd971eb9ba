//! Some runs that follow each other, as their lengths and the gaps between them: of somebody who takes every other
//! message four octets a run, where two uids take sixteen.

use std::sync::Arc;

use mail::Uid;

use super::{Run, flat};

/// Copies share what is packed: a set that is about to change costs little beside the one that is read meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// As they stand, while one after the other changes.
    Open(Vec<Run>),
    Packed {
        first: Uid,
        /// Of each run one octet that says how many the gap before it has, and how many its length, and then those;
        /// behind the last one as many zeros as are read at once.
        octets: Arc<[u8]>,
    },
}

/// Octets of a number.
const WORD: usize = 8;

impl Block {
    /// Of runs in ascending order that do not touch.
    pub(super) fn packed(runs: &[Run]) -> Self {
        let first = runs.first().map_or(Uid(0), |(first, _)| *first);
        let mut octets = Vec::with_capacity(5 * runs.len() + WORD);
        let mut before = first;
        for (first, last) in runs {
            let (gap, length) = (first.0 - before.0, last.0 - first.0);
            let (of_gap, of_length) = (needs(gap), needs(length));
            octets.push(of_gap << 4 | of_length);
            octets.extend_from_slice(&gap.to_le_bytes()[..usize::from(of_gap)]);
            octets.extend_from_slice(&length.to_le_bytes()[..usize::from(of_length)]);
            before = *last;
        }
        octets.extend_from_slice(&[0; WORD]);
        Self::Packed { first, octets: octets.into() }
    }

    pub(super) fn pack(&mut self) {
        if let Self::Open(runs) = self {
            *self = Self::packed(runs);
        }
    }

    /// The runs, to be changed and put back.
    pub(super) fn take(&mut self) -> Vec<Run> {
        match self {
            Self::Open(runs) => std::mem::take(runs),
            Self::Packed { .. } => self.runs().collect(),
        }
    }

    pub(super) fn first(&self) -> Uid {
        match self {
            Self::Open(runs) => runs.first().map_or(Uid(0), |(first, _)| *first),
            Self::Packed { first, .. } => *first,
        }
    }

    pub(super) fn runs(&self) -> Unpacked<'_> {
        match self {
            Self::Open(runs) => Unpacked { open: runs, before: 0, rest: &[] },
            Self::Packed { first, octets } => Unpacked { open: &[], before: first.0, rest: octets },
        }
    }

    pub(super) fn contains(&self, uid: Uid) -> bool {
        match self {
            Self::Open(runs) => flat::contains(runs, uid),
            Self::Packed { .. } => {
                self.runs().find(|(_, last)| uid <= *last).is_some_and(|(first, _)| first <= uid)
            }
        }
    }
}

/// The runs of a block.
pub(super) struct Unpacked<'a> {
    open: &'a [Run],
    /// Where the run before ends, and what is packed behind it.
    before: u64,
    rest: &'a [u8],
}

impl Iterator for Unpacked<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        if let Some((run, open)) = self.open.split_first() {
            self.open = open;
            return Some(*run);
        }
        let (sizes, rest) = self.rest.split_first().filter(|(_, rest)| rest.len() >= WORD)?;
        self.rest = rest;
        let first = self.before + self.number(sizes >> 4)?;
        self.before = first + self.number(sizes & 15)?;
        Some((Uid(first), Uid(self.before)))
    }
}

impl Unpacked<'_> {
    fn number(&mut self, octets: u8) -> Option<u64> {
        let word = u64::from_le_bytes(*self.rest.first_chunk()?);
        self.rest = self.rest.get(usize::from(octets)..)?;
        Some(word & u64::MAX.checked_shr(64 - 8 * u32::from(octets)).unwrap_or(0))
    }
}

/// How many a number needs.
fn needs(value: u64) -> u8 {
    (1..=8).rev().find(|octets| value >> (8 * (octets - 1)) != 0).unwrap_or(0)
}

/// The runs of those blocks in which two sets may differ, with as much before and behind as an edge is in, in both.
pub(super) fn differing(one: &[Block], other: &[Block], edge: &impl Fn(Run) -> bool) -> (Vec<Run>, Vec<Run>) {
    let has_edge = |block: &Block| block.runs().any(edge);
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let from = one[..same].iter().rposition(has_edge).unwrap_or(0);
    let (one, other) = (&one[from..], &other[from..]);
    let behind = one.iter().rev().zip(other.iter().rev()).take_while(|(one, other)| one == other).count();
    let again = one[one.len() - behind..].iter().position(has_edge);
    let left = again.map_or(0, |again| behind - again - 1);
    let runs = |blocks: &[Block]| blocks[..blocks.len() - left].iter().flat_map(Block::runs).collect();
    (runs(one), runs(other))
}
