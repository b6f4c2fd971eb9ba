//! Takes messages apart on threads of their own: few at once, with bounded memory, and never a second time one
//! that broke the parser.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use mail::Known;
use queue::{Incoming, StoreError};
use routing::content::{ContentLimits, Want};
use routing::rules::Content;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{error, warn};

/// Messages that are taken apart at once.
const AT_ONCE: usize = 2;
/// The unit in which memory is counted.
const PAGE: u64 = 4096;
/// What a mark is made of: the beginning of a message's SHA-256.
const MARK: usize = 16;
/// Messages that are remembered; past it the parser is broken for everybody, and an update is due.
const REMEMBERED: usize = 10_000;

type Mark = [u8; MARK];

/// A whole message in memory, counted until the last of its octets is let go, whoever holds them.
#[derive(Clone)]
pub(crate) struct Whole(Bytes);

impl Whole {
    pub(crate) fn octets(&self) -> &Bytes {
        &self.0
    }
}

/// What [`Whole`] holds.
struct Counted {
    octets: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

/// Where messages are taken apart. One for a state folder.
pub(crate) struct Parsing {
    /// The places in `marks` that nobody uses now.
    free: Mutex<Vec<usize>>,
    permits: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    /// What `memory` had permits for at last.
    budget: AtomicU64,
    /// What is being taken apart, written down before: after a crash the next start reads here who it was. It need
    /// not be synced, for a process that dies takes nothing with it that it has written.
    marks: Option<File>,
    known: Mutex<BTreeSet<Mark>>,
    poison: PathBuf,
}

impl Parsing {
    /// Reads what the run before was at when it ended. `budget` octets of messages may be in memory at once.
    pub(crate) fn open(state_dir: &Path, budget: u64) -> io::Result<Self> {
        let poison = state_dir.join("poison");
        let marks = open(&state_dir.join("parsing"))?;
        let text = std::fs::read_to_string(&poison).unwrap_or_default();
        let mut known: BTreeSet<Mark> = text.lines().filter_map(mark_of).take(REMEMBERED).collect();
        let mut left = [0; AT_ONCE * MARK];
        let read = marks.read_at(&mut left, 0)?;
        let crashed: Vec<Mark> =
            left[..read].as_chunks().0.iter().filter(|mark| **mark != [0; MARK]).copied().collect();
        for mark in crashed {
            error!(
                "the last run ended while it took a message apart: that message will not be taken apart again"
            );
            remember(&poison, &mut known, mark)?;
        }
        marks.write_all_at(&[0; AT_ONCE * MARK], 0)?;
        Ok(Self::new(Some(marks), budget, known, poison))
    }

    /// For a process that takes apart one message, and whose end costs nobody anything.
    pub(crate) fn forgetful(budget: u64) -> Self {
        Self::new(None, budget, BTreeSet::new(), PathBuf::from("/dev/null"))
    }

    fn new(marks: Option<File>, budget: u64, known: BTreeSet<Mark>, poison: PathBuf) -> Self {
        Self {
            free: Mutex::new((0..AT_ONCE).collect()),
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            memory: Arc::new(Semaphore::new(pages(budget))),
            budget: AtomicU64::new(budget),
            marks,
            known: Mutex::new(known),
            poison,
        }
    }

    /// Lets more octets be in memory at once. Less takes a restart.
    pub(crate) fn grow(&self, budget: u64) {
        let before = self.budget.fetch_max(budget, Ordering::Relaxed);
        self.memory.add_permits(pages(budget).saturating_sub(pages(before)));
    }

    /// Reads all of a message into memory, as soon as there is room.
    pub(crate) async fn whole<I: Incoming>(
        &self,
        octets: u64,
        content: &mut I,
    ) -> Result<Known<Whole>, StoreError> {
        let pages = u32::try_from(octets.div_ceil(PAGE).max(1)).ok();
        let pages = pages.filter(|_| octets <= self.budget.load(Ordering::Relaxed));
        let Some(pages) = pages else {
            return Ok(Known::Unknown("the message is longer than what is looked at in memory".into()));
        };
        let permit = self.memory.clone().acquire_many_owned(pages).await;
        let permit = permit.map_err(|_| StoreError::Unavailable)?;
        let mut whole = Vec::with_capacity(usize::try_from(octets).unwrap_or_default());
        while (whole.len() as u64) < octets {
            let chunk = content.reread(whole.len() as u64).await?;
            if chunk.is_empty() {
                return Err(StoreError::Damaged("a message that comes in is shorter than what came".into()));
            }
            whole.extend_from_slice(chunk);
        }
        Ok(Known::Is(Whole(Bytes::from_owner(Counted { octets: whole, _permit: permit }))))
    }

    /// What `take_apart` makes of a message, unless it, or a message before with the same octets, breaks it.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        whole: &Whole,
        take_apart: impl FnOnce(&[u8]) -> T + Send + 'static,
    ) -> Known<T> {
        let broken = || Known::Unknown("the message cannot be taken apart".to_owned());
        let Ok(permit) = self.permits.clone().acquire_owned().await else { return broken() };
        let (parsing, whole) = (self.clone(), whole.clone());
        let work = move || {
            // Until it is done, also when nobody waits for it any more.
            let _permit = permit;
            parsing.take_apart(whole.octets(), take_apart)
        };
        tokio::task::spawn_blocking(work).await.ok().flatten().map_or_else(broken, Known::Is)
    }

