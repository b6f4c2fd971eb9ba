use std::sync::Arc;
use std::time::Duration;

use crate::disk::Disk;
use crate::index::OpenIndex;
use crate::log::record::RECORD_MAX;

/// What a store stands on. Tests put other ground under it.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) index: Arc<dyn OpenIndex>,
    pub(crate) sizes: Sizes,
    /// How long after a failure the same is tried again.
    pub(crate) patience: Duration,
}

/// What is long enough for a disk to have changed its mind.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// Sizes that are the same for every store, and smaller only where a test wants to meet their edges often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// The shortest segment: it holds the longest record twice.
    pub(crate) segment_min: u32,
    /// The longest body that is kept in memory, and in the log.
    pub(crate) body_max: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        let segment_min = u32::try_from(2 * RECORD_MAX).expect("8 MiB");
        Self { segment_min, body_max: RECORD_MAX }
    }
}
