use std::sync::Arc;
use std::time::Duration;

use directory::Directory;
use net::{Tls, TlsError};
use queue::Store;
use tracing::{error, info, warn};

use super::appliance::Appliance;
use super::gate::Scanning;
use super::handlers::Handlers;
use super::{difference, manager, params};
use crate::cli::counted;
use crate::config::{self, Config, Faults, Loaded};
use crate::control::Current;
use crate::control::verb::reload::Outcome;

/// How long a start or a reload waits for new views.
const JOINING: Duration = Duration::from_secs(30);

impl Appliance {
    /// Reads the configuration again and exchanges everything that depends on it at once; with any fault
    /// nothing changes. What comes of it stands in the log, whoever asked.
    pub(super) async fn reload(&mut self) -> Outcome {
        manager::reloading();
        let folder = self.config_dir.clone();
        let outcome = match tokio::task::spawn_blocking(move || config::load(&folder)).await {
            Ok(Ok(loaded)) => self.exchange(loaded).await,
            Ok(Err(faults)) => Outcome::Faulty(faults),
            Err(error) => Outcome::Failed(format!("the configuration cannot be read: {error}")),
        };
        tell(&outcome);
        self.remember(&outcome);
        manager::ready();
        outcome
    }

    /// Name servers and scanners, as a new configuration names them. What is known of them stays where it says the
    /// same.
    fn ask_others(&mut self, config: &Config) {
        let asked = |config: &Config| {
            let scanners = (config.rspamd.clone(), config.clamav.clone());
            (config.authenticity.clone(), config.dnsbl.clone(), config.greylist.clone(), scanners)
        };
        if asked(config) == asked(&self.config) {
            return;
        }
        let resolver = params::resolver(config);
        self.verifier = params::verifier(&config.authenticity, resolver.as_ref());
        self.scanning = Scanning::new(config, resolver.as_ref(), Some(&self.greylist));
    }

    /// The configuration that it started with is not the one of the files.
    pub(super) fn remember_faults(&self, faults: &Faults) {
        let before = Current::clone(&self.current.load());
        let refused = Some(counted(faults.errors(), "fault"));
        self.current.store(Arc::new(Current { refused, ..before }));
    }

    /// For who asks later how things are.
    fn remember(&self, outcome: &Outcome) {
        let before = Current::clone(&self.current.load());
        let current = match outcome {
            Outcome::InForce { restart, .. } => Current {
                tls: self.tls.clone(),
                restart: restart.clone(),
                refused: None,
                rules: self.rules.origin,
            },
            Outcome::Faulty(faults) => Current { refused: Some(counted(faults.errors(), "fault")), ..before },
            Outcome::Failed(why) => Current { refused: Some(why.clone()), ..before },
        };
        self.current.store(Arc::new(current));
    }

    async fn exchange(&mut self, loaded: Loaded) -> Outcome {
        let Loaded { config, spec, table, rules, warnings } = loaded;
        match certificate(self.tls.as_ref(), &config) {
            Ok(tls) => self.tls = tls,
            Err(error) => return Outcome::Failed(format!("the certificate cannot be used: {error}")),
        }
        let mut changes = difference::changes((&self.config, &self.spec), (&config, &spec));
        changes.extend(difference::rules(&self.rules.text, &rules.text));
        let restart = difference::waiting(&self.started, &config).into_iter().map(str::to_owned).collect();
        let next = self.directory.beside(table);
        join(&self.store, &next).await;
        self.directory.take_over(&next);
        self.parsing.grow(params::parsing_memory(&config));
        self.ask_others(&config);
        (self.config, self.spec, self.rules) = (config, spec, rules);
        super::rules::keep(&self.config.state_dir, &self.rules);
        let handlers = Handlers {
            config: &self.config,
            store: &self.store,
            directory: &self.directory,
            receiving: &self.receiving,
            registry: &self.registry,
            pickups: &self.pickups,
            tls: &self.tls,
            stop: &self.listeners.stop,
            journeys: &self.journeys,
            judgements: self.trace.judgements(),
            rules: &self.rules,
            parsing: &self.parsing,
            verifier: &self.verifier,
            scanning: &self.scanning,
        };
        self.smtp.replace(handlers.smtp(params::smtp(&self.config)));
        self.lmtp.replace(handlers.smtp(params::lmtp(&self.config)));
        self.pop3.replace(handlers.pop3(&self.budget, false));
        self.pop3s.replace(handlers.pop3(&self.budget, true));
        self.quarantine.send_replace(params::quarantine(&self.config));
        self.care.send_replace(params::care(&self.config, &self.directory));
        self.route_again.notify_one();
        self.upkeep_again.notify_one();
        Outcome::InForce { warnings, changes, restart }
    }
}

/// Before anybody can log in by a directory the views that it declares have joined. What the store does not take now it
/// is asked for again by the look after mailboxes.
pub(super) async fn join<S: Store>(store: &S, directory: &Directory) {
    match tokio::time::timeout(JOINING, upkeep::join(store, directory, super::wall_ms())).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(%error, "views that joined the file wait: the store does not take them"),
        Err(_) => warn!("views that joined the file wait: the store takes long for them"),
    }
}

fn tell(outcome: &Outcome) {
    match outcome {
        Outcome::InForce { warnings, restart, .. } => {
            warnings.log();
            if !restart.is_empty() {
                warn!("what has changed of these takes effect at a restart only: {}", restart.join(", "));
            }
            info!("the configuration is in force");
        }
        Outcome::Faulty(faults) => {
            faults.log();
            error!("the configuration has faults: the one before stays in force");
        }
        Outcome::Failed(why) => error!("{why}: the configuration before stays in force"),
    }
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
