use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use directory::{Directory, Table, VerifierParams};
use net::{Gate, ListenAddress, LoginBudget, Tls, TlsError};
use pop3_serve::Pop3;
use queue::{Store, StoreError};
use queue_sled::{OpenError, SledStore, StartReport};
use routing::{Host, Router};
use smtp_receive::Smtp;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::listeners::{Listeners, Reloadable};
use super::policy::Gatekeeper;
use super::signals::{Signals, Told};
use super::{known, manager, params};
use crate::config::{self, Config, Loaded, Overlay};

/// Threads for what blocks: hashing, cold reads, start and stop. Two hash at once; the unit file bounds all.
const BLOCKING_THREADS: usize = 16;
/// What sessions get beyond their own patience before we go without them.
const GRACE: Duration = Duration::from_secs(5);

/// Why the appliance does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The state folder is not there and cannot be made, or is open to others.
    #[error("state folder {path}: {reason}", path = path.display())]
    StateDir {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The store cannot be opened.
    #[error("the store in {path}: {error}", path = path.display())]
    Store {
        /// Where.
        path: PathBuf,
        /// Why.
        error: OpenError,
    },
    /// A certificate or key cannot be used.
    #[error("[tls]: {0}")]
    Tls(#[from] TlsError),
    /// An address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(ListenAddress, io::Error),
    /// The system refuses what a server needs.
    #[error(transparent)]
    System(#[from] io::Error),
}

type SmtpHandler = Smtp<SledStore, Gatekeeper>;
type Pop3Handler = Pop3<SledStore>;

/// A running appliance.
pub struct Appliance {
    config_dir: PathBuf,
    config: Config,
    store: SledStore,
    directory: Directory,
    overlay: Arc<Overlay>,
    budget: LoginBudget,
    tls: Option<Tls>,
    listeners: Listeners,
    smtp: Reloadable<SmtpHandler>,
    lmtp: Reloadable<SmtpHandler>,
    pop3: Reloadable<Pop3Handler>,
    pop3s: Reloadable<Pop3Handler>,
    route_again: Arc<Notify>,
    router: JoinHandle<()>,
    stop_router: CancellationToken,
}

impl Appliance {
    /// Runs until it is told to stop; everything it has acknowledged is kept when this returns.
    pub fn run(config_dir: &Path, loaded: Loaded) -> Result<(), ServeError> {
        let log = super::log::begin(&loaded.config.log)?;
        let outcome = Self::run_logged(config_dir, loaded);
        log.flush();
        outcome
    }

    fn run_logged(config_dir: &Path, loaded: Loaded) -> Result<(), ServeError> {
        for warning in loaded.warnings.lines() {
            warn!("{warning}");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()?;
        runtime.block_on(async {
            let mut signals = Signals::new()?;
            let mut appliance = Self::start(config_dir, loaded).await?;
            manager::ready();
            info!("ready");
            let alive = tokio::spawn(manager::watchdog(appliance.listeners.stop.clone()));
            while let Told::Reload = signals.next().await {
                appliance.reload().await;
            }
            manager::stopping();
            appliance.stop().await;
            // It ends with the listeners' token.
            let _ = alive.await;
            Ok(())
        })
    }

    async fn start(config_dir: &Path, loaded: Loaded) -> Result<Self, ServeError> {
        let Loaded { config, table, .. } = loaded;
        prepare(&config.state_dir)?;
        let (store, report) = open(&config).await?;
        tell(&report);
        let overlay = Arc::new(Overlay::open(&config.state_dir)?);
        let directory = directory(table, &overlay);
        known::recall(&config.state_dir, &directory);
        let tls = config.tls.as_ref().map(|tls| Tls::load(&tls.certificate, &tls.key)).transpose()?;
        let budget = LoginBudget::new(params::login_budget(&config));
        let stop = CancellationToken::new();
        let stop_router = CancellationToken::new();
        let router = Router::new(store.clone(), directory.clone(), Host { name: config.hostname.clone() });
        let route_again = router.again();
        let handlers =
            Handlers { config: &config, store: &store, directory: &directory, tls: &tls, stop: &stop };
        let mut appliance = Self {
            smtp: Reloadable::new(handlers.smtp(params::smtp(&config))),
            lmtp: Reloadable::new(handlers.smtp(params::lmtp(&config))),
            pop3: Reloadable::new(handlers.pop3(&budget, false)),
            pop3s: Reloadable::new(handlers.pop3(&budget, true)),
            config_dir: config_dir.into(),
            listeners: Listeners::new(manager::sockets()?, stop.clone()),
            router: tokio::spawn(router.run(stop_router.clone())),
            config,
            store,
            directory,
            overlay,
            budget,
            tls,
            route_again,
            stop_router,
        };
        appliance.listen().map_err(|(address, error)| ServeError::Listen(address, error))?;
        let known = known::keep(appliance.config.state_dir.clone(), appliance.directory.clone(), stop);
        appliance.listeners.tasks.spawn(known);
        Ok(appliance)
    }

    fn listen(&mut self) -> Result<(), (ListenAddress, io::Error)> {
        let config = &self.config;
        let trusted = &config.trusted;
        let smtp = Gate::new(params::smtp_gate(config));
        let lmtp = Gate::new(params::lmtp_gate(config));
        let pop3 = Gate::new(params::pop3_gate(config));
        self.listeners.serve("smtp", &config.smtp.listen, &smtp, trusted, &self.smtp)?;
        self.listeners.serve("lmtp", &config.lmtp.listen, &lmtp, trusted, &self.lmtp)?;
        self.listeners.serve("pop3", &config.pop3.listen, &pop3, trusted, &self.pop3)?;
        if self.tls.is_some() {
            self.listeners.serve("pop3s", &config.pop3.listen_tls, &pop3, trusted, &self.pop3s)?;
        }
        self.listeners.report_unserved();
        Ok(())
    }

    /// Reads the configuration again and exchanges everything that depends on it at once; with any fault
    /// nothing changes.
    async fn reload(&mut self) {
        manager::reloading();
        let folder = self.config_dir.clone();
        match tokio::task::spawn_blocking(move || config::load(&folder)).await {
            Ok(Ok(loaded)) => self.exchange(loaded),
            Ok(Err(faults)) => {
                for fault in faults.lines() {
                    error!("{fault}");
                }
                error!("the configuration has faults: the one before stays in force");
            }
            Err(error) => error!(%error, "the configuration cannot be read: the one before stays in force"),
        }
        manager::ready();
    }

    fn exchange(&mut self, loaded: Loaded) {
        for warning in loaded.warnings.lines() {
            warn!("{warning}");
        }
        let Loaded { config, table, .. } = loaded;
        match certificate(self.tls.as_ref(), &config) {
            Ok(tls) => self.tls = tls,
            Err(error) => {
                error!(%error, "the certificate cannot be used: the configuration before stays in force");
                return;
            }
        }
        if !same_sockets(&self.config, &config) {
            warn!(
                "what has changed of these takes effect at a restart only: addresses to listen on, connection \
                 limits, trusted, [[relay]], state-dir, min-free-*, [login], [store], [log], and [tls] as a whole"
            );
        }
        self.directory.replace(table);
        self.config = config;
        let handlers = Handlers {
            config: &self.config,
            store: &self.store,
            directory: &self.directory,
            tls: &self.tls,
            stop: &self.listeners.stop,
        };
        self.smtp.replace(handlers.smtp(params::smtp(&self.config)));
        self.lmtp.replace(handlers.smtp(params::lmtp(&self.config)));
        self.pop3.replace(handlers.pop3(&self.budget, false));
        self.pop3s.replace(handlers.pop3(&self.budget, true));
        self.route_again.notify_one();
        info!("the configuration is in force");
    }

    /// Lets sessions end, then the router, and closes the store. What is still queued is routed by the next start.
    async fn stop(self) {
        info!("stopping");
        self.listeners.stop.cancel();
        self.listeners.tasks.close();
        let patience = self.config.smtp.limits.stop_time + GRACE;
        if tokio::time::timeout(patience, self.listeners.tasks.wait()).await.is_err() {
            warn!("sessions that did not end in time are cut off; nothing they were promised is lost");
        }
        self.stop_router.cancel();
        self.route_again.notify_one();
        if let Err(error) = self.router.await {
            error!(%error, "the router ended badly");
        }
        match self.store.close().await {
            Ok(()) | Err(StoreError::Unavailable) => info!("stopped"),
            Err(error) => error!(%error, "the store was not closed cleanly: the next start repairs it"),
        }
        drop(self.overlay);
    }
}

/// What new handlers are made of.
struct Handlers<'a> {
    config: &'a Config,
    store: &'a SledStore,
    directory: &'a Directory,
    tls: &'a Option<Tls>,
    stop: &'a CancellationToken,
}

impl Handlers<'_> {
    fn smtp(&self, params: smtp_receive::Params) -> SmtpHandler {
        let policy = Gatekeeper::new(params::header_limits(self.config), &self.config.hostname);
        let tls = self.tls.clone().filter(|_| params.starttls);
        let service =
            smtp_receive::Service::new(params, self.store.clone(), self.directory.clone(), policy, tls);
        Smtp { service: Arc::new(service), stop: self.stop.clone() }
    }

    fn pop3(&self, budget: &LoginBudget, implicit_tls: bool) -> Pop3Handler {
        let (params, access) = params::pop3(self.config, self.directory.expiry());
        let (store, directory) = (self.store.clone(), self.directory.clone());
        let service =
            pop3_serve::Service::new(params, access, store, directory, budget.clone(), self.tls.clone());
        Pop3 { service: Arc::new(service), implicit_tls, stop: self.stop.clone() }
    }
}

/// The state folder is there, and nobody else's business.
fn prepare(path: &Path) -> Result<(), ServeError> {
    let fault = |reason: String| ServeError::StateDir { path: path.into(), reason };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| fault(error.to_string()))?;
    let found = fs::metadata(path).map_err(|error| fault(error.to_string()))?;
    if found.permissions().mode() & config::permission::STATE_DIR_OPEN != 0 {
        return Err(fault("others may look into it or write there: chmod 0700 it".into()));
    }
    Ok(())
}

