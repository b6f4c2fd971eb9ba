//! What a store shows to those who ask it, held against what it must hold.

use std::collections::{BTreeMap, BTreeSet};

use mail::{MailboxName, QueueId, Uid};
use queue::contract::view;
use queue::{Maildrop, Message, Store, ViewState};

use super::ledger::Expected;
use super::model::{Change, Mail, Mailbox, Model, base};
use crate::SledStore;

/// Everything that can be seen of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Observed {
    queued: BTreeMap<u32, (QueueId, u64, bool)>,
    mailboxes: BTreeMap<String, Seen>,
    /// What can be undone, by mailbox and view.
    deleted: BTreeMap<(String, String), BTreeSet<Uid>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    messages: u64,
    octets: u64,
    /// What each view lists, the owner's first.
    views: BTreeMap<String, Vec<(Uid, u64, Mail)>>,
    joined: Vec<String>,
    states: Vec<ViewState>,
}

impl Observed {
    /// Asks for all of it. Whatever is listed must be readable, octet for octet.
    pub(super) async fn of(store: &SledStore) -> Result<Self, String> {
        // Who opens a mailbox waits for all that is durable.
        let statuses = store.mailboxes().await.map_err(|error| format!("no list of mailboxes: {error}"))?;
        let (mut mailboxes, mut deleted) = (BTreeMap::new(), BTreeMap::new());
        for status in statuses {
            let joined: Vec<String> = status.views.iter().map(|view| view.as_str().to_owned()).collect();
            let mut views = BTreeMap::new();
            for view in std::iter::once("").chain(joined.iter().map(String::as_str)) {
                let listed = listed(store, &status.name, view).await;
                views.insert(view.to_owned(), listed.map_err(|why| format!("{}: {why}", status.name))?);
            }
            let mailbox = status.name.trashed_from().unwrap_or_else(|| status.name.clone());
            for name in [&mailbox, &status.name] {
                for of in std::iter::once("").chain(joined.iter().map(String::as_str)) {
                    let told = store.deletions(name, &view(of), 0).await;
                    let told = told.map_err(|error| format!("no deletions of {name}: {error}"))?;
                    let uids = told.into_iter().flat_map(|deletion| deletion.uids).collect();
                    deleted.insert((name.to_string(), of.to_owned()), uids);
                }
            }
            let states = store.views(&status.name).await.map_err(|error| format!("no views: {error}"))?;
            let (messages, octets) = (status.usage.messages, status.usage.octets);
            mailboxes.insert(status.name.to_string(), Seen { messages, octets, views, joined, states });
        }
        let mut queued = BTreeMap::new();
        for message in store.queued(None, usize::MAX).await.map_err(|error| format!("no queue: {error}"))? {
            let number = message.envelope.trace.helo.parse().map_err(|_| "a strange envelope")?;
            let before = queued.insert(number, (message.id, message.octets, message.held));
            if before.is_some() {
                return Err(format!("message {number} is queued twice"));
            }
        }
        Ok(Self { queued, mailboxes, deleted })
    }

    fn knows(&self, number: u32) -> bool {
        let listed = |seen: &Seen| seen.views.values().flatten().any(|(.., mail)| mail.number == number);
        self.queued.contains_key(&number) || self.mailboxes.values().any(listed)
    }

    /// The one world of those that are allowed that is this one, with all its uids known.
    pub(super) fn settle(&self, expected: &Expected) -> Result<Model, String> {
        let mut model = expected.model.clone();
        let mut left = Vec::new();
        for change in &expected.open {
            match change {
                Change::Accept(mail) if self.knows(mail.number) => model.apply(change, None),
                Change::Route { number, .. } if model.queued.contains_key(number) => {
                    if !self.queued.contains_key(number) {
                        model.apply(change, None);
                    }
                }
                Change::Accept(_) | Change::Route { .. } => {}
                Change::Hold { .. }
                | Change::Delete(..)
                | Change::Seen(..)
                | Change::Purge { .. }
                | Change::Trash { .. }
                | Change::Undo(_)
                | Change::Join { .. }
                | Change::Leave { .. } => left.push(change),
            }
        }
        assert!(left.len() < 8, "too many steps at once");
        let mut why = String::new();
        for chosen in 0..1usize << left.len() {
            let mut model = model.clone();
            for (ordinal, change) in left.iter().enumerate() {
                if chosen >> ordinal & 1 == 1 {
                    model.apply(change, None);
                }
            }
            match self.agrees(&mut model) {
                Ok(()) => return Ok(model),
                Err(error) if why.is_empty() => why = error,
                Err(_) => {}
            }
        }
        Err(format!("{why}\nmay have happened: {:?}", expected.open))
    }

    /// Whether this is that world; binds the ids and uids that it did not know.
    fn agrees(&self, model: &mut Model) -> Result<(), String> {
        for (number, queued) in &mut model.queued {
            let (id, octets, held) =
                self.queued.get(number).ok_or(format!("I1: message {number} is lost"))?;
            if *queued.id.get_or_insert(*id) != *id {
                return Err(format!("I4: message {number} has another id"));
            }
            if (*octets, *held) != (queued.mail.body().len() as u64, queued.held) {
                return Err(format!("message {number}: {octets} octets, held: {held}"));
            }
        }
        if let Some(number) = self.queued.keys().find(|number| !model.queued.contains_key(number)) {
            return Err(format!("I2: message {number} is queued, and should not be"));
        }
        let Model { mailboxes, given, .. } = model;
        for (name, mailbox) in mailboxes.iter_mut() {
            let seen = self.mailboxes.get(name).ok_or(format!("I1: the mailbox {name} is lost"))?;
            seen.agrees(name, mailbox, given).map_err(|why| format!("mailbox {name}: {why}"))?;
        }
        for ((name, view), uids) in &self.deleted {
            let wanted = model.undoable(name, view);
            if *uids != wanted {
                return Err(format!("{view:?} of {name} can undo {uids:?} and should {wanted:?}"));
            }
        }
        let mailboxes = &model.mailboxes;
        match self.mailboxes.keys().find(|name| !mailboxes.contains_key(*name)) {
            Some(name) => Err(format!("I3: the mailbox {name} should be empty: {:?}", self.mailboxes[name])),
            None => Ok(()),
        }
    }
}

