use std::path::Path;
use std::time::Instant;

use directory::{Directory, Pickups};
use queue::Store;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use upkeep::{Care, Caring, Concerns, Expiring, Quarantine, Upkeep, lacks_nothing};

use crate::spec::Ms;

/// The product's look after its mailboxes, at the instants that a life says.
pub(crate) struct Keeper<S> {
    runtime: Runtime,
    upkeep: Upkeep<S>,
    _care: watch::Sender<Care>,
    _quarantine: watch::Sender<Quarantine>,
}

impl<S: Store> Keeper<S> {
    /// As after a start, with what the run before has left in `folder`. It rests between its steps: when nothing but
    /// memory is waited for, those rests are `paused`, and cost nothing.
    pub(crate) fn new(store: S, directory: Directory, pickups: Pickups, folder: &Path, paused: bool) -> Self {
        let runtime =
            Builder::new_current_thread().enable_all().start_paused(paused).build().expect("a runtime");
        let (care_, care) = watch::channel(Care { guard: None, ..Care::default() });
        let (quarantine_, quarantine) = watch::channel(Quarantine::default());
        let caring = Caring {
            path: folder.join("views"),
            care,
            pickups,
            concerns: Concerns::default(),
            lacks: lacks_nothing(),
        };
        let expiring = Expiring::open(folder.join("expiring"));
        let host = "mx.example.test".into();
        let upkeep = Upkeep::new(store, directory, host, folder.join("upkeep"), quarantine, expiring);
        let upkeep = upkeep.with_care(caring, &CancellationToken::new());
        Self { runtime, upkeep, _care: care_, _quarantine: quarantine_ }
    }

    pub(crate) fn look(&mut self, again: bool, wall_ms: Ms, now: Instant) {
        self.runtime.block_on(self.upkeep.look(again, wall_ms, now));
    }
}
