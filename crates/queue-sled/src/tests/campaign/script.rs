//! A life of a store: what sessions, the router and an admin do to it, by seed.

use std::path::Path;
use std::time::Duration;

use mail::{MailboxName, QueueId, Uid};
use queue::contract::{envelope, name, route, view};
use queue::{Delivered, Expunge, Fetched, Incoming, Join, Store, StoreError, Unwanted};

use super::ledger::Ledger;
use super::model::{Change, From, Group, Mail, Model, Told, trash};
use super::observe::Observed;
use crate::backup::Held;
use crate::disk::simulated::Chance;
use crate::ground::Ground;
use crate::{Params, SledStore};

/// Where every simulated store lies.
pub(super) const STORE: &str = "/store";

const MAILBOXES: [&str; 20] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "kate", "liam",
    "mia", "noah", "olga", "paul", "quinn", "rita", "sales", "team",
];
const VIEWS: [&str; 3] = ["", "one", "two"];

/// Who acts, and on what.
pub(super) struct Script {
    pub(super) ground: Ground,
    pub(super) params: Params,
    pub(super) store: SledStore,
    pub(super) ledger: Ledger,
    pub(super) chance: Chance,
    /// The number of the next message.
    pub(super) number: u32,
    /// The disk does as it is told: a store that is closed can be opened again.
    pub(super) may_reopen: bool,
    /// It does many things at once, and little else.
    pub(super) is_busy: bool,
    /// A moment that is held for a backup.
    pub(super) held: Option<Held>,
}

impl Script {
    /// One step. What it was refused, and what nobody knows, stands in the ledger.
    pub(super) async fn step(&mut self) -> Result<(), String> {
        let expected = self.ledger.now();
        if !expected.open.is_empty() {
            // Nobody knows what became of something: who would touch it again would only guess.
            self.accepts(2).await;
            return Ok(());
        }
        let model = expected.model;
        if self.is_busy && !self.chance.one_in(4) {
            if self.chance.one_in(6) {
                // Segments are used again only when most of what is in them is dead.
                self.all_away(&model).await;
                return self.tidy().await;
            }
            self.all_at_once(&model).await;
            return Ok(());
        }
        match self.chance.below(29) {
            0..=3 => self.accepts(1).await,
            4 | 5 => {
                let several = 2 + self.chance.below(6);
                self.accepts(several).await;
            }
            6..=9 => {
                let several = 1 + self.chance.below(4);
                self.routes(&model, several).await;
            }
            10..=12 => self.delete(&model).await,
            13 => self.seen(&model).await,
            14 => self.purge(&model).await,
            15 => self.hold(&model).await,
            16 | 17 => self.views(&model).await,
            18 => self.all_at_once(&model).await,
            19 => self.store.checkpoint_soon(),
            20 => self.give_up().await,
            21 | 22 => self.tidy().await?,
            23 => self.freeze().await?,
            24 => self.trash(&model).await,
            25..=27 => self.undo(&model).await,
            _ if self.may_reopen => self.reopen().await?,
            _ => self.store.checkpoint_soon(),
        }
        Ok(())
    }

    fn mail(&mut self) -> Mail {
        self.number += 1;
        let octets = match self.chance.below(12) {
            0..=6 => 30 + self.chance.below(900),
            7..=9 => 900 + self.chance.below(6000),
            // Beside the log.
            10 => 8300 + self.chance.below(9000),
            _ => 70_000,
        };
        Mail { number: self.number, octets }
    }

    async fn accepts(&mut self, several: usize) {
        let mails: Vec<_> = (0..several).map(|_| self.mail()).collect();
        self.together(mails.into_iter().map(Change::Accept).collect()).await;
    }

    /// Routes of some queued messages, in one call each, all at once.
    fn some_routes(&mut self, model: &Model, several: usize) -> Vec<Change> {
        let queued: Vec<_> = model.queued.values().filter(|queued| !queued.held).take(several).collect();
        let mut routes = Vec::new();
        for queued in queued {
            let to = match self.chance.below(12) {
                0 => 0,
                1 => 20,
                2..=4 => 2 + self.chance.below(3),
                _ => 1,
            };
            let from = self.chance.below(MAILBOXES.len());
            let few = if to == 20 { 20 } else { 4 };
            let to = (0..to).map(|ordinal| MAILBOXES[(from + ordinal * 7) % few.max(1)].to_owned()).collect();
            routes.push(Change::Route { number: queued.mail.number, to });
        }
        routes
    }

