//! Messages that come to the store past every protocol.

use std::io::{self, Error};

use mail::{Envelope, MailboxName, Uid};
use queue::{Additions, Delivered, Queued, Route, RouteEntry, Store};
use queue_sled::SledStore;

/// What the router reads at once.
const PAGE: usize = 256;
/// Octets of the fields that a delivery puts on top of a copy.
const PRELUDE: usize = 500;

/// A message from nobody to postmaster, for one mailbox.
pub(crate) fn envelope(mailbox: &str) -> Envelope {
    queue::contract::envelope(&[mailbox])
}

/// Delivers what is queued; the uids that came of it.
pub(crate) async fn route_all(store: &SledStore) -> io::Result<Vec<Uid>> {
    let mut uids = Vec::new();
    loop {
        let page = store.queued(None, PAGE).await.map_err(Error::other)?;
        if page.is_empty() {
            return Ok(uids);
        }
        let routes = page.iter().map(route).collect();
        for delivered in store.deliver(routes).await.map_err(Error::other)? {
            match delivered {
                Delivered::Entries(entries) => uids.extend(entries),
                Delivered::NotQueued => {}
            }
        }
    }
}

fn route(message: &Queued) -> Route {
    let mailboxes = message.envelope.recipients.iter().flat_map(|recipient| &recipient.mailboxes);
    let entry = |mailbox: &MailboxName| RouteEntry {
        mailbox: mailbox.clone(),
        recipients: vec![0],
        additions: Additions { prelude: vec![b'x'; PRELUDE], ..Additions::default() },
        foreign_uidl: None,
    };
    Route { id: message.id, entries: mailboxes.map(entry).collect() }
}
