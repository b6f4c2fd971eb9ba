use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// A mailbox, and those of its entries that are in the set.
#[derive(Default)]
struct Model {
    entries: BTreeSet<Uid>,
    taken: BTreeSet<Uid>,
}

impl Model {
    /// So many entries, somewhat apart, of which every so-manieth is taken.
    fn of(entries: u64, every: u64) -> Self {
        let entries: BTreeSet<Uid> = (1..=entries).map(|n| Uid((n << 14) + n % 7)).collect();
        let taken = entries.iter().copied().step_by(usize::try_from(every).expect("small")).collect();
        Self { entries, taken }
    }

    fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut follows = false;
        for entry in &self.entries {
            match (self.taken.contains(entry), runs.last_mut()) {
                (true, Some(run)) if follows => run.1 = *entry,
                (true, _) => runs.push((*entry, *entry)),
                (false, _) => {}
            }
            follows = self.taken.contains(entry);
        }
        runs
    }

    /// Some change of some entries that follow each other, in the set as in the model.
    fn step(&mut self, runs: &mut Runs, (what, which, many): (u8, usize, usize)) {
        if self.entries.is_empty() {
            return;
        }
        let from = which % self.entries.len();
        let some: Vec<Uid> = self.entries.iter().copied().skip(from).take(many).collect();
        for uid in some {
            let (before, after) = beside(&self.entries, uid);
            match what {
                0 | 1 => assert_eq!(runs.insert(uid, before, after), self.taken.insert(uid)),
                2 => {
                    self.entries.remove(&uid);
                    self.taken.remove(&uid);
                    runs.forget(uid, before, after);
                }
                3 => {
                    let last = self.entries.last().map_or(0, |last| last.0);
                    let new = Uid(last + 20_000);
                    self.entries.insert(new);
                    runs.arrive(new, Some(Uid(last)), None);
                    if many > 9 {
                        assert!(runs.insert(new, Some(Uid(last)), None) && self.taken.insert(new));
                    }
                }
                _ => {
                    let new = Uid(uid.0 + 1 + which as u64 % 50);
                    let (before, after) = beside(&self.entries, new);
                    if self.entries.insert(new) {
                        runs.arrive(new, before, after);
                    }
                }
            }
        }
    }
}

/// However many runs there are, they take the room of some.
fn assert_shape(runs: &Runs) {
    match &runs.0 {
        Shape::Few(runs) => assert!(runs.len() <= SOME),
        Shape::Many(blocks) => {
            let lengths: Vec<_> = blocks.iter().map(|block| block.runs().count()).collect();
            assert!(lengths.iter().all(|length| (1..=SOME).contains(length)), "{lengths:?}");
            assert!(lengths.iter().rev().skip(1).all(|length| *length >= SOME / 4), "{lengths:?}");
            assert!(lengths.iter().sum::<usize>() > SOME / 2, "{lengths:?}");
        }
    }
}

/// With the two numbers that an `Arc` counts with.
fn block_octets(block: &Block) -> usize {
    let behind = match block {
        Block::Open(runs) => runs.capacity() * size_of::<Run>(),
        Block::Packed { octets, .. } => 2 * size_of::<usize>() + octets.len(),
    };
    size_of::<Block>() + behind
}

fn octets(runs: &Runs) -> usize {
    match &runs.0 {
        Shape::Few(runs) => runs.len() * size_of::<Run>(),
        Shape::Many(blocks) => blocks.iter().map(block_octets).sum(),
    }
}

fn beside(entries: &BTreeSet<Uid>, uid: Uid) -> (Option<Uid>, Option<Uid>) {
    let after = entries.range(uid..).find(|other| **other != uid);
    (entries.range(..uid).next_back().copied(), after.copied())
}

