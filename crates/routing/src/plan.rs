use directory::Directory;
use mail::{Envelope, MailboxName};
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
}

/// Plans one message from what its envelope recorded at RCPT: the 250 promised that answer, so a directory
/// that has changed since does not send it elsewhere. Of the envelope an alias changes the recipient alone
/// (RFC 5321 §3.9.1).
///
/// A mailbox gets one entry however many recipients lead there; a recipient that came by an alias with
/// `duplicate = true` has an entry to itself.
pub fn plan(host: &Host, directory: &Directory, queued: &Queued) -> Plan {
    let envelope = &queued.envelope;
    let mut entries = Vec::new();
    for (mailbox, recipients) in destinations(envelope) {
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

fn destinations(envelope: &Envelope) -> Vec<(MailboxName, Vec<u16>)> {
    let mut shared: Vec<(MailboxName, Vec<u16>)> = Vec::new();
    let mut own = Vec::new();
    for (index, recipient) in (0..).zip(&envelope.recipients) {
        for mailbox in &recipient.mailboxes {
            if recipient.duplicate {
                own.push((mailbox.clone(), vec![index]));
                continue;
            }
            match shared.iter_mut().find(|(name, _)| name == mailbox) {
                Some((_, recipients)) if recipients.last() == Some(&index) => {}
                Some((_, recipients)) => recipients.push(index),
                None => shared.push((mailbox.clone(), vec![index])),
            }
        }
    }
    shared.extend(own);
    shared
}
