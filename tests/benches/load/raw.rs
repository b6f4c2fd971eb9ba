//! The limit: what group commit reaches on this disk with nothing around it.
//!
//! Producers hand payloads to one committer, which writes what is there with one `pwritev` and one
//! `fdatasync` into a file that was filled with zeros and synced before, and wakes who waits for it.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use rustix::fs::fdatasync;
use rustix::io::pwritev;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::producers::{Produced, Until, produce};

const FILE: u64 = 256 << 20;
/// The most that one batch holds, as in the store.
const BATCH_OCTETS: usize = 4 << 20;
const BATCH_RECORDS: usize = 512;
const BLOCK: u64 = 4_096;

/// A pre-written file that is overwritten round and round.
#[derive(Debug)]
pub(crate) struct Raw {
    file: File,
    end: u64,
}

/// Where producers leave their numbers, and are told.
struct Desk {
    waiting: Mutex<Waiting>,
    work: Condvar,
    tickets: Vec<Notify>,
    failed: AtomicBool,
}

struct Waiting {
    producers: Vec<usize>,
    open: bool,
}

impl Raw {
    /// Writes the file; takes a few seconds.
    pub(crate) fn prepare(folder: &Path) -> io::Result<Self> {
        let mut file = File::create_new(folder.join("raw"))?;
        let zeros = vec![0; 1 << 20];
        for _ in 0..FILE / (1 << 20) {
            file.write_all(&zeros)?;
        }
        file.sync_all()?;
        Ok(Self { file, end: 0 })
    }

    /// Runs so many producers of payloads of a size, and says how many octets went to the disk.
    pub(crate) fn slice(
        &mut self,
        runtime: &Runtime,
        producers: usize,
        size: usize,
        until: Until,
    ) -> io::Result<(Produced, u64)> {
        let desk = Arc::new(Desk {
            waiting: Mutex::new(Waiting { producers: Vec::with_capacity(producers), open: true }),
            work: Condvar::new(),
            tickets: (0..producers).map(|_| Notify::new()).collect(),
            failed: AtomicBool::new(false),
        });
        // One for each producer: a single one would never leave the nearest cache.
        let payloads = vec![vec![b'x'; size]; producers];
        thread::scope(|scope| {
            let committer = scope.spawn(|| self.commit(&desk, &payloads));
            let shared = desk.clone();
            let commit = move |producer| {
                let desk = shared.clone();
                async move { desk.commit(producer).await }
            };
            let produced = runtime.block_on(produce(producers, until, commit));
            desk.close();
            let written = committer.join().map_err(|_| io::Error::other("the committer died"))??;
            Ok((produced?, written))
        })
    }

    fn commit(&mut self, desk: &Desk, payloads: &[Vec<u8>]) -> io::Result<u64> {
        let most = (BATCH_OCTETS / payloads[0].len()).clamp(1, BATCH_RECORDS);
        let mut batch = Vec::with_capacity(most);
        let mut result = Ok(0);
        while desk.take(&mut batch, most) {
            // After a failure nothing is written any more, but nobody may be left waiting.
            result = result.and_then(|octets| Ok(octets + self.write(payloads, &batch)?));
            desk.failed.store(result.is_err(), Ordering::Release);
            batch.iter().for_each(|producer| desk.tickets[*producer].notify_one());
        }
        result
    }

    fn write(&mut self, payloads: &[Vec<u8>], batch: &[usize]) -> io::Result<u64> {
        let slices: Vec<_> = batch.iter().map(|producer| IoSlice::new(&payloads[*producer])).collect();
        let octets: u64 = slices.iter().map(|slice| slice.len() as u64).sum();
        if self.end + octets > FILE {
            self.end = 0;
        }
        let written = pwritev(&self.file, &slices, self.end)?;
        if written as u64 != octets {
            return Err(io::Error::other("a short write"));
        }
        fdatasync(&self.file)?;
        self.end = (self.end + octets).next_multiple_of(BLOCK);
        Ok(octets)
    }
}

impl Desk {
    async fn commit(&self, producer: usize) -> io::Result<()> {
        self.submit(producer);
        self.tickets[producer].notified().await;
        if self.failed.load(Ordering::Acquire) { Err(io::Error::other("the write failed")) } else { Ok(()) }
    }

    fn submit(&self, producer: usize) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let first = waiting.producers.is_empty();
        waiting.producers.push(producer);
        drop(waiting);
        if first {
            self.work.notify_one();
        }
    }

    /// Waits for work; false when there will be none.
    fn take(&self, batch: &mut Vec<usize>, most: usize) -> bool {
        batch.clear();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.producers.is_empty() && waiting.open {
            waiting = self.work.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let taken = waiting.producers.len().min(most);
        batch.extend(waiting.producers.drain(..taken));
        !batch.is_empty()
    }

    fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).open = false;
        self.work.notify_one();
    }
}
