use std::sync::Arc;

use directory::Directory;
use mail::Journeys;
use net::{Conn, Handler, Peer, Permit, Refused, Tls};
use queue::Store;
use tokio_util::sync::CancellationToken;

use super::{Receiving, serve};
use crate::policy::Policy;
use crate::session::params::Params;

/// What all connections of the listeners with the same parameters share.
pub struct Service<S: Store, P: Policy> {
    profiles: Profiles,
    pub(super) store: S,
    pub(super) directory: Directory,
    pub(super) receiving: Receiving,
    pub(super) policy: P,
    pub(super) tls: Option<Tls>,
    pub(super) journeys: Journeys,
}

/// The parameters, for each kind of peer.
struct Profiles {
    strangers: Arc<Params>,
    trusted: Arc<Params>,
}

impl Profiles {
    fn new(params: Params, starttls: bool) -> Self {
        let params = Params { starttls, ..params };
        Self { trusted: Arc::new(params.trusting()), strangers: Arc::new(params) }
    }
}

impl<S: Store, P: Policy> Service<S, P> {
    /// Nobody is connected yet. STARTTLS is offered when there is a `tls`, whatever `params` say.
    ///
    /// `receiving` is what all services of one store share, this one and those before and beside it.
    pub fn new(
        params: Params,
        store: S,
        directory: Directory,
        receiving: Receiving,
        policy: P,
        tls: Option<Tls>,
    ) -> Self {
        let profiles = Profiles::new(params, tls.is_some());
        Self { profiles, store, directory, receiving, policy, tls, journeys: Journeys::default() }
    }

    /// The same, and `journeys` are told of every message that comes, or is refused.
    pub fn with_journeys(self, journeys: Journeys) -> Self {
        Self { journeys, ..self }
    }

    pub(super) fn params(&self, peer: &Peer) -> Arc<Params> {
        let Profiles { strangers, trusted } = &self.profiles;
        if peer.trusted { trusted } else { strangers }.clone()
    }
}

/// The service as a listener hands connections to it.
pub struct Smtp<S: Store, P: Policy> {
    /// Shared by all listeners.
    pub service: Arc<Service<S, P>>,
    /// Ends sessions when nothing of theirs is under way any more.
    pub stop: CancellationToken,
}

impl<S: Store, P: Policy> Clone for Smtp<S, P> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), stop: self.stop.clone() }
    }
}

impl<S: Store, P: Policy> Handler for Smtp<S, P> {
    async fn handle(self, conn: Conn, permit: Permit) {
        serve(conn, &permit, &self.service, &self.stop).await;
    }

    fn refusal(&self, why: Refused) -> &'static [u8] {
        match why {
            Refused::Total | Refused::Address | Refused::Network | Refused::Rate => {
                b"421 4.7.0 too many connections, try again later\r\n"
            }
            Refused::Banned => b"421 4.7.0 too many unknown recipients, try again later\r\n",
            Refused::Exhausted => b"421 4.3.2 no room for another connection, try again later\r\n",
        }
    }
}