    /// What a message says, for the rules.
    pub(crate) async fn content(self: &Arc<Self>, whole: &Whole, body: bool) -> Known<Content> {
        self.read(whole, move |octets| {
            Content::read(octets, &ContentLimits::default(), Want { body }).content
        })
        .await
    }

    fn take_apart<T>(&self, octets: &[u8], take_apart: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let mark = mark(octets);
        if lock(&self.known).contains(&mark) {
            return None;
        }
        // There is a place for each permit.
        let place = lock(&self.free).pop()?;
        let at = (place * MARK) as u64;
        if let Some(Err(error)) = self.marks.as_ref().map(|marks| marks.write_all_at(&mark, at)) {
            warn!(%error, "what is taken apart cannot be written down");
        }
        // What it leaves half done is its own, and goes with it.
        let taken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| take_apart(octets)));
        let _ = self.marks.as_ref().map(|marks| marks.write_all_at(&[0; MARK], at));
        lock(&self.free).push(place);
        taken
            .inspect_err(|_| {
                error!("a message broke its parser: it will not be taken apart again");
                if let Err(error) = remember(&self.poison, &mut lock(&self.known), mark) {
                    warn!(%error, "the next start will not know the message that broke its parser");
                }
            })
            .ok()
    }
}

fn pages(octets: u64) -> usize {
    usize::try_from(octets.div_ceil(PAGE)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn mark(octets: &[u8]) -> Mark {
    let mut mark = [0; MARK];
    mark.copy_from_slice(&Sha256::digest(octets)[..MARK]);
    mark
}

fn mark_of(line: &str) -> Option<Mark> {
    u128::from_str_radix(line, 16).ok().map(u128::to_be_bytes)
}

fn remember(poison: &Path, known: &mut BTreeSet<Mark>, mark: Mark) -> io::Result<()> {
    if known.len() >= REMEMBERED || !known.insert(mark) {
        return Ok(());
    }
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(poison)?;
    writeln!(file, "{:032x}", u128::from_be_bytes(mark))
}

#[cfg(test)]
mod tests {
    use queue::{MemoryStore, Store};

    use super::*;

    async fn whole(parsing: &Parsing, octets: &[u8]) -> Known<Whole> {
        let mut incoming = MemoryStore::new().incoming(None).expect("admitted");
        incoming.write(octets).await.expect("taken");
        parsing.whole(octets.len() as u64, &mut incoming).await.expect("readable")
    }

    async fn length(parsing: &Arc<Parsing>, octets: &[u8]) -> Option<usize> {
        let Known::Is(whole) = whole(parsing, octets).await else { return None };
        let read = parsing.read(&whole, |octets| {
            assert!(!octets.starts_with(b"poison"), "for the test");
            octets.len()
        });
        read.await.known().copied()
    }

    #[tokio::test]
    async fn what_breaks_the_parser_is_not_parsed_again_also_after_a_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || Arc::new(Parsing::open(folder.path(), 1 << 20).expect("opened"));
        let parsing = open();
        assert_eq!((length(&parsing, b"mail").await, length(&parsing, b"poison").await), (Some(4), None));
        for parsing in [parsing, open()] {
            let Known::Is(poison) = whole(&parsing, b"poison").await else { panic!("short") };
            let untouched = parsing.read(&poison, |_| panic!("it is not tried")).await;
            assert!(matches!(untouched, Known::<()>::Unknown(_)));
            assert_eq!(length(&parsing, b"mail").await, Some(4));
        }
    }

    #[tokio::test]
    async fn what_was_taken_apart_when_the_process_died_is_not_taken_apart_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || Arc::new(Parsing::open(folder.path(), 1 << 20).expect("opened"));
        let at = folder.path().join("parsing");
        let parsing = open();
        let Known::Is(mail) = whole(&parsing, b"mail").await else { panic!("short") };
        // As the next start finds it when the parser never came back.
        let seen = parsing.read(&mail, move |_| std::fs::read(at).expect("written")).await;
        let seen = seen.known().cloned().expect("read");
        assert_eq!(seen.iter().filter(|octet| **octet != 0).count().div_ceil(MARK), 1);
        std::fs::write(folder.path().join("parsing"), seen).expect("written");
        for _ in 0..2 {
            assert_eq!((length(&open(), b"mail").await, length(&open(), b"other").await), (None, Some(5)));
        }
    }

    #[tokio::test]
    async fn memory_is_bounded_and_comes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let parsing = Arc::new(Parsing::open(folder.path(), 8 << 10).expect("opened"));
        let first = whole(&parsing, &[b'x'; 8 << 10]).await;
        assert!(first.known().is_some());
        assert!(
            whole(&parsing, &[b'x'; (8 << 10) + 1]).await.known().is_none(),
            "never, so it does not wait"
        );
        let waits = tokio::time::timeout(std::time::Duration::from_millis(50), whole(&parsing, b"x")).await;
        assert!(waits.is_err());
        drop(first);
        assert!(whole(&parsing, b"x").await.known().is_some());
        // Less than there was is no less before a restart.
        for budget in [16 << 10, 4 << 10] {
            parsing.grow(budget);
            let both = (whole(&parsing, &[b'x'; 9 << 10]).await, whole(&parsing, b"x").await);
            assert!(both.0.known().is_some() && both.1.known().is_some());
            assert!(whole(&parsing, &[b'x'; (16 << 10) + 1]).await.known().is_none());
        }
    }
}
