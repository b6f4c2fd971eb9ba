//! Who had which mail, by all that can still be read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use mail::{MailboxName, QueueId, Uid};
use queue::{RouteEntry, Unwanted};

use super::harvest::{Harvest, Record};
use crate::fold::{Snap, over};
use crate::index::rows::{EntryRow, decode};
use crate::index::{Index, IndexError, IndexKv, chunk, keys};
use crate::log::Lsn;
use crate::log::change::{Change, Doomed, Group};
use crate::log::record::{BESIDE, HEADER, Kind};

/// Where an entry is.
type Home = (MailboxName, Uid);

/// What a message's mail is to be.
#[derive(Debug, Clone, Default)]
pub(super) struct Fate {
    /// Mailboxes that hold it, with the index's row if there is one.
    pub(super) homes: Vec<(Home, Option<EntryRow>)>,
    pub(super) queued: bool,
    /// It is nowhere any more, by all that is known.
    pub(super) gone: bool,
}

/// All messages.
#[derive(Default)]
pub(super) struct Ledger {
    /// Records that have a message, the newest first.
    pub(super) sources: HashMap<QueueId, Vec<usize>>,
    /// What the router said of an entry.
    entries: HashMap<Home, RouteEntry>,
    pub(super) fates: BTreeMap<QueueId, Fate>,
}

/// What records say that the index does not keep.
#[derive(Default)]
struct Sayings {
    routed: HashMap<QueueId, BTreeSet<Home>>,
    /// Its ROUTE is there.
    decided: HashSet<QueueId>,
    removed: HashSet<Home>,
    trashed: HashSet<Home>,
}

impl Sayings {
    /// Where an entry is that was routed there, by all that was said of it; nothing if it was removed.
    fn left(&self, (mailbox, uid): &Home) -> Option<Home> {
        let in_trash = self.trashed.contains(&(mailbox.clone(), *uid));
        let home = (if in_trash { mailbox.trash() } else { mailbox.clone() }, *uid);
        (!self.removed.contains(&home)).then_some(home)
    }
}

impl Ledger {
    /// From the newest snap, if there is one, and all records behind it. Says what it could not do.
    pub(super) fn of(
        harvest: &Harvest,
        snap: Option<Arc<Snap>>,
        store: [u8; 16],
        mut fault: impl FnMut(Lsn, String),
    ) -> Result<Self, IndexError> {
        let covered = snap.as_ref().map_or(Lsn(0), |snap| snap.lsn);
        let rows = over(snap)?;
        let mut index = Index::load(rows.clone(), store)?;
        let (mut ledger, mut sayings) = (Self::default(), Sayings::default());
        for (at, record) in harvest.records.iter().enumerate() {
            let change = record.meta.as_ref().map(|meta| Change::decode(&record.header, meta));
            let change = match change {
                Some(Ok(change)) => Some(change),
                Some(Err(_)) => {
                    fault(record.header.lsn, "a record of a later version".to_owned());
                    None
                }
                None => None,
            };
            ledger.source(at, record, change.as_ref());
            let Some(change) = change else { continue };
            ledger.note(record, &change, &mut sayings);
            if let Err(error) = index.apply(&record.header, change) {
                fault(record.header.lsn, format!("the record does not fit what came before: {error}"));
            }
            drop(index.take_effects());
        }
        index.flush()?;
        ledger.alive(&*rows)?;
        ledger.rest(harvest, covered, &sayings);
        Ok(ledger)
    }

    fn source(&mut self, at: usize, record: &Record, change: Option<&Change>) {
        let header = &record.header;
        let id = match (header.kind, change) {
            (Kind::Accept | Kind::Big, _) => QueueId(header.lsn.0),
            (Kind::Relocate, Some(Change::Relocate(moved))) => moved.message,
            (Kind::Relocate, _) if header.flags & BESIDE == 0 => QueueId(header.id),
            (_, _) => return,
        };
        self.sources.entry(id).or_default().insert(0, at);
    }

