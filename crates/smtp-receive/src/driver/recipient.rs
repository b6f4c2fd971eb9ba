use directory::Resolution;
use mail::{ForwardPath, MailboxName, Recipient};
use net::Probing;
use queue::Store;
use tokio::time::Instant;

use super::{Intake, Service};
use crate::policy::{Policy, SessionPolicy};
use crate::session::params::Probes;
use crate::session::reply::Refusal;
use crate::session::step::Answer;

/// Octets that the copies of one message may take beside its body. A delivery is one step of the store, so it
/// must fit one record, with room for what rules add; and a few small mails must not fill the memory.
const COPIES_MAX: usize = 2 << 20;
/// What a copy takes beside the addresses that led to it: its entry, and the fields on top of it.
const COPY: usize = 640;

/// An estimate, on the high side, of what delivering to a recipient takes.
fn weight(path: &ForwardPath, mailboxes: usize) -> usize {
    let address = path.address().map_or(0, |a| a.local.as_str().len() + a.domain.as_str().len());
    mailboxes * (COPY + 2 * address)
}

impl<S: Store, P: Policy> Intake<'_, S, P> {
    /// What the directory says of a path, what the policy does, and whether there is room behind it.
    pub(super) async fn recipient(&mut self, path: ForwardPath, declared: Option<u64>) -> Answer {
        let taken = match self.resolve(&path, declared) {
            Ok((mailboxes, duplicate)) => {
                self.judge(Recipient { path: path.clone(), mailboxes, duplicate, ruling: None }, declared)
                    .await
            }
            Err(refusal) => Err(refusal),
        };
        match taken {
            Ok(recipient) => Answer::Recipient(recipient),
            Err(refusal) => {
                self.journal.recipient_refused(self.session.envelope(), &path, &refusal);
                if refusal.is_probe() {
                    self.probed();
                }
                Answer::Refused(refusal)
            }
        }
    }

    /// The peer's other sessions count too, also those of today that are over.
    fn probed(&mut self) {
        self.session.probed(match self.permit.gate().probed(self.journal.peer(), Instant::now()) {
            Probing::Borne => Probes::Borne,
            Probing::Slowed => Probes::Slowed,
            Probing::Banned => {
                self.journal.banned();
                Probes::Ended
            }
        });
    }

    async fn judge(&mut self, recipient: Recipient, declared: Option<u64>) -> Result<Recipient, Refusal> {
        let Some(envelope) = self.session.envelope() else { return Err(Refusal::Unavailable) };
        self.policy.recipient(envelope, &recipient).await.map_err(Refusal::Policy)?;
        // Room is claimed last: what is refused must take none.
        let Recipient { path, mailboxes, duplicate, .. } = &recipient;
        match self.admit(path, mailboxes, *duplicate, declared) {
            true => Ok(recipient),
            false => Err(Refusal::MailboxFull),
        }
    }

    fn resolve(
        &self,
        path: &ForwardPath,
        declared: Option<u64>,
    ) -> Result<(Vec<MailboxName>, bool), Refusal> {
        match self.service.directory.resolve(path) {
            Resolution::Deliver { mailboxes, duplicate } => {
                if self.copies() + weight(path, mailboxes.len()) > COPIES_MAX {
                    return Err(Refusal::TooManyCopies);
                }
                // An estimate may be wrong (RFC 1870 §6.1), but this much never fits: later is no better.
                if declared.is_some_and(|octets| self.outgrows(path, &mailboxes, octets)) {
                    return Err(Refusal::LargerThanMailbox);
                }
                Ok((mailboxes, duplicate))
            }
            Resolution::Refused { text } => Err(Refusal::ClosedRecipient(text)),
            Resolution::Unknown => Err(Refusal::UnknownRecipient),
            Resolution::NotLocal => Err(Refusal::NotLocal),
        }
    }

    /// What the recipients so far take.
    fn copies(&self) -> usize {
        let so_far = self.session.envelope().map_or(&[][..], |envelope| &envelope.recipients);
        so_far.iter().map(|recipient| weight(&recipient.path, recipient.mailboxes.len())).sum()
    }

    /// Whether a message is longer than the whole quota of every mailbox that a recipient leads to.
    pub(super) fn outgrows(&self, path: &ForwardPath, mailboxes: &[MailboxName], octets: u64) -> bool {
        let directory = &self.service.directory;
        let is_small = |mailbox| directory.quota(mailbox).is_some_and(|quota| octets > quota);
        // Nothing but the disk keeps mail from postmaster (RFC 5321 §4.5.1).
        !mailboxes.is_empty() && mailboxes.iter().all(is_small) && !directory.always_open(path)
    }

    /// Whether one of the mailboxes has room; then what comes counts for all of them until the transaction ends.
    fn admit(
        &mut self,
        path: &ForwardPath,
        mailboxes: &[MailboxName],
        duplicate: bool,
        declared: Option<u64>,
    ) -> bool {
        let Service { store, directory, receiving, .. } = self.service;
        let used = |mailbox: &MailboxName| (directory.allowance(mailbox), store.usage(mailbox).total());
        // Nothing but the disk keeps mail from postmaster (RFC 5321 §4.5.1).
        let always_open = directory.always_open(path);
        let claim = self.claim.get_or_insert_with(|| receiving.begin(declared));
        claim.admit(mailboxes, duplicate, always_open, used)
    }
}