impl Seen {
    fn agrees(
        &self,
        name: &str,
        mailbox: &mut Mailbox,
        given: &mut BTreeMap<Uid, (String, u32)>,
    ) -> Result<(), String> {
        let joined: Vec<_> = mailbox.views.keys().cloned().collect();
        if self.joined != joined {
            return Err(format!("the views are {:?} and should be {joined:?}", self.joined));
        }
        for (view, listed) in &self.views {
            self.view_agrees(view, listed, name, mailbox, given)
                .map_err(|why| format!("view {view:?}: {why}"))?;
        }
        for (state, (name, view)) in self.states.iter().zip(&mailbox.views) {
            let there = mailbox.entries.iter().filter_map(|entry| entry.uid);
            let fetched: BTreeSet<Uid> = there.clone().filter(|uid| state.fetched.contains(*uid)).collect();
            let wanted = there.filter(|uid| view.fetched.contains(uid)).collect();
            if (state.offered, &fetched) != (view.offered.unwrap_or(Uid(0)), &wanted) {
                let (offered, of) = (state.offered.0, view.offered.map_or(0, |uid| uid.0));
                return Err(format!("{name:?} was offered {offered} of {of}, has {fetched:?} of {wanted:?}"));
            }
        }
        let entries = mailbox.entries.len() as u64;
        if self.messages != entries {
            return Err(format!("I6: it counts {} messages of {entries}", self.messages));
        }
        let served = |mail: &Mail| (prelude(name).len() + mail.body().len()) as u64;
        let octets: u64 = mailbox.entries.iter().map(|entry| served(&entry.mail)).sum();
        if self.octets == octets {
            Ok(())
        } else {
            Err(format!("I6: it counts {} octets of {octets}", self.octets))
        }
    }

    fn view_agrees(
        &self,
        view: &str,
        listed: &[(Uid, u64, Mail)],
        name: &str,
        mailbox: &mut Mailbox,
        given: &mut BTreeMap<Uid, (String, u32)>,
    ) -> Result<(), String> {
        for (uid, _, mail) in listed {
            let known = mailbox.entries.iter().any(|entry| entry.uid == Some(*uid));
            if known {
                continue;
            }
            // One of those whose uid nobody was told.
            let unknown = |entry: &&mut super::model::Entry| entry.uid.is_none() && entry.mail == *mail;
            let entry = mailbox.entries.iter_mut().find(unknown);
            let entry =
                entry.ok_or(format!("I2/I3: {uid} of message {} should not be there", mail.number))?;
            entry.uid = Some(*uid);
            let owner = (base(name).to_owned(), mail.number);
            if given.insert(*uid, owner.clone()).is_some_and(|before| before != owner) {
                return Err(format!("I4: {uid} was another message's"));
            }
            mailbox.entries.sort_by_key(|entry| entry.uid.unwrap_or(Uid(u64::MAX)));
        }
        let wanted: Vec<_> = mailbox.entries.iter().filter(|entry| mailbox.lists(view, entry)).collect();
        let missing = wanted.iter().find(|entry| !listed.iter().any(|(uid, ..)| Some(*uid) == entry.uid));
        if let Some(entry) = missing {
            return Err(format!("I1: message {} is lost", entry.mail.number));
        }
        let same = wanted.iter().map(|entry| (entry.uid, entry.mail));
        if same.eq(listed.iter().map(|(uid, _, mail)| (Some(*uid), *mail))) {
            Ok(())
        } else {
            Err(format!("I3: it lists {listed:?} and should list {wanted:?}"))
        }
    }
}

/// What every entry of a mailbox has put on top.
fn prelude(mailbox: &str) -> String {
    format!("Delivered-To: {}\r\n", base(mailbox))
}

async fn listed(
    store: &SledStore,
    mailbox: &MailboxName,
    view_: &str,
) -> Result<Vec<(Uid, u64, Mail)>, String> {
    let maildrop = store.open(mailbox, &view(view_)).await;
    let maildrop = maildrop.map_err(|error| format!("view {view_:?} does not open: {error}"))?;
    let mut listed = Vec::new();
    for index in 0..maildrop.len() {
        let (uid, octets) = maildrop.entry(index).map(|entry| (entry.uid, entry.octets)).expect("within");
        let served =
            read(&maildrop, index).await.map_err(|error| format!("I1: {uid} cannot be read: {error}"))?;
        let body = served.strip_prefix(prelude(mailbox.as_str()).as_bytes());
        let mail = body.and_then(Mail::of).ok_or(format!("I2: {uid} is not what came in"))?;
        if served.len() as u64 != octets {
            return Err(format!("I2: {uid} has {} octets and said {octets}", served.len()));
        }
        listed.push((uid, octets, mail));
    }
    Ok(listed)
}

async fn read<M: Maildrop>(maildrop: &M, index: usize) -> Result<Vec<u8>, queue::StoreError> {
    let mut message = maildrop.message(index, 0..u64::MAX).await?;
    let mut octets = Vec::new();
    while let Some(chunk) = message.chunk().await? {
        octets.extend_from_slice(&chunk);
    }
    Ok(octets)
}
