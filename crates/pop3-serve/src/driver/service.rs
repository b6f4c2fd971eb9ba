use std::sync::Arc;
use std::time::Duration;

use directory::{Directory, Pickups};
use mail::Journeys;
use net::{Conn, Handler, LoginBudget, Permit, Refused, Tls};
use queue::Store;
use tokio_util::sync::CancellationToken;

use super::registry::Registry;
use super::serve;
use super::slots::Slots;
use super::strangers::Strangers;
use super::turnstile::Turnstile;
use crate::collect::OrderCache;
use crate::listing::ListingCache;
use crate::session::Params;

/// What all POP3 connections share.
pub struct Service<S: Store> {
    pub(super) params: Arc<Params>,
    pub(super) access: Access,
    pub(super) store: S,
    pub(super) directory: Directory,
    pub(super) budget: LoginBudget,
    pub(super) tls: Option<Tls>,
    pub(super) listings: Arc<ListingCache>,
    pub(super) orders: OrderCache,
    pub(super) slots: Slots,
    pub(super) turnstile: Turnstile,
    pub(super) strangers: Strangers,
    pub(super) journeys: Journeys,
    pub(super) registry: Registry,
    pub(super) pickups: Pickups,
}

/// Who may do what, and how much of it is kept at once.
#[derive(Debug, Clone)]
pub struct Access {
    /// The loopback may send passwords in the clear.
    pub plain_on_loopback: bool,
    /// Trusted networks may.
    pub plain_on_trusted: bool,
    /// Sessions of one login at the same time.
    pub sessions_per_login: usize,
    /// Octets of rendered listings that are kept for the next poll.
    pub listing_cache: usize,
    /// Octets that are kept of how several maildrops are one.
    pub order_cache: usize,
    /// For a TLS handshake.
    pub handshake_timeout: Duration,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            plain_on_loopback: true,
            plain_on_trusted: false,
            sessions_per_login: 20,
            listing_cache: 16 << 20,
            order_cache: 16 << 20,
            handshake_timeout: Duration::from_secs(15),
        }
    }
}

impl Access {
    pub(super) fn plain_login(&self, peer: &net::Peer) -> bool {
        (self.plain_on_loopback && peer.is_loopback()) || (self.plain_on_trusted && peer.trusted)
    }
}

impl<S: Store> Service<S> {
    /// Nobody is connected yet. Without `tls` neither STLS nor implicit TLS is served.
    pub fn new(
        params: Params,
        access: Access,
        store: S,
        directory: Directory,
        budget: LoginBudget,
        tls: Option<Tls>,
    ) -> Self {
        Self {
            params: Arc::new(params),
            store,
            directory,
            budget,
            tls,
            listings: Arc::new(ListingCache::new(access.listing_cache)),
            orders: OrderCache::new(access.order_cache),
            slots: Slots::new(access.sessions_per_login),
            turnstile: Turnstile::default(),
            strangers: Strangers::default(),
            journeys: Journeys::default(),
            registry: Registry::default(),
            pickups: Pickups::default(),
            access,
        }
    }

    /// The same, and `journeys` are told what is fetched and deleted.
    pub fn with_journeys(self, journeys: Journeys) -> Self {
        Self { journeys, ..self }
    }

    /// The same, with the memory of another: of the other listener, or of the one before a reload.
    pub fn with_registry(self, registry: Registry) -> Self {
        Self { registry, ..self }
    }

    /// The same, and who collects what is noted in `pickups`.
    pub fn with_pickups(self, pickups: Pickups) -> Self {
        Self { pickups, ..self }
    }
}

/// The service as a listener hands connections to it.
pub struct Pop3<S: Store> {
    /// Shared by all listeners.
    pub service: Arc<Service<S>>,
    /// TLS from the first octet (port 995).
    pub implicit_tls: bool,
    /// Ends sessions after the response that they are in.
    pub stop: CancellationToken,
}

impl<S: Store> Clone for Pop3<S> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), implicit_tls: self.implicit_tls, stop: self.stop.clone() }
    }
}

impl<S: Store> Handler for Pop3<S> {
    async fn handle(self, conn: Conn, permit: Permit) {
        serve(conn, &permit, &self.service, self.implicit_tls, &self.stop).await;
    }

    fn refusal(&self, why: Refused) -> &'static [u8] {
        // Behind implicit TLS nobody could read a word in the clear.
        if self.implicit_tls {
            return b"";
        }
        match why {
            Refused::Total | Refused::Address | Refused::Network | Refused::Rate | Refused::Banned => {
                b"-ERR [SYS/TEMP] too many connections, try again later\r\n"
            }
            Refused::Exhausted => b"-ERR [SYS/TEMP] no room for another connection, try again later\r\n",
        }
    }
}
