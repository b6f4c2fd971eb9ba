use mail::Uid;

/// A set of entries of one mailbox, kept as the runs in which they follow each other: a client that fetched all is
/// one run, however many messages there are.
///
/// A run covers every uid from its first to its last, so whoever puts two runs together must know that no entry
/// between them is outside the set. Uids of one mailbox are given out in ascending order, so none will ever come to
/// be between them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Runs(Vec<(Uid, Uid)>);

impl Runs {
    /// Of runs in ascending order that do not touch.
    pub fn new(runs: Vec<(Uid, Uid)>) -> Self {
        debug_assert!(runs.iter().all(|(first, last)| first <= last));
        debug_assert!(runs.windows(2).all(|pair| pair[0].1 < pair[1].0));
        Self(runs)
    }

    /// Whether an entry is in the set. Of a uid that no entry has, this means nothing.
    pub fn contains(&self, uid: Uid) -> bool {
        let at = self.0.partition_point(|(first, _)| *first <= uid);
        at > 0 && uid <= self.0[at - 1].1
    }

    /// The runs, ascending: the first and the last of each.
    pub fn runs(&self) -> &[(Uid, Uid)] {
        &self.0
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts an entry in. `before` and `after` are the entries of the mailbox next to it: a run that ends or begins
    /// with one of them takes it in. False when it was there.
    pub fn insert(&mut self, uid: Uid, before: Option<Uid>, after: Option<Uid>) -> bool {
        if self.contains(uid) {
            return false;
        }
        let at = self.0.partition_point(|(first, _)| *first <= uid);
        let joins_left = at > 0 && before.is_none_or(|before| before <= self.0[at - 1].1);
        let joins_right = at < self.0.len() && after.is_none_or(|after| self.0[at].0 <= after);
        match (joins_left, joins_right) {
            (true, true) => {
                self.0[at - 1].1 = self.0[at].1;
                self.0.remove(at);
            }
            (true, false) => self.0[at - 1].1 = uid,
            (false, true) => self.0[at].0 = uid,
            (false, false) => self.0.insert(at, (uid, uid)),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
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
            prop_assert!(runs.runs().windows(2).all(|pair| pair[0].1 < pair[1].0));
            prop_assert_eq!(runs.runs().len(), breaks + usize::from(open_end));
        }
    }
}
