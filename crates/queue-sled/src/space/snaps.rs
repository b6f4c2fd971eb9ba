//! The snaps of a store that runs: made by the fold, read now and then, and made again when they have rotted.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use queue::StoreError;

use super::keeper::{Keeper, Work};
use super::victims::stuck_words;
use crate::clock::wall_ms;
use crate::fold::{FoldError, Folded, Snap};
use crate::index::rows::StateRow;
use crate::log::Lsn;

/// After a fold that failed; after one that had no room, which may be back in a moment.
const AGAIN: Duration = Duration::from_secs(600);
const AGAIN_WITH_ROOM: Duration = Duration::from_secs(30);

impl Keeper {
    /// Whether nothing but the index says what came first. As long as that is so nothing can be freed, and no
    /// index be built.
    pub(super) fn is_lost(&self, work: &Work) -> bool {
        let applied = Lsn(self.published.state().applied);
        work.snap.is_none() && !self.segments.unbroken(Lsn(0), applied)
    }

    /// Reads the snaps. One that has rotted is made again of the other; where there is no other, a fold is due.
    pub(super) fn look(&mut self, work: &mut Work) {
        work.looked = Instant::now();
        self.orphans.sweep(&self.big, work.looked, wall_ms());
        match self.folder.base(Lsn(self.published.state().applied)) {
            Ok(snap) => {
                let lsn = |snap: &Option<Arc<Snap>>| snap.as_ref().map(|snap| snap.lsn);
                if lsn(&snap) < lsn(&work.snap) {
                    // What a snap has decided that is no more, another must decide again.
                    (work.segments, work.files) = Default::default();
                }
                work.snap = snap;
                if let Some(snap) = &work.snap {
                    self.ballast.fit(snap.octets);
                    self.double(snap);
                    let named = snap.liveness().files.clone();
                    self.know(&named);
                }
            }
            Err(error) => tracing::error!(%error, "the snaps cannot be read"),
        }
    }

    /// Without room for the copy the snap alone must do, until somebody looks again.
    fn double(&self, snap: &Arc<Snap>) {
        let double = || self.folder.double(snap, &|| !self.orders.is_closed());
        let doubled = match double() {
            // What older ones take is of no use any more.
            Err(error) if error.is_no_space() => {
                self.folder.keep_only(snap.lsn).map_err(FoldError::from).and_then(|()| double())
            }
            outcome => outcome,
        };
        match doubled {
            Ok(true) => {
                tracing::warn!(lsn = %snap.lsn, "one of the two copies of a snap had rotted: made again");
            }
            Ok(false) => {}
            Err(_) if self.orders.is_closed() => {}
            Err(error) => tracing::warn!(%error, lsn = %snap.lsn, "there is only one copy of the snap now"),
        }
    }

    /// Makes a snap of everything that the index has, unless there is one.
    pub(super) fn fold(&mut self, work: &mut Work) -> Result<(), StoreError> {
        let state = self.published.state();
        if state.applied == 0 {
            return Ok(());
        }
        if self.published.damaged.load(Ordering::SeqCst) {
            (self.files, self.strangers) = (None, BTreeSet::new());
        }
        // What was whole when it was read last may have rotted since.
        self.look(work);
        if work.snap.as_ref().is_some_and(|snap| snap.lsn.0 >= state.applied) {
            return Ok(());
        }
        let folded = match self.make(work.snap.clone(), state) {
            // Without room for a snap nothing could ever be freed.
            Err(error) if error.is_no_space() && self.ballast.release() => {
                self.make(work.snap.clone(), state)
            }
            outcome => outcome,
        };
        match folded {
            Ok(folded) => {
                self.know(&folded.named);
                self.set_aside(&folded.snap);
                work.made = Instant::now();
                self.say(stuck_words(work));
                self.ballast.fit(folded.snap.octets);
                self.double(&folded.snap);
                let lsn = folded.snap.lsn;
                work.snap = Some(folded.snap);
                Ok(self.folder.keep_only(lsn)?)
            }
            Err(FoldError::Stopped) => Err(StoreError::Unavailable),
            Err(error) => {
                work.not_before = Instant::now() + if error.is_no_space() { AGAIN_WITH_ROOM } else { AGAIN };
                tracing::error!(%error, "nothing is freed in the log now");
                self.say(Some(error.to_string()));
                if matches!(error, FoldError::Disagree(_)) {
                    self.lag.want_rebuild();
                }
                Err(StoreError::Damaged(error.to_string()))
            }
        }
    }

    /// From the newest snap and the log; from the log alone while all of it is there; and when neither can be, from
    /// the index.
    fn make(&self, base: Option<Arc<Snap>>, state: StateRow) -> Result<Folded, FoldError> {
        let pace = || !self.orders.is_closed();
        if base.is_some() || self.segments.unbroken(Lsn(0), Lsn(state.applied)) {
            return self.folder.fold(base, state, &pace);
        }
        tracing::error!(
            "no snap can be believed, and the log lacks what came first: one is made of the index"
        );
        let snap = self.folder.rescue(&self.scrub.kv, &self.published, &pace)?;
        tracing::warn!(lsn = %snap.lsn, "the index adds up, and a snap was made of it");
        // What records have named since the last snap, only the next start finds out.
        let named = snap.liveness().files.clone();
        Ok(Folded { snap, named })
    }

    /// Files that records name: when they are dead, they go.
    fn know(&mut self, named: &BTreeSet<u64>) {
        if let Some(files) = &mut self.files {
            files.extend(named);
            self.strangers.retain(|file| !named.contains(file));
        }
    }

    /// What was there at the start, and is in none of the records up to there, was cut off before its record was
    /// written: nobody was promised anything. It is kept for a while all the same.
    fn set_aside(&mut self, snap: &Snap) {
        if snap.lsn < self.began {
            return;
        }
        for file in std::mem::take(&mut self.strangers) {
            match self.big.set_aside(file, wall_ms()) {
                Ok(()) => tracing::warn!(file = format_args!("{file:016x}"), "no record names it: set aside"),
                Err(error) => {
                    tracing::error!(%error, file = format_args!("{file:016x}"), "cannot be set aside");
                }
            }
        }
    }

    pub(super) fn say(&self, unfreed: Option<String>) {
        *self.published.unfreed.lock().unwrap_or_else(PoisonError::into_inner) = unfreed;
    }
}
