use directory::Directory;
use mail::{Cut, Envelope, MailboxCopy};
use queue::{Additions, Queued, Route, RouteEntry};

use crate::prelude::{Host, render};

/// What shall become of one queued message.
#[derive(Debug, Clone)]
pub enum Plan {
    /// Into these mailboxes.
    Deliver(Route),
    /// Not ours to deliver: it has no recipients, so whoever accepted it says where it goes.
    Pass,
}

/// Plans one message from what its envelope recorded before the 250, the directory's answers and the rulings: that
/// is what was promised, so neither a directory nor rules that have changed since send it elsewhere, and a mailbox
/// that is full meanwhile gets it all the same. So does one that has left the directory: its mail is kept, and others
/// do not wait for it. Of the envelope an alias changes the recipient alone (RFC 5321
/// §3.9.1).
pub fn plan(host: &Host, directory: &Directory, queued: &Queued) -> Plan {
    let envelope = &queued.envelope;
    if envelope.is_import() {
        return Plan::Pass;
    }
    let mut entries = Vec::new();
    for copy in envelope.copies() {
        let delivered_to = directory.home_address(&copy.mailbox);
        let additions = Additions {
            prelude: render(host, queued.id, envelope, &copy, &delivered_to),
            cuts: cuts(envelope, &copy),
            terminate: envelope.unterminated,
        };
        let mailbox = copy.kept_in();
        entries.push(RouteEntry { mailbox, recipients: copy.recipients, additions, foreign_uidl: None });
    }
    Plan::Deliver(Route { id: queued.id, entries })
}

/// What is hidden from every copy, and what the rules hide from this one: ascending, and apart.
fn cuts(envelope: &Envelope, copy: &MailboxCopy) -> Vec<Cut> {
    let mut cuts = envelope.cuts.clone();
    cuts.extend(envelope.fields.iter().filter(|field| copy.hides(field)).map(|field| field.cut));
    if cuts.len() > envelope.cuts.len() {
        cuts.sort_by_key(|cut| cut.at);
        // A field that only we may write is hidden already.
        cuts.dedup();
    }
    cuts
}
