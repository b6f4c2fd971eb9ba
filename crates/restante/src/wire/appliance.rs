use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use authenticity::Verifier;
use directory::{Directory, Pickups, Spec, Table, VerifierParams};
use mail::Journeys;
use net::{Gate, ListenAddress, LoginBudget, Tls, TlsError};
use pop3_serve::{Pop3, Registry};
use queue::{Store, StoreError};
use queue_sled::{DiskSpace, OpenError, SledStore, StartReport};
use routing::Router;
use routing::content::{ContentLimits, Want};
use routing::rules::Content;
use smtp_receive::{Receiving, Smtp};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use upkeep::{Care, Caring, Concerns, Expiring, Head, Lacks, Quarantine, Upkeep};

use super::gate::{Checkpoint, Gatekeeper, Scanning};
use super::grey::SharedGreylist;
use super::listeners::{Listeners, Reloadable};
use super::parsing::Parsing;
use super::signals::{Signals, Told};
use super::{certificate, grey, known, manager, params, pickups};
use crate::config::{self, Config, Faults, File, Loaded, Overlay, Rules};
use crate::control::verb::reload::Outcome;
use crate::control::{self, Current, Desk, Door, Running};
use crate::metrics::Metrics;
use crate::migrate;
use crate::trace::{Folder, Judgements, Keeper};

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

/// Somebody waits for what comes of a reload.
type Asking = oneshot::Sender<Outcome>;
type SmtpHandler = Smtp<SledStore, Gatekeeper>;
type Pop3Handler = Pop3<SledStore>;

/// A running appliance.
pub struct Appliance {
    pub(super) config_dir: PathBuf,
    /// What the servers were started with: some of it only a start can change.
    pub(super) started: Config,
    pub(super) config: Config,
    pub(super) spec: Spec,
    pub(super) current: Arc<ArcSwap<Current>>,
    gates: Vec<(&'static str, Gate)>,
    pub(super) store: SledStore,
    pub(super) directory: Directory,
    overlay: Arc<Overlay>,
    pub(super) budget: LoginBudget,
    pub(super) receiving: Receiving,
    /// What POP3 remembers beyond one connection.
    pub(super) registry: Registry,
    /// Who collected what, and when.
    pub(super) pickups: Pickups,
    pub(super) tls: Option<Tls>,
    pub(super) rules: Rules,
    pub(super) parsing: Arc<Parsing>,
    pub(super) verifier: Option<Verifier>,
    pub(super) scanning: Scanning,
    pub(super) greylist: SharedGreylist,
    pub(super) listeners: Listeners,
    pub(super) smtp: Reloadable<SmtpHandler>,
    pub(super) lmtp: Reloadable<SmtpHandler>,
    pub(super) pop3: Reloadable<Pop3Handler>,
    pub(super) pop3s: Reloadable<Pop3Handler>,
    pub(super) route_again: Arc<Notify>,
    pub(super) upkeep_again: Arc<Notify>,
    pub(super) quarantine: watch::Sender<Quarantine>,
    pub(super) care: watch::Sender<Care>,
    pub(super) concerns: Concerns,
    metrics: Metrics,
    router: JoinHandle<()>,
    stop_router: CancellationToken,
    pub(super) trace: Keeper,
}

impl Appliance {
    /// Runs until it is told to stop; everything it has acknowledged is kept when this returns.
    ///
    /// `unused` is what is wrong with a `rules.toml` in whose place others are in force.
    pub fn run(config_dir: &Path, loaded: Loaded, unused: Option<&Faults>) -> Result<(), ServeError> {
        let log = super::log::begin(&loaded.config.log)?;
        let outcome = Self::run_logged(config_dir, loaded, unused);
        log.flush();
        outcome
    }

