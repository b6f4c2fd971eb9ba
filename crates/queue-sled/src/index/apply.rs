use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use mail::{MailboxName, QueueId, Uid, ViewName};
use queue::{Delivered, Queued, Undone};

use super::kv::{EachRow, IndexError, IndexKv};
use super::member::{Member, Written};
use super::rows::{Digest, FORMAT, MailboxRow, QueueRow, StateRow, decode, encode};
use super::{delivery, keys, relocation, removal, undo, views};
use crate::log::Lsn;
use crate::log::change::Change;
use crate::log::record::RecordHeader;
use crate::mailbox::Place;

/// Operations after which a batch is handed to the store below.
const BATCH_OPS: usize = 2000;

/// What came of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Delivered(Delivered),
    /// Whether the message was queued.
    Held(bool),
    /// What came back.
    Undone(Vec<Undone>),
    /// A view that has not joined: nothing was done.
    NoView,
}

/// What those who read from memory must be told, once it is in the index.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    Queued(Queued),
    Held(QueueId, bool),
    Unqueued(QueueId),
    Added(MailboxName, Place, Option<Box<str>>),
    Removed(MailboxName, Uid),
    /// Its octets are elsewhere now.
    Moved(MailboxName, Place),
    /// How a view stands now; nothing when it has left.
    View(MailboxName, ViewName, Option<Member>),
    /// The new totals; after all else of a batch.
    Totals(MailboxName, MailboxRow),
}

/// The index as its one writer sees it: the rows below, and over them what is not handed down yet.
///
/// Every step leaves entries, totals, holders and digests agreeing, and the place of the next record goes
/// down in the same batch: applied twice is applied once, and a crash between two batches is a place to go
/// on from. A record with more operations than a batch goes down in several; every such record is one whose
/// halves may be done again.
pub(crate) struct Index {
    pub(super) kv: Arc<dyn IndexKv>,
    state: StateRow,
    pub(super) mailboxes: HashMap<MailboxName, Known>,
    /// Views that are ahead of their rows.
    pub(super) ahead: BTreeMap<(MailboxName, ViewName), Written>,
    pending: HashMap<Vec<u8>, Option<Vec<u8>>>,
    dirty: HashSet<MailboxName>,
    effects: Vec<Effect>,
    /// Octets of bodies that nobody holds any more, where they were.
    dead: u64,
}

/// A mailbox as the writer knows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) row: MailboxRow,
    pub(crate) views: BTreeMap<ViewName, Member>,
    /// The numbers of the rows that say what a view was done with, ascending.
    pub(super) journals: BTreeMap<ViewName, Vec<u64>>,
    /// The first uid of each of its `M` rows, ascending, once somebody has asked.
    chunks: Option<Vec<Uid>>,
    /// The value that is in the index, as the digest has it.
    written: Option<Vec<u8>>,
}

impl Index {
    /// Reads the small families of an index; an empty one begins at the start of the log.
    pub(crate) fn load(kv: Arc<dyn IndexKv>, store: [u8; 16]) -> Result<Self, IndexError> {
        let state = match kv.get(keys::STATE)? {
            Some(value) => decode(&value)?,
            None => StateRow { format: FORMAT, store, ..StateRow::default() },
        };
        let mailboxes = HashMap::new();
        let (pending, dirty, effects) = (HashMap::new(), HashSet::new(), Vec::new());
        let ahead = BTreeMap::new();
        let mut index = Self { kv, state, mailboxes, ahead, pending, dirty, effects, dead: 0 };
        if index.state.format != FORMAT || index.state.store != store {
            return Err(IndexError::Damaged("the index is of another store or another format"));
        }
        index.load_mailboxes()?;
        Ok(index)
    }

