use std::time::Duration;

use crate::ground::Sizes;
use crate::log::segment::PAGE;

/// How much of the machine a store may use. The defaults suit a small server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params {
    /// Octets of a segment, for the life of a store: asked only when it is made. `None`: 16 MiB on file
    /// systems under 40 GB, else 64 MiB. At least twice the longest record (8 MiB) and a multiple of 4 KiB.
    pub segment_size: Option<u32>,
    /// Segments prepared ahead. Default 2.
    pub spares: usize,
    /// Octets that sled may use for its cache. Default 64 MiB.
    pub cache: u64,
    /// Entries of opened mailboxes kept in memory, 32 octets each. Default 1,000,000.
    pub entries: usize,
    /// Octets that messages in flight may take in memory; what does not fit is received into a file.
    /// Default 64 MiB.
    pub memory: usize,
    /// Octets that they may take in memory and in files together; past it no message is begun, and one that
    /// grows past it is given up. Default 512 MiB.
    pub inflight: u64,
    /// Octets that queued messages may take in memory; a longer backlog is read from the disk. Default
    /// 32 MiB.
    pub queue_memory: usize,
    /// Octets of records that may wait for the index before new messages are refused. Default 32 MiB.
    pub lag: usize,
    /// Octets that must stay free on the disk for mail to be taken. Default 256 MiB.
    pub min_free: u64,
    /// Files that must still fit on the disk for mail to be taken. Default 1,000.
    pub min_inodes: u64,
    /// Octets of the file that is let go when the disk is full, at least; it grows with the snap. Default 64 MiB;
    /// 0 for none.
    pub ballast: u64,
    /// Octets that must have died in the log before they are freed, unless they are a tenth of what is free.
    /// Default 1 GiB.
    pub dead: u64,
    /// Octets a second that are moved at most to empty segments that are mostly dead. Default 8 MiB.
    pub moving: u64,
    /// How long a pickup waits for an index that is behind, or is being built again. Default 5 s.
    pub settle: Duration,
    /// How long a deletion waits to become durable. Default 30 s.
    pub confirm: Duration,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            segment_size: None,
            spares: 2,
            cache: 64 << 20,
            entries: 1_000_000,
            memory: 64 << 20,
            inflight: 512 << 20,
            queue_memory: 32 << 20,
            lag: 32 << 20,
            min_free: 256 << 20,
            min_inodes: 1000,
            ballast: 64 << 20,
            dead: 1 << 30,
            moving: 8 << 20,
            settle: Duration::from_secs(5),
            confirm: Duration::from_secs(30),
        }
    }
}

impl Params {
    /// The segment size of a new store on a file system of that many octets.
    pub(crate) fn segment_size_for(&self, disk: u64, sizes: Sizes) -> u32 {
        const SMALL_DISK: u64 = 40_000_000_000;
        let wanted = self.segment_size.unwrap_or(if disk < SMALL_DISK { 16 << 20 } else { 64 << 20 });
        wanted.clamp(sizes.segment_min, 1 << 30).next_multiple_of(PAGE)
    }
}
