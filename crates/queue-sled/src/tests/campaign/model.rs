//! What a store should hold: a few maps, changed by the same steps.

use std::collections::{BTreeMap, BTreeSet};

use mail::{QueueId, Uid};
use queue::{Undone, Unwanted};

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
    /// Of one QUIT.
    Delete(Vec<Group>, Unwanted),
    /// And the highest uid that the view was offered.
    Seen(Group, Uid),
    Purge {
        mailbox: String,
        uids: Vec<Uid>,
    },
    Trash {
        mailbox: String,
        uids: Vec<Uid>,
    },
    Undo(Group),
    Join {
        mailbox: String,
        view: String,
        from: From,
    },
    Leave {
        mailbox: String,
        view: String,
        unwanted: Unwanted,
    },
}

/// From where on a view sees a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    All,
    Now,
    After(Uid),
}

/// What its caller was told of a change that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    Id(QueueId),
    Uids(Vec<Uid>),
    Back(Vec<Undone>),
    Done,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) queued: BTreeMap<u32, Queued>,
    pub(super) mailboxes: BTreeMap<String, Mailbox>,
    /// What every uid was ever given to: never anything else.
    pub(super) given: BTreeMap<Uid, (String, u32)>,
    /// What a view of a mailbox was done with, and may want back.
    pub(super) deleted: BTreeMap<(String, String), BTreeSet<Uid>>,
    /// What came back for a view of a mailbox, and stays in the trash for others.
    back: BTreeMap<(String, String), BTreeSet<Uid>>,
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
    /// The views that have joined.
    pub(super) views: BTreeMap<String, View>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct View {
    /// It sees what was born after this change, and has a higher uid than that.
    joined: u64,
    after: Option<Uid>,
    pub(super) offered: Option<Uid>,
    pub(super) fetched: BTreeSet<Uid>,
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
            Some(View { joined, after, .. }) => {
                let is_new = entry.born > *joined && entry.uid.is_none_or(|uid| Some(uid) > *after);
                is_new && !entry.done.contains(view)
            }
            None => view.is_empty(),
        }
    }

    fn is_wanted(&self, entry: &Entry) -> bool {
        self.views.keys().any(|view| self.lists(view, entry))
    }

    /// Takes entries out.
    fn take(&mut self, which: impl Fn(&Self, &Entry) -> bool) -> Vec<Entry> {
        let all = std::mem::take(&mut self.entries);
        let (taken, left) = all.into_iter().partition(|entry| which(self, entry));
        self.entries = left;
        taken
    }

    fn sort(&mut self) {
        self.entries.sort_by_key(|entry| entry.uid.unwrap_or(Uid(u64::MAX)));
    }

    fn find(&self, uid: Uid) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.uid == Some(uid))
    }
}

/// Where what was deleted from a mailbox is kept.
pub(super) fn trash(mailbox: &str) -> String {
    format!("{mailbox}+trash")
}