    async fn routes(&mut self, model: &Model, several: usize) {
        let routes = self.some_routes(model, several);
        self.together(routes).await;
    }

    /// Some entries of one mailbox, as one of its views may delete them.
    fn group(&mut self, model: &Model) -> Option<Group> {
        let names: Vec<_> =
            model.mailboxes.iter().filter(|(_, mailbox)| !mailbox.entries.is_empty()).collect();
        if names.is_empty() {
            return None;
        }
        let (name, mailbox) = names[self.chance.below(names.len())];
        let joined: Vec<_> = mailbox.views.keys().cloned().collect();
        let view =
            if joined.is_empty() { String::new() } else { joined[self.chance.below(joined.len())].clone() };
        let listed = mailbox.entries.iter().filter(|entry| mailbox.lists(&view, entry));
        let mut uids: Vec<Uid> = listed.filter_map(|entry| entry.uid).collect();
        if self.chance.one_in(2) {
            uids.retain(|_| self.chance.one_in(2));
        }
        (!uids.is_empty()).then(|| Group { mailbox: name.clone(), view, uids })
    }

    async fn delete(&mut self, model: &Model) {
        let first = self.group(model);
        let second = if self.chance.one_in(3) { self.group(model) } else { None };
        let second =
            second.filter(|second| first.as_ref().is_some_and(|first| first.mailbox != second.mailbox));
        let groups: Vec<_> = first.into_iter().chain(second).collect();
        if !groups.is_empty() {
            let unwanted = self.unwanted();
            self.together(vec![Change::Delete(groups, unwanted)]).await;
        }
    }

    async fn seen(&mut self, model: &Model) {
        if let Some(group) = self.group(model) {
            let offered = group.uids.last().copied().unwrap_or(Uid(0));
            self.together(vec![Change::Seen(group, offered)]).await;
        }
    }

    fn unwanted(&mut self) -> Unwanted {
        match self.chance.below(5) {
            0 => Unwanted::Stays,
            1 | 2 => Unwanted::ToTrash,
            _ => Unwanted::Goes,
        }
    }

    async fn trash(&mut self, model: &Model) {
        if let Some(Group { mailbox, uids, .. }) = self.group(model) {
            self.together(vec![Change::Trash { mailbox, uids }]).await;
        }
    }

    /// Some of what a view may have back, and something that it may not.
    async fn undo(&mut self, model: &Model) {
        let names: Vec<_> =
            MAILBOXES.iter().copied().filter(|name| !undoable(model, name).is_empty()).collect();
        if names.is_empty() {
            return;
        }
        let mailbox = self.chance.pick(&names).to_owned();
        let joined = model
            .mailboxes
            .get(&mailbox)
            .map_or_else(Vec::new, |mailbox| mailbox.views.keys().cloned().collect());
        let view =
            if joined.is_empty() { String::new() } else { joined[self.chance.below(joined.len())].clone() };
        let mut uids = undoable(model, &mailbox);
        uids.retain(|_| self.chance.one_in(2));
        self.together(vec![Change::Undo(Group { mailbox, view, uids })]).await;
    }

    async fn purge(&mut self, model: &Model) {
        if let Some(Group { mailbox, uids, .. }) = self.group(model) {
            self.together(vec![Change::Purge { mailbox, uids }]).await;
        }
    }

    async fn hold(&mut self, model: &Model) {
        let queued: Vec<_> = model.queued.values().collect();
        if let Some(queued) = queued.get(self.chance.below(queued.len())) {
            self.together(vec![Change::Hold { number: queued.mail.number, held: !queued.held }]).await;
        }
    }

