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

    /// An entry has left the mailbox, and those next to it follow each other now.
    pub fn forget(&mut self, uid: Uid, before: Option<Uid>, after: Option<Uid>) {
        let at = self.0.partition_point(|(first, _)| *first <= uid);
        match at.checked_sub(1).map(|left| (left, self.0[left])) {
            Some((left, (first, last))) if uid <= last => match (uid == first, uid == last) {
                (true, true) => drop(self.0.remove(left)),
                (true, false) => self.0[left].0 = after.unwrap_or(last),
                (false, true) => self.0[left].1 = before.unwrap_or(first),
                (false, false) => {}
            },
            Some((left, (_, last))) => {
                let follows = self.0.get(at).is_some_and(|(first, _)| after == Some(*first));
                if follows && before == Some(last) {
                    self.0[left].1 = self.0[at].1;
                    self.0.remove(at);
                }
            }
            None => {}
        }
    }

    /// An entry has come to be between two others, as happens in a trash. It is not in the set.
    pub fn arrive(&mut self, uid: Uid, before: Option<Uid>, after: Option<Uid>) {
        let Some(left) = self.0.partition_point(|(first, _)| *first <= uid).checked_sub(1) else { return };
        if let (true, Some(before), Some(after)) = (uid < self.0[left].1, before, after) {
            let (first, last) = self.0[left];
            self.0[left] = (first, before);
            self.0.insert(left + 1, (after, last));
        }
    }

    /// Gives back what it has kept to grow into.
    pub fn trim(&mut self) {
        if self.0.capacity() > self.0.len() + self.0.len() / 8 + 4 {
            self.0.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn beside(entries: &BTreeSet<Uid>, uid: Uid) -> (Option<Uid>, Option<Uid>) {
        let after = entries.range(uid..).find(|other| **other != uid);
        (entries.range(..uid).next_back().copied(), after.copied())
    }

    proptest! {
        /// Entries come, also between others, and go: there are never more runs than the set has.
        #[test]
        fn runs_follow_a_mailbox(steps in proptest::collection::vec((0u8..3, 1u64..60), 1..400)) {
            let (mut runs, mut entries, mut model) = (Runs::default(), BTreeSet::new(), BTreeSet::new());
            for (what, uid) in steps {
                let uid = Uid(uid);
                let (before, after) = beside(&entries, uid);
                match (what, entries.contains(&uid)) {
                    (0, false) => {
                        entries.insert(uid);
                        runs.arrive(uid, before, after);
                    }
                    (1, true) => prop_assert_eq!(runs.insert(uid, before, after), model.insert(uid)),
                    (2, true) => {
                        entries.remove(&uid);
                        model.remove(&uid);
                        runs.forget(uid, before, after);
                    }
                    _ => {}
                }
                let mut wanted: Vec<(Uid, Uid)> = Vec::new();
                let mut follows = false;
                for entry in &entries {
                    match (model.contains(entry), wanted.last_mut()) {
                        (true, Some(run)) if follows => run.1 = *entry,
                        (true, _) => wanted.push((*entry, *entry)),
                        (false, _) => {}
                    }
                    follows = model.contains(entry);
                }
                prop_assert_eq!(runs.runs(), wanted);
                prop_assert_eq!(runs.is_empty(), model.is_empty());
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
            prop_assert!(runs.runs().windows(2).all(|pair| pair[0].1 < pair[1].0));
            prop_assert_eq!(runs.runs().len(), breaks + usize::from(open_end));
        }
    }
}
