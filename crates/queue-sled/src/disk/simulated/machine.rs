//! What a disk has, and what it only seems to have.
//!
//! **Files.** A write goes to the page cache, where everyone reads it. The platter has it after `fdatasync`;
//! before that each 512-octet sector of each write may have reached the platter or not, whatever became of
//! its neighbours and of the writes before and after it. A sector written twice may hold any of its versions.
//! A file that grew may be as long as its last write or shorter; octets in between that never came are zeros.
//!
//! **Names.** A change of names is durable after `fsync` of its folder; before that it may be durable or not.
//! ext4 keeps the order (what is durable is a prefix of all changes); other file systems keep less, so half
//! of all cuts take any subset. A rename is one change even across folders: no cut shows both names or none,
//! but a file made and renamed since may have either, or no name at all. `fdatasync` of a file makes no name
//! durable here, though ext4 often does.
//!
//! **A failed `fdatasync`** leaves any subset of the sectors on the platter, and forgets which: a later
//! `fdatasync` brings only pages there that were written again. The page cache mostly keeps what was written,
//! and lies.
//!
//! **A tear** ([`Machine::tear`]) is worse than a disk should be: in a sector that was not reached there may be zeros,
//! any octets, or another sector's.
//!
//! **A kill** leaves the page cache; a write may have been cut short at a page. **A power cut** leaves the
//! platter alone. Folders that were made and whose name is lost take what is in them with them.

mod torn;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

use super::chance::Chance;
use super::pages::{PAGE, Pages, SECTOR};
pub(crate) use torn::Torn;

/// Which file or folder, whatever its name.
pub(crate) type Inode = usize;

const ROOT: Inode = 0;

/// What a system call has done to a machine.
#[derive(Clone)]
pub(crate) enum Action {
    Make {
        folder: Inode,
        name: String,
        inode: Inode,
        is_folder: bool,
    },
    Rename {
        from: (Inode, String),
        to: (Inode, String),
    },
    Exchange {
        one: (Inode, String),
        other: (Inode, String),
    },
    Link {
        folder: Inode,
        name: String,
        inode: Inode,
    },
    Unlink {
        folder: Inode,
        name: String,
    },
    Write {
        file: Inode,
        at: usize,
        octets: Arc<[u8]>,
    },
    Sync {
        file: Inode,
    },
    /// An `fdatasync` that has failed: the seed says what reached the platter all the same.
    LostSync {
        file: Inode,
        seed: u64,
    },
    SyncFolder {
        folder: Inode,
    },
}

/// A disk under a page cache.
#[derive(Clone)]
pub(crate) struct Machine {
    nodes: Vec<Arc<Node>>,
    /// Changes of names since they were last durable, oldest first.
    renamed: Vec<NameChange>,
}

#[derive(Clone)]
enum Node {
    File(File),
    Folder(Folder),
}

#[derive(Clone, Default)]
struct File {
    cache: Pages,
    platter: Pages,
    /// Writes since the last sync, oldest first.
    unsynced: Vec<(usize, Arc<[u8]>)>,
}

#[derive(Clone, Default)]
struct Folder {
    cache: BTreeMap<String, Inode>,
    platter: BTreeMap<String, Inode>,
}

/// What several names say from now on: all of it at once.
type NameChange = Vec<(Inode, String, Option<Inode>)>;

/// Which part of what was not synced reaches the platter.
#[derive(Debug, Clone, Copy)]
enum Reaches {
    Nothing,
    Everything,
    /// The writes up to some sector, as if they went there in order.
    Beginning,
    /// Each sector with a chance of so many in ten.
    Some(usize),
    /// All but one sector.
    AllButOne,
}

const WAYS: [Reaches; 7] = [
    Reaches::Nothing,
    Reaches::Everything,
    Reaches::Beginning,
    Reaches::Some(1),
    Reaches::Some(5),
    Reaches::Some(9),
    Reaches::AllButOne,
];

impl Default for Machine {
    fn default() -> Self {
        Self { nodes: vec![Arc::new(Node::Folder(Folder::default()))], renamed: Vec::new() }
    }
}

