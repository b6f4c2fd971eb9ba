//! All mail that is intact, out of a store in any state. Nothing is asked of the store but records, which prove
//! themselves: no index, no checkpoint, no `STORE`; a snap only says what was gone already.

mod export;
mod harvest;
mod ledger;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use self::export::{Exporter, Letter};
use self::harvest::{Behind, Harvest, Hole, Record};
use self::ledger::{Fate, Ledger};
use super::report::{Checked, Fault, Grade, Whom, subject};
use super::survey::{Head, Surveyed, survey};
use crate::backup::{Progress, Told};
use crate::big::BigFiles;
use crate::disk::{Disk, Open, RealDisk, read_exact};
use crate::fold::{Folder, Snap, snap_lsn};
use crate::index::checkpoint::Checkpoint;
use crate::index::rows::EntryRow;
use crate::log::Lsn;
use crate::log::change::{Change, Relocated};
use crate::log::record::{BESIDE, HEADER, Kind};
use crate::log::segments::Segments;
use crate::mailbox::Place;
use crate::reader::{Reader, Wait};
use crate::start::identity::Identity;
use mail::{Envelope, QueueId};

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Also what was deleted, as far as it is still there.
    pub deleted: bool,
}

/// What a salvage came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Salvaged {
    /// Messages written, each as often as mailboxes hold it.
    pub mailboxes: u64,
    /// Messages that were not delivered yet.
    pub queued: u64,
    /// Messages of which nobody can tell where they were.
    pub unknown: u64,
    /// Messages that had been deleted.
    pub deleted: u64,
    /// What is damaged.
    pub faults: Vec<Fault>,
}

/// Writes every intact message of the store in `store` into `dir`, which must be empty or not there.
pub fn salvage(store: &Path, dir: &Path, wanted: Wanted, told: Told<'_>) -> io::Result<Salvaged> {
    let mut exporter = Exporter::into(dir)?;
    let mut salvaged = Salvaged::default();
    let found = Found::of(Arc::new(RealDisk), store, told)?;
    salvaged.faults.clone_from(&found.faults);
    for (id, fate) in &found.ledger.fates {
        found.export(*id, fate, wanted, &mut exporter, &mut salvaged)?;
    }
    exporter.finish()?;
    Ok(salvaged)
}

/// Whose mail is damaged, for a check: nothing is written.
pub(super) fn assess(disk: &Arc<dyn Disk>, store: &Path, checked: &mut Checked) -> io::Result<()> {
    let found = Found::of(disk.clone(), store, &mut |_| {})?;
    for (id, fate) in found.ledger.fates.iter().filter(|(_, fate)| !fate.gone) {
        if let Err(why) = found.body(*id) {
            // Whoever was named by an entry or a queued message need not be named again.
            let whom: Vec<_> = found.whom(*id, fate).into_iter().filter(|whom| !checked.has(whom)).collect();
            if whom.is_empty() {
                continue;
            }
            let fault = Fault { grade: Grade::Mail, place: found.place(*id), what: why, whom };
            checked.faults.push(fault);
        }
    }
    Ok(())
}

/// Everything that is still there.
struct Found {
    disk: Arc<dyn Disk>,
    reader: Reader,
    harvest: Harvest,
    ledger: Ledger,
    faults: Vec<Fault>,
}

