//! What must hold whatever happens between two system calls, over images of a store and over a disk that
//! says no.

mod backup;
mod campaign;
mod damage;
mod faults;
mod guards;
mod known;
mod limits;
mod model;
mod opening;
mod reading;
mod restore;
mod salvage;
mod snaps;
mod space;
mod trash;
mod undo;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mail::{QueueId, Uid};
use queue::contract::{name, read, view};
use queue::{Maildrop, Store};
use tempfile::TempDir;

use crate::disk::faulty::FaultyDisk;
use crate::ground::{Ground, PATIENCE, Sizes};
use crate::index::SledIndex;
use crate::index::rows::{BodyRow, decode};
use crate::index::{chunk, keys};
use crate::log::scan::{Extent, Image};
use crate::log::segment::{PAGE, SegmentHeader, segment_id};
use crate::{Params, SledStore, StartReport};

/// A store in a folder of its own, on a disk that keeps books.
struct Place {
    folder: TempDir,
    disk: FaultyDisk,
    params: Params,
    sizes: Sizes,
}

fn small() -> Params {
    Params {
        segment_size: Some(8 << 20),
        spares: 1,
        cache: 4 << 20,
        min_free: 1 << 20,
        ballast: 4096,
        ..Params::default()
    }
}

impl Place {
    /// In memory where there is such a folder: these tests are about the order of calls, not about a disk.
    fn new(params: Params) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
        Self { folder, disk: FaultyDisk::default(), params, sizes: Sizes::default() }
    }

    /// With segments of that many octets, and records that fit them.
    fn with_segments(octets: u32) -> Self {
        let params = Params { segment_size: Some(octets), ..small() };
        let sizes = Sizes { segment_min: octets, body_max: octets as usize / 4 };
        Self { sizes, ..Self::new(params) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn open(&self) -> (SledStore, StartReport) {
        self.try_open().expect("opens")
    }

    fn try_open(&self) -> Result<(SledStore, StartReport), crate::OpenError> {
        SledStore::open_on(self.ground(), &self.path(), self.params.clone())
    }

    fn ground(&self) -> Ground {
        let index = Arc::new(SledIndex { cache: self.params.cache });
        Ground { disk: Arc::new(self.disk.clone()), index, sizes: self.sizes, patience: PATIENCE }
    }

    /// What a power cut at this instant would leave, were every write on the platter: a copy, without what
    /// can be made again.
    fn image(&self) -> Self {
        let image = Self { sizes: self.sizes, ..Self::new(self.params.clone()) };
        copy(&self.path(), &image.path());
        image
    }

    /// The newest segment, and where its last batch begins and ends.
    fn last_batch(&self) -> (PathBuf, u32, u32) {
        let log = self.path().join("log");
        let newest = names(&log).into_iter().filter_map(|file| segment_id(&file)).max().expect("a segment");
        let path = crate::log::segment::segment_path(&log, newest);
        let octets = std::fs::read(&path).expect("readable");
        let header = SegmentHeader::decode(&octets).expect("a header");
        let mut image = Image::default();
        let file = crate::disk::Disk::open(&self.disk, &path, crate::disk::Open::Read).expect("opens");
        image.load(&*file, u32::try_from(octets.len()).expect("small")).expect("readable");
        let scanned = image.scan(&header, PAGE, Extent::Tail, |_, _| Ok::<_, ()>(())).expect("no newer");
        assert!(scanned.damage.is_empty() && !scanned.torn);
        (path, scanned.last_batch.expect("a batch"), scanned.end)
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("readable");
    entries.map(|entry| entry.expect("readable").file_name().into_string().expect("a name")).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy(&from, &to);
        } else if !name.contains("spare-") && name != "BALLAST" {
            // A file may go while an image is taken.
            let _ = std::fs::copy(from, to);
        }
    }
}

/// Overwrites a part of a file in place.
fn scribble(path: &Path, at: u64, octets: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().write(true).open(path).expect("opens");
    file.write_all_at(octets, at).expect("written");
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

async fn queued(store: &SledStore) -> Vec<QueueId> {
    // What is durable is seen by whoever opens a mailbox; after that the queue has it too.
    store.open(&name("nobody"), &view("")).await.expect("opened");
    store.queued(None, usize::MAX).await.expect("readable").iter().map(|queued| queued.id).collect()
}

/// Everything that every mailbox lists for its owner: uid and octets.
async fn contents(store: &SledStore) -> BTreeMap<String, Vec<(Uid, Vec<u8>)>> {
    let mut contents = BTreeMap::new();
    for status in store.mailboxes().await.expect("readable") {
        let maildrop = store.open(&status.name, &view("")).await.expect("opened");
        let mut messages = Vec::new();
        for index in 0..maildrop.len() {
            messages.push((maildrop.entry(index).expect("within").uid, read(&maildrop, index).await));
        }
        assert_eq!(status.usage.messages, messages.len() as u64);
        contents.insert(status.name.to_string(), messages);
    }
    contents
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// All rows of a store's index but the one that says how far it is.
fn rows(store: &SledStore) -> Rows {
    rows_of(&*store.kv().expect("an index"))
}

fn rows_of(kv: &dyn crate::index::IndexKv) -> Rows {
    let mut rows = Rows::new();
    kv.scan(&[], &[], &mut |key, value| {
        if key != keys::STATE {
            rows.insert(key.to_vec(), value.to_vec());
        }
        Ok(true)
    })
    .expect("readable");
    rows
}

/// Every entry is held by its body's row, or is alone with its body; and every hold has its entry.
fn assert_holders(rows: &Rows) {
    let mut entries = BTreeMap::new();
    let mut holds = BTreeMap::new();
    let mut left = 0;
    for (key, value) in rows {
        if key.starts_with(keys::ENTRIES) {
            let first = Uid(keys::number(key).expect("a uid"));
            let each = |found: chunk::Found| {
                entries.insert(found.uid.0, (found.row.body, found.row.shared));
                Ok(true)
            };
            chunk::scan(value, first, each).expect("entries");
        } else if key.starts_with(b"B") {
            let row: BodyRow = decode(value).expect("a body");
            let body = u64::from_be_bytes(*key[1..].first_chunk().expect("an id"));
            holds.extend(row.holders.iter().map(|(uid, _)| (uid.0, body)));
            left += if key.ends_with(&[0, 0]) { row.left as usize } else { 0 };
        }
    }
    let (shared, alone): (BTreeMap<_, _>, BTreeMap<_, _>) =
        entries.into_iter().partition(|(_, (_, shared))| *shared);
    assert_eq!(shared.into_iter().map(|(uid, (body, _))| (uid, body)).collect::<BTreeMap<_, _>>(), holds);
    assert_eq!(holds.len(), left);
    let bodies: BTreeSet<u64> = alone.values().map(|(body, _)| *body).collect();
    assert_eq!(bodies.len(), alone.len(), "two entries of one body that has no row");
}

/// Opens a store, and gives what is in it.
fn contents_of(place: &Place) -> BTreeMap<String, Vec<(Uid, Vec<u8>)>> {
    block_on(async {
        let (store, _) = place.open();
        let contents = contents(&store).await;
        store.close().await.expect("closed");
        contents
    })
}
