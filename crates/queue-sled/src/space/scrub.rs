use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::orders::Orders;
use crate::disk::{Disk, Open};
use crate::fold::Snap;
use crate::index::{KvCell, Lag, Published};
use crate::mailbox::load;

/// Between two mailboxes: nobody shall notice.
const PAUSE: Duration = Duration::from_millis(20);
/// What an index may take beyond four times its rows before it is worth building it again.
const SLACK: u64 = 256 << 20;

/// Holds the index against what it should say, now and then.
#[derive(Clone)]
pub(crate) struct Scrub {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) store: PathBuf,
    pub(crate) published: Arc<Published>,
    pub(crate) kv: KvCell,
    pub(crate) lag: Arc<Lag>,
}

impl Scrub {
    /// Reads every mailbox of the index as a login would: what does not add up, and an index that takes far more
    /// room than its rows, is built again. A fold has just told that the sums are right.
    pub(crate) fn run(&self, snap: Option<&Snap>, orders: &Orders) {
        for name in self.published.mailboxes.names() {
            if orders.is_closed() {
                return;
            }
            let gate = self.published.gate.enter();
            let Some(kv) = self.kv.get() else { return };
            let Some(totals) = self.published.mailboxes.totals(&name) else { continue };
            if let Err(error) = load(&*kv, &name, totals.row.entries) {
                tracing::error!(%error, mailbox = %name, "the index is not what it should be");
                return self.lag.want_rebuild();
            }
            drop(gate);
            orders.pause(PAUSE);
        }
        if let Some(snap) = snap
            && is_bloated(&*self.disk, &self.store, snap.octets)
        {
            tracing::info!("the index takes far more room than its rows: it is built again");
            self.lag.want_rebuild();
        }
    }
}

/// Whether the index takes far more room than rows of that many octets should. sled does not give back what was
/// deleted.
fn is_bloated(disk: &dyn Disk, store: &Path, rows: u64) -> bool {
    let octets = disk.open(&store.join("idx").join("db"), Open::Read).and_then(|file| file.len());
    octets.is_ok_and(|octets| octets > 4 * rows + SLACK)
}