    fn run_logged(config_dir: &Path, loaded: Loaded, unused: Option<&Faults>) -> Result<(), ServeError> {
        if let Some(faults) = unused {
            // What else is to be said, the configuration in force says itself.
            faults.clone().filter(|fault| fault.file == File::Rules).log();
            error!("rules.toml cannot be used: the last good rules are in force, until it is put right");
        }
        loaded.warnings.log();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()?;
        runtime.block_on(async {
            let mut signals = Signals::new()?;
            let mut appliance = Self::start(config_dir, loaded).await?;
            if let Some(faults) = unused {
                appliance.remember_faults(faults);
            }
            let mut asked = appliance.open_control()?;
            manager::ready();
            info!("ready");
            let stopped = CancellationToken::new();
            let alive = tokio::spawn(manager::watchdog(stopped.clone()));
            appliance.follow(&mut signals, &mut asked).await;
            manager::stopping();
            appliance.stop().await;
            stopped.cancel();
            let _ = alive.await;
            Ok(())
        })
    }

    async fn start(config_dir: &Path, loaded: Loaded) -> Result<Self, ServeError> {
        let Loaded { config, spec, table, rules, .. } = loaded;
        prepare(&config.state_dir)?;
        manager::status("opening the store");
        // Its lock comes before anything in the state folder is written: another may be at work there.
        let (store, report) = open(&config).await?;
        tell(&report);
        super::rules::keep(&config.state_dir, &rules);
        let parsing = Arc::new(Parsing::open(&config.state_dir, params::parsing_memory(&config))?);
        let resolver = params::resolver(&config);
        let verifier = params::verifier(&config.authenticity, resolver.as_ref());
        let greylist = grey::recall(&config);
        let scanning = Scanning::new(&config, resolver.as_ref(), Some(&greylist));
        if let Err(error) = migrate::sweep(&store).await {
            warn!(%error, "what an import that was cut off has left stays in the queue until the next one");
        }
        let overlay = Arc::new(Overlay::open(&config.state_dir)?);
        let directory = directory(table, &overlay);
        known::recall(&config.state_dir, &directory);
        let tls = config.tls.as_ref().map(|tls| Tls::load(&tls.certificate, &tls.key)).transpose()?;
        let budget = LoginBudget::new(params::login_budget(&config));
        let trace = Keeper::start(Folder::of(&config.state_dir), params::trace(&config))?;
        let stop = CancellationToken::new();
        let stop_router = CancellationToken::new();
        let router = Router::new(store.clone(), directory.clone(), params::host(&config));
        let expiring = Expiring::open(config.state_dir.join("expiring"));
        let router = router.telling(marker(expiring.clone())).with_journeys(trace.journeys());
        let route_again = router.again();
        let notes = config.state_dir.join("upkeep");
        let (quarantine, limits) = watch::channel(params::quarantine(&config));
        let upkeep =
            Upkeep::new(store.clone(), directory.clone(), config.hostname.clone(), notes, limits, expiring)
                .with_journeys(trace.journeys())
                .with_digests(config.state_dir.join("digests"), Arc::new(head));
        let (care, followed) = watch::channel(params::care(&config, &directory));
        let (pickups, concerns) = (pickups::recall(&config.state_dir), Concerns::default());
        let caring = Caring {
            path: super::memo(&config.state_dir),
            care: followed,
            pickups: pickups.clone(),
            concerns: concerns.clone(),
            lacks: lacks(&config),
        };
        let mut upkeep = upkeep.with_care(caring, &stop);
        let upkeep_again = upkeep.again();
        let receiving = Receiving::default();
        let registry = Registry::new();
        let handlers = Handlers {
            config: &config,
            store: &store,
            directory: &directory,
            receiving: &receiving,
            registry: &registry,
            pickups: &pickups,
            tls: &tls,
            stop: &stop,
            journeys: heard(trace.journeys(), concerns.clone()),
            judgements: trace.judgements(),
            rules: &rules,
            parsing: &parsing,
            verifier: &verifier,
            scanning: &scanning,
        };
        let mut appliance = Self {
            smtp: Reloadable::new(handlers.smtp(params::smtp(&config))),
            lmtp: Reloadable::new(handlers.smtp(params::lmtp(&config))),
            pop3: Reloadable::new(handlers.pop3(&budget, false)),
            pop3s: Reloadable::new(handlers.pop3(&budget, true)),
            config_dir: config_dir.into(),
            listeners: Listeners::new(manager::sockets()?, stop.clone()),
            router: tokio::spawn(router.run(stop_router.clone())),
            started: config.clone(),
            config,
            spec,
            current: Arc::new(ArcSwap::from_pointee(Current {
                tls: tls.clone(),
                rules: rules.origin,
                ..Current::default()
            })),
            gates: Vec::new(),
            store,
            directory,
            overlay,
            budget,
            receiving,
            registry,
            pickups,
            tls,
            rules,
            parsing,
            verifier,
            scanning,
            greylist,
            route_again,
            upkeep_again,
            quarantine,
            care,
            concerns,
            metrics: Metrics::default(),
            stop_router,
            trace,
        };
        upkeep.join().await;
        appliance.listen().map_err(|(address, error)| ServeError::Listen(address, error))?;
        if let Some(tls) = appliance.tls.clone() {
            appliance.listeners.tasks.spawn(certificate::remind(tls, stop.clone()));
        }
        let state_dir = || appliance.config.state_dir.clone();
        let grey = grey::keep(state_dir(), appliance.greylist.clone(), stop.clone());
        let known = known::keep(state_dir(), appliance.directory.clone(), stop);
        let pickups = pickups::keep(state_dir(), appliance.pickups.clone(), appliance.listeners.stop.clone());
        appliance.listeners.tasks.spawn(pickups);
        appliance.listeners.tasks.spawn(grey);
        appliance.listeners.tasks.spawn(known);
        appliance.listeners.tasks.spawn(upkeep.run(appliance.listeners.stop.clone()));
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
        let figures = Gate::new(params::metrics_gate(config));
        self.listeners.serve("metrics", &config.metrics.listen, &figures, trusted, &self.metrics)?;
        self.listeners.report_unserved();
        let gates = [("smtp", smtp), ("lmtp", lmtp), ("pop3", pop3)];
        let is_open = |service: &str| self.listeners.open.iter().any(|it| it.service.starts_with(service));
        self.gates = gates.into_iter().filter(|(service, _)| is_open(service)).collect();
        Ok(())
    }

