use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use authenticity::Verifier;
use directory::{Directory, Pickups, Spec};
use mail::Journeys;
use net::{Gate, ListenAddress, LoginBudget, Tls};
use pop3_serve::Registry;
use queue::{Store, StoreError};
use queue_sled::SledStore;
use routing::Router;
use smtp_receive::Receiving;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use upkeep::{Care, Caring, Concerns, Expiring, Quarantine, Upkeep};

use super::gate::Scanning;
use super::grey::SharedGreylist;
use super::handlers::{Handlers, Pop3Handler, SmtpHandler};
use super::listeners::{Listeners, Reloadable};
use super::opening::ServeError;
use super::parsing::Parsing;
use super::signals::{Signals, Told};
use super::{certificate, grey, hooks, known, manager, opening, params, pickups};
use crate::config::{Config, Faults, File, Loaded, Overlay, Rules};
use crate::control::verb::reload::Outcome;
use crate::control::{self, Current, Desk, Door, Running};
use crate::metrics::Metrics;
use crate::migrate;
use crate::trace::{Folder, Keeper};

/// Threads for what blocks: hashing, cold reads, start and stop. Two hash at once; the unit file bounds all.
const BLOCKING_THREADS: usize = 16;
/// What sessions get beyond their own patience before we go without them.
const GRACE: Duration = Duration::from_secs(5);

/// Somebody waits for what comes of a reload.
type Asking = oneshot::Sender<Outcome>;

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
    /// Where everybody tells what becomes of mail: the trace, and who must know of it.
    pub(super) journeys: Journeys,
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
        opening::prepare(&config.state_dir)?;
        manager::status("opening the store");
        // Its lock comes before anything in the state folder is written: another may be at work there.
        let store = opening::open(&config).await?;
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
        let directory = opening::directory(table, &overlay);
        known::recall(&config.state_dir, &directory);
        let tls = config.tls.as_ref().map(|tls| Tls::load(&tls.certificate, &tls.key)).transpose()?;
        let budget = LoginBudget::new(params::login_budget(&config));
        let trace = Keeper::start(Folder::of(&config.state_dir), params::trace(&config))?;
        let concerns = Concerns::default();
        let journeys = hooks::heard(trace.journeys(), concerns.clone());
        let stop = CancellationToken::new();
        let stop_router = CancellationToken::new();
        let router = Router::new(store.clone(), directory.clone(), params::host(&config));
        let expiring = Expiring::open(config.state_dir.join("expiring"));
        let router = router.telling(hooks::marker(expiring.clone())).with_journeys(journeys.clone());
        let route_again = router.again();
        let notebooks = super::notebooks(&config.state_dir);
        let (quarantine, limits) = watch::channel(params::quarantine(&config));
        let upkeep = Upkeep::new(
            store.clone(),
            directory.clone(),
            config.hostname.clone(),
            notebooks.clock,
            limits,
            expiring,
        )
        .with_journeys(journeys.clone())
        .with_digests(config.state_dir.join("digests"), Arc::new(hooks::head));
        let (care, followed) = watch::channel(params::care(&config, &directory));
        let pickups = pickups::recall(&config.state_dir);
        let caring = Caring {
            path: notebooks.views,
            care: followed,
            pickups: pickups.clone(),
            concerns: concerns.clone(),
            lacks: hooks::lacks(&config),
        };
        let upkeep = upkeep.with_care(caring, &stop);
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
            journeys: &journeys,
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
            journeys,
        };
        super::reload::join(&appliance.store, &appliance.directory).await;
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
            journeys: self.journeys.clone(),
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
