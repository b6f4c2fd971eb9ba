use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use directory::{Directory, Pickups};
use mail::Journeys;
use net::{Gate, Tls};
use queue_sled::SledStore;
use tokio::sync::{Mutex, mpsc, oneshot};
use upkeep::{Concerns, Notebooks};

use super::fault::{Code, Fault};
use super::report::Listener;
use super::verb::reload;
use crate::config::Origin;
use crate::trace::Tally;
use crate::wire::{self, notebooks};

/// What a verb may use, whether the daemon serves it or a command line that opened the store itself.
pub struct Desk {
    /// The mail.
    pub store: SledStore,
    /// The folder of the three files.
    pub config_dir: PathBuf,
    /// Who collected what, and when.
    pub pickups: Pickups,
    /// Where the look after mailboxes has left what it knows.
    pub notebooks: Notebooks,
    pub(super) directory: Option<Directory>,
    pub(super) running: Option<Running>,
    journeys: Journeys,
    /// Held by the one import that may be at work.
    pub(super) importing: Mutex<()>,
}

/// What only a running daemon has.
pub struct Running {
    /// When it began to serve.
    pub since: Instant,
    /// The folder of everything that it writes.
    pub state_dir: PathBuf,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Who may connect, by service.
    pub gates: Vec<(&'static str, Gate)>,
    /// What a reload changes.
    pub current: Arc<ArcSwap<Current>>,
    /// Where a reload is asked for.
    pub reload: mpsc::Sender<oneshot::Sender<reload::Outcome>>,
    /// Who is told what becomes of mail.
    pub journeys: Journeys,
    /// Who is collecting mail now.
    pub pop3: pop3_serve::Registry,
    /// Who collected what, and when.
    pub pickups: Pickups,
    /// What somebody should know.
    pub concerns: Concerns,
    /// How much became of mail.
    pub(crate) tally: Tally,
}

/// What the last reload has left.
#[derive(Debug, Clone, Default)]
pub struct Current {
    /// The certificate.
    pub tls: Option<Tls>,
    /// Settings that wait for a restart.
    pub restart: Vec<String>,
    /// Why it was refused, if it was.
    pub refused: Option<String>,
    /// Where the rules in force come from.
    pub rules: Origin,
}

impl Desk {
    /// The desk of a running daemon.
    pub fn running(store: SledStore, config_dir: PathBuf, directory: Directory, running: Running) -> Self {
        let notebooks = notebooks(&running.state_dir);
        let (pickups, importing) = (running.pickups.clone(), Mutex::default());
        let journeys = running.journeys.clone();
        let (directory, running) = (Some(directory), Some(running));
        Self { store, config_dir, pickups, notebooks, directory, running, journeys, importing }
    }

    /// The desk of a process that has the store and no servers. Without a directory the configuration has faults.
    pub fn offline(
        store: SledStore,
        config_dir: PathBuf,
        state_dir: &Path,
        directory: Option<Directory>,
    ) -> Self {
        let (pickups, notebooks) = (wire::recall_pickups(state_dir), notebooks(state_dir));
        let (journeys, importing) = (Journeys::default(), Mutex::default());
        Self { store, config_dir, pickups, notebooks, directory, running: None, journeys, importing }
    }

    /// The same, and `journeys` are told what becomes of mail.
    #[must_use]
    pub fn with_journeys(self, journeys: Journeys) -> Self {
        Self { journeys, ..self }
    }

    /// Who has a mailbox. A daemon always knows; without one it needs a configuration without faults.
    pub fn directory(&self) -> Result<&Directory, Fault> {
        let faults =
            || Fault::new(Code::Config, "the configuration has faults").hint("`restante check` shows them");
        self.directory.as_ref().ok_or_else(faults)
    }

    /// Who is told what becomes of mail.
    pub fn journeys(&self) -> Journeys {
        self.journeys.clone()
    }

    /// What only a running daemon can say or do.
    pub fn daemon(&self) -> Result<&Running, Fault> {
        self.running.as_ref().ok_or_else(not_running)
    }
}

/// Nobody serves.
pub(super) fn not_running() -> Fault {
    Fault::new(Code::Unavailable, "the daemon is not running").hint("systemctl start restante")
}
