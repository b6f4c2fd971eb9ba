//! A disk in memory that can be cut off at any operation: see [`Machine`] for what is left then.
//!
//! It keeps a trace of what was done to it, so that one run gives the image of every operation point: the
//! machine it began with, and the actions up to there.

mod chance;
mod machine;
mod pages;

use std::collections::HashSet;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::io::Errno;

use super::faulty::{Fault, Op};
use super::{Disk, DiskFile, Lock, Open, Space};
pub(crate) use chance::Chance;
pub(crate) use machine::{Action, Inode, Machine, Torn};
use pages::PAGE;

/// What a roomy disk has.
const ROOMY: u64 = 1 << 40;

/// A disk that is not there. Clones share it.
#[derive(Clone)]
pub(crate) struct SimulatedDisk(Arc<Mutex<State>>);

/// All that was done to a disk, oldest first.
pub(crate) struct Trace {
    pub(crate) first: Machine,
    pub(crate) steps: Vec<Step>,
}

/// One action, and in words what it was done to.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) op: Op,
    pub(crate) path: PathBuf,
    pub(crate) action: Action,
}

/// Writes that were ordered to take less than they are given.
struct Short {
    at: u64,
    lasting: bool,
    seen: u64,
}

struct State {
    first: Machine,
    machine: Machine,
    steps: Vec<Step>,
    chance: Chance,
    fault: Option<(Fault, u64)>,
    written: u64,
    locked: HashSet<PathBuf>,
    /// Sectors that cannot be read, by their first octet.
    bad: HashSet<(Inode, usize)>,
    /// Octets of the whole file system; none for a roomy one.
    room: Option<u64>,
    /// Writes now and then take less than they are given.
    short_writes: bool,
    short: Option<Short>,
    off: bool,
}

impl SimulatedDisk {
    /// A disk that goes on from there.
    pub(crate) fn new(machine: Machine, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            first: machine.clone(),
            machine,
            steps: Vec::new(),
            chance: Chance::new(seed),
            fault: None,
            written: 0,
            locked: HashSet::new(),
            bad: HashSet::new(),
            room: None,
            short_writes: false,
            short: None,
            off: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds the disk")
    }

    /// How many actions there have been: the name of this instant.
    pub(crate) fn position(&self) -> usize {
        self.state().steps.len()
    }

    /// All that was done so far.
    pub(crate) fn trace(&self) -> Trace {
        let state = self.state();
        Trace { first: state.first.clone(), steps: state.steps.clone() }
    }

    /// The disk as it is now.
    pub(crate) fn machine(&self) -> Machine {
        self.state().machine.clone()
    }

    /// From now on every call fails: whoever still runs on it gets no further.
    pub(crate) fn switch_off(&self) {
        self.state().off = true;
    }

    /// Orders a fault, counted from now. Tells whether what was ordered before has been met.
    pub(crate) fn order(&self, fault: Option<Fault>) -> bool {
        let mut state = self.state();
        let before = std::mem::replace(&mut state.fault, fault.map(|fault| (fault, 0)));
        let short = state.short.take();
        before.is_some_and(|(fault, seen)| seen > fault.at)
            || short.is_some_and(|short| short.seen > short.at)
    }

    /// Orders that the write of that number, counted from now, takes a part of what it is given, at least one
    /// octet and never all; and every later one, if that lasts. [`Self::order`] ends it.
    pub(crate) fn order_short(&self, at: u64, lasting: bool) {
        self.state().short = Some(Short { at, lasting, seen: 0 });
    }

    /// Octets written so far.
    pub(crate) fn written(&self) -> u64 {
        self.state().written
    }

    /// Whether all that was written to a file is durable.
    pub(crate) fn is_synced(&self, path: &Path) -> bool {
        let state = self.state();
        state.machine.find(path).is_ok_and(|inode| state.machine.is_synced(inode))
    }

    pub(crate) fn say_room(&self, room: Option<u64>) {
        self.state().room = room;
    }

    /// Octets that are taken.
    pub(crate) fn used(&self) -> u64 {
        (self.state().machine.allocated() * PAGE) as u64
    }