impl Found {
    fn of(disk: Arc<dyn Disk>, store: &Path, told: Told<'_>) -> io::Result<Self> {
        let mut checked = Checked::default();
        let segments = survey(&*disk, &store.join("log"))?;
        for segment in &segments {
            let name = segment.path.file_name().unwrap_or_default().display();
            match &segment.header {
                Head::Good(_) | Head::NeverEntered => {}
                Head::Newer(version) => {
                    checked.fault(Grade::Fatal, name, format!("written by a later version ({version})"));
                }
                Head::Damaged => checked.fault(Grade::Fatal, name, "the first page is damaged"),
            }
        }
        let store_id = store_id(&*disk, store, &segments, &mut checked);
        let segments_read = Arc::new(Segments::new(disk.clone(), store.join("log")));
        let folder =
            Folder { disk: disk.clone(), store: store.to_owned(), store_id, segments: segments_read.clone() };
        let snap = folder.newest().unwrap_or(None);
        let newest = disk.list(&store.join("snap")).unwrap_or_default();
        let newest = newest.iter().filter_map(|name| snap_lsn(name)).max();
        if newest.is_some() && newest != snap.as_ref().map(|snap| snap.lsn) {
            checked.fault(
                Grade::Mail,
                "snap",
                "the newest snap is damaged: what was deleted long ago may be back",
            );
        }
        let mut progress = Progress { done: 0, of: segments.iter().map(|segment| segment.octets).sum() };
        let harvest = Harvest::of(&*disk, &segments, |octets| {
            progress.done += octets;
            told(progress);
        })?;
        let checkpoint = Checkpoint::read(&*disk, store).map(|checkpoint| checkpoint.lsn);
        let covered = snap.as_ref().map_or(Lsn(0), |snap| snap.lsn);
        let restored = restored(&*disk, store, &segments);
        for Hole { from, to, behind } in &harvest.holes {
            let what = match behind {
                // Nothing was there, by all that is known: a batch that was never acknowledged, or what an
                // earlier life of the file has left.
                Behind::End if checkpoint.is_some_and(|lsn| lsn.max(covered) <= *from) => continue,
                // What was there the snap knows, and it is missed by name.
                Behind::Freed if *from < covered => continue,
                Behind::Unknown if restored == Some(*from) => continue,
                Behind::Record => format!("{} octets are damaged", to.0 - from.0),
                Behind::End | Behind::Freed | Behind::Unknown => {
                    "what stands behind this is no record: never acknowledged, or damaged".to_owned()
                }
            };
            checked.fault(Grade::Mail, format!("{from}-{to}"), what);
        }
        let ledger = Self::ledger(&harvest, snap, store_id, &mut checked);
        let big = BigFiles::new(disk.clone(), store);
        let reader = Reader { segments: segments_read, big, suspects: Default::default() };
        Ok(Self { disk, reader, harvest, ledger, faults: checked.faults })
    }

    /// A snap that cannot be gone on from is none.
    fn ledger(harvest: &Harvest, snap: Option<Arc<Snap>>, store: [u8; 16], checked: &mut Checked) -> Ledger {
        for snap in [snap, None] {
            let mut faults = Checked::default();
            match Ledger::of(harvest, snap, store, |lsn, what| faults.fault(Grade::Mail, lsn, what)) {
                Ok(ledger) => {
                    checked.faults.append(&mut faults.faults);
                    return ledger;
                }
                Err(error) => checked.fault(Grade::Mail, "snap", error),
            }
        }
        Ledger::default()
    }

    fn records(&self, id: QueueId) -> impl Iterator<Item = &Record> {
        let sources = self.ledger.sources.get(&id).into_iter().flatten();
        sources.map(|at| &self.harvest.records[*at])
    }

    /// The octets received, from whichever record has them whole; or why there are none.
    fn body(&self, id: QueueId) -> Result<Vec<u8>, String> {
        let mut why = "its record is lost".to_owned();
        for record in self.records(id) {
            match self.body_in(record) {
                Ok(Some(body)) => return Ok(body),
                Ok(None) => "its octets have changed".clone_into(&mut why),
                Err(error) => why = format!("its octets cannot be read: {error}"),
            }
        }
        Err(why)
    }