    fn note(&mut self, record: &Record, change: &Change, sayings: &mut Sayings) {
        match change {
            // Only the first one counts: the message was not queued any more when another came.
            Change::Route { message, entries } if sayings.decided.insert(*message) => {
                let first = record.header.lsn.0 + HEADER as u64;
                for (uid, entry) in (first..).step_by(8).map(Uid).zip(entries) {
                    self.home(*message, uid, entry, sayings);
                }
            }
            Change::Relocate(moved) => {
                for (uid, entry) in moved.uids.iter().zip(&moved.entries) {
                    self.home(moved.message, *uid, entry, sayings);
                }
            }
            Change::Undo(undo) => {
                let first = record.header.lsn.0 + HEADER as u64;
                for ((uid, back), entry) in (first..).step_by(8).map(Uid).zip(&undo.back).zip(&undo.entries) {
                    self.home(back.message, uid, entry, sayings);
                }
            }
            Change::Delete { groups } => {
                for Doomed { group: Group { mailbox, uids, .. }, unwanted } in groups {
                    let homes = uids.iter().map(|uid| (mailbox.clone(), *uid));
                    match unwanted {
                        Unwanted::Stays => {}
                        Unwanted::ToTrash => sayings.trashed.extend(homes),
                        Unwanted::Goes => sayings.removed.extend(homes),
                    }
                }
            }
            Change::Trash { mailbox, uids } => {
                sayings.trashed.extend(uids.iter().map(|uid| (mailbox.clone(), *uid)));
            }
            Change::Purge { mailbox, uids } => {
                sayings.removed.extend(uids.iter().map(|uid| (mailbox.clone(), *uid)));
            }
            Change::Route { .. }
            | Change::Accept { .. }
            | Change::Seen { .. }
            | Change::View(_)
            | Change::Hold { .. }
            | Change::Mailbox { .. } => {}
        }
    }

    fn home(&mut self, message: QueueId, uid: Uid, entry: &RouteEntry, sayings: &mut Sayings) {
        let home = (entry.mailbox.clone(), uid);
        sayings.routed.entry(message).or_default().insert(home.clone());
        self.entries.insert(home, entry.clone());
    }

    /// What the router said of an entry: also of one that has gone to the trash since.
    pub(super) fn entry(&self, home: &Home) -> Option<&RouteEntry> {
        let before = || Some((home.0.trashed_from()?, home.1));
        self.entries.get(home).or_else(|| self.entries.get(&before()?))
    }

    /// What the index has.
    fn alive(&mut self, rows: &dyn IndexKv) -> Result<(), IndexError> {
        rows.scan(keys::ENTRIES, &[], &mut |key, value| {
            let (name, _) = keys::names(key).ok_or(IndexError::Damaged("an entry's key"))?;
            let first = Uid(keys::number(key).ok_or(IndexError::Damaged("an entry's key"))?);
            chunk::scan(value, first, |entry| {
                let fate = self.fates.entry(QueueId(entry.row.body)).or_default();
                fate.homes.push(((name.clone(), entry.uid), Some(entry.row)));
                Ok(true)
            })?;
            Ok(true)
        })?;
        rows.scan(keys::QUEUE, &[], &mut |key, value| {
            let id = QueueId(keys::number(key).ok_or(IndexError::Damaged("a queue key"))?);
            decode::<crate::index::rows::QueueRow>(value)?;
            self.fates.entry(id).or_default().queued = true;
            Ok(true)
        })
    }

    /// What the index does not have: gone, if anything says so; else it is believed to be there.
    fn rest(&mut self, harvest: &Harvest, covered: Lsn, sayings: &Sayings) {
        let known: HashSet<QueueId> = self.fates.keys().copied().collect();
        let ids: BTreeSet<_> = self.sources.keys().chain(sayings.routed.keys()).copied().collect();
        for id in ids.into_iter().filter(|id| !known.contains(id)) {
            let newest = self.sources.get(&id).and_then(|sources| sources.first());
            let last = newest.map(|at| harvest.records[*at].header.lsn);
            let homes = sayings.routed.get(&id).into_iter().flatten();
            let left: Vec<_> = homes.filter_map(|home| sayings.left(home)).collect();
            let routed_later = left.iter().any(|(_, uid)| Lsn(uid.0) >= covered);
            // The snap would have it.
            let dead = covered != Lsn(0) && last.unwrap_or(Lsn(0)) < covered && !routed_later;
            let decided = sayings.decided.contains(&id) || sayings.routed.contains_key(&id);
            let gone = dead || (decided && left.is_empty());
            let homes = left.into_iter().map(|home| (home, None)).collect();
            self.fates.insert(id, Fate { homes, queued: false, gone });
        }
    }
}