    async fn views(&mut self, model: &Model) {
        let mailbox = self.chance.pick(&["alice", "sales", "team"]).to_owned();
        let view = self.chance.pick(&VIEWS).to_owned();
        let joined = model.mailboxes.get(&mailbox).is_some_and(|mailbox| mailbox.views.contains_key(&view));
        let change = if joined {
            Change::Leave { mailbox, view, unwanted: self.unwanted() }
        } else {
            let entries = model.mailboxes.get(&mailbox).map_or(&[][..], |mailbox| &mailbox.entries);
            let uids: Vec<Uid> = entries.iter().filter_map(|entry| entry.uid).collect();
            let from = match self.chance.below(4) {
                0 | 1 => From::All,
                2 if !uids.is_empty() => From::After(uids[self.chance.below(uids.len())]),
                _ => From::Now,
            };
            Change::Join { mailbox, view, from }
        };
        self.together(vec![change]).await;
    }

    /// A busy instant: batches of records of every kind.
    async fn all_at_once(&mut self, model: &Model) {
        let mut changes: Vec<_> = (0..3).map(|_| Change::Accept(self.mail())).collect();
        changes.extend(self.some_routes(model, 2));
        let routed: Vec<String> = changes
            .iter()
            .flat_map(|change| match change {
                Change::Route { to, .. } => to.clone(),
                _ => Vec::new(),
            })
            .collect();
        // Nobody deletes by name where mail arrives: what is whose turn would not be known.
        let unwanted = self.unwanted();
        changes.extend(
            self.group(model)
                .filter(|group| !routed.contains(&group.mailbox))
                .map(|group| Change::Delete(vec![group], unwanted)),
        );
        self.together(changes).await;
    }

    /// Every mailbox is emptied, for all its views.
    async fn all_away(&mut self, model: &Model) {
        let uids = |entries: &[super::model::Entry]| entries.iter().filter_map(|entry| entry.uid).collect();
        let purges = model.mailboxes.iter().filter(|(_, mailbox)| !mailbox.entries.is_empty());
        let purge = |(name, mailbox): (&String, &super::model::Mailbox)| Change::Purge {
            mailbox: name.clone(),
            uids: uids(&mailbox.entries),
        };
        // At most so many at once as a cut in the middle can be told apart.
        self.together(purges.take(4).map(purge).collect()).await;
    }

    /// A client that goes away in the middle of a long message.
    async fn give_up(&mut self) {
        if let Ok(mut incoming) = self.store.incoming(Some(90_000)) {
            let _ = incoming.write(&[b'g'; 80_000]).await;
        }
    }

    /// Asks for all of these at the same time, and waits for all.
    async fn together(&self, changes: Vec<Change>) {
        let patience = self.patience();
        let ask = |change: Change| {
            let (store, ledger) = (self.store.clone(), self.ledger.clone());
            tokio::spawn(async move {
                let number = ledger.begin(change.clone());
                if let Ok(told) = tokio::time::timeout(patience, perform(&store, change)).await {
                    ledger.end(number, told.as_ref().map(Told::clone));
                }
            })
        };
        let asked: Vec<_> = changes.into_iter().map(ask).collect();
        for task in asked {
            task.await.expect("no panic");
        }
    }