async fn open(config: &Config) -> Result<(SledStore, StartReport), ServeError> {
    let (path, params) = (config.state_dir.join("store"), params::store(config));
    let folder = path.clone();
    let opened = tokio::task::spawn_blocking(move || SledStore::open(&folder, params)).await;
    opened.map_err(io::Error::other)?.map_err(|error| ServeError::Store { path, error })
}

/// What the start of the store found, in the log.
fn tell(report: &StartReport) {
    if report.created {
        info!("a new store was made");
    } else {
        let (clean, replayed, torn_tail) = (report.clean, report.replayed, report.torn_tail);
        info!(clean, replayed, torn_tail, "the store is open");
    }
    if let Some(why) = &report.rebuilt {
        warn!(why, "the index was built again from the log");
    }
    for place in &report.damaged {
        error!(place, "part of the log is damaged and was set aside");
    }
}

fn directory(table: Table, overlay: &Arc<Overlay>) -> Directory {
    let kept = overlay.clone();
    let strengthened = move |configured: &str, stronger: &str| {
        if let Err(error) = kept.keep(configured, stronger) {
            warn!(%error, "a stronger hash is not kept; it is made again at the next login");
        }
    };
    let overlay = overlay.load(|configured| table.has_hash(configured));
    Directory::new(table, VerifierParams { strengthened: Some(Arc::new(strengthened)), overlay })
}

