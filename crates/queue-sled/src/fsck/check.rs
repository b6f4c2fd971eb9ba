use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::entries::Entries;
use super::report::{Checked, Grade};
use super::salvage::assess;
use super::survey::{Head, Surveyed, survey};
use crate::OpenError;
use crate::backup::{Frozen, Progress, Told};
use crate::big::BigFiles;
use crate::disk::{Disk, Lock, Open, RealDisk};
use crate::fold::{FoldError, Folder, Snap, snap_lsn};
use crate::index::checkpoint::Checkpoint;
use crate::index::rows::{StateRow, decode};
use crate::index::verify::verify;
use crate::index::{Index, IndexKv, OpenIndex, SledIndex, keys};
use crate::log::Lsn;
use crate::log::metas::{BadMetas, scan_metas};
use crate::log::scan::{Damage, Extent, Image, Scanned, Stop};
use crate::log::segment::{PAGE, SegmentHeader};
use crate::log::segments::Segments;
use crate::reader::Reader;
use crate::start::identity::Identity;
use crate::start::known;

/// Octets that the index may take while it is compared.
const CACHE: u64 = 16 << 20;

/// Looks at a store that nobody has open; or, with `frozen`, at one moment of one that runs. With `deep` every
/// octet of every message is read, else what stands around them.
///
/// Nothing is changed but by sled, which tidies its own files when it is opened.
pub fn check(
    store: &Path,
    frozen: Option<&Frozen>,
    deep: bool,
    told: Told<'_>,
) -> Result<Checked, OpenError> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let index = SledIndex { cache: CACHE };
    let index: Option<&dyn OpenIndex> = if frozen.is_none() { Some(&index) } else { None };
    check_on(&disk, index, store, frozen, deep, told)
}

pub(crate) fn check_on(
    disk: &Arc<dyn Disk>,
    index: Option<&dyn OpenIndex>,
    store: &Path,
    frozen: Option<&Frozen>,
    deep: bool,
    told: Told<'_>,
) -> Result<Checked, OpenError> {
    let folder = frozen.map_or(store, |frozen| frozen.folder.as_path());
    let _lock = if frozen.is_none() { lock(&**disk, store)? } else { None };
    let mut checked = Checked::default();
    let identity = match Identity::read(&**disk, folder) {
        Ok(Some(identity)) => identity,
        Err(OpenError::Newer(what)) => return Err(OpenError::Newer(what)),
        Ok(None) | Err(_) => {
            checked.fault(Grade::Fatal, "STORE", "it is missing or damaged");
            return Ok(checked);
        }
    };
    let mut check = Check {
        disk,
        folder,
        store_id: identity.store_id,
        segments: Arc::new(Segments::new(disk.clone(), folder.join("log"))),
        checked,
        told,
    };
    check.run(store, index, frozen, deep)?;
    Ok(check.checked)
}

/// Whoever has the store goes first. One that was never opened has no lock, and gets none from us.
fn lock(disk: &dyn Disk, store: &Path) -> Result<Option<Lock>, OpenError> {
    if !disk.list(store)?.iter().any(|name| name == "LOCK") {
        return Ok(None);
    }
    match disk.lock(&store.join("LOCK")) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(OpenError::Locked(store.to_owned())),
        lock => Ok(Some(lock?)),
    }
}

struct Check<'a> {
    disk: &'a Arc<dyn Disk>,
    folder: &'a Path,
    store_id: [u8; 16],
    segments: Arc<Segments>,
    checked: Checked,
    told: Told<'a>,
}

