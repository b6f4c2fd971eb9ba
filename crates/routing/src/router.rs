use std::sync::Arc;
use std::time::Duration;

use directory::Directory;
use mail::{Event, Journeys, MailboxName, QueueId, shown};
use queue::{Delivered, Queued, Route, Store, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::plan::{Plan, plan};
use crate::prelude::Host;

/// Messages planned and delivered in one go.
const PAGE: usize = 256;
/// Octets of fields on top of copies that are planned before they are delivered.
const OCTETS: usize = 4 << 20;
/// How long the router rests after the store could not do its part.
const REST: Duration = Duration::from_secs(1);

/// Empties the queue into mailboxes, oldest first, as long as it runs: the 250 has promised it (RFC 5321
/// §2.1, §4.2.5).
///
/// It keeps no state that a restart would miss: what is queued is asked of the store, and a delivery is
/// one atomic step of the store. Whatever happens in between, a message is either still queued or in its
/// mailboxes.
pub struct Router<S> {
    store: S,
    directory: Directory,
    host: Host,
    again: Arc<Notify>,
    expiring: Option<Expiring>,
    journeys: Journeys,
}

/// Told, before it happens, of a mailbox that gets mail with an age of its own.
pub type Expiring = Box<dyn Fn(&MailboxName) + Send + Sync>;

impl<S: Store> Router<S> {
    /// A router between a store and a directory.
    pub fn new(store: S, directory: Directory, host: Host) -> Self {
        let (again, journeys) = (Arc::new(Notify::new()), Journeys::default());
        Self { store, directory, host, again, expiring: None, journeys }
    }

    /// Tells `expiring` of mail that a rule has given an age of its own.
    #[must_use]
    pub fn telling(mut self, expiring: Expiring) -> Self {
        self.expiring = Some(expiring);
        self
    }

    /// The same, and `journeys` are told of every delivery.
    #[must_use]
    pub fn with_journeys(self, journeys: Journeys) -> Self {
        Self { journeys, ..self }
    }

    /// Notified, the router looks once more at all that waits.
    pub fn again(&self) -> Arc<Notify> {
        self.again.clone()
    }

    /// Routes until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut reached = None;
        // A page is never given up half-way: its log lines would be missing.
        while !stop.is_cancelled() {
            let rest = match self.page(reached).await {
                Ok(Some(last)) => {
                    reached = Some(last);
                    continue;
                }
                Ok(None) => None,
                Err(error) => {
                    error!(%error, "mail stays queued: the store did not take its delivery");
                    Some(REST)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.again.notified() => reached = None,
                () = self.store.arrival(), if rest.is_none() => {}
                () = tokio::time::sleep(rest.unwrap_or_default()), if rest.is_some() => {}
            }
        }
    }

    /// Routes one page; the last message it looked at, or nothing when none is left.
    async fn page(&self, after: Option<QueueId>) -> Result<Option<QueueId>, StoreError> {
        let page = self.store.queued(after, PAGE).await?;
        let Some(last) = page.last().map(|queued| queued.id) else { return Ok(None) };
        let (mut messages, mut routes, mut octets) = (Vec::new(), Vec::new(), 0);
        for queued in page.iter().filter(|queued| !queued.held) {
            let Some(route) = self.plan(queued) else { continue };
            octets += route.entries.iter().map(|entry| entry.additions.prelude.len()).sum::<usize>();
            messages.push(queued);
            routes.push(route);
            if octets >= OCTETS {
                self.deliver(&std::mem::take(&mut messages), std::mem::take(&mut routes)).await?;
                octets = 0;
            }
        }
        self.deliver(&messages, routes).await?;
        Ok(Some(last))
    }

    fn plan(&self, queued: &Queued) -> Option<Route> {
        match plan(&self.host, &self.directory, queued) {
            Plan::Deliver(route) => {
                self.tell_of_ages(queued, &route);
                Some(route)
            }
            Plan::Pass => None,
        }
    }

    fn tell_of_ages(&self, queued: &Queued, route: &Route) {
        let mut rulings = queued.envelope.recipients.iter().filter_map(|to| to.ruling.as_ref());
        let Some(expiring) = self.expiring.as_ref() else { return };
        if rulings.any(|ruling| ruling.expire.is_some()) {
            route.entries.iter().for_each(|entry| expiring(&entry.mailbox));
        }
    }

    async fn deliver(&self, messages: &[&Queued], routes: Vec<Route>) -> Result<(), StoreError> {
        let mailboxes: Vec<_> = routes.iter().map(names).collect();
        let outcomes = match self.store.deliver(routes).await {
            Err(StoreError::TooLarge(_)) => return self.deliver_one_by_one(messages).await,
            outcomes => outcomes?,
        };
        for ((queued, mailboxes), outcome) in messages.iter().zip(mailboxes).zip(outcomes) {
            self.tell(queued, &mailboxes, &outcome);
        }
        Ok(())
    }

    /// One of these can never be delivered: it stays queued, and must not keep the others from it.
    async fn deliver_one_by_one(&self, messages: &[&Queued]) -> Result<(), StoreError> {
        for queued in messages {
            let Some(route) = self.plan(queued) else { continue };
            let mailboxes = names(&route);
            match self.store.deliver(vec![route]).await {
                Err(StoreError::TooLarge(why)) => {
                    error!(id = %queued.id, why, "mail stays queued: it has more copies than one step delivers");
                }
                outcomes => outcomes?.iter().for_each(|outcome| self.tell(queued, &mailboxes, outcome)),
            }
        }
        Ok(())
    }

    fn tell(&self, queued: &Queued, mailboxes: &[MailboxName], outcome: &Delivered) {
        match outcome {
            // Somebody else delivered it, and said so.
            Delivered::NotQueued => {}
            Delivered::Entries(uids) if uids.is_empty() => {
                let rulings = queued.envelope.recipients.iter().filter_map(|to| to.ruling.as_ref());
                let rules: Vec<&str> = rulings.flat_map(|ruling| &ruling.rules).map(String::as_str).collect();
                info!(id = %queued.id, rule = %shown(rules.join(",")), status = "discarded", "message");
                let id = queued.id;
                self.journeys.tell(|| Event::Discarded { id });
            }
            Delivered::Entries(uids) => {
                let mailbox = mailboxes.iter().map(MailboxName::as_str).collect::<Vec<_>>().join(",");
                let uid = uids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                info!(id = %queued.id, %mailbox, %uid, status = "delivered", "message");
                for (mailbox, uid) in mailboxes.iter().zip(uids) {
                    let (id, mailbox, uid) = (queued.id, mailbox.clone(), *uid);
                    self.journeys.tell(|| Event::Delivered { id, mailbox, uid });
                }
            }
        }
    }
}

fn names(route: &Route) -> Vec<MailboxName> {
    route.entries.iter().map(|entry| entry.mailbox.clone()).collect()
}