proptest! {
    /// Entries come, also between others, and go: there are never more runs than the set has.
    #[test]
    fn runs_follow_a_mailbox(steps in proptest::collection::vec((0u8..3, 1u64..60), 1..400)) {
        let (mut runs, mut model) = (Runs::default(), Model::default());
        for (what, uid) in steps {
            let uid = Uid(uid);
            let (before, after) = beside(&model.entries, uid);
            match (what, model.entries.contains(&uid)) {
                (0, false) => {
                    model.entries.insert(uid);
                    runs.arrive(uid, before, after);
                }
                (1, true) => prop_assert_eq!(runs.insert(uid, before, after), model.taken.insert(uid)),
                (2, true) => {
                    model.entries.remove(&uid);
                    model.taken.remove(&uid);
                    runs.forget(uid, before, after);
                }
                _ => {}
            }
            prop_assert_eq!(runs.runs().collect::<Vec<_>>(), model.runs());
            prop_assert_eq!(runs.is_empty(), model.taken.is_empty());
        }
    }

    /// Whatever is put in, in whatever order, is there, and no other entry is, also of those that come later; and
    /// entries that follow each other are one run.
    #[test]
    fn runs_are_a_set_of_entries(
        steps in proptest::collection::vec((any::<bool>(), 0usize..200, 1u64..40), 1..400)
    ) {
        let (mut runs, mut entries, mut model) = (Runs::default(), BTreeSet::new(), BTreeSet::new());
        let mut last = 0;
        for (arrives, which, gap) in steps {
            if arrives || entries.is_empty() {
                last += gap;
                entries.insert(Uid(last));
                continue;
            }
            let uid = *entries.iter().nth(which % entries.len()).expect("not empty");
            let before = entries.range(..uid).next_back().copied();
            let after = entries.range(uid..).nth(1).copied();
            prop_assert_eq!(runs.insert(uid, before, after), model.insert(uid));
            for entry in &entries {
                prop_assert_eq!(runs.contains(*entry), model.contains(entry));
            }
        }
        let all: Vec<Uid> = entries.iter().copied().collect();
        let breaks = all.windows(2).filter(|pair| model.contains(&pair[0]) && !model.contains(&pair[1])).count();
        let open_end = all.last().is_some_and(|last| model.contains(last));
        let runs: Vec<_> = runs.runs().collect();
        prop_assert!(runs.windows(2).all(|pair| pair[0].1 < pair[1].0));
        prop_assert_eq!(runs.len(), breaks + usize::from(open_end));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    /// The same with hundreds of runs, of which some come and some go, one by one and many in a row.
    #[test]
    fn many_runs_are_a_set_of_entries(
        (entries, every) in (0u64..1200, 1u64..8),
        steps in proptest::collection::vec((0u8..5, any::<usize>(), prop_oneof![1usize..60, 100usize..300]), 1..30),
    ) {
        let mut model = Model::of(entries, every);
        let mut runs = Runs::new(model.runs());
        for step in steps {
            if step.1 % 3 == 0 {
                runs.trim();
            }
            let before = (runs.clone(), runs.runs().collect::<Vec<_>>());
            model.step(&mut runs, step);
            let wanted = model.runs();
            assert_shape(&runs);
            prop_assert_eq!(&runs.runs().collect::<Vec<_>>(), &wanted);
            prop_assert!(before.0.runs().eq(before.1.iter().copied()), "a copy stays as it was");
            prop_assert_eq!(runs == before.0, wanted == before.1);
            let edge = |run: Run| run.0.0.is_multiple_of(11);
            let (one, other) = before.0.differing(&runs, edge);
            prop_assert_eq!((one, other), flat::differing(before.1, wanted, edge));
        }
        runs.trim();
        assert_shape(&runs);
        let wanted = model.runs();
        for uid in &model.entries {
            prop_assert_eq!(runs.contains(*uid), model.taken.contains(uid));
            let left = wanted.iter().copied().skip_while(|(_, last)| last < uid);
            prop_assert!(runs.runs_from(*uid).eq(left));
        }
        prop_assert_eq!(&runs, &Runs::new(wanted));
        prop_assert_eq!(runs.is_empty(), model.taken.is_empty());
        for uid in model.entries.clone() {
            let (before, after) = beside(&model.entries, uid);
            model.entries.remove(&uid);
            runs.forget(uid, before, after);
        }
        prop_assert!(runs.is_empty() && runs == Runs::default());
    }

    /// Two sets that have little in common, at least not at the same places.
    #[test]
    fn where_sets_differ_is_where_their_runs_do(
        (one, other) in ((0u64..600, 1u64..5), (0u64..600, 1u64..5)),
        modulo in 1u64..200,
    ) {
        let (one, other) = (Model::of(one.0, one.1).runs(), Model::of(other.0, other.1).runs());
        let edge = |run: Run| (run.0.0 >> 14).is_multiple_of(modulo);
        let (ours, theirs) = (Runs::new(one.clone()), Runs::new(other.clone()));
        prop_assert_eq!(ours == theirs, one == other);
        prop_assert_eq!(ours.differing(&theirs, edge), flat::differing(one, other, edge));
    }
}

#[test]
fn runs_may_be_as_far_apart_as_uids_are() {
    let ends = [0, 1, 127, 128, 129, 1 << 14, 1 << 32, 1 << 63, u64::MAX - 1, u64::MAX].map(Uid);
    let runs: Vec<Run> = ends.chunks(2).map(|ends| (ends[0], ends[1])).collect();
    let block = Block::packed(&runs);
    assert!(block.runs().eq(runs.iter().copied()));
    assert!(ends.iter().all(|uid| block.contains(*uid)));
    let between = [2, 126, (1 << 14) + 1, (1 << 32) - 1, (1 << 63) + 1].map(Uid);
    assert!(!between.iter().any(|uid| block.contains(*uid)));
}

/// Of ten thousand messages of 8 KiB every other one, in whichever order they went.
#[test]
fn every_other_message_of_many_takes_six_octets() {
    let entries: Vec<Uid> = (1..=10_000).map(|n| Uid((0x6929_0000 << 32) + n * 8192)).collect();
    let beside = |at: usize| (at.checked_sub(1).map(|at| entries[at]), entries.get(at + 1).copied());
    let ascending: Vec<usize> = (0..entries.len()).step_by(2).collect();
    let mut strewn: Vec<usize> = (0..5000).map(|n| n * 1237 % 5000 * 2).collect();
    for (order, most) in
        [(ascending.clone(), 5), (strewn.clone(), 6), (ascending.into_iter().rev().collect(), 6)]
    {
        let mut runs = Runs::default();
        for at in &order {
            let (before, after) = beside(*at);
            assert!(runs.insert(entries[*at], before, after));
        }
        runs.trim();
        assert_eq!(runs.runs().count(), 5000);
        assert!(octets(&runs) < most * 5000, "{}", octets(&runs));
    }
    strewn.sort_unstable();
    strewn.dedup();
    assert_eq!(strewn.len(), 5000, "each once");
}