    pub(crate) fn write_short(&self, yes: bool) {
        self.state().short_writes = yes;
    }

    /// Other octets where there were some, also on the platter.
    pub(crate) fn rot(&self, path: &Path, at: usize, octets: &[u8]) {
        let mut state = self.state();
        let file = state.machine.find(path).expect("it is there");
        state.machine.rot(file, at, octets);
        state.first = state.machine.clone();
        state.steps.clear();
    }

    /// From now on the sector at `at` cannot be read.
    pub(crate) fn spoil(&self, path: &Path, at: usize) {
        let mut state = self.state();
        let file = state.machine.find(path).expect("it is there");
        state.bad.insert((file, at - at % pages::SECTOR));
    }
}

impl State {
    /// Fails when it is its turn to fail.
    fn begin(&mut self, op: Op) -> io::Result<()> {
        if self.off {
            return Err(Errno::IO.into());
        }
        // Reads fail only where somebody asks for that: how many there are depends on who is first.
        if let Some((fault, seen)) = &mut self.fault
            && fault.only.map_or(op != Op::Read && op != Op::OpenToRead, |only| only == op)
        {
            let now = *seen;
            *seen += 1;
            if now == fault.at || (fault.lasting && now > fault.at) {
                return Err(fault.errno.into());
            }
        }
        Ok(())
    }

    fn act(&mut self, op: Op, path: &Path, action: Action) {
        self.machine.apply(&action);
        self.steps.push(Step { op, path: path.to_owned(), action });
    }

    fn free(&self) -> u64 {
        let used = || (self.machine.allocated() * PAGE) as u64;
        self.room.map_or(ROOMY, |room| room.saturating_sub(used()))
    }

