//! The envelope as version 1 of the metas wrote it. It never changes.

use mail::{Body, Cut, Envelope, ForwardPath, MailboxName, Recipient, ReversePath, Trace};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(super) struct EnvelopeV1 {
    reverse_path: ReversePath,
    recipients: Vec<RecipientV1>,
    body: Body,
    smtputf8: bool,
    trace: Trace,
    cuts: Vec<Cut>,
    unterminated: bool,
}

#[derive(Serialize, Deserialize)]
struct RecipientV1 {
    path: ForwardPath,
    mailboxes: Vec<MailboxName>,
    duplicate: bool,
}

impl From<EnvelopeV1> for Envelope {
    fn from(old: EnvelopeV1) -> Self {
        let EnvelopeV1 { reverse_path, recipients, body, smtputf8, trace, cuts, unterminated } = old;
        let recipients = recipients.into_iter().map(Recipient::from).collect();
        Self {
            reverse_path,
            recipients,
            body,
            smtputf8,
            trace,
            cuts,
            unterminated,
            results: None,
            fields: Vec::new(),
        }
    }
}

impl From<RecipientV1> for Recipient {
    fn from(RecipientV1 { path, mailboxes, duplicate }: RecipientV1) -> Self {
        Self { path, mailboxes, duplicate, ruling: None }
    }
}

/// For tests: as an earlier version would have written it.
#[cfg(test)]
impl From<&Envelope> for EnvelopeV1 {
    fn from(envelope: &Envelope) -> Self {
        let old = |recipient: &Recipient| RecipientV1 {
            path: recipient.path.clone(),
            mailboxes: recipient.mailboxes.clone(),
            duplicate: recipient.duplicate,
        };
        Self {
            reverse_path: envelope.reverse_path.clone(),
            recipients: envelope.recipients.iter().map(old).collect(),
            body: envelope.body,
            smtputf8: envelope.smtputf8,
            trace: envelope.trace.clone(),
            cuts: envelope.cuts.clone(),
            unterminated: envelope.unterminated,
        }
    }
}