    /// `None`: not what came in.
    fn body_in(&self, record: &Record) -> io::Result<Option<Vec<u8>>> {
        let header = &record.header;
        let (file, at, octets) = if header.kind == Kind::Big || header.flags & BESIDE != 0 {
            let file = self.reader.big.open(header.id)?;
            let octets = file.len()?;
            (file, 0, octets)
        } else {
            let at = u64::from(header.lsn.offset()) + HEADER as u64 + u64::from(header.meta_len);
            (self.disk.open(&record.path, Open::Read)?, at, u64::from(header.body_len))
        };
        let mut body = vec![0; usize::try_from(octets).map_err(io::Error::other)?];
        match read_exact(&*file, &mut body, at) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            outcome => outcome?,
        }
        Ok((crc32c::crc32c(&body) == header.body_crc).then_some(body))
    }

    fn envelope(&self, id: QueueId) -> Option<Arc<Envelope>> {
        self.records(id).find_map(|record| match Change::decode(&record.header, record.meta.as_ref()?) {
            Ok(Change::Accept { envelope, .. } | Change::Relocate(Relocated { envelope, .. })) => {
                Some(envelope)
            }
            Ok(_) | Err(_) => None,
        })
    }

    fn place(&self, id: QueueId) -> String {
        self.records(id).next().map_or(Lsn(id.0), |record| record.header.lsn).to_string()
    }

    fn whom(&self, id: QueueId, fate: &Fate) -> Vec<Whom> {
        let subject = self.subject(id);
        let mut whom: Vec<_> = fate
            .homes
            .iter()
            .map(|((mailbox, uid), _)| Whom::entry(mailbox, *uid, subject.clone()))
            .collect();
        if fate.queued || whom.is_empty() {
            whom.push(Whom { mailbox: None, id: id.to_string(), subject });
        }
        whom
    }

    /// What can be made out of it, damaged as it is.
    fn subject(&self, id: QueueId) -> Option<String> {
        self.records(id).find_map(|record| {
            let header = &record.header;
            let mut octets = vec![0; (header.body_len as usize).min(8 << 10)];
            let at = u64::from(header.lsn.offset()) + HEADER as u64 + u64::from(header.meta_len);
            let file = match header.body_len {
                0 => self.reader.big.open(header.id).ok()?,
                _ => self.disk.open(&record.path, Open::Read).ok()?,
            };
            if header.body_len == 0 {
                octets.resize(usize::try_from(file.len().ok()?).ok()?.min(8 << 10), 0);
            }
            let at = if header.body_len == 0 { 0 } else { at };
            read_exact(&*file, &mut octets, at).ok()?;
            subject(&octets)
        })
    }

    fn export(
        &self,
        id: QueueId,
        fate: &Fate,
        wanted: Wanted,
        exporter: &mut Exporter,
        salvaged: &mut Salvaged,
    ) -> io::Result<()> {
        if fate.gone && !wanted.deleted {
            return Ok(());
        }
        let body = match self.body(id) {
            Ok(body) => body,
            // Of what was deleted nobody misses anything.
            Err(_) if fate.gone => return Ok(()),
            Err(what) => {
                let (place, whom) = (self.place(id), self.whom(id, fate));
                salvaged.faults.push(Fault { grade: Grade::Mail, place, what, whom });
                return Ok(());
            }
        };
        let envelope = self.envelope(id);
        let letter = Letter { id, envelope: envelope.as_deref(), body: &body };
        let mut seen = BTreeSet::new();
        for (home, row) in &fate.homes {
            if !seen.insert(home) {
                continue;
            }
            // An entry has a checksum of its own: it can be whole in a record that is not.
            let alone = |row: &EntryRow| self.reader.entry(&Place::of(home.1, row), Wait::Allowed).ok();
            let known = self.ledger.entry(home).cloned();
            let entry = known.or_else(|| row.as_ref().and_then(alone));
            let octets = row.as_ref().map(|row| row.octets);
            if !exporter.entry(&letter, home, entry.as_ref(), octets)? {
                let (place, what) = (self.place(id), "the fields put on top of it are lost".to_owned());
                let whom = vec![Whom::entry(&home.0, home.1, subject(&body))];
                salvaged.faults.push(Fault { grade: Grade::Mail, place, what, whom });
            }
            salvaged.mailboxes += 1;
        }
        let (folder, count) = match fate {
            Fate { gone: true, .. } => ("deleted", &mut salvaged.deleted),
            Fate { queued: true, .. } => ("queued", &mut salvaged.queued),
            Fate { homes, .. } if homes.is_empty() => ("unknown", &mut salvaged.unknown),
            Fate { .. } => return Ok(()),
        };
        exporter.received(&letter, folder)?;
        *count += 1;
        Ok(())
    }
}

/// By `STORE`; without it, by what most segments say; without those, by a snap.
/// Where the log of a store ends that was restored and has not run since: its last file goes as far as the backup, and
/// no further. A run would have begun another one, with an id of its own.
fn restored(disk: &dyn Disk, store: &Path, segments: &[Surveyed]) -> Option<Lsn> {
    let identity = Identity::read(disk, store).ok().flatten()?;
    let last = segments.last().filter(|last| last.id < identity.ids_from)?;
    Some(Lsn::new(last.id, u32::try_from(last.octets).ok()?))
}

fn store_id(disk: &dyn Disk, store: &Path, segments: &[Surveyed], checked: &mut Checked) -> [u8; 16] {
    match Identity::read(disk, store) {
        Ok(Some(identity)) => return identity.store_id,
        Ok(None) => checked.fault(Grade::Fatal, "STORE", "it is missing"),
        Err(error) => checked.fault(Grade::Fatal, "STORE", error),
    }
    let named = segments.iter().filter_map(|segment| match &segment.header {
        Head::Good(header) => Some(header.store),
        Head::NeverEntered | Head::Newer(_) | Head::Damaged => None,
    });
    let mut ids: Vec<_> = named.collect();
    ids.sort_unstable();
    let most = ids.chunk_by(|one, other| one == other).max_by_key(|same| same.len());
    most.and_then(|same| same.first()).copied().or_else(|| snap_id(disk, store)).unwrap_or_default()
}

fn snap_id(disk: &dyn Disk, store: &Path) -> Option<[u8; 16]> {
    let names = disk.list(&store.join("snap")).ok()?;
    names.iter().filter(|name| snap_lsn(name).is_some()).find_map(|name| {
        let mut id = [0; 16];
        let file = disk.open(&store.join("snap").join(name), Open::Read).ok()?;
        read_exact(&*file, &mut id, 12).ok().map(|()| id)
    })
}