    fn load_mailboxes(&mut self) -> Result<(), IndexError> {
        let mut found = Digest::default();
        let mailboxes = &mut self.mailboxes;
        self.kv.scan(keys::MAILBOXES, &[], &mut |key, value| {
            found.add(key, value);
            let (name, _) = keys::names(key).ok_or(IndexError::Damaged("a mailbox's key"))?;
            let known = Known { row: decode(value)?, written: Some(value.to_vec()), ..Known::default() };
            mailboxes.insert(name, known);
            Ok(true)
        })?;
        self.load_members(&mut found)?;
        self.load_journals(&mut found)?;
        if found == self.state.mailboxes { Ok(()) } else { Err(IndexError::Damaged("mailboxes are missing")) }
    }

    /// The place of the next record to apply.
    pub(crate) fn applied(&self) -> Lsn {
        Lsn(self.state.applied)
    }

    /// Where it stands, and digests of what it says.
    pub(crate) fn state(&self) -> StateRow {
        self.state
    }

    /// There is nothing more up to that place.
    pub(crate) fn reached(&mut self, place: Lsn) -> Result<(), IndexError> {
        self.state.applied = self.state.applied.max(place.0);
        self.flush()
    }

    /// What the family of queued messages must add up to.
    pub(crate) fn queue_digest(&self) -> Digest {
        self.state.queue
    }

    pub(crate) fn mailboxes(&self) -> &HashMap<MailboxName, Known> {
        &self.mailboxes
    }

    /// Applies one record, unless that has been done before.
    pub(crate) fn apply(
        &mut self,
        header: &RecordHeader,
        change: Change,
    ) -> Result<Option<Outcome>, IndexError> {
        if header.lsn < self.applied() {
            return Ok(None);
        }
        let outcome = match change {
            Change::Accept { octets, envelope } => delivery::accept(self, header, octets, envelope)?,
            Change::Route { message, entries } => delivery::route(self, header, message, entries)?,
            Change::Hold { message, held } => delivery::hold(self, message, held)?,
            Change::Delete { groups } => removal::delete(self, header, &groups)?,
            Change::Seen { groups, offered } => views::seen(self, &groups, offered)?,
            Change::Purge { mailbox, uids } => removal::purge(self, header, &mailbox, &uids)?,
            Change::Trash { mailbox, uids } => removal::trash(self, header, &mailbox, &uids)?,
            Change::View(change) => views::view(self, header, &change)?,
            Change::Undo(undo) => undo::undo(self, header, undo)?,
            Change::Relocate(moved) => relocation::relocate(self, header, moved)?,
            Change::Mailbox { .. } => {
                return Err(IndexError::Damaged("a record that this version does not write"));
            }
        };
        self.state.applied = header.next().0;
        if self.pending.len() >= BATCH_OPS {
            self.flush()?;
        }
        Ok(Some(outcome))
    }

    /// Hands down what is pending.
    pub(crate) fn flush(&mut self) -> Result<(), IndexError> {
        self.write_members();
        for name in std::mem::take(&mut self.dirty) {
            self.write_mailbox(&name);
        }
        let mut ops: Vec<_> = self.pending.drain().collect();
        ops.push((keys::STATE.to_vec(), Some(encode(&self.state))));
        self.kv.apply(ops)
    }

    fn write_mailbox(&mut self, name: &MailboxName) {
        let Some(known) = self.mailboxes.get_mut(name) else { return };
        let key = keys::mailbox(name);
        let kept = known.row.entries.rows > 0 || !known.views.is_empty();
        let value = kept.then(|| encode(&known.row));
        if let Some(old) = std::mem::replace(&mut known.written, value.clone()) {
            self.state.mailboxes.remove(&key, &old);
        }
        let noted = !known.journals.is_empty();
        match &value {
            Some(value) => self.state.mailboxes.add(&key, value),
            None if noted => {}
            None => drop(self.mailboxes.remove(name)),
        }
        self.pending.insert(key, value);
    }

