//! What answers one connection of each service, as the configuration in force wants it.

use std::sync::Arc;

use authenticity::Verifier;
use directory::{Directory, Pickups};
use mail::Journeys;
use net::{LoginBudget, Tls};
use pop3_serve::{Pop3, Registry};
use queue_sled::SledStore;
use smtp_receive::{Receiving, Smtp};
use tokio_util::sync::CancellationToken;

use super::gate::{Checkpoint, Gatekeeper, Scanning};
use super::params;
use super::parsing::Parsing;
use crate::config::{Config, Rules};
use crate::trace::Judgements;

pub(super) type SmtpHandler = Smtp<SledStore, Gatekeeper>;
pub(super) type Pop3Handler = Pop3<SledStore>;

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
    pub(super) journeys: &'a Journeys,
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
