use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use net::{Bound, Conn, Gate, Handler, ListenAddress, Networks, Permit, Refused, accept};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::control::report::Listener;

/// A handler that a reload exchanges: connections that are open keep the one they came to.
pub(super) struct Reloadable<H>(Arc<ArcSwap<H>>);

impl<H> Reloadable<H> {
    pub(super) fn new(handler: H) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(handler)))
    }

    pub(super) fn replace(&self, handler: H) {
        self.0.store(Arc::new(handler));
    }
}

impl<H> Clone for Reloadable<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H: Handler + Sync> Handler for Reloadable<H> {
    /// No future of its own around the other's, which would hold the connection once more.
    fn handle(self, conn: Conn, permit: Permit) -> impl Future<Output = ()> + Send {
        H::clone(&self.0.load()).handle(conn, permit)
    }

    fn refusal(&self, why: Refused) -> &'static [u8] {
        self.0.load().refusal(why)
    }
}

/// The sockets of all services: those that the service manager has bound, else those of the configuration.
pub(super) struct Listeners {
    handed: HashMap<String, Vec<Bound>>,
    /// Where something listens, by service.
    pub(super) open: Vec<Listener>,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Listeners {
    pub(super) fn new(handed: HashMap<String, Vec<Bound>>, stop: CancellationToken) -> Self {
        Self { handed, open: Vec::new(), stop, tasks: TaskTracker::new() }
    }

    /// Says of which sockets of the manager's nobody will take connections.
    pub(super) fn report_unserved(&self) {
        for service in self.handed.keys() {
            warn!(%service, "a socket was handed over that nothing serves: disable its unit, or set [tls] for pop3s");
        }
    }

    /// Begins one service. A socket of the manager's with the service's name takes the place of all that the
    /// configuration says.
    pub(super) fn serve<H: Handler>(
        &mut self,
        service: &'static str,
        addresses: &[ListenAddress],
        gate: &Gate,
        trusted: &Networks,
        handler: &H,
    ) -> Result<(), (ListenAddress, io::Error)> {
        let sockets = match self.handed.remove(service) {
            Some(handed) => {
                warn_of_difference(service, &handed, addresses);
                handed
            }
            None => addresses
                .iter()
                .map(|address| Bound::bind(address).map_err(|error| (address.clone(), error)))
                .collect::<Result<_, _>>()?,
        };
        for bound in sockets {
            if let Ok(address) = bound.address() {
                info!(%service, %address, "listening");
                self.open.push(Listener { service: service.into(), address: address.to_string() });
            }
            let (gate, trusted) = (gate.clone(), trusted.clone());
            let (stop, tasks) = (self.stop.clone(), self.tasks.clone());
            self.tasks.spawn(accept(bound, gate, trusted, handler.clone(), stop, tasks));
        }
        Ok(())
    }
}

/// The manager's sockets win over the file; who edits the file should hear of it.
fn warn_of_difference(service: &str, handed: &[Bound], addresses: &[ListenAddress]) {
    let there: Vec<_> = handed.iter().filter_map(|bound| bound.address().ok()).collect();
    if there.len() != addresses.len() || there.iter().any(|address| !addresses.contains(address)) {
        warn!(%service, "the service manager's sockets are used, not what `listen` says: edit the socket unit");
    }
}
