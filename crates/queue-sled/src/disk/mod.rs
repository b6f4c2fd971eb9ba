//! The disk as the engine sees it: the few system calls that decide what survives a power cut, behind one
//! trait, so that tests can count them, fail them and take them away.
//!
//! sled does its own input and output; only its final `fdatasync` goes through here.

mod counted;
#[cfg(test)]
pub(crate) mod faulty;
mod real;
#[cfg(test)]
pub(crate) mod simulated;

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

pub(crate) use counted::Counted;
pub use counted::Written;
pub(crate) use real::RealDisk;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// It must be there; for reading only.
    Read,
    /// It must be there; for reading and writing.
    Write,
    /// It must not be there yet.
    Create,
    /// The same, past the page cache: what is written must be aligned to 4 KiB in memory, in the file and in
    /// length. Not every file system can.
    CreateDirect,
}

/// What is left on a file system for the user we run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    /// Octets of the whole file system.
    pub(crate) total: u64,
    /// Octets that can still be written.
    pub(crate) free: u64,
    /// Files that can still be made; `u64::MAX` where the file system does not count them.
    pub(crate) inodes: u64,
}

/// Held as long as it lives: nobody else gets it meanwhile.
pub(crate) type Lock = Box<dyn Send>;

/// System calls on names. A change of a name is durable only after [`Disk::fsync_dir`] of its folder.
pub(crate) trait Disk: Send + Sync + 'static {
    /// Opens a file.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name, over any file that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Swaps two names in one step, also of folders. [`io::ErrorKind::Unsupported`] where the file system cannot.
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()>;
    /// Gives a file a second name, which must be free. [`io::ErrorKind::CrossesDevices`] when that lies on
    /// another file system.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a name away.
    fn unlink(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder; one that is there already is no error.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn fsync_dir(&self, path: &Path) -> io::Result<()>;
    /// The names in a folder, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Takes away a folder and all that is in it.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;
    /// See [`Space`].
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// Locks a file, made if it is not there: [`io::ErrorKind::WouldBlock`] when another process or another
    /// store of this one has it.
    fn lock(&self, path: &Path) -> io::Result<Lock>;
    /// What was written so far, where that is counted.
    fn written(&self) -> Written {
        Written::default()
    }
}

/// System calls on one open file.
pub(crate) trait DiskFile: Send + Sync {
    /// One `pread`: how many octets came, 0 at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The same, but only from the page cache: [`io::ErrorKind::WouldBlock`] when the disk must be asked.
    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// One `pwritev`: how many octets were taken.
    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;

    /// Makes what was written durable. **An error is final for this file**: what the kernel still has of it
    /// is not known any more, and asking again would lie.
    fn fdatasync(&self) -> io::Result<()>;

    /// Octets of the file.
    fn len(&self) -> io::Result<u64>;

    /// Names of the file: more than one when a backup has it too.
    fn links(&self) -> io::Result<u64>;
}

/// Writes all of the buffers, in as few system calls as the kernel takes (at most 1,024 buffers each).
pub(crate) fn write_all_vectored(
    file: &dyn DiskFile,
    mut buffers: &mut [IoSlice<'_>],
    mut offset: u64,
) -> io::Result<()> {
    const IOV_MAX: usize = 1024;
    // An empty slice in front would make a full write look like one of nothing.
    IoSlice::advance_slices(&mut buffers, 0);
    while !buffers.is_empty() {
        let part = buffers.len().min(IOV_MAX);
        match file.write_vectored_at(&buffers[..part], offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(taken) => {
                offset += taken as u64;
                IoSlice::advance_slices(&mut buffers, taken);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes all of `octets`.
pub(crate) fn write_all(file: &dyn DiskFile, octets: &[u8], offset: u64) -> io::Result<()> {
    write_all_vectored(file, &mut [IoSlice::new(octets)], offset)
}

/// Fills the buffer, or fails with [`io::ErrorKind::UnexpectedEof`].
pub(crate) fn read_exact(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    fill(buffer, offset, |part, at| file.read_at(part, at))
}

/// The same from the page cache alone.
pub(crate) fn read_exact_cached(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    fill(buffer, offset, |part, at| file.read_cached(part, at))
}

fn fill(
    buffer: &mut [u8],
    offset: u64,
    read: impl Fn(&mut [u8], u64) -> io::Result<usize>,
) -> io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        match read(&mut buffer[done..], offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(got) => done += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether an error says that the process or the machine has no room for more open files, or no memory: that
/// passes, and says nothing about what is on the disk.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENOMEM | ENFILE | EMFILE))
}

/// Whether an error says that the file system has no room.
pub(crate) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
