use directory::Directory;
use mail::MailboxName;
use queue::{Additions, Queued, Route, RouteEntry};

use crate::prelude::{Host, render};

/// What shall become of one queued message.
#[derive(Debug, Clone)]
pub enum Plan {
    /// Into these mailboxes.
    Deliver(Route),
    /// Not now: this mailbox got the 250 and is no longer in the directory. The message stays queued until
    /// the mailbox is back.
    Wait(MailboxName),
    /// Not ours to deliver: it has no recipients, so whoever accepted it says where it goes.
    Pass,
}

/// Plans one message from what its envelope recorded at RCPT: the 250 promised that answer, so a directory
/// that has changed since does not send it elsewhere. Of the envelope an alias changes the recipient alone
/// (RFC 5321 §3.9.1).
pub fn plan(host: &Host, directory: &Directory, queued: &Queued) -> Plan {
    let envelope = &queued.envelope;
    if envelope.is_import() {
        return Plan::Pass;
    }
    let mut entries = Vec::new();
    for (mailbox, recipients) in envelope.copies() {
        if !directory.has_mailbox(&mailbox) {
            return Plan::Wait(mailbox);
        }
        let delivered_to = directory.home_address(&mailbox);
        let additions = Additions {
            prelude: render(host, queued.id, envelope, &recipients, &delivered_to),
            cuts: envelope.cuts.clone(),
            terminate: envelope.unterminated,
        };
        entries.push(RouteEntry { mailbox, recipients, additions, foreign_uidl: None });
    }
    Plan::Deliver(Route { id: queued.id, entries })
}