    fn make(&mut self, path: &Path, is_folder: bool) -> io::Result<Inode> {
        let (folder, name) = self.machine.place(path)?;
        if self.machine.find(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = self.machine.next_inode();
        self.act(Op::Open, path, Action::Make { folder, name, inode, is_folder });
        Ok(inode)
    }

    fn unlink(&mut self, path: &Path) -> io::Result<()> {
        self.machine.find(path)?;
        let (folder, name) = self.machine.place(path)?;
        self.act(Op::Unlink, path, Action::Unlink { folder, name });
        Ok(())
    }

    fn write(&mut self, path: &Path, file: Inode, octets: &[u8], at: usize) -> io::Result<usize> {
        let (taken, outcome) = match self.begin(Op::Write) {
            Err(error) if self.off => return Err(error),
            // The worst a full disk does: a part of it is there.
            Err(error) => {
                let part = self.part(octets.len(), at);
                (if part < octets.len() { part } else { 0 }, Err(error))
            }
            Ok(()) => {
                let part = self.short(octets.len(), at);
                self.fit(file, if part > 0 { part } else { octets.len() }, at)
            }
        };
        if taken > 0 {
            let octets = octets[..taken].into();
            self.act(Op::Write, path, Action::Write { file, at, octets });
            self.written += taken as u64;
        }
        outcome.map(|()| taken)
    }

    /// How much of a write is taken at once.
    fn short(&mut self, octets: usize, at: usize) -> usize {
        let Some(short) = &mut self.short else {
            let is_short = self.short_writes && self.chance.one_in(4);
            return if is_short { self.part(octets, at) } else { octets };
        };
        let now = short.seen;
        short.seen += 1;
        let is_short = octets > 1 && (now == short.at || (short.lasting && now > short.at));
        if is_short { 1 + self.chance.below(octets - 1) } else { octets }
    }

    /// Where a write may stop early: between two pages, as kernels do.
    fn part(&mut self, octets: usize, at: usize) -> usize {
        let pages = (at + octets).div_ceil(PAGE) - at / PAGE;
        ((at / PAGE + self.chance.below(pages + 1)) * PAGE).saturating_sub(at).min(octets)
    }

    /// How much of a write the disk has room for.
    fn fit(&self, file: Inode, wanted: usize, at: usize) -> (usize, io::Result<()>) {
        if self.room.is_none() {
            return (wanted, Ok(()));
        }
        let free = usize::try_from(self.free()).unwrap_or(usize::MAX) / PAGE;
        let fits = |part: &usize| self.machine.lacks(file, at, *part) <= free;
        let whole_pages = (at / PAGE + 1..).map(|page| page * PAGE - at).take_while(|part| *part < wanted);
        match whole_pages.chain([wanted]).filter(fits).max() {
            Some(part) => (part, Ok(())),
            None => (0, Err(Errno::NOSPC.into())),
        }
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        let inode = match how {
            Open::Read | Open::Write => {
                state.begin(if how == Open::Read { Op::OpenToRead } else { Op::Open })?;
                state.machine.find(path)?
            }
            Open::Create | Open::CreateDirect => {
                state.begin(Op::Open)?;
                state.make(path, false)?
            }
        };
        Ok(Arc::new(SimulatedFile { disk: self.clone(), path: path.to_owned(), inode }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Op::Rename)?;
        state.machine.find(from)?;
        let action = Action::Rename { from: state.machine.place(from)?, to: state.machine.place(to)? };
        state.act(Op::Rename, to, action);
        Ok(())
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Op::Exchange)?;
        state.machine.find(one)?;
        state.machine.find(other)?;
        let action = Action::Exchange { one: state.machine.place(one)?, other: state.machine.place(other)? };
        state.act(Op::Exchange, other, action);
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Op::Link)?;
        let inode = state.machine.find(from)?;
        if state.machine.find(to).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let (folder, name) = state.machine.place(to)?;
        state.act(Op::Link, to, Action::Link { folder, name, inode });
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Op::Unlink)?;
        state.unlink(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Op::Open)?;
        match state.make(path, true) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    fn fsync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Op::FsyncDir)?;
        let folder = state.machine.find(path)?;
        state.act(Op::FsyncDir, path, Action::SyncFolder { folder });
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let inode = state.machine.find(path)?;
        if state.machine.is_folder(inode) {
            Ok(state.machine.names(inode))
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        for name in self.list(path)? {
            let inner = path.join(name);
            match self.list(&inner) {
                Ok(_) => self.remove_folder(&inner)?,
                Err(_) => self.unlink(&inner)?,
            }
        }
        self.unlink(path)
    }

    fn space(&self, _path: &Path) -> io::Result<Space> {
        let state = self.state();
        Ok(Space { total: state.room.unwrap_or(ROOMY), free: state.free(), inodes: u64::MAX })
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        if !self.state().locked.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Held { disk: self.clone(), path: path.to_owned() }))
    }
}

/// A locked file of a simulated disk.
struct Held {
    disk: SimulatedDisk,
    path: PathBuf,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.disk.state().locked.remove(&self.path);
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    path: PathBuf,
    inode: Inode,
}

impl DiskFile for SimulatedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.begin(Op::Read)?;
        let at = usize::try_from(offset).expect("a simulated file is small");
        let touched = at.saturating_sub(pages::SECTOR - 1)..at + buffer.len();
        if state.bad.iter().any(|(file, sector)| *file == self.inode && touched.contains(sector)) {
            return Err(Errno::IO.into());
        }
        Ok(state.machine.read(self.inode, buffer, at))
    }

    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.disk.state().bad.is_empty() {
            self.read_at(buffer, offset)
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let at = usize::try_from(offset).expect("a simulated file is small");
        let mut octets = Vec::with_capacity(buffers.iter().map(|buffer| buffer.len()).sum());
        buffers.iter().for_each(|buffer| octets.extend_from_slice(buffer));
        self.disk.state().write(&self.path, self.inode, &octets, at)
    }

    fn fdatasync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let file = self.inode;
        let outcome = state.begin(Op::Fdatasync);
        let action = match &outcome {
            Ok(()) => Action::Sync { file },
            Err(_) if state.off => return outcome,
            Err(_) => Action::LostSync { file, seed: state.chance.number() },
        };
        state.act(Op::Fdatasync, &self.path, action);
        outcome
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().machine.octets(self.inode) as u64)
    }

    fn links(&self) -> io::Result<u64> {
        Ok(self.disk.state().machine.links(self.inode) as u64)
    }
}
