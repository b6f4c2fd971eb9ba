use mail::Uid;

mod block;
mod flat;
#[cfg(test)]
mod tests;

use block::Block;

type Run = (Uid, Uid);

/// As many stand as they are; where there are more, no more are in a block.
const SOME: usize = 64;

/// A set of entries of one mailbox, kept as the runs in which they follow each other: a client that fetched all is
/// one run, however many messages there are.
///
/// A run covers every uid from its first to its last, so whoever puts two runs together must know that no entry
/// between them is outside the set. Uids of one mailbox are given out in ascending order, so none will ever come to
/// be between them.
#[derive(Debug, Clone)]
pub struct Runs(Shape);

/// A set with many runs is that of somebody who takes some and leaves some, and a team may have twenty of those.
#[derive(Debug, Clone)]
enum Shape {
    Few(Vec<Run>),
    /// In ascending order, never none.
    Many(Vec<Block>),
}

impl Runs {
    /// Of runs in ascending order that do not touch.
    pub fn new(runs: Vec<(Uid, Uid)>) -> Self {
        debug_assert!(runs.iter().all(|(first, last)| first <= last));
        debug_assert!(runs.windows(2).all(|pair| pair[0].1 < pair[1].0));
        if runs.len() <= SOME {
            return Self(Shape::Few(runs));
        }
        Self(Shape::Many(runs.chunks(SOME).map(Block::packed).collect()))
    }

    /// Whether an entry is in the set. Of a uid that no entry has, this means nothing.
    pub fn contains(&self, uid: Uid) -> bool {
        match &self.0 {
            Shape::Few(runs) => flat::contains(runs, uid),
            Shape::Many(blocks) => blocks[around(blocks, uid)].contains(uid),
        }
    }

    /// The runs, ascending: the first and the last of each.
    pub fn runs(&self) -> impl Iterator<Item = (Uid, Uid)> {
        self.runs_from(Uid(0))
    }

    /// Those of the runs that do not end before an entry.
    pub fn runs_from(&self, uid: Uid) -> impl Iterator<Item = (Uid, Uid)> {
        let (few, many) = match &self.0 {
            Shape::Few(runs) => (&runs[runs.partition_point(|(_, last)| *last < uid)..], &[][..]),
            Shape::Many(blocks) => (&[][..], &blocks[around(blocks, uid)..]),
        };
        few.iter().copied().chain(many.iter().flat_map(Block::runs)).skip_while(move |(_, last)| *last < uid)
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Shape::Few(runs) => runs.is_empty(),
            Shape::Many(_) => false,
        }
    }

    /// Puts an entry in. `before` and `after` are the entries of the mailbox next to it: a run that ends or begins
    /// with one of them takes it in. False when it was there.
    pub fn insert(&mut self, uid: Uid, before: Option<Uid>, after: Option<Uid>) -> bool {
        self.edit(uid, |runs| flat::insert(runs, uid, before, after))
    }

    /// An entry has left the mailbox, and those next to it follow each other now.
    pub fn forget(&mut self, uid: Uid, before: Option<Uid>, after: Option<Uid>) {
        self.edit(uid, |runs| flat::forget(runs, uid, before, after));
    }

    /// An entry has come to be between two others, as happens in a trash. It is not in the set.
    pub fn arrive(&mut self, uid: Uid, before: Option<Uid>, after: Option<Uid>) {
        self.edit(uid, |runs| flat::arrive(runs, uid, before, after));
    }

    /// Where two sets differ: of each the runs from an edge that both have to before the next that both have, or all
    /// there is where there is none. They are the same in whatever is left out.
    pub fn differing(&self, other: &Self, edge: impl Fn((Uid, Uid)) -> bool) -> (Vec<Run>, Vec<Run>) {
        let (one, other) = match (&self.0, &other.0) {
            (Shape::Many(one), Shape::Many(other)) => block::differing(one, other, &edge),
            (Shape::Few(_), _) | (_, Shape::Few(_)) => (self.runs().collect(), other.runs().collect()),
        };
        flat::differing(one, other, edge)
    }

    /// Gives back what it has kept to grow into, when no more changes follow at once.
    pub fn trim(&mut self) {
        match &mut self.0 {
            Shape::Few(runs) => trim(runs),
            Shape::Many(blocks) => {
                blocks.iter_mut().for_each(Block::pack);
                trim(blocks);
            }
        }
    }

    /// Lets the last run that begins at or before a uid, and the one behind that, be changed; false when they were not.
    fn edit(&mut self, uid: Uid, change: impl FnOnce(&mut Vec<Run>) -> bool) -> bool {
        let changed = match &mut self.0 {
            Shape::Few(runs) => change(runs),
            Shape::Many(blocks) => edit(blocks, uid, change),
        };
        match &self.0 {
            Shape::Few(runs) if runs.len() > SOME => *self = Self::new(self.runs().collect()),
            // Not at once when it has no more than stand as they are: at the bound it would change with every step.
            Shape::Many(blocks) if blocks.len() < 3 && self.runs().count() <= SOME / 2 => {
                self.0 = Shape::Few(self.runs().collect());
            }
            Shape::Few(_) | Shape::Many(_) => {}
        }
        changed
    }
}

impl Default for Runs {
    fn default() -> Self {
        Self(Shape::Few(Vec::new()))
    }
}

/// However it has come about.
impl PartialEq for Runs {
    fn eq(&self, other: &Self) -> bool {
        self.runs().eq(other.runs())
    }
}

impl Eq for Runs {}

fn trim<T>(kept: &mut Vec<T>) {
    if kept.capacity() > kept.len() + kept.len() / 8 + 4 {
        kept.shrink_to_fit();
    }
}

/// Which block has the last run that begins at or before a uid; the first when none does.
fn around(blocks: &[Block], uid: Uid) -> usize {
    blocks.partition_point(|block| block.first() <= uid).saturating_sub(1)
}

fn edit(blocks: &mut Vec<Block>, uid: Uid, change: impl FnOnce(&mut Vec<Run>) -> bool) -> bool {
    let from = around(blocks, uid);
    let mut to = from + 1;
    let mut runs = blocks[from].take();
    let is_last = runs.last().is_some_and(|(first, _)| *first <= uid);
    if let Some(next) = blocks.get(to).filter(|_| is_last) {
        runs.extend(next.runs());
        to += 1;
    }
    let changed = change(&mut runs);
    // What is left of a block goes into the next, so that there are never many small ones.
    if let Some(next) = blocks.get(to).filter(|_| runs.len() < SOME / 4) {
        runs.extend(next.runs());
        to += 1;
    }
    if to == from + 1 && (1..=SOME).contains(&runs.len()) {
        blocks[from] = Block::Open(runs);
        return changed;
    }
    // At the end, where mail comes, blocks stay full; elsewhere both parts have room to grow.
    let parts = runs.len().div_ceil(SOME).max(1);
    let most = if to == blocks.len() { SOME } else { runs.len().div_ceil(parts).max(1) };
    blocks.splice(from..to, runs.chunks(most).map(|part| Block::Open(part.to_vec())));
    changed
}
