//! What a store should hold: a few maps, changed by the same steps.

use std::collections::{BTreeMap, BTreeSet};

use mail::{QueueId, Uid};

/// A message by the number that stands in its first line, and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mail {
    pub(super) number: u32,
    pub(super) octets: usize,
}

impl Mail {
    /// The octets received: no two messages share them, nor any of their pages.
    pub(super) fn body(self) -> Vec<u8> {
        let line = format!("message {} {}\r\n", self.number, self.octets);
        line.into_bytes().into_iter().cycle().take(self.octets.max(24)).collect()
    }

    /// The message with that body, if it is whole.
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(body.get(..body.len().min(40))?).ok()?;
        let mut words = line.strip_prefix("message ")?.split([' ', '\r']);
        let mail = Self { number: words.next()?.parse().ok()?, octets: words.next()?.parse().ok()? };
        (mail.body() == body).then_some(mail)
    }
}

/// Entries that one view is done with, in one mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) mailbox: String,
    pub(super) view: String,
    pub(super) uids: Vec<Uid>,
}

/// A step that happens whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Accept(Mail),
    Route {
        number: u32,
        to: Vec<String>,
    },
    Hold {
        number: u32,
        held: bool,
    },
    Delete(Vec<Group>),
    Seen(Group),
    Purge {
        mailbox: String,
        uids: Vec<Uid>,
    },
    /// `all`: it sees what is there already.
    Join {
        mailbox: String,
        view: String,
        all: bool,
    },
    Leave {
        mailbox: String,
        view: String,
    },
}

/// What its caller was told of a change that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    Id(QueueId),
    Uids(Vec<Uid>),
    Done,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) queued: BTreeMap<u32, Queued>,
    pub(super) mailboxes: BTreeMap<String, Mailbox>,
    /// What every uid was ever given to: never anything else.
    pub(super) given: BTreeMap<Uid, (String, u32)>,
    changes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Queued {
    pub(super) mail: Mail,
    /// Known once somebody was told or has seen it; from then on it stays.
    pub(super) id: Option<QueueId>,
    pub(super) held: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mailbox {
    pub(super) entries: Vec<Entry>,
    /// The views that have joined, and after which change.
    pub(super) views: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mail: Mail,
    /// See [`Queued::id`].
    pub(super) uid: Option<Uid>,
    born: u64,
    done: BTreeSet<String>,
}

impl Mailbox {
    pub(super) fn lists(&self, view: &str, entry: &Entry) -> bool {
        match self.views.get(view) {
            Some(joined) => entry.born > *joined && !entry.done.contains(view),
            None => view.is_empty(),
        }
    }

    fn is_wanted(&self, entry: &Entry) -> bool {
        self.views.keys().any(|view| self.lists(view, entry))
    }

    fn retain(&mut self, keep: impl Fn(&Self, &Entry) -> bool) {
        let mut entries = std::mem::take(&mut self.entries);
        entries.retain(|entry| keep(self, entry));
        self.entries = entries;
    }
}

impl Model {
    /// Does a change, with what is known of how it went.
    pub(super) fn apply(&mut self, change: &Change, told: Option<&Told>) {
        self.changes += 1;
        match change {
            Change::Accept(mail) => {
                let id = if let Some(Told::Id(id)) = told { Some(*id) } else { None };
                self.queued.insert(mail.number, Queued { mail: *mail, id, held: false });
            }
            Change::Route { number, to } => self.route(*number, to, told),
            Change::Hold { number, held } => {
                if let Some(queued) = self.queued.get_mut(number) {
                    queued.held = *held;
                }
            }
            Change::Delete(groups) => groups.iter().for_each(|group| self.delete(group)),
            Change::Seen(_) => {}
            Change::Purge { mailbox, uids } => {
                let mailbox = self.mailboxes.entry(mailbox.clone()).or_default();
                mailbox.retain(|_, entry| !entry.uid.is_some_and(|uid| uids.contains(&uid)));
            }
            Change::Join { mailbox, view, all } => {
                let joined = if *all { 0 } else { self.changes };
                self.mailboxes
                    .entry(mailbox.clone())
                    .or_default()
                    .views
                    .entry(view.clone())
                    .or_insert(joined);
            }
            Change::Leave { mailbox, view } => {
                if let Some(mailbox) = self.mailboxes.get_mut(mailbox) {
                    mailbox.leave(view);
                }
            }
        }
        self.mailboxes.retain(|_, mailbox| !mailbox.entries.is_empty() || !mailbox.views.is_empty());
    }

    fn route(&mut self, number: u32, to: &[String], told: Option<&Told>) {
        let Some(queued) = self.queued.remove(&number) else { return };
        for (ordinal, name) in to.iter().enumerate() {
            let uid = if let Some(Told::Uids(uids)) = told { Some(uids[ordinal]) } else { None };
            let born = self.changes;
            let entry = Entry { mail: queued.mail, uid, born, done: BTreeSet::new() };
            let mailbox = self.mailboxes.entry(name.clone()).or_default();
            mailbox.entries.push(entry);
            // Several at once come in the order of their uids, whoever heard of his first.
            mailbox.entries.sort_by_key(|entry| entry.uid.unwrap_or(Uid(u64::MAX)));
            if let Some(uid) = uid {
                self.given.insert(uid, (name.clone(), number));
            }
        }
    }

    fn delete(&mut self, group: &Group) {
        let Some(mailbox) = self.mailboxes.get_mut(&group.mailbox) else { return };
        let named = |entry: &Entry| entry.uid.is_some_and(|uid| group.uids.contains(&uid));
        if mailbox.views.is_empty() {
            mailbox.retain(|_, entry| !named(entry));
            return;
        }
        for entry in mailbox.entries.iter_mut().filter(|entry| named(entry)) {
            entry.done.insert(group.view.clone());
        }
        mailbox.retain(|mailbox, entry| !named(entry) || mailbox.is_wanted(entry));
    }
}

impl Mailbox {
    fn leave(&mut self, view: &str) {
        let Some(joined) = self.views.get(view).copied() else { return };
        let waited = |entry: &Entry| entry.born > joined && !entry.done.contains(view);
        let waiting: Vec<u64> =
            self.entries.iter().filter(|entry| waited(entry)).map(|entry| entry.born).collect();
        self.views.remove(view);
        if !self.views.is_empty() {
            self.retain(|mailbox, entry| !waiting.contains(&entry.born) || mailbox.is_wanted(entry));
        }
        for entry in &mut self.entries {
            entry.done.remove(view);
        }
    }
}