    /// Opens the control socket: last of all, so that who gets an answer there knows that mail is served. What
    /// it returns are the reloads that are asked for.
    fn open_control(&self) -> Result<mpsc::Receiver<Asking>, ServeError> {
        let path = control::socket(&self.config.state_dir);
        let door = Door::open(&path).map_err(|error| ServeError::Listen(ListenAddress::Unix(path), error))?;
        let (reload, asked) = mpsc::channel(1);
        let running = Running {
            since: Instant::now(),
            state_dir: self.config.state_dir.clone(),
            listeners: self.listeners.open.clone(),
            gates: self.gates.clone(),
            current: self.current.clone(),
            reload,
            journeys: self.trace.journeys(),
            pop3: self.registry.clone(),
            pickups: self.pickups.clone(),
            concerns: self.concerns.clone(),
            tally: self.trace.tally(),
        };
        let (store, directory) = (self.store.clone(), self.directory.clone());
        let desk = Arc::new(Desk::running(store, self.config_dir.clone(), directory, running));
        self.metrics.open(desk.clone());
        let Listeners { stop, tasks, .. } = &self.listeners;
        tasks.spawn(manager::keep_status(desk.clone(), stop.clone()));
        tasks.spawn(door.serve(desk, stop.clone(), tasks.clone()));
        Ok(asked)
    }

    /// Does what it is told, until it is told to stop.
    async fn follow(&mut self, signals: &mut Signals, asked: &mut mpsc::Receiver<Asking>) {
        loop {
            let asking = tokio::select! {
                told = signals.next() => match told {
                    Told::Reload => None,
                    Told::Stop => return,
                },
                Some(asking) = asked.recv() => Some(asking),
            };
            let outcome = self.reload().await;
            if let Some(asking) = asking {
                // Who has gone away reads it in the log.
                let _ = asking.send(outcome);
            }
        }
    }

