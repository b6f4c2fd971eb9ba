use std::sync::Arc;

use mail::{Cut, Envelope, MailboxName, QueueId, Uid, ViewName};
use serde::{Deserialize, Serialize};

/// A message that waits to be routed.
#[derive(Debug, Clone)]
pub struct Queued {
    /// Its name.
    pub id: QueueId,
    /// What is known of it beside its octets.
    pub envelope: Arc<Envelope>,
    /// Octets received.
    pub octets: u64,
    /// Marked by [`crate::Store::hold`]; the router passes it by.
    pub held: bool,
}

/// Where one queued message goes: all of it happens, or nothing.
#[derive(Debug, Clone)]
pub struct Route {
    /// The message.
    pub id: QueueId,
    /// The mailboxes that get it; none is a discard. A mailbox may stand here twice.
    pub entries: Vec<RouteEntry>,
}

/// One mailbox's copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteEntry {
    /// Who gets it.
    pub mailbox: MailboxName,
    /// Which recipients of the envelope led there, by their place in it.
    pub recipients: Vec<u16>,
    /// What is served around the octets received.
    pub additions: Additions,
    /// The UIDL of another server that this entry keeps for ever; none for mail that came by our own door.
    pub foreign_uidl: Option<String>,
}

/// What makes the octets behind a uid out of the octets received. Written once at delivery, so that what a
/// client saw under a uid is what it will always see.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Additions {
    /// Header fields put on top, each with its CRLF.
    pub prelude: Vec<u8>,
    /// Runs of the octets received that are left out, ascending and apart.
    pub cuts: Vec<Cut>,
    /// A CRLF is put at the end.
    pub terminate: bool,
}

/// What became of a [`Route`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// One uid for each entry, in the order of the route.
    Entries(Vec<Uid>),
    /// It was not queued any more: somebody else delivered it. Nothing happened.
    NotQueued,
}

/// Deletions of one view at one QUIT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expunge {
    /// In which mailbox.
    pub mailbox: MailboxName,
    /// Whose view.
    pub view: ViewName,
    /// What it no longer wants to see. A uid that is not there (any more) is no error.
    pub uids: Vec<Uid>,
}

/// From where on a view that joins sees the mail of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Join {
    /// All that the mailbox holds, and all that comes.
    All,
    /// What is delivered from now on.
    Now,
}

/// One message of a maildrop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its name, for ever.
    pub uid: Uid,
    /// Exactly the octets that its [`crate::Message`] yields.
    pub octets: u64,
    /// What UIDL prints instead of the uid, for mail taken over from another server.
    pub foreign_uidl: Option<&'a str>,
}

/// Equal stamps of one mailbox and view mean equal maildrops: what was rendered of one serves the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp(pub u64);

/// So much mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Messages.
    pub messages: u64,
    /// Their octets.
    pub octets: u64,
}

/// What one mailbox holds, and what is on its way there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Messages.
    pub messages: u64,
    /// Octets as served.
    pub octets: u64,
    /// What was accepted for it and is not delivered yet, held or not: in octets as received, for what is
    /// served around them is decided at delivery.
    pub queued: Amount,
}

impl Usage {
    /// All of it.
    pub fn total(&self) -> Amount {
        Amount { messages: self.messages + self.queued.messages, octets: self.octets + self.queued.octets }
    }
}

/// One line of the list of all mailboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxStatus {
    /// Its name.
    pub name: MailboxName,
    /// What it holds.
    pub usage: Usage,
    /// The views that have joined.
    pub views: Vec<ViewName>,
}
