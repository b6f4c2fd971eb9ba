//! A disk that counts what is asked of it, and says no at operation n.

use std::collections::{HashMap, HashSet};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use super::{Disk, DiskFile, Lock, Open, RealDisk, Space};

/// Which operations count and may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    /// Of a read, only where one asks for reads by name.
    Read,
    Open,
    /// Opening for reading; it counts only where it is named.
    OpenToRead,
    Write,
    Fdatasync,
    Rename,
    Exchange,
    Link,
    Unlink,
    FsyncDir,
}

/// From which operation on what fails.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// Only operations of this kind count; all when none is named.
    pub(crate) only: Option<Op>,
    /// The number of the operation that fails, from 0.
    pub(crate) at: u64,
    /// Every later one fails too.
    pub(crate) lasting: bool,
    /// With what.
    pub(crate) errno: rustix::io::Errno,
}

#[derive(Default)]
struct Books {
    counts: HashMap<Op, u64>,
    written: u64,
    /// Files with octets that no fdatasync has covered.
    unsynced: HashSet<PathBuf>,
    fault: Option<(Fault, u64)>,
    free: Option<u64>,
    /// No file can be made while this one is there.
    full_while: Option<PathBuf>,
    /// No file of that name can be made.
    full_for: Option<&'static str>,
    /// Nothing is synced until somebody says so.
    stalled: bool,
    /// Is called once, by whoever looks into that folder next.
    on_list: Option<(PathBuf, OnList)>,
}

type OnList = Box<dyn FnOnce() + Send>;

/// The real disk, with its books kept and its faults ordered.
#[derive(Clone, Default)]
pub(crate) struct FaultyDisk(Arc<Mutex<Books>>, Arc<Condvar>);

impl FaultyDisk {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().expect("no test panics while it holds the books")
    }

    /// Orders a fault, counted from now. Tells whether the one ordered before has been met.
    pub(crate) fn order(&self, fault: Option<Fault>) -> bool {
        let before = std::mem::replace(&mut self.books().fault, fault.map(|fault| (fault, 0)));
        before.is_some_and(|(fault, seen)| seen > fault.at)
    }

    pub(crate) fn count(&self, op: Op) -> u64 {
        self.books().counts.get(&op).copied().unwrap_or(0)
    }

    pub(crate) fn written(&self) -> u64 {
        self.books().written
    }

    pub(crate) fn unsynced(&self) -> Vec<PathBuf> {
        self.books().unsynced.iter().cloned().collect()
    }

    pub(crate) fn say_free(&self, free: Option<u64>) {
        self.books().free = free;
    }

    /// Lets every sync wait, or go on.
    pub(crate) fn stall(&self, stalled: bool) {
        self.books().stalled = stalled;
        self.1.notify_all();
    }

    /// A disk that is full until a file is removed.
    pub(crate) fn full_while(&self, file: Option<PathBuf>) {
        self.books().full_while = file;
    }

    /// Has something done when somebody looks into a folder, before he sees it.
    pub(crate) fn on_list(&self, folder: PathBuf, call: impl FnOnce() + Send + 'static) {
        self.books().on_list = Some((folder, Box::new(call)));
    }

    /// A disk that has no room for files of that name.
    pub(crate) fn full_for(&self, name: Option<&'static str>) {
        self.books().full_for = name;
    }

    fn step(&self, op: Op) -> io::Result<()> {
        let mut books = self.books();
        *books.counts.entry(op).or_default() += 1;
        if let Some((fault, seen)) = &mut books.fault
            && fault.only.map_or(op != Op::OpenToRead, |only| only == op)
        {
            let now = *seen;
            *seen += 1;
            if now == fault.at || (fault.lasting && now > fault.at) {
                return Err(fault.errno.into());
            }
        }
        Ok(())
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>> {
        let full = {
            let books = self.books();
            books.full_while.as_ref().is_some_and(|file| file.exists())
                || books.full_for.is_some_and(|name| path.ends_with(name))
        };
        if full && matches!(how, Open::Create | Open::CreateDirect) {
            return Err(rustix::io::Errno::NOSPC.into());
        }
        self.step(if how == Open::Read { Op::OpenToRead } else { Op::Open })?;
        let file = RealDisk.open(path, how)?;
        Ok(Arc::new(FaultyFile { disk: self.clone(), path: path.to_owned(), file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(Op::Rename)?;
        RealDisk.rename(from, to)?;
        let mut books = self.books();
        if books.unsynced.remove(from) {
            books.unsynced.insert(to.to_owned());
        }
        Ok(())
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        self.step(Op::Exchange)?;
        RealDisk.exchange(one, other)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(Op::Link)?;
        RealDisk.link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.step(Op::Unlink)?;
        RealDisk.unlink(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }

    fn fsync_dir(&self, path: &Path) -> io::Result<()> {
        self.step(Op::FsyncDir)?;
        RealDisk.fsync_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let due = self.books().on_list.take_if(|(folder, _)| folder == path);
        if let Some((_, call)) = due {
            call();
        }
        RealDisk.list(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_folder(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        RealDisk.lock(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let mut space = RealDisk.space(path)?;
        if let Some(free) = self.books().free {
            space.free = free;
        }
        Ok(space)
    }
}

struct FaultyFile {
    disk: FaultyDisk,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
}

impl DiskFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_cached(buffer, offset)
    }

    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        if let Err(error) = self.disk.step(Op::Write) {
            // The worst a full disk does: half of it is there.
            let first = buffers.first().map_or(&[][..], |b| &b[..b.len() / 2]);
            self.file.write_vectored_at(&[IoSlice::new(first)], offset)?;
            return Err(error);
        }
        let taken = self.file.write_vectored_at(buffers, offset)?;
        let mut books = self.disk.books();
        books.written += taken as u64;
        books.unsynced.insert(self.path.clone());
        Ok(taken)
    }

    fn fdatasync(&self) -> io::Result<()> {
        let books = self.disk.books();
        drop(self.disk.1.wait_while(books, |books| books.stalled).expect("no panic"));
        self.disk.step(Op::Fdatasync)?;
        // Not handed on: tests are about the order of calls, and there are many of them.
        self.disk.books().unsynced.remove(&self.path);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn links(&self) -> io::Result<u64> {
        self.file.links()
    }
}