/// The mailbox that mail was delivered to.
pub(super) fn base(mailbox: &str) -> &str {
    mailbox.strip_suffix("+trash").unwrap_or(mailbox)
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
            Change::Delete(groups, unwanted) => {
                groups.iter().for_each(|group| self.delete(group, *unwanted));
            }
            Change::Seen(Group { mailbox, view, uids }, offered) => {
                let Some(mailbox) = self.mailboxes.get_mut(mailbox) else { return };
                let there: BTreeSet<_> = mailbox.entries.iter().filter_map(|entry| entry.uid).collect();
                if let Some(view) = mailbox.views.get_mut(view) {
                    view.offered = view.offered.max(Some(*offered));
                    view.fetched.extend(uids.iter().filter(|uid| there.contains(uid)));
                }
            }
            Change::Purge { mailbox, uids } => self
                .let_go(mailbox, Unwanted::Goes, |_, entry| entry.uid.is_some_and(|uid| uids.contains(&uid))),
            Change::Trash { mailbox, uids } => self.let_go(mailbox, Unwanted::ToTrash, |_, entry| {
                entry.uid.is_some_and(|uid| uids.contains(&uid))
            }),
            Change::Undo(group) => self.undo(group, told),
            Change::Join { mailbox, view, from } => {
                let new = match from {
                    From::All => View::default(),
                    From::Now => View { joined: self.changes, ..View::default() },
                    From::After(uid) => View { after: Some(*uid), ..View::default() },
                };
                self.mailboxes.entry(mailbox.clone()).or_default().views.entry(view.clone()).or_insert(new);
            }
            Change::Leave { mailbox, view, unwanted } => self.leave(mailbox, view, *unwanted),
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
            mailbox.sort();
            if let Some(uid) = uid {
                self.given.insert(uid, (name.clone(), number));
            }
        }
    }

    /// Entries that nobody wants, of those that `which` names.
    fn let_go(&mut self, mailbox: &str, unwanted: Unwanted, which: impl Fn(&Mailbox, &Entry) -> bool) {
        let is_trash = mailbox.ends_with("+trash");
        let Some(found) = self.mailboxes.get_mut(mailbox) else { return };
        if unwanted == Unwanted::Stays || (unwanted == Unwanted::ToTrash && is_trash) {
            return;
        }
        let taken = found.take(which);
        if unwanted == Unwanted::ToTrash {
            let kept = self.mailboxes.entry(trash(mailbox)).or_default();
            kept.entries.extend(taken.into_iter().map(|entry| Entry { done: BTreeSet::new(), ..entry }));
            kept.sort();
        }
    }

    fn delete(&mut self, group: &Group, unwanted: Unwanted) {
        let Some(mailbox) = self.mailboxes.get_mut(&group.mailbox) else { return };
        let alone = mailbox.views.is_empty();
        let mut new = BTreeSet::new();
        for entry in &mut mailbox.entries {
            let named = entry.uid.filter(|uid| group.uids.contains(uid));
            if alone || named.is_none_or(|_| entry.done.insert(group.view.clone())) {
                new.extend(named);
            }
        }
        let deleted = self.deleted.entry((group.mailbox.clone(), group.view.clone())).or_default();
        deleted.extend(&new);
        let named = |entry: &Entry| entry.uid.is_some_and(|uid| new.contains(&uid));
        self.let_go(&group.mailbox, unwanted, |mailbox, entry| named(entry) && !mailbox.is_wanted(entry));
    }

    fn leave(&mut self, name: &str, view: &str, unwanted: Unwanted) {
        let Some(mailbox) = self.mailboxes.get_mut(name) else { return };
        if !mailbox.views.contains_key(view) {
            return;
        }
        let waiting: BTreeSet<_> =
            mailbox.entries.iter().filter(|entry| mailbox.lists(view, entry)).map(Entry::key).collect();
        mailbox.views.remove(view);
        for entry in &mut mailbox.entries {
            entry.done.remove(view);
        }
        let alone = mailbox.views.is_empty();
        for noted in [&mut self.deleted, &mut self.back] {
            noted.remove(&(name.to_owned(), view.to_owned()));
        }
        if !alone {
            self.let_go(name, unwanted, |mailbox, entry| {
                waiting.contains(&entry.key()) && !mailbox.is_wanted(entry)
            });
        }
    }

    fn undo(&mut self, Group { mailbox: name, view, uids }: &Group, told: Option<&Told>) {
        for was in uids {
            let deleted = self.deleted.get_mut(&(name.clone(), view.clone()));
            let deleted = deleted.is_some_and(|deleted| deleted.remove(was));
            let found = |name: &str| self.mailboxes.get(name).and_then(|mailbox| mailbox.find(*was)).cloned();
            let kept = if deleted { found(name) } else { None };
            let Some(entry) = kept.clone().or_else(|| found(&trash(name))) else { continue };
            let mailbox = self.mailboxes.entry(name.clone()).or_default();
            let others: BTreeSet<_> = mailbox.views.keys().filter(|other| *other != view).cloned().collect();
            let alone = others.is_empty();
            if kept.is_none() && !alone {
                let back = self.back.entry((name.clone(), view.clone())).or_default();
                if !back.insert(*was) {
                    continue;
                }
            }
            let uid = match told {
                Some(Told::Back(back)) => back.iter().find(|back| back.was == *was).map(|back| back.now),
                Some(_) | None => None,
            };
            let (mail, born) = (entry.mail, self.changes);
            mailbox.entries.push(Entry { mail, uid, born, done: others });
            mailbox.sort();
            if let Some(uid) = uid {
                self.given.insert(uid, (base(name).to_owned(), mail.number));
            }
            if kept.is_none() && alone {
                let gone = self.mailboxes.entry(trash(name)).or_default();
                gone.take(|_, entry| entry.uid == Some(*was));
            }
        }
    }

    /// What can come back for a view.
    pub(super) fn undoable(&self, mailbox: &str, view: &str) -> BTreeSet<Uid> {
        let deleted = self.deleted.get(&(mailbox.to_owned(), view.to_owned()));
        let there = |uid: &Uid| {
            [mailbox.to_owned(), trash(mailbox)]
                .iter()
                .any(|name| self.mailboxes.get(name).is_some_and(|mailbox| mailbox.find(*uid).is_some()))
        };
        deleted.into_iter().flatten().copied().filter(there).collect()
    }
}

impl Entry {
    /// Tells it from others of its mailbox.
    fn key(&self) -> (Option<Uid>, u64, Mail) {
        (self.uid, self.born, self.mail)
    }
}
