use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use queue::StoreError;

use super::engine::Engine;
use crate::disk::Space;

/// How long the room on the disk is believed to be what it was.
const BELIEVED: Duration = Duration::from_secs(1);

impl Engine {
    /// Whether a message of that many octets may come in now.
    pub(super) fn admit(&self, octets: u64) -> Result<(), StoreError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable);
        }
        self.health.check()?;
        if self.lag.is_full() {
            return Err(StoreError::Full("the index is behind"));
        }
        if !self.ballast.is_there() {
            return Err(StoreError::Full("the disk has no room"));
        }
        if !self.inflight.has_room(octets) {
            return Err(StoreError::Full("too much mail is being received at once"));
        }
        let space = self.space()?;
        if space.free < self.params.min_free.saturating_add(octets) {
            return Err(StoreError::Full("less of the disk is free than min-free-disk keeps"));
        }
        if space.inodes < self.params.min_inodes {
            return Err(StoreError::Full("fewer files can be made than min-free-inodes keeps"));
        }
        Ok(())
    }

    fn space(&self) -> Result<Space, StoreError> {
        let mut known = self.space.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match *known {
            Some((at, space)) if now.duration_since(at) < BELIEVED => Ok(space),
            Some(_) | None => {
                let space = self.disk.space(&self.path)?;
                *known = Some((now, space));
                Ok(space)
            }
        }
    }
}
