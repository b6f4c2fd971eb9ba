use std::io::ErrorKind;
use std::mem;
use std::time::{SystemTime, UNIX_EPOCH};

use mail::{Envelope, MailboxName, Protocol, QueueId};
use queue::{Incoming, Store, StoreError};
use tokio::time::Instant;

use super::journal::{Entry, Journal};
use super::{Intake, Reason};
use crate::policy::{Inspection, Policy, SessionPolicy, Verdict};
use crate::session::reply::Refusal;
use crate::session::step::Answer;

/// Recipients that do not get a message, by their place in its envelope.
type Refused = Vec<(usize, Refusal)>;

/// How a policy examines one message.
type InspectionOf<P> = <<P as Policy>::Session as SessionPolicy>::Inspection;

/// A message on its way from the wire into the store.
pub(super) struct Message<S: Store, P: Policy> {
    entry: Entry,
    inspection: InspectionOf<P>,
    /// Until a write fails: the rest passes by, and the end of data is answered with why.
    incoming: Result<S::Incoming, StoreError>,
}

impl<S: Store, P: Policy> Message<S, P> {
    pub(super) async fn content(&mut self, octets: &[u8]) {
        let Ok(incoming) = &mut self.incoming else { return };
        self.inspection.content(octets);
        if let Err(error) = incoming.write(octets).await {
            self.incoming = Err(error);
        }
    }

    /// Octets that have come so far, until a write fails.
    pub(super) fn octets(&self) -> u64 {
        self.incoming.as_ref().map_or(0, Incoming::octets)
    }

    /// The connection ended before the message did.
    pub(super) fn cut_off(&self, journal: &mut Journal, reason: Reason) {
        journal.cut_off(&self.entry, self.octets(), reason);
    }
}

impl<S: Store, P: Policy> Intake<'_, S, P> {
    pub(super) fn begin(&mut self, expected: Option<u64>) -> Answer {
        let store = &self.service.store;
        let incoming = store.admit(expected.unwrap_or(0)).and_then(|()| store.incoming(expected));
        match (incoming, self.session.envelope()) {
            (Ok(incoming), Some(envelope)) => {
                let inspection = self.policy.begin(envelope);
                let entry = self.journal.entry(envelope);
                self.message = Some(Box::new(Message { entry, inspection, incoming: Ok(incoming) }));
                Answer::Proceed
            }
            (Ok(_), None) => Answer::Refused(Refusal::Unavailable),
            (Err(error), _) => Answer::Refused(self.store_refuses("begin a message", &error)),
        }
    }

    /// The session gives the message up.
    pub(super) fn abandon(&mut self) {
        if let Some(message) = self.message.take() {
            let octets = message.octets();
            self.journal.abandoned(message.entry, octets);
        }
    }

    pub(super) async fn finish(&mut self, envelope: Box<Envelope>, octets: u64) -> Answer {
        // The session asks for the end of what it had begun.
        let Some(mut message) = self.message.take() else { return Answer::Refused(Refusal::Unavailable) };
        let outcome = self.take(&mut message, envelope, octets).await;
        let entry = &message.entry;
        match outcome {
            Ok(Taken { id, refused, kept_in }) => {
                self.journal.queued(entry, octets, id, kept_in, &refused);
                if let Some(address) = self.journal.peer() {
                    self.permit.gate().behaved(address, Instant::now());
                }
                Answer::Queued { id, refused }
            }
            Err(NotTaken::ForAll(refusal)) => {
                self.journal.refused(entry, octets, &refusal, message.inspection.refused());
                Answer::Refused(refusal)
            }
            Err(NotTaken::ForEach(refused)) => {
                let about = message.inspection.refused();
                for refusal in &refused {
                    self.journal.refused(entry, octets, refusal, about.clone());
                }
                Answer::RefusedEach(refused)
            }
        }
    }

    /// The one place where a message becomes ours.
    async fn take(
        &mut self,
        message: &mut Message<S, P>,
        mut envelope: Box<Envelope>,
        octets: u64,
    ) -> Result<Taken, NotTaken> {
        let Message { inspection, incoming, .. } = message;
        let incoming = mem::replace(incoming, Err(StoreError::Unavailable));
        let mut incoming = incoming.map_err(|error| self.store_refuses("write a message", &error))?;
        let verdict = inspection.finish(&mut envelope, octets, &mut incoming).await;
        let outgrown = envelope.recipients.iter().enumerate();
        let outgrown = outgrown.filter(|(_, to)| self.outgrows(&to.path, &to.mailboxes, octets));
        let outgrown: Vec<usize> = outgrown.map(|(place, _)| place).collect();
        let refused = leave_out(verdict, &outgrown, &mut envelope)?;
        envelope.trace.received_ms = now_ms();
        let kept_in = envelope.kept_in();
        let id =
            incoming.commit(*envelope).await.map_err(|error| self.store_refuses("keep a message", &error))?;
        inspection.kept(id);
        Ok(Taken { id, refused, kept_in })
    }
}

