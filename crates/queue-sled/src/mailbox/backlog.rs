use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mail::{Envelope, MailboxName, QueueId};
use queue::Amount;

use crate::index::Effect;

/// What is owed to each mailbox: accepted for it, and not in it yet. Whoever asks of a mailbox that has a
/// quota must know it, however long the queue is.
///
/// The committer adds a message before its 250 can be said, the applier takes it out again after it has put
/// its entries where they are counted: who asks here first and there next may count one twice for a moment,
/// and never misses one. A start fills it anew. A message takes about a hundred octets here.
#[derive(Default)]
pub(crate) struct Backlog {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    messages: HashMap<QueueId, Owed>,
    totals: HashMap<MailboxName, Amount>,
}

struct Owed {
    octets: u64,
    /// Each mailbox, as often as it gets a copy.
    mailboxes: Box<[MailboxName]>,
}

impl Backlog {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is owed to a mailbox.
    pub(crate) fn of(&self, mailbox: &MailboxName) -> Amount {
        self.lock().totals.get(mailbox).copied().unwrap_or_default()
    }

    /// All that is queued, each message once.
    pub(crate) fn total(&self) -> Amount {
        let state = self.lock();
        let octets = state.messages.values().map(|owed| owed.octets).sum();
        Amount { messages: state.messages.len() as u64, octets }
    }

    /// Takes a message in; once, however often it is told.
    pub(crate) fn add(&self, id: QueueId, octets: u64, envelope: &Envelope) {
        let mailboxes = envelope.kept_in().into_boxed_slice();
        self.lock().add(id, Owed { octets, mailboxes });
    }

    /// Follows the index: what was delivered is owed no more.
    pub(crate) fn publish(&self, effects: &[Effect]) {
        let unqueued = effects.iter().filter_map(|effect| match effect {
            Effect::Unqueued(id) => Some(*id),
            Effect::Queued(_)
            | Effect::Held(..)
            | Effect::Added(..)
            | Effect::Removed(..)
            | Effect::Moved(..)
            | Effect::View(..)
            | Effect::Totals(..) => None,
        });
        let mut state = self.lock();
        unqueued.for_each(|id| state.remove(id));
    }
}

impl State {
    fn add(&mut self, id: QueueId, owed: Owed) {
        if self.messages.contains_key(&id) {
            return;
        }
        for mailbox in &owed.mailboxes {
            let total = self.totals.entry(mailbox.clone()).or_default();
            total.messages += 1;
            total.octets += owed.octets;
        }
        self.messages.insert(id, owed);
    }

    fn remove(&mut self, id: QueueId) {
        let Some(owed) = self.messages.remove(&id) else { return };
        for mailbox in &owed.mailboxes {
            let Some(total) = self.totals.get_mut(mailbox) else { continue };
            total.messages = total.messages.saturating_sub(1);
            total.octets = total.octets.saturating_sub(owed.octets);
            if total.messages == 0 {
                self.totals.remove(mailbox);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use queue::contract::{envelope, name};

    use super::*;

    #[test]
    fn a_message_counts_once_for_each_copy_until_it_is_delivered() {
        let backlog = Backlog::default();
        let mut twins = envelope(&["alice", "bob", "alice", "alice"]);
        twins.recipients[3].duplicate = true;
        backlog.add(QueueId(1), 10, &twins);
        backlog.add(QueueId(1), 10, &twins);
        backlog.add(QueueId(2), 5, &envelope(&["bob"]));
        let of = |text: &str| {
            let Amount { messages, octets } = backlog.of(&name(text));
            (messages, octets)
        };
        assert_eq!([of("alice"), of("bob"), of("carol")], [(2, 20), (2, 15), (0, 0)]);
        backlog.publish(&[Effect::Unqueued(QueueId(1)), Effect::Unqueued(QueueId(7))]);
        assert_eq!([of("alice"), of("bob")], [(0, 0), (1, 5)]);
        backlog.publish(&[Effect::Unqueued(QueueId(2))]);
        assert!(backlog.lock().messages.is_empty() && backlog.lock().totals.is_empty());
    }
}