    /// Room is made: a snap, segments emptied and freed, files used again.
    async fn tidy(&self) -> Result<(), String> {
        match tokio::time::timeout(self.patience(), self.store.tidy()).await {
            Ok(Err(error)) if self.may_reopen => Err(format!("no room is made: {error}")),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// A moment of the store is held for a backup, and let go when the next one is wanted.
    async fn freeze(&mut self) -> Result<(), String> {
        if self.held.take().is_none() {
            match self.store.freeze().await {
                Ok(held) => self.held = Some(held),
                Err(error) if self.may_reopen => return Err(format!("no moment is held: {error}")),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Where the disk says no for good, what waits for the index waits for ever.
    fn patience(&self) -> Duration {
        Duration::from_millis(if self.may_reopen { 60_000 } else { 60 })
    }

    /// A restart in good order.
    async fn reopen(&mut self) -> Result<(), String> {
        self.held = None;
        self.store.close().await.map_err(|error| format!("it does not close: {error}"))?;
        let (store, report) = SledStore::open_on(self.ground.clone(), Path::new(STORE), self.params.clone())
            .map_err(|error| format!("it does not open again: {error}"))?;
        self.store = store;
        if !report.damaged.is_empty() {
            return Err(format!("after a close: {report}"));
        }
        self.check().await.map(drop)
    }

    /// What can be seen now is what must be.
    pub(super) async fn check(&self) -> Result<Model, String> {
        Observed::of(&self.store).await?.settle(&self.ledger.now())
    }
}

async fn perform(store: &SledStore, change: Change) -> Result<Told, StoreError> {
    match change {
        Change::Accept(mail) => {
            let body = mail.body();
            let mut incoming = store.incoming(Some(body.len() as u64))?;
            for part in body.chunks(50_000) {
                incoming.write(part).await?;
            }
            let mut envelope = envelope(&["alice"]);
            envelope.trace.helo = mail.number.to_string();
            Ok(Told::Id(incoming.commit(envelope).await?))
        }
        Change::Route { number, to } => {
            let id = id_of(store, number).await?;
            let to: Vec<_> = to.iter().map(String::as_str).collect();
            match store.deliver(vec![route(id, &to)]).await?.remove(0) {
                Delivered::Entries(uids) => Ok(Told::Uids(uids)),
                Delivered::NotQueued => Err(StoreError::Damaged("a message was queued".into())),
            }
        }
        Change::Hold { number, held } => {
            let id = id_of(store, number).await?;
            store.hold(id, held).await.map(|_| Told::Done)
        }
        Change::Delete(groups, unwanted) => {
            let expunge = |Group { mailbox, view: of, uids }: Group| Expunge {
                mailbox: kept(&mailbox),
                view: view(&of),
                uids,
                unwanted,
            };
            store.delete(groups.into_iter().map(expunge).collect()).await.map(|()| Told::Done)
        }
        Change::Seen(Group { mailbox, view: of, uids }, offered) => {
            let group = Fetched { mailbox: kept(&mailbox), view: view(&of), uids, offered };
            store.seen(group).await.map(|()| Told::Done)
        }
        Change::Purge { mailbox, uids } => store.purge(&kept(&mailbox), uids).await.map(|()| Told::Done),
        Change::Trash { mailbox, uids } => store.trash(&kept(&mailbox), uids).await.map(|()| Told::Done),
        Change::Undo(Group { mailbox, view: of, uids }) => {
            store.undo(&kept(&mailbox), &view(&of), uids).await.map(Told::Back)
        }
        Change::Join { mailbox, view: of, from } => {
            let from = match from {
                From::All => Join::All,
                From::Now => Join::Now,
                From::After(uid) => Join::After(uid),
            };
            store.join(&kept(&mailbox), &view(&of), from).await.map(|()| Told::Done)
        }
        Change::Leave { mailbox, view: of, unwanted } => {
            store.leave(&kept(&mailbox), &view(&of), unwanted).await.map(|()| Told::Done)
        }
    }
}

fn kept(mailbox: &str) -> MailboxName {
    MailboxName::kept(mailbox).expect("a mailbox")
}

/// What some view of a mailbox may have back, and a few more.
fn undoable(model: &Model, mailbox: &str) -> Vec<Uid> {
    let deleted = model.deleted.iter().filter(|((of, _), _)| of == mailbox).flat_map(|(_, uids)| uids);
    let trashed = model.mailboxes.get(&trash(mailbox)).into_iter().flat_map(|trash| &trash.entries);
    let mut uids: Vec<Uid> = deleted.copied().chain(trashed.filter_map(|entry| entry.uid)).collect();
    uids.sort_unstable();
    uids.dedup();
    uids
}

/// The id of a queued message, as a router finds it.
async fn id_of(store: &SledStore, number: u32) -> Result<QueueId, StoreError> {
    // Who opens a mailbox waits for all that is durable to be seen.
    store.open(&name("nobody"), &view("")).await?;
    let queued = store.queued(None, usize::MAX).await?;
    let queued = queued.iter().find(|queued| queued.envelope.trace.helo == number.to_string());
    Ok(queued.ok_or(StoreError::Damaged("a message is not queued".into()))?.id)
}
