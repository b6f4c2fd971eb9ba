use std::time::{Duration, Instant};

use crate::big::BigFiles;

/// How long a file is kept that no record names, for whoever misses something.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// A clock that jumps by more than this says nothing of how old a file is; nor does one that was not watched for so
/// long.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Files of `big/orphans/`, and a clock that is not believed at once.
pub(crate) struct Orphans {
    /// Since when both clocks have gone together, by the one that never jumps and by the one on the wall.
    since: Instant,
    since_ms: u64,
}

impl Orphans {
    pub(crate) fn new(now: Instant, now_ms: u64) -> Self {
        Self { since: now, since_ms: now_ms }
    }

    /// Removes what has been there for long enough.
    pub(super) fn sweep(&mut self, files: &BigFiles, now: Instant, now_ms: u64) {
        if !self.is_believed(now, now_ms) {
            return;
        }
        let swept = files.orphans().and_then(|orphans| {
            let old = orphans.into_iter().filter(|(_, since_ms)| is_old(*since_ms, now_ms));
            old.map(|(name, _)| files.remove_orphan(&name)).collect::<std::io::Result<Vec<()>>>()
        });
        if let Err(error) = swept {
            tracing::error!(%error, "old files that no record names cannot be removed");
        }
    }

    fn is_believed(&mut self, now: Instant, now_ms: u64) -> bool {
        let ran = now.saturating_duration_since(self.since);
        let walked = i128::from(now_ms) - i128::from(self.since_ms);
        let apart = (walked - i128::try_from(ran.as_millis()).unwrap_or(i128::MAX)).unsigned_abs();
        if apart > DAY.as_millis() {
            (self.since, self.since_ms) = (now, now_ms);
            return false;
        }
        ran >= DAY
    }
}

fn is_old(since_ms: u64, now_ms: u64) -> bool {
    Duration::from_millis(now_ms.saturating_sub(since_ms)) >= KEPT
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn a_file_is_kept_for_seven_days_of_a_clock_that_does_not_jump() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("big")).expect("made");
        let files = BigFiles::new(Arc::new(RealDisk), folder.path());
        let (start, start_ms, day) = (Instant::now(), 1_800_000_000_000, 24 * 3600 * 1000);
        let new = || files.receive().expect("made").keep().expect("kept");
        let (early, late) = (new(), new());
        files.set_aside(early, start_ms - 6 * day).expect("moved");
        files.set_aside(late, start_ms).expect("moved");
        assert!(files.ids().expect("listed").is_empty());
        let mut orphans = Orphans::new(start, start_ms);
        let mut left = |days: u64, by: u64| {
            orphans.sweep(&files, start + Duration::from_millis(days * day), by);
            files.orphans().expect("listed").len()
        };
        assert_eq!(left(0, start_ms + 30 * day), 2, "the clock was set");
        assert_eq!(left(0, start_ms), 2, "and back again");
        assert_eq!(left(1, start_ms + day), 1, "seven days, of which one was watched");
        assert_eq!(left(2, start_ms + 4000 * day), 1, "a jump");
        assert_eq!(left(2, start_ms + 2 * day), 1, "and back");
        assert_eq!(left(6, start_ms + 6 * day), 1);
        assert_eq!(left(7, start_ms + 7 * day), 0);
    }
}