    /// In the middle of a record that has many operations, right before one that will change something: done again
    /// from the start, the record does what is left, and what it does at its end comes with its last operation.
    pub(super) fn breathe(&mut self) -> Result<(), IndexError> {
        if self.pending.len() >= BATCH_OPS { self.flush() } else { Ok(()) }
    }

    /// What was applied since this was last asked, for those who read from memory.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub(super) fn died(&mut self, octets: u64) {
        self.dead += octets;
    }

    /// About how many octets of the log have died since this was last asked.
    pub(crate) fn take_dead(&mut self) -> u64 {
        std::mem::take(&mut self.dead)
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        match self.pending.get(key) {
            Some(pending) => Ok(pending.clone()),
            None => self.kv.get(key),
        }
    }

    /// A row to be changed where it stands: what is pending of it, else what the index has.
    pub(super) fn row(&mut self, key: Vec<u8>) -> Result<&mut Option<Vec<u8>>, IndexError> {
        Ok(match self.pending.entry(key) {
            Entry::Occupied(pending) => pending.into_mut(),
            Entry::Vacant(none) => {
                let value = self.kv.get(none.key())?;
                none.insert(value)
            }
        })
    }

    pub(super) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.pending.insert(key, Some(value));
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.pending.insert(key, None);
    }

    /// Reads rows that nothing pending has changed: hands that down first.
    pub(super) fn scan(&mut self, prefix: &[u8], each: EachRow<'_>) -> Result<(), IndexError> {
        self.flush()?;
        self.kv.scan(prefix, &[], each)
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(super) fn known(&self, name: &MailboxName) -> Option<&Known> {
        self.mailboxes.get(name)
    }

    /// Where the `M` rows of a mailbox begin.
    pub(super) fn chunks(&mut self, name: &MailboxName) -> Result<&mut Vec<Uid>, IndexError> {
        let known = self.mailboxes.entry(name.clone()).or_default();
        if known.chunks.is_none() {
            let mut firsts = Vec::new();
            // Nothing of this mailbox is pending: whoever changes its rows has asked here first.
            if known.row.entries.rows > 0 {
                self.kv.scan(&keys::entries(name), &[], &mut |key, _| {
                    firsts.push(Uid(keys::number(key).ok_or(IndexError::Damaged("an entry's key"))?));
                    Ok(true)
                })?;
            }
            known.chunks = Some(firsts);
        }
        Ok(known.chunks.get_or_insert_default())
    }

    /// A mailbox that is about to change.
    pub(super) fn change(&mut self, name: &MailboxName) -> &mut Known {
        if !self.dirty.contains(name) {
            self.dirty.insert(name.clone());
        }
        self.mailboxes.entry(name.clone()).or_default()
    }

    /// What a view lists has changed, by the record at `by`.
    pub(super) fn changed(&mut self, name: &MailboxName, by: Lsn) {
        self.change(name).row.changed = by.0;
        self.recounted(name);
    }

    /// Its sums are others now, though every view lists the same.
    pub(super) fn recounted(&mut self, name: &MailboxName) {
        let row = self.change(name).row;
        self.effect(Effect::Totals(name.clone(), row));
    }

    pub(super) fn put_queued(&mut self, id: QueueId, old: Option<&[u8]>, row: Option<&QueueRow>) {
        let key = keys::queued(id);
        if let Some(old) = old {
            self.state.queue.remove(&key, old);
        }
        let value = row.map(encode);
        if let Some(value) = &value {
            self.state.queue.add(&key, value);
        }
        self.pending.insert(key, value);
    }

    /// Writes a row of a family that the digest of mailboxes is over.
    pub(super) fn put_summed(&mut self, key: Vec<u8>, old: Option<Vec<u8>>, new: Option<Vec<u8>>) {
        if let Some(old) = old {
            self.state.mailboxes.remove(&key, &old);
        }
        if let Some(new) = &new {
            self.state.mailboxes.add(&key, new);
        }
        self.pending.insert(key, new);
    }
}