impl Machine {
    pub(crate) fn apply(&mut self, action: &Action) {
        match action {
            Action::Make { folder, name, inode, is_folder } => {
                assert_eq!(*inode, self.nodes.len(), "inodes are numbered as they come");
                let node =
                    if *is_folder { Node::Folder(Folder::default()) } else { Node::File(File::default()) };
                self.nodes.push(Arc::new(node));
                self.rename(vec![(*folder, name.clone(), Some(*inode))]);
            }
            Action::Rename { from, to } => {
                let inode = self.folder(from.0).cache.get(&from.1).copied();
                self.rename(vec![(from.0, from.1.clone(), None), (to.0, to.1.clone(), inode)]);
            }
            Action::Exchange { one, other } => {
                let inode = |(folder, name): &(Inode, String)| self.folder(*folder).cache.get(name).copied();
                let (first, second) = (inode(one), inode(other));
                self.rename(vec![(one.0, one.1.clone(), second), (other.0, other.1.clone(), first)]);
            }
            Action::Link { folder, name, inode } => {
                self.rename(vec![(*folder, name.clone(), Some(*inode))]);
            }
            Action::Unlink { folder, name } => self.rename(vec![(*folder, name.clone(), None)]),
            Action::Write { file, at, octets } => {
                let file = self.file_mut(*file);
                file.cache.write(octets, *at);
                file.unsynced.push((*at, octets.clone()));
            }
            Action::Sync { file } => {
                let file = self.file_mut(*file);
                for (at, octets) in std::mem::take(&mut file.unsynced) {
                    file.platter.take_over(&file.cache, at, octets.len());
                }
            }
            Action::LostSync { file, seed } => {
                let mut chance = Chance::new(*seed);
                let file = self.file_mut(*file);
                let way = chance.pick(&WAYS);
                file.lose(way, &mut chance);
                if chance.one_in(4) {
                    file.cache = file.platter.clone();
                }
            }
            Action::SyncFolder { folder } => {
                let renamed = std::mem::take(&mut self.renamed);
                let (durable, left): (Vec<_>, Vec<_>) =
                    renamed.into_iter().partition(|change| change.iter().any(|(of, ..)| of == folder));
                self.renamed = left;
                durable.iter().for_each(|change| self.name_on_platter(change));
            }
        }
    }

    fn rename(&mut self, change: NameChange) {
        for (folder, name, inode) in &change {
            set(&mut self.folder_mut(*folder).cache, name, *inode);
        }
        self.renamed.push(change);
    }

    fn name_on_platter(&mut self, change: &NameChange) {
        for (folder, name, inode) in change {
            set(&mut self.folder_mut(*folder).platter, name, *inode);
        }
    }

    /// What the next start finds after the power has gone. True when some write was torn: a part of it is
    /// there.
    pub(crate) fn power_cut(&self, chance: &mut Chance) -> (Self, bool) {
        let mut image = self.clone();
        for change in chosen_names(std::mem::take(&mut image.renamed), chance) {
            image.name_on_platter(&change);
        }
        // Often the same fate for all files, so that one of them all lost and another all there is no rarity.
        let same = chance.one_in(2).then(|| chance.pick(&WAYS));
        let mut torn = false;
        for node in &mut image.nodes {
            match Arc::make_mut(node) {
                Node::File(file) => {
                    let way = same.unwrap_or_else(|| chance.pick(&WAYS));
                    torn |= file.lose(way, chance);
                    file.cache = file.platter.clone();
                }
                Node::Folder(folder) => folder.cache.clone_from(&folder.platter),
            }
        }
        (image, torn)
    }

    /// What the next start finds after the process was killed in the middle of `next`.
    pub(crate) fn killed(&self, next: Option<&Action>, chance: &mut Chance) -> Self {
        let mut image = self.clone();
        if let Some(Action::Write { file, at, octets }) = next {
            let pages = (at + octets.len()).div_ceil(PAGE) - at / PAGE;
            let kept = ((at / PAGE + chance.below(pages + 1)) * PAGE).saturating_sub(*at).min(octets.len());
            if kept > 0 {
                image.apply(&Action::Write { file: *file, at: *at, octets: octets[..kept].into() });
            }
        }
        image
    }

    /// Bad luck: other octets on the platter and in the cache.
    pub(super) fn rot(&mut self, file: Inode, at: usize, octets: &[u8]) {
        let file = self.file_mut(file);
        file.cache.write(octets, at);
        file.platter.write(octets, at);
    }

    pub(super) fn next_inode(&self) -> Inode {
        self.nodes.len()
    }

    pub(super) fn read(&self, file: Inode, buffer: &mut [u8], at: usize) -> usize {
        self.file(file).cache.read(buffer, at)
    }

    pub(super) fn octets(&self, file: Inode) -> usize {
        self.file(file).cache.octets()
    }

    pub(super) fn is_synced(&self, file: Inode) -> bool {
        self.file(file).unsynced.is_empty()
    }

    /// How many pages a write would have to allocate.
    pub(super) fn lacks(&self, file: Inode, at: usize, octets: usize) -> usize {
        self.file(file).cache.lacks(at, octets)
    }

    /// Pages of all files that have a name.
    pub(super) fn allocated(&self) -> usize {
        let mut pages = 0;
        let mut folders = vec![ROOT];
        while let Some(folder) = folders.pop() {
            for inode in self.folder(folder).cache.values() {
                match &*self.nodes[*inode] {
                    Node::File(file) => pages += file.cache.allocated(),
                    Node::Folder(_) => folders.push(*inode),
                }
            }
        }
        pages
    }

