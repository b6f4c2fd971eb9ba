use std::collections::{BTreeMap, HashMap};

use mail::{MailboxName, QueueId, Uid};
use queue::{Served, StoreError};

use super::report::{Checked, Fault, Grade, Whom, subject};
use crate::disk::read_exact;
use crate::index::rows::{BodyRow, EntryRow, QueueRow, decode};
use crate::index::{IndexError, IndexKv, chunk, keys};
use crate::log::Lsn;
use crate::mailbox::Place;
use crate::reader::{Body, Reader, Wait};

const CHUNK: usize = 1 << 20;

/// Entries against bodies against places.
pub(super) struct Entries<'a> {
    pub(super) reader: &'a Reader,
    /// Every octet of a body is read, too.
    pub(super) deep: bool,
}

/// What was found of a body that several entries hold.
type Known = HashMap<u64, Result<u64, String>>;

impl Entries<'_> {
    pub(super) fn check(&self, rows: &dyn IndexKv, checked: &mut Checked) -> Result<(), IndexError> {
        let mut known = Known::new();
        let (mut held, mut holders) = (BTreeMap::new(), BTreeMap::new());
        rows.scan(keys::ENTRIES, &[], &mut |key, value| {
            let (name, _) = keys::names(key).ok_or(IndexError::Damaged("an entry's key"))?;
            let first = Uid(keys::number(key).ok_or(IndexError::Damaged("an entry's key"))?);
            chunk::scan(value, first, |entry| {
                checked.entries += 1;
                if entry.row.shared {
                    held.insert(entry.uid, entry.row.body);
                }
                self.entry(&name, entry.uid, &entry.row, &mut known, checked);
                Ok(true)
            })?;
            Ok(true)
        })?;
        rows.scan(keys::QUEUE, &[], &mut |key, value| {
            let id = QueueId(keys::number(key).ok_or(IndexError::Damaged("a queue key"))?);
            checked.queued += 1;
            self.queued(id, &decode(value)?, checked);
            Ok(true)
        })?;
        rows.scan(b"B", &[], &mut |key, value| {
            let body = key.get(1..9).and_then(|id| id.first_chunk()).map(|id| u64::from_be_bytes(*id));
            let body = body.ok_or(IndexError::Damaged("a body's key"))?;
            let row: BodyRow = decode(value)?;
            holders.extend(row.holders.iter().map(|(uid, _)| (*uid, body)));
            Ok(true)
        })?;
        if held != holders {
            checked.fault(Grade::Mail, "rows", "bodies are held by other entries than there are");
        }
        Ok(())
    }

    fn entry(&self, name: &MailboxName, uid: Uid, row: &EntryRow, known: &mut Known, checked: &mut Checked) {
        let place = Place::of(uid, row);
        let body = known.entry(row.place).or_insert_with(|| self.body(&place)).clone();
        let outcome = body.and_then(|octets| {
            let entry = self.reader.entry(&place, Wait::Allowed);
            let entry = entry.map_err(|error| format!("what is put on top of it is lost: {error}"))?;
            let served = Served::new(&entry.additions, octets).octets();
            if entry.mailbox != *name && name.trashed_from().as_ref() != Some(&entry.mailbox) {
                return Err(format!("its route is one to {}", entry.mailbox));
            }
            if served == row.octets {
                Ok(())
            } else {
                Err(format!("{served} octets where {} were", row.octets))
            }
        });
        if !row.shared {
            known.remove(&row.place);
        }
        if let Err(what) = outcome {
            let whom = vec![Whom::entry(name, uid, self.subject(&place))];
            checked.faults.push(Fault { grade: Grade::Mail, place: Lsn(row.place).to_string(), what, whom });
        }
    }

    fn queued(&self, id: QueueId, row: &QueueRow, checked: &mut Checked) {
        let place = Place::of(Uid(id.0), &entry_like(id, row));
        let envelope = self.reader.envelope(Lsn(row.place), Wait::Allowed);
        let outcome = envelope.map_err(|error| error.to_string()).and_then(|_| self.body(&place));
        let what = match outcome {
            Ok(octets) if octets == row.octets => return,
            Ok(octets) => format!("{octets} octets where {} were", row.octets),
            Err(what) => what,
        };
        let whom = vec![Whom { mailbox: None, id: id.to_string(), subject: self.subject(&place) }];
        checked.faults.push(Fault { grade: Grade::Mail, place: Lsn(row.place).to_string(), what, whom });
    }

    /// How many octets a body has.
    fn body(&self, place: &Place) -> Result<u64, String> {
        let body = self.reader.body(place, Wait::Allowed).map_err(|error| error.to_string())?;
        if self.deep {
            let crc = crc_of(&body).map_err(|error| error.to_string())?;
            if crc != body.crc {
                return Err("its octets have changed".to_owned());
            }
        }
        Ok(body.octets)
    }

    fn subject(&self, place: &Place) -> Option<String> {
        let body = self.reader.body(place, Wait::Allowed).ok()?;
        let mut octets = vec![0; usize::try_from(body.octets).unwrap_or(usize::MAX).min(8 << 10)];
        read_exact(&*body.file, &mut octets, body.at).ok()?;
        subject(&octets)
    }
}

fn crc_of(body: &Body) -> Result<u32, StoreError> {
    let mut chunk = vec![0; CHUNK];
    let (mut at, mut crc) = (0, 0);
    while at < body.octets {
        let part = usize::try_from(body.octets - at).unwrap_or(usize::MAX).min(CHUNK);
        read_exact(&*body.file, &mut chunk[..part], body.at + at)?;
        crc = crc32c::crc32c_append(crc, &chunk[..part]);
        at += part as u64;
    }
    Ok(crc)
}

/// A queued message's place, as an entry would have it.
fn entry_like(id: QueueId, row: &QueueRow) -> EntryRow {
    EntryRow {
        octets: row.octets,
        time_ms: 0,
        body: id.0,
        place: row.place,
        body_at: row.body_at,
        slot: None,
        recipient: None,
        shared: false,
        beside: row.beside,
        foreign_uidl: None,
        trashed_ms: None,
    }
}
