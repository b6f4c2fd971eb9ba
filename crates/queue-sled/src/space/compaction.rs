use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mail::{MailboxName, QueueId, Uid};
use queue::StoreError;
use tokio::sync::oneshot;

use super::orders::Orders;
use crate::big::BigFiles;
use crate::index::rows::{BodyRow, EntryRow, QueueRow, decode};
use crate::index::{IndexError, IndexKv, KvCell, Outcome, chunk, keys};
use crate::log::change::{Draft, Relocated};
use crate::log::record::RECORD_MAX;
use crate::log::{Answer, Intake, Lsn};
use crate::mailbox::Place;
use crate::reader::{Reader, Wait};

/// Octets of records that wait to be written at once: the log is for those who wait for a 250.
const AHEAD: usize = 1 << 20;

/// Copies messages to the end of the log, so that the segments they were in can be freed.
pub(crate) struct Mover {
    pub(crate) kv: KvCell,
    pub(crate) reader: Arc<Reader>,
    pub(crate) big: BigFiles,
    pub(crate) intake: Arc<Intake>,
    /// Octets a second.
    pub(crate) rate: u64,
}

/// A message that moves, with the entries that hold it.
struct Message {
    place: Lsn,
    beside: Option<u64>,
    entries: Vec<(MailboxName, Uid, EntryRow)>,
}

impl Message {
    fn is_shared(&self) -> bool {
        self.entries.iter().any(|(_, _, row)| row.shared)
    }

    /// The segments that it keeps alive.
    fn segments(&self) -> impl Iterator<Item = u32> {
        let routes = self.entries.iter().filter(|(_, _, row)| row.slot.is_none()).map(|(_, uid, _)| uid.0);
        routes.chain([self.place.0]).map(|place| Lsn(place).segment())
    }
}

/// What came of emptying segments.
#[derive(Default)]
pub(super) struct Emptied {
    /// Messages that were moved.
    pub(super) moved: u64,
    /// Segments with a message in them that cannot be read, and therefore not be moved.
    pub(super) stuck: BTreeSet<u32>,
}

/// Gives every entry that `of` wants.
fn holders(
    kv: &dyn IndexKv,
    mailboxes: &[MailboxName],
    of: impl Fn(&EntryRow, Uid) -> bool,
    mut each: impl FnMut(MailboxName, Uid, EntryRow),
) -> Result<(), IndexError> {
    for name in mailboxes {
        kv.scan(&keys::entries(name), &[], &mut |key, value| {
            let first = Uid(keys::number(key).ok_or(IndexError::Damaged("an entry's key"))?);
            chunk::scan(value, first, |entry| {
                if of(&entry.row, entry.uid) {
                    each(name.clone(), entry.uid, entry.row);
                }
                Ok(true)
            })?;
            Ok(true)
        })?;
    }
    Ok(())
}

type Waiting = oneshot::Receiver<Result<Outcome, StoreError>>;

impl Mover {
    /// Moves everything that lives in these segments. In the order of mailboxes, so that what is collected
    /// together lies together.
    pub(super) fn empty(
        &self,
        segments: &BTreeSet<u32>,
        mailboxes: &[MailboxName],
        orders: &Orders,
    ) -> Result<Emptied, StoreError> {
        let started = Instant::now();
        let mut emptied = Emptied::default();
        let mut octets = 0u64;
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut ahead = 0;
        for (message, what) in self.alive(segments, mailboxes).map_err(|error| unreadable(&error))? {
            if orders.is_closed() {
                return Err(StoreError::Unavailable);
            }
            let size = match self.submit(message, &what) {
                Ok((size, waiter)) => {
                    waiting.push(waiter);
                    size
                }
                Err(error @ (StoreError::Damaged(_) | StoreError::Io(_))) => {
                    // Never under a fresh checksum: its segment stays, and whoever asks for it is told.
                    tracing::error!(%error, id = %message, "a message cannot be moved");
                    emptied.stuck.extend(what.segments().filter(|id| segments.contains(id)));
                    continue;
                }
                Err(error) => return Err(error),
            };
            emptied.moved += 1;
            (octets, ahead) = (octets + size as u64, ahead + size);
            if ahead > AHEAD {
                settle(&mut waiting)?;
                ahead = 0;
                let due = Duration::from_millis(octets.saturating_mul(1000) / self.rate.max(1));
                orders.pause(due.saturating_sub(started.elapsed()));
            }
        }
        settle(&mut waiting)?;
        Ok(emptied)
    }

