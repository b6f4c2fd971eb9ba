use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::segment::PAGE;
use crate::disk::{Disk, Open, write_all};

const ZEROS: usize = 1 << 20;

/// Files for segments to come, written full of zeros and synced before they are named `spare-*`: a sync into
/// blocks that were written before costs a quarter of one into a file that grows.
pub(crate) struct Spares {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    ready: VecDeque<PathBuf>,
    /// The number in the name of the last one.
    number: u64,
    wanted: usize,
    failed: Option<(io::ErrorKind, String)>,
    closed: bool,
}

impl Spares {
    /// Takes over what an earlier run has prepared, and keeps `wanted` ready from a thread of its own.
    pub(crate) fn start(
        disk: Arc<dyn Disk>,
        log: PathBuf,
        segment_size: u32,
        wanted: usize,
        patience: Duration,
    ) -> io::Result<(Arc<Self>, JoinHandle<()>)> {
        let (mut ready, mut number) = (VecDeque::new(), 0);
        for name in disk.list(&log)? {
            let path = log.join(&name);
            if name.starts_with("tmp-spare-") {
                disk.unlink(&path)?;
            } else if let Some(taken) = name.strip_prefix("spare-") {
                number = number.max(taken.parse().unwrap_or(0));
                if disk.open(&path, Open::Read)?.len()? == u64::from(segment_size) {
                    ready.push_back(path);
                } else {
                    disk.unlink(&path)?;
                }
            }
        }
        let state = State { ready, number, wanted, failed: None, closed: false };
        let spares = Arc::new(Self { state: Mutex::new(state), changed: Condvar::new() });
        let preparer = Preparer { disk, log, segment_size, patience, spares: spares.clone() };
        let thread = std::thread::Builder::new().name("spares".into()).spawn(move || preparer.run())?;
        Ok((spares, thread))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for one; fails when the last attempt to make one did.
    pub(crate) fn take(&self) -> io::Result<PathBuf> {
        let mut state = self.lock();
        loop {
            if let Some(path) = state.ready.pop_front() {
                self.changed.notify_all();
                return Ok(path);
            }
            if let Some((kind, text)) = &state.failed {
                return Err(io::Error::new(*kind, text.clone()));
            }
            if state.closed {
                return Err(io::Error::other("the store is closing"));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether there is one segment left and no more can be made; the one that is written counts.
    pub(crate) fn is_last(&self, writing: bool) -> bool {
        let state = self.lock();
        state.failed.is_some() && state.ready.len() + usize::from(writing) <= 1
    }

    /// Waits until as many as wanted are ready; false when that fails.
    pub(crate) fn wait_ready(&self) -> bool {
        let mut state = self.lock();
        while state.ready.len() < state.wanted {
            if state.failed.is_some() || state.closed {
                return false;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// Makes a spare of a segment that nobody needs any more; false when there are enough. The new name is
    /// durable before the file can be taken: were the old one to come back, it would be mail that comes back.
    pub(crate) fn recycle(&self, disk: &dyn Disk, log: &Path, segment: &Path) -> io::Result<bool> {
        let mut state = self.lock();
        // More than are wanted, or one made of zeros would nearly always have been quicker.
        if state.closed || state.ready.len() >= 2 * state.wanted {
            return Ok(false);
        }
        let path = log.join(format!("spare-{}", state.next_number()));
        drop(state);
        disk.rename(segment, &path)?;
        disk.fsync_dir(log)?;
        // The next to be taken: what was written lately is in the page cache, and writing there costs least.
        self.lock().ready.push_front(path);
        self.changed.notify_all();
        Ok(true)
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

impl State {
    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
}

struct Preparer {
    disk: Arc<dyn Disk>,
    log: PathBuf,
    segment_size: u32,
    /// How long after a failure another spare is tried.
    patience: Duration,
    spares: Arc<Spares>,
}

impl Preparer {
    fn run(self) {
        while self.wait_for_need() {
            let number = self.spares.lock().next_number();
            let outcome = self.prepare(number);
            let mut state = self.spares.lock();
            match outcome {
                Ok(path) => {
                    state.ready.push_back(path);
                    state.failed = None;
                }
                Err(_) if state.closed => {}
                Err(error) => {
                    tracing::warn!(%error, "no spare segment could be prepared");
                    state.failed = Some((error.kind(), error.to_string()));
                }
            }
            self.spares.changed.notify_all();
        }
    }

    fn wait_for_need(&self) -> bool {
        let mut state = self.spares.lock();
        if state.failed.is_some() && !state.closed {
            state = self
                .spares
                .changed
                .wait_timeout(state, self.patience)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        while !state.closed && state.ready.len() >= state.wanted {
            state = self.spares.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.closed
    }

    fn prepare(&self, number: u64) -> io::Result<PathBuf> {
        let path = self.log.join(format!("spare-{number}"));
        let draft = self.log.join(format!("tmp-spare-{number}"));
        // Zeros that nobody will read have no business in the page cache; but it always takes them.
        let mut written = self.write_zeros(&draft, Open::CreateDirect);
        if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::InvalidInput) {
            match self.disk.unlink(&draft) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => written = self.write_zeros(&draft, Open::Create),
            }
        }
        if let Err(error) = written.and_then(|()| self.disk.rename(&draft, &path)) {
            // A half of a spare on a full disk would only take more room away.
            let _ = self.disk.unlink(&draft);
            return Err(error);
        }
        Ok(path)
    }

    fn write_zeros(&self, path: &Path, how: Open) -> io::Result<()> {
        let page = PAGE as usize;
        let zeros = vec![0; ZEROS + page];
        let aligned = zeros.as_ptr().align_offset(page).min(page);
        let zeros = &zeros[aligned..aligned + ZEROS];
        let file = self.disk.open(path, how)?;
        let mut at = 0;
        while at < self.segment_size as usize {
            if self.spares.lock().closed {
                return Err(io::Error::other("the store is closing"));
            }
            let part = (self.segment_size as usize - at).min(ZEROS);
            write_all(&*file, &zeros[..part], at as u64)?;
            at += part;
        }
        file.fdatasync()
    }
}
