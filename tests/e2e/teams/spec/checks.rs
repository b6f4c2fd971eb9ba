use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::book::{Book, Due, Entry, Ms, TEAM, Whose};
use crate::chance::{message, number_of};

/// One line of what a session shows.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) uid: String,
    pub(crate) size: u64,
}

/// What a session must show, and what it must not.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    owed: BTreeSet<String>,
    never: BTreeSet<String>,
}

/// What a login opens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opens {
    pub(crate) team: bool,
    pub(crate) own: bool,
}

impl Opens {
    /// `alice/sales`, or `alice` who collects it too.
    pub(crate) fn by(login: &str) -> Self {
        Self { team: true, own: !login.contains('/') }
    }

    fn has(self, entry: &Entry) -> bool {
        match entry.whose {
            Whose::Team | Whose::Back(_) => self.team,
            Whose::Own(_) => self.own,
        }
    }
}

impl Book {
    /// What a session that is about to log in must show, unless it goes meanwhile.
    pub(crate) fn owed(&mut self, who: &str, opens: Opens, now: Ms) -> Owed {
        self.settle(now);
        let never = |(uid, entry): &(&String, &Entry)| entry.gone || self.marks(who, uid).done.is_some();
        let never = self.entries.iter().filter(never).map(|(uid, _)| uid.clone()).collect();
        let owed = |(uid, entry): &(&String, &Entry)| {
            let marks = self.marks(who, uid);
            let wants = self.due(who, entry) == Due::Yes && marks.may_done.is_none();
            opens.has(entry) && wants && !entry.may_be_gone && !entry.gone && !self.may_be_parked(who, uid)
        };
        let owed = self.entries.iter().filter(owed).map(|(uid, _)| uid.clone()).collect();
        Owed { owed, never }
    }

    /// What a session shows: all that is owed, nothing else, and each as everybody has it. `new`: what nobody has
    /// seen before came by SMTP.
    pub(crate) fn shown(
        &mut self,
        who: &str,
        opens: Opens,
        owed: &Owed,
        shown: &[Shown],
        new: bool,
        now: Ms,
    ) {
        // What is here has not gone, and who sees it counts.
        for line in shown {
            self.entries.get_mut(&line.uid).into_iter().for_each(|entry| entry.may_be_gone = false);
        }
        self.settle(now);
        let at = format!("{}: {who}", self.context);
        let uids: BTreeSet<&String> = shown.iter().map(|line| &line.uid).collect();
        assert_eq!(uids.len(), shown.len(), "{at} sees a unique id twice: {shown:?}");
        assert!(shown.is_sorted_by_key(|line| &line.uid), "{at} sees no order: {shown:?}");
        for line in shown {
            if new && !self.entries.contains_key(&line.uid) {
                self.new_entry(&line.uid);
            }
            let entry = self.entries.get_mut(&line.uid);
            let entry = entry.unwrap_or_else(|| panic!("{at} sees {line:?}, which nobody sent"));
            let size = *entry.size.get_or_insert(line.size);
            assert_eq!(size, line.size, "{at} sees another size of {}", line.uid);
            let never = owed.never.contains(&line.uid);
            assert!(!never, "{at} sees {line:?}, which had gone, or with which she was done");
            let entry = &self.entries[&line.uid];
            assert!(
                opens.has(entry) && self.due(who, entry) != Due::No,
                "{at} sees {line:?}: it is not for her"
            );
        }
        self.no_twins(&at, shown);
        for uid in owed.owed.iter().filter(|uid| !uids.contains(uid)) {
            let entry = &self.entries[uid];
            let twin = || entry.number.is_some_and(|number| self.shows(&uids, number));
            // Another session of hers may have been quicker.
            let done = self.marks(who, uid).may_done.is_some();
            let excused = done || entry.may_be_gone || (opens.own && twin());
            assert!(excused, "{at} does not see {uid}: {}", self.about(uid, now));
        }
    }

    /// In one maildrop a message of both mailboxes stands once.
    fn no_twins(&self, at: &str, shown: &[Shown]) {
        let mut seen = BTreeMap::new();
        for line in shown {
            let entry = &self.entries[&line.uid];
            if let (Some(number), Whose::Team | Whose::Own(_)) = (entry.number, &entry.whose) {
                let twin = seen.insert(number, &line.uid);
                assert!(twin.is_none(), "{at} sees message {number} as {twin:?} and {}", line.uid);
            }
        }
    }

    fn shows(&self, uids: &BTreeSet<&String>, number: u64) -> bool {
        uids.iter().any(|uid| self.entries[*uid].number == Some(number))
    }

    /// All that is known of an entry, for whoever must find out why.
    pub(crate) fn about(&self, uid: &str, now: Ms) -> String {
        let (entry, rule, jumps) = (&self.entries[uid], self.rule, &self.jumps);
        let mut text = format!("at {now}: {entry:?} under {rule:?}, jumps {jumps:?}");
        for (name, member) in &self.members {
            text.push_str(&format!("\n  {name} {member:?} {:?}", self.marks(name, uid)));
        }
        text
    }

    fn new_entry(&mut self, uid: &str) {
        let entry = Entry {
            number: None,
            whose: Whose::Team,
            came: 0,
            size: None,
            digest: None,
            released: None,
            may_be_gone: false,
            gone: false,
        };
        self.entries.insert(uid.into(), entry);
    }

    /// All octets of one message have come: those that were sent, and those that everybody gets. Its number.
    pub(crate) fn got(&mut self, who: &str, uid: &str, octets: &[u8]) -> u64 {
        let at = format!("{}: {who}", self.context);
        let number = number_of(octets);
        assert!(octets.ends_with(&message(number)), "{at} got other octets of message {number}");
        let came = self.sent.get(&number).copied();
        let mut hasher = DefaultHasher::new();
        octets.hash(&mut hasher);
        let digest = hasher.finish();
        let entry = self.entries.get_mut(uid).expect("listed");
        assert_eq!(*entry.number.get_or_insert(number), number, "{at} got another message as {uid}");
        assert_eq!(entry.size, Some(octets.len() as u64), "{at} got another size of {uid}");
        assert_eq!(*entry.digest.get_or_insert(digest), digest, "{at} got {uid} unlike the others");
        entry.came = entry.came.max(came.unwrap_or(0));
        if let Some(asked) = self.marks(who, uid).may_fetched {
            self.person_has(who, uid, asked);
        }
        if self.entries[uid].whose == Whose::Team {
            let twice = self.entries.iter().find(|(other, entry)| {
                *other != uid && entry.number == Some(number) && entry.whose == Whose::Team
            });
            assert!(twice.is_none(), "{at}: message {number} is in {TEAM} as {uid} and as {twice:?}");
        }
        number
    }
}