/// A message that is ours.
struct Taken {
    id: QueueId,
    refused: Refused,
    /// Where its copies go.
    kept_in: Vec<MailboxName>,
}

/// Why nobody gets a message.
enum NotTaken {
    /// One reason for all.
    ForAll(Refusal),
    /// Each recipient's own.
    ForEach(Vec<Refusal>),
}

impl From<Refusal> for NotTaken {
    fn from(refusal: Refusal) -> Self {
        Self::ForAll(refusal)
    }
}

/// Takes the recipients out of the envelope that do not get the message; they are told by LMTP alone. What has
/// outgrown some of them is taken for all by SMTP, and for nobody when it has outgrown all.
fn leave_out(verdict: Verdict, outgrown: &[usize], envelope: &mut Envelope) -> Result<Refused, NotTaken> {
    let each = envelope.trace.protocol == Protocol::Lmtp;
    let mut refused: Refused = match verdict {
        Verdict::Refuse(refusal) => return Err(Refusal::Policy(refusal).into()),
        Verdict::AcceptExcept(refused) if each => {
            refused.into_iter().map(|(place, refusal)| (place, Refusal::Policy(refusal))).collect()
        }
        Verdict::Accept | Verdict::AcceptExcept(_) => Vec::new(),
    };
    if each || outgrown.len() == envelope.recipients.len() {
        let is_new = |place: &usize| refused.iter().all(|(other, _)| other != place);
        let outgrown: Vec<usize> = outgrown.iter().copied().filter(is_new).collect();
        refused.extend(outgrown.into_iter().map(|place| (place, Refusal::LargerThanMailbox)));
    }
    let is_refused = |place: usize| refused.iter().any(|(refused, _)| *refused == place);
    if (0..envelope.recipients.len()).all(is_refused) && !refused.is_empty() {
        refused.sort_by_key(|(place, _)| *place);
        let reasons: Vec<Refusal> = refused.into_iter().map(|(_, refusal)| refusal).collect();
        return Err(match reasons.as_slice() {
            [first, rest @ ..] if rest.iter().all(|other| other == first) => NotTaken::ForAll(first.clone()),
            _ => NotTaken::ForEach(reasons),
        });
    }
    let mut place = 0;
    envelope.recipients.retain(|_| {
        place += 1;
        !is_refused(place - 1)
    });
    Ok(refused)
}

/// What a failure of the store means to the peer: later may be better.
pub(super) fn refusal(error: &StoreError) -> Refusal {
    match error {
        StoreError::Full(_) => Refusal::NoRoom,
        StoreError::Io(error)
            if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) =>
        {
            Refusal::NoRoom
        }
        StoreError::Io(_) | StoreError::ReadOnly(_) | StoreError::Unsure(_) | StoreError::Unavailable => {
            Refusal::Unavailable
        }
        StoreError::NoView | StoreError::Damaged(_) | StoreError::TooLarge(_) => Refusal::Unavailable,
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_full_disk_is_no_room_and_the_rest_is_our_fault() {
        assert_eq!(refusal(&StoreError::Full("disk")), Refusal::NoRoom);
        assert_eq!(refusal(&io::Error::from(ErrorKind::StorageFull).into()), Refusal::NoRoom);
        assert_eq!(refusal(&io::Error::from(ErrorKind::Other).into()), Refusal::Unavailable);
        assert_eq!(refusal(&StoreError::ReadOnly("sync".into())), Refusal::Unavailable);
    }
}