impl Check<'_> {
    fn run(
        &mut self,
        store: &Path,
        index: Option<&dyn OpenIndex>,
        frozen: Option<&Frozen>,
        deep: bool,
    ) -> Result<(), OpenError> {
        let found = survey(&**self.disk, &self.folder.join("log"))?;
        self.register(&found);
        let end = match frozen {
            Some(frozen) => Lsn(frozen.end),
            None => self.tail()?,
        };
        let snap = self.snaps()?;
        let base = snap.as_ref().map_or(Lsn(0), |snap| snap.lsn);
        let damaged = self.scan(end, deep)?;
        self.known(store, &damaged, deep);
        if frozen.is_none() {
            self.checkpoint(end);
        }
        let folder = Folder {
            disk: self.disk.clone(),
            store: self.folder.to_owned(),
            store_id: self.store_id,
            segments: self.segments.clone(),
        };
        let live = match (frozen, index) {
            (Some(frozen), _) => Some(Live::At(frozen)),
            (None, Some(kind)) => self.open(kind).map(Live::Rows),
            (None, None) => None,
        };
        if !self.segments.unbroken(base, end) {
            match &live {
                Some(Live::Rows(kv)) if self.stands(kv, end) => {
                    let what =
                        "none can be believed: the daemon makes one of idx/, which must not be removed";
                    self.checked.fault(Grade::Mends, "snap", what);
                    self.entries(&**kv, deep);
                }
                Some(Live::Rows(_) | Live::At(_)) | None => {
                    let what = format!("segments that came after {base} are missing");
                    self.checked.fault(Grade::Fatal, "log", what);
                }
            }
        }
        match self.rows(&folder, snap.as_ref(), end, live) {
            Ok(rows) => self.entries(&*rows, deep),
            Err(FoldError::Gap(_)) => {}
            Err(FoldError::Io(error)) => return Err(error.into()),
            Err(error) => self.checked.fault(Grade::Mail, "log", error),
        }
        if !damaged.is_empty() || self.checked.worst() == Some(Grade::Fatal) {
            assess(self.disk, self.folder, &mut self.checked)?;
        }
        Ok(())
    }

    fn entries(&mut self, rows: &dyn IndexKv, deep: bool) {
        let big = BigFiles::new(self.disk.clone(), self.folder);
        let reader = Reader { segments: self.segments.clone(), big, suspects: Default::default() };
        if let Err(error) = (Entries { reader: &reader, deep }).check(rows, &mut self.checked) {
            self.checked.fault(Grade::Mail, "rows", error);
        }
    }

    /// Whether a start would go on from this index.
    fn stands(&self, kv: &Arc<dyn IndexKv>, end: Lsn) -> bool {
        let checkpoint = Checkpoint::read(&**self.disk, self.folder);
        let Ok(index) = Index::load(kv.clone(), self.store_id) else { return false };
        let reached = index.applied();
        checkpoint.is_some_and(|checkpoint| checkpoint.lsn <= reached)
            && reached <= end
            && self.segments.unbroken(reached, end)
            && verify(&**kv, &index, true).is_ok()
    }

    fn register(&mut self, found: &[Surveyed]) {
        for segment in found {
            let name = segment.path.file_name().unwrap_or_default().display();
            match &segment.header {
                Head::Good(header) if header.store == self.store_id => {
                    self.checked.segments += 1;
                    self.segments.insert(header.clone());
                }
                Head::Good(_) => self.checked.fault(Grade::Fatal, name, "it belongs to another store"),
                Head::NeverEntered => {}
                Head::Newer(version) => {
                    self.checked.fault(Grade::Fatal, name, format!("written by a later version ({version})"));
                }
                Head::Damaged => self.checked.fault(Grade::Fatal, name, "the first page is damaged"),
            }
        }
    }

    /// Where the log ends. A batch that was begun there and never acknowledged is no fault.
    fn tail(&mut self) -> Result<Lsn, OpenError> {
        let Some(newest) = self.segments.all().pop() else { return Ok(Lsn(0)) };
        let scanned = self.image(&newest, PAGE, Extent::Tail)?;
        Ok(Lsn::new(newest.id, scanned.end))
    }

    fn image(&self, header: &SegmentHeader, from: u32, extent: Extent) -> Result<Scanned, OpenError> {
        let file = self.segments.file(header.id)?;
        let mut image = Image::default();
        image.load(&*file, u32::try_from(file.len()?).unwrap_or(u32::MAX))?;
        let scanned = image.scan(header, from, extent, |_, _| Ok::<_, std::convert::Infallible>(()));
        scanned.map_err(|stop| match stop {
            Stop::Newer(lsn) => OpenError::Newer(format!("the record at {lsn}")),
            Stop::Caller(never) => match never {},
        })
    }

    /// The newest one that is whole; those that are not are faults.
    fn snaps(&mut self) -> io::Result<Option<Arc<Snap>>> {
        let folder = self.folder.join("snap");
        let names = match self.disk.list(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names?,
        };
        let mut newest: Option<Arc<Snap>> = None;
        for name in names.iter().filter(|name| snap_lsn(name).is_some()) {
            match Snap::open(&**self.disk, &folder.join(name), self.store_id) {
                Ok(snap) if newest.as_ref().is_none_or(|newest| newest.lsn < snap.lsn) => {
                    newest = Some(Arc::new(snap));
                }
                Ok(_) => {}
                Err(error) => self.checked.fault(Grade::Mends, format!("snap/{name}"), error),
            }
        }
        Ok(newest)
    }

    /// What is damaged between the first page and the end of each segment.
    fn scan(&mut self, end: Lsn, deep: bool) -> Result<Vec<Damage>, OpenError> {
        let all = self.segments.all();
        let extents = all.iter().enumerate().map(|(ordinal, header)| {
            let next = all.get(ordinal + 1).filter(|next| next.previous == header.id);
            let sealed = next.map(|next| next.prev_end);
            (header, if header.id == end.segment() { Some(end.offset()) } else { sealed })
        });
        let of = all.len() as u64;
        let mut damaged = Vec::new();
        for (done, (header, end)) in (1..).zip(extents) {
            damaged.extend(match end {
                Some(end) => self.scan_one(header, end, deep)?,
                // The one behind it was freed: nobody knows where its octets end.
                None => self.look_through(header, Extent::Tail)?,
            });
            (self.told)(Progress { done, of });
        }
        Ok(damaged)
    }

    fn scan_one(&mut self, header: &SegmentHeader, end: u32, deep: bool) -> Result<Vec<Damage>, OpenError> {
        if !deep {
            let file = self.segments.file(header.id)?;
            match scan_metas(&*file, header, PAGE, end, |_, _| Ok::<_, BadMetas>(())) {
                Ok(()) => return Ok(Vec::new()),
                Err(BadMetas::Newer(lsn)) => return Err(OpenError::Newer(format!("the record at {lsn}"))),
                Err(BadMetas::Damaged(_) | BadMetas::Io(_)) => {}
            }
        }
        self.look_through(header, Extent::Sealed(end))
    }

    fn look_through(&mut self, header: &SegmentHeader, extent: Extent) -> Result<Vec<Damage>, OpenError> {
        let scanned = self.image(header, PAGE, extent)?;
        for place in &scanned.damage {
            let what = format!("{} octets are damaged", place.to.0 - place.from.0);
            self.checked.fault(Grade::Mail, place, what);
        }
        Ok(scanned.damage)
    }

    /// What a start has found and set aside, if it was not just found again.
    fn known(&mut self, store: &Path, found: &[Damage], deep: bool) {
        let log = self.segments.all().iter().map(|segment| segment.id).collect();
        for place in known::read(&**self.disk, store, &log) {
            if found.iter().any(|found| found.from < place.to && place.from < found.to) {
                continue;
            }
            let more = if deep { "" } else { ": --deep says whose mail it is, as far as that can be told" };
            let what = format!("found damaged when the store was opened, and set aside{more}");
            self.checked.fault(Grade::Mail, place, what);
        }
    }

    fn checkpoint(&mut self, end: Lsn) {
        let Some(checkpoint) = Checkpoint::read(&**self.disk, self.folder) else {
            let there = self.disk.open(&self.folder.join("CKPT"), Open::Read).is_ok();
            if there {
                self.checked.fault(
                    Grade::Mends,
                    "CKPT",
                    "damaged: the index is built again at the next start",
                );
            }
            return;
        };
        let place = checkpoint.lsn;
        if place > end && self.segments.header(place.segment()).is_none() {
            let what = format!("it names segment {:08x}, which is missing", place.segment());
            self.checked.fault(Grade::Fatal, "CKPT", what);
        } else if place > end {
            self.checked.fault(Grade::Mail, end, format!("the log has lost what it had up to {place}"));
        }
    }

    fn open(&mut self, kind: &dyn OpenIndex) -> Option<Arc<dyn IndexKv>> {
        let idx = self.folder.join("idx");
        self.disk.list(&idx).ok().filter(|names| !names.is_empty())?;
        match kind.open(&**self.disk, &idx) {
            Ok(kv) => Some(kv),
            Err(error) => {
                self.checked.fault(Grade::Mends, "idx", format!("{error}: built again at the next start"));
                None
            }
        }
    }

    /// What the log alone comes to at its end, after it has been held against the index where that is.
    fn rows(
        &mut self,
        folder: &Folder,
        snap: Option<&Arc<Snap>>,
        end: Lsn,
        live: Option<Live<'_>>,
    ) -> Result<Arc<dyn IndexKv>, FoldError> {
        let base = snap.map_or(Lsn(0), |snap| snap.lsn);
        let fold = |to: Lsn| folder.apply(snap.cloned(), to, &mut Default::default(), &|| true);
        match live {
            Some(Live::At(frozen)) if Lsn(frozen.applied) >= base => {
                let (index, _) = fold(Lsn(frozen.applied))?;
                self.compare_state(&index, frozen);
            }
            Some(Live::Rows(kv)) => {
                let state = kv.get(keys::STATE)?.map(|value| decode::<StateRow>(&value)).transpose()?;
                let applied = Lsn(state.map_or(0, |state| state.applied));
                if applied > end.max(base) || !self.segments.unbroken(applied, end) {
                    let what = format!("it stands at {applied}, the log goes from {base} to {end}");
                    self.checked.fault(Grade::Mends, "idx", format!("{what}: built again at the next start"));
                } else if applied >= base {
                    // One that is behind the snap goes on from the log: there is nothing to hold it against.
                    let (_, rows) = fold(applied)?;
                    self.compare(&*rows, &*kv)?;
                }
            }
            Some(Live::At(_)) | None => {}
        }
        Ok(fold(end.max(base))?.1)
    }

    fn compare_state(&mut self, index: &Index, frozen: &Frozen) {
        let state = index.state();
        if (state.queue, state.mailboxes) != (frozen.queue, frozen.mailboxes) {
            let what = "the index in use does not say what the log says: a restart builds it again";
            self.checked.fault(Grade::Mends, Lsn(frozen.applied), what);
        }
    }

    /// Key for key.
    fn compare(&mut self, rows: &dyn IndexKv, kv: &dyn IndexKv) -> Result<(), FoldError> {
        let mut wanted: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        rows.scan(&[], &[], &mut |key, value| {
            wanted.insert(key.to_vec(), value.to_vec());
            Ok(true)
        })?;
        let mut differs = 0u64;
        kv.scan(&[], &[], &mut |key, value| {
            differs += u64::from(wanted.remove(key).as_deref() != Some(value));
            Ok(true)
        })?;
        differs += wanted.len() as u64;
        if differs > 0 {
            let what = format!(
                "{differs} rows are not what the log says: `restante serve` builds it again when idx/ is removed"
            );
            self.checked.fault(Grade::Mends, "idx", what);
        }
        Ok(())
    }
}

/// What is held against the log.
enum Live<'a> {
    At(&'a Frozen),
    Rows(Arc<dyn IndexKv>),
}