/// The certificate that a new configuration names: read again into the one that serves, so that sessions can
/// be resumed over it.
fn certificate(current: Option<&Tls>, config: &Config) -> Result<Option<Tls>, TlsError> {
    match (&config.tls, current) {
        (None, None) => Ok(None),
        // Its listeners are open until a restart, and must not begin to speak in the clear.
        (None, Some(current)) => Ok(Some(current.clone())),
        (Some(tls), Some(current)) => {
            current.reload(&tls.certificate, &tls.key)?;
            Ok(Some(current.clone()))
        }
        (Some(tls), None) => Tls::load(&tls.certificate, &tls.key).map(Some),
    }
}

/// Whether everything is the same that only a start can change.
fn same_sockets(old: &Config, new: &Config) -> bool {
    let gates = |config: &Config| {
        let (smtp, pop3) = (&config.smtp.limits, &config.pop3.limits);
        let smtp = (smtp.connections, smtp.connections_per_address, smtp.connections_per_network);
        let pop3 = (pop3.connections, pop3.connections_per_address, pop3.connections_per_network);
        (smtp, pop3, config.smtp.limits.connections_per_minute, config.pop3.limits.connections_per_minute)
    };
    old.smtp.listen == new.smtp.listen
        && old.lmtp.listen == new.lmtp.listen
        && old.pop3.listen == new.pop3.listen
        && old.pop3.listen_tls == new.pop3.listen_tls
        && old.tls.is_some() == new.tls.is_some()
        && old.trusted == new.trusted
        && old.relays == new.relays
        && params::login_budget(old) == params::login_budget(new)
        && params::store(old) == params::store(new)
        && gates(old) == gates(new)
        && old.state_dir == new.state_dir
        && old.store == new.store
        && old.log == new.log
}