    /// Lets sessions end, then the router, and closes the store. What is still queued is routed by the next start.
    async fn stop(self) {
        info!("stopping");
        manager::status("stopping: sessions may end what they are at");
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
        self.trace.stop();
    }
}

/// What new handlers are made of.
pub(super) struct Handlers<'a> {
    pub(super) config: &'a Config,
    pub(super) store: &'a SledStore,
    pub(super) directory: &'a Directory,
    pub(super) receiving: &'a Receiving,
    pub(super) registry: &'a Registry,
    pub(super) pickups: &'a Pickups,
    pub(super) tls: &'a Option<Tls>,
    pub(super) stop: &'a CancellationToken,
    pub(super) journeys: Journeys,
    pub(super) rules: &'a Rules,
    pub(super) parsing: &'a Arc<Parsing>,
    pub(super) verifier: &'a Option<Verifier>,
    pub(super) judgements: Judgements,
    pub(super) scanning: &'a Scanning,
}

impl Handlers<'_> {
    pub(super) fn smtp(&self, mut params: smtp_receive::Params) -> SmtpHandler {
        let policy = Gatekeeper::new(Checkpoint {
            limits: params::header_limits(self.config),
            authserv_id: self.config.hostname.clone(),
            directory: self.directory.clone(),
            rules: self.rules.set.clone(),
            reads: self.rules.set.reads(),
            verifier: self.verifier.clone(),
            authenticity: self.config.authenticity.clone(),
            scanning: self.scanning.clone(),
            relays: self.config.relays.clone(),
            parsing: self.parsing.clone(),
            one_refuses_all: self.config.smtp.one_refuses_all,
            lmtp: params.dialect == smtp_receive::Dialect::Lmtp,
            trace: Some(self.judgements.clone()),
        });
        let tls = self.tls.clone().filter(|_| params.starttls);
        params.starttls = tls.is_some();
        let (store, directory, receiving) =
            (self.store.clone(), self.directory.clone(), self.receiving.clone());
        let service = smtp_receive::Service::new(params, store, directory, receiving, policy, tls)
            .with_journeys(self.journeys.clone());
        Smtp { service: Arc::new(service), stop: self.stop.clone() }
    }

    pub(super) fn pop3(&self, budget: &LoginBudget, implicit_tls: bool) -> Pop3Handler {
        let (params, access) = params::pop3(self.config, self.directory.expiry());
        let (store, directory) = (self.store.clone(), self.directory.clone());
        let service =
            pop3_serve::Service::new(params, access, store, directory, budget.clone(), self.tls.clone())
                .with_journeys(self.journeys.clone())
                .with_registry(self.registry.clone())
                .with_pickups(self.pickups.clone());
        Pop3 { service: Arc::new(service), implicit_tls, stop: self.stop.clone() }
    }
}

/// The state folder is there, and nobody else's business.
pub(crate) fn prepare(path: &Path) -> Result<(), ServeError> {
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

/// Notes where mail has an age of its own, before it is there.
fn marker(expiring: Expiring) -> routing::Expiring {
    Box::new(move |mailbox| {
        // A quarantine has an age of its own, for all that it holds.
        if mailbox.quarantined_from().is_some() {
            return;
        }
        if let Err(error) = expiring.mark(mailbox) {
            warn!(%error, %mailbox, "what a rule lets go early stays as long as the mailbox keeps it");
        }
    })
}

/// What a header section says, for a digest.
fn head(octets: &[u8]) -> Head {
    let read = Content::read(octets, &ContentLimits::default(), Want { body: false });
    let value = |name: &str| {
        let field = read.content.headers.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    Head { from: value("from"), subject: value("subject") }
}

/// What is told of pickups is heard by whoever reports to postmaster.
pub(super) fn heard(journeys: Journeys, concerns: Concerns) -> Journeys {
    Journeys::new(move |event| {
        concerns.hear(&event);
        journeys.tell(|| event);
    })
}

/// How much the disk lacks of twice what must stay free: from there on `status` says that it is nearly full. A tenth
/// more is asked for, so that it does not run low again at once.
fn lacks(config: &Config) -> Lacks {
    let (state_dir, least) = (config.state_dir.clone(), params::store(config).min_free.saturating_mul(2));
    Arc::new(move || {
        let free = DiskSpace::of(&state_dir).map_or(u64::MAX, |space| space.free);
        if free >= least { 0 } else { (least + least / 10).saturating_sub(free) }
    })
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
