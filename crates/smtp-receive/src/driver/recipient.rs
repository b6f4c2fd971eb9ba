use directory::Resolution;
use mail::{ForwardPath, MailboxName, Recipient};
use queue::Store;

use super::Intake;
use crate::policy::Policy;
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
    /// What the directory says of a path, and whether there is room behind it.
    pub(super) fn recipient(&mut self, path: ForwardPath, declared: Option<u64>) -> Answer {
        match self.resolve(&path, declared) {
            Ok((mailboxes, duplicate)) => Answer::Recipient(Recipient { path, mailboxes, duplicate }),
            Err(refusal) => {
                self.journal.recipient_refused(self.session.envelope(), &path, &refusal);
                Answer::Refused(refusal)
            }
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
                let full =
                    !mailboxes.is_empty() && mailboxes.iter().all(|mailbox| self.is_full(mailbox, declared));
                // Nothing but the disk keeps mail from postmaster (RFC 5321 §4.5.1).
                if full && !self.service.directory.always_open(path) {
                    return Err(Refusal::MailboxFull);
                }
                Ok((mailboxes, duplicate))
            }
            Resolution::Refused { text } => Err(Refusal::ClosedRecipient(text)),
            Resolution::Unknown => Err(Refusal::UnknownRecipient),
            Resolution::NotLocal => Err(Refusal::NotLocal),
        }
    }

    /// What was declared counts too (RFC 1870 §6.4).
    /// What the recipients so far take.
    fn copies(&self) -> usize {
        let so_far = self.session.envelope().map_or(&[][..], |envelope| &envelope.recipients);
        so_far.iter().map(|recipient| weight(&recipient.path, recipient.mailboxes.len())).sum()
    }

    fn is_full(&self, mailbox: &MailboxName, declared: Option<u64>) -> bool {
        let Some(quota) = self.service.directory.quota(mailbox) else { return false };
        let used = self.service.store.usage(mailbox).octets;
        used >= quota || used.saturating_add(declared.unwrap_or(0)) > quota
    }
}
