use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mail::{MailboxName, Uid, ViewName};

/// After so many sessions that fetched a message and ended without QUIT it is put aside.
pub(super) const SESSIONS: u8 = 5;
/// Messages that are counted in all; what is beyond is counted when others have gone.
const MESSAGES_MAX: usize = 100_000;

/// How often each message was fetched by a robot whose session then ended without QUIT: an importer that stumbles over
/// one message would do so for ever. In memory alone: a restart begins to count anew.
#[derive(Clone, Default)]
pub(super) struct Poison {
    counts: Arc<Mutex<Counts>>,
}

#[derive(Default)]
struct Counts {
    views: HashMap<(MailboxName, ViewName), HashMap<Uid, u8>>,
    messages: usize,
}

impl Poison {
    /// A session that fetched these has ended without QUIT: those that it was once too often for, which are counted
    /// no more.
    pub(super) fn broken(&self, mailbox: &MailboxName, view: &ViewName, uids: &[Uid]) -> Vec<Uid> {
        let mut counts = self.lock();
        let Counts { views, messages } = &mut *counts;
        let view = views.entry((mailbox.clone(), view.clone())).or_default();
        let mut poisonous = Vec::new();
        for uid in uids {
            if !view.contains_key(uid) {
                if *messages >= MESSAGES_MAX {
                    continue;
                }
                *messages += 1;
            }
            let count = view.entry(*uid).or_default();
            *count += 1;
            if *count >= SESSIONS {
                view.remove(uid);
                *messages -= 1;
                poisonous.push(*uid);
            }
        }
        counts.views.retain(|_, view| !view.is_empty());
        poisonous
    }

    /// A session that fetched these has ended as it should.
    pub(super) fn well(&self, mailbox: &MailboxName, view: &ViewName, uids: &[Uid]) {
        let mut counts = self.lock();
        if counts.messages == 0 {
            return;
        }
        let key = (mailbox.clone(), view.clone());
        let Some(view) = counts.views.get_mut(&key) else { return };
        let removed = uids.iter().filter(|uid| view.remove(uid).is_some()).count();
        if view.is_empty() {
            counts.views.remove(&key);
        }
        counts.messages -= removed;
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> (MailboxName, ViewName) {
        (MailboxName::parse("sales").expect("a name"), ViewName::parse("robot").expect("a name"))
    }

    #[test]
    fn the_fifth_broken_session_is_one_too_many() {
        let (poison, (mailbox, view)) = (Poison::default(), names());
        for _ in 0..4 {
            assert_eq!(poison.broken(&mailbox, &view, &[Uid(1), Uid(2)]), []);
        }
        poison.well(&mailbox, &view, &[Uid(2), Uid(3)]);
        assert_eq!(poison.broken(&mailbox, &view, &[Uid(1), Uid(2)]), [Uid(1)], "2 was fetched well");
        poison.well(&mailbox, &view, &[Uid(2)]);
        let counts = poison.lock();
        assert_eq!((counts.views.len(), counts.messages), (0, 0));
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let (poison, (mailbox, view)) = (Poison::default(), names());
        let uids: Vec<Uid> = (0..MESSAGES_MAX as u64 + 10).map(Uid).collect();
        for _ in 0..4 {
            assert_eq!(poison.broken(&mailbox, &view, &uids), []);
        }
        assert_eq!(poison.lock().messages, MESSAGES_MAX);
        assert_eq!(poison.broken(&mailbox, &view, &uids).len(), MESSAGES_MAX);
        assert_eq!(poison.lock().messages, 10, "and now there is room for these");
    }
}