    /// What lives in these segments. All entries of a message have one place.
    fn alive(
        &self,
        segments: &BTreeSet<u32>,
        mailboxes: &[MailboxName],
    ) -> Result<Vec<(QueueId, Message)>, IndexError> {
        let kv = self.kv.get().ok_or(IndexError::Damaged("the index is built again"))?;
        let here = |place: u64| segments.contains(&Lsn(place).segment());
        let mut found: Vec<(QueueId, Message)> = Vec::new();
        let mut known: BTreeMap<QueueId, usize> = BTreeMap::new();
        kv.scan(keys::QUEUE, &[], &mut |key, value| {
            let id = QueueId(keys::number(key).ok_or(IndexError::Damaged("a queue key"))?);
            let row: QueueRow = decode(value)?;
            if here(row.place) {
                let place = Lsn(row.place);
                found.push((id, Message { place, beside: row.beside, entries: Vec::new() }));
            }
            Ok(true)
        })?;
        let of = |row: &EntryRow, uid: Uid| here(row.place) || (row.slot.is_none() && here(uid.0));
        holders(&*kv, mailboxes, of, |name, uid, row| {
            let id = QueueId(row.body);
            let at = *known.entry(id).or_insert_with(|| {
                let (place, beside) = (Lsn(row.place), row.beside);
                found.push((id, Message { place, beside, entries: Vec::new() }));
                found.len() - 1
            });
            found[at].1.entries.push((name, uid, row));
        })?;
        self.complete(&*kv, mailboxes, &mut found)?;
        Ok(found)
    }

    /// Adds the other holders of a body that several hold: they move together, wherever the slots of each are.
    fn complete(
        &self,
        kv: &dyn IndexKv,
        mailboxes: &[MailboxName],
        found: &mut [(QueueId, Message)],
    ) -> Result<(), IndexError> {
        let mut lacks: BTreeMap<u64, usize> = BTreeMap::new();
        for (at, (id, what)) in found.iter().enumerate().filter(|(_, (_, what))| what.is_shared()) {
            let value = kv.get(&keys::body(*id, 0))?;
            let body: BodyRow = decode(&value.ok_or(IndexError::Damaged("a holder that is not noted"))?)?;
            if body.left as usize > what.entries.len() {
                lacks.insert(id.0, at);
            }
        }
        if lacks.is_empty() {
            return Ok(());
        }
        lacks.values().for_each(|at| found[*at].1.entries.clear());
        holders(
            kv,
            mailboxes,
            |row, _| lacks.contains_key(&row.body),
            |name, uid, row| {
                if let Some(at) = lacks.get(&row.body) {
                    found[*at].1.entries.push((name, uid, row));
                }
            },
        )
    }

    /// Reads a message where it is and has it written anew: its octets, and who tells when that is applied.
    fn submit(&self, message: QueueId, what: &Message) -> Result<(usize, Waiting), StoreError> {
        let envelope = self.reader.envelope(what.place, Wait::Allowed)?;
        let mut moved = Relocated {
            message,
            from: what.place.0,
            octets: 0,
            file: what.beside,
            envelope,
            uids: Vec::with_capacity(what.entries.len()),
            entries: Vec::with_capacity(what.entries.len()),
        };
        for (_, uid, row) in &what.entries {
            moved.uids.push(*uid);
            moved.entries.push(self.reader.entry(&Place::of(*uid, row), Wait::Allowed)?);
        }
        let (octets, crc, body) = self.reader.whole_body(what.place)?;
        moved.octets = octets;
        let draft = match Draft::relocate(&moved, body, crc) {
            Ok(draft) => draft,
            Err(body) => {
                // With all its additions it is too long for a record now: the body goes beside the log.
                let mut spill = self.big.receive()?;
                spill.append(&body)?;
                moved.file = Some(spill.keep()?);
                Draft::relocate(&moved, Vec::new(), crc)
                    .map_err(|_| StoreError::TooLarge("one record cannot hold all additions"))?
            }
        };
        let size = draft.octets().min(RECORD_MAX);
        let (waiter, done) = oneshot::channel();
        self.intake.submit_blocking(draft, Answer::Applied(waiter))?;
        Ok((size, done))
    }
}

fn settle(waiting: &mut Vec<Waiting>) -> Result<(), StoreError> {
    for waiter in waiting.drain(..) {
        waiter.blocking_recv().unwrap_or(Err(StoreError::Unavailable))?;
    }
    Ok(())
}

fn unreadable(error: &IndexError) -> StoreError {
    StoreError::Damaged(error.to_string())
}