    /// How many names a file has.
    pub(super) fn links(&self, file: Inode) -> usize {
        let folders = self.nodes.iter().filter_map(|node| match &**node {
            Node::Folder(folder) => Some(folder),
            Node::File(_) => None,
        });
        folders.flat_map(|folder| folder.cache.values()).filter(|inode| **inode == file).count()
    }

    pub(super) fn names(&self, folder: Inode) -> Vec<String> {
        self.folder(folder).cache.keys().cloned().collect()
    }

    pub(super) fn is_folder(&self, inode: Inode) -> bool {
        matches!(&*self.nodes[inode], Node::Folder(_))
    }

    /// The file or folder of that name.
    pub(super) fn find(&self, path: &Path) -> io::Result<Inode> {
        let mut inode = ROOT;
        for component in path.components() {
            if let Component::Normal(name) = component {
                let Node::Folder(folder) = &*self.nodes[inode] else {
                    return Err(io::ErrorKind::NotADirectory.into());
                };
                inode = *folder.cache.get(text(name)).ok_or(io::ErrorKind::NotFound)?;
            }
        }
        Ok(inode)
    }

    /// The folder of a path, and the name in it.
    pub(super) fn place(&self, path: &Path) -> io::Result<(Inode, String)> {
        let folder = self.find(path.parent().unwrap_or(Path::new("/")))?;
        Ok((folder, text(path.file_name().unwrap_or_default()).to_owned()))
    }

    fn file(&self, inode: Inode) -> &File {
        match &*self.nodes[inode] {
            Node::File(file) => file,
            Node::Folder(_) => panic!("a folder has no octets"),
        }
    }

    fn file_mut(&mut self, inode: Inode) -> &mut File {
        match Arc::make_mut(&mut self.nodes[inode]) {
            Node::File(file) => file,
            Node::Folder(_) => panic!("a folder has no octets"),
        }
    }

    fn folder(&self, inode: Inode) -> &Folder {
        match &*self.nodes[inode] {
            Node::Folder(folder) => folder,
            Node::File(_) => panic!("a file has no names in it"),
        }
    }

    fn folder_mut(&mut self, inode: Inode) -> &mut Folder {
        match Arc::make_mut(&mut self.nodes[inode]) {
            Node::Folder(folder) => folder,
            Node::File(_) => panic!("a file has no names in it"),
        }
    }
}

impl File {
    /// Brings a part of what is not synced to the platter, and forgets the rest. True when a part was lost and
    /// a part was not.
    fn lose(&mut self, way: Reaches, chance: &mut Chance) -> bool {
        let unsynced = std::mem::take(&mut self.unsynced);
        let sectors: usize = unsynced.iter().map(|(at, octets)| sectors(*at, octets.len()).count()).sum();
        if sectors == 0 {
            return false;
        }
        let one = chance.below(sectors);
        let mut reached = 0;
        let mut ordinal = 0;
        for (at, octets) in &unsynced {
            for (from, to) in sectors_of(*at, octets.len()) {
                if way.reaches(ordinal, one, chance) {
                    self.platter.write(&octets[from..to], at + from);
                    reached += 1;
                }
                ordinal += 1;
            }
        }
        if chance.one_in(3) && self.cache.octets() > self.platter.octets() {
            // Its length may have come there without its octets.
            let more = chance.below(self.cache.octets() - self.platter.octets() + 1);
            self.platter.grow(self.platter.octets() + more);
        }
        reached > 0 && reached < sectors
    }
}

fn sectors(at: usize, octets: usize) -> std::ops::Range<usize> {
    at / SECTOR..(at + octets).div_ceil(SECTOR)
}

/// The parts of a write that lie in one sector each, as ranges of its octets.
fn sectors_of(at: usize, octets: usize) -> impl Iterator<Item = (usize, usize)> {
    sectors(at, octets).map(move |sector| {
        let from = (sector * SECTOR).saturating_sub(at);
        (from, ((sector + 1) * SECTOR - at).min(octets))
    })
}

/// Which changes of names are durable, in their order.
fn chosen_names(changes: Vec<NameChange>, chance: &mut Chance) -> Vec<NameChange> {
    match chance.below(4) {
        0 => Vec::new(),
        1 => {
            let kept = chance.below(changes.len() + 1);
            changes.into_iter().take(kept).collect()
        }
        _ => {
            let tenths = chance.pick(&[2, 5, 8, 10]);
            changes.into_iter().filter(|_| chance.below(10) < tenths).collect()
        }
    }
}

fn set(names: &mut BTreeMap<String, Inode>, name: &str, inode: Option<Inode>) {
    match inode {
        Some(inode) => drop(names.insert(name.to_owned(), inode)),
        None => drop(names.remove(name)),
    }
}

fn text(name: &OsStr) -> &str {
    name.to_str().expect("our names are text")
}
