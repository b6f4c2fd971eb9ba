use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mail::{MailboxName, ViewName};

/// Counts the sessions of each login. Holds logged-in sessions only, so the number of connections bounds it.
#[derive(Clone)]
pub(super) struct Slots {
    taken: Arc<Mutex<HashMap<Name, usize>>>,
    limit: usize,
}

type Name = (MailboxName, ViewName);

/// One session of a login, until dropped.
pub(super) struct Slot {
    slots: Slots,
    name: Name,
}

impl Slots {
    /// At most `limit` for each login.
    pub(super) fn new(limit: usize) -> Self {
        Self { taken: Arc::default(), limit }
    }

    /// One more, if there is room.
    pub(super) fn take(&self, mailbox: &MailboxName, view: &ViewName) -> Option<Slot> {
        let name = (mailbox.clone(), view.clone());
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(name.clone()).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Slot { slots: self.clone(), name })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_login_has_its_own_and_gives_them_back() {
        let slots = Slots::new(2);
        let (alice, bob) =
            (MailboxName::parse("alice").expect("a name"), MailboxName::parse("bob").expect("a name"));
        let first = slots.take(&alice, &ViewName::owner()).expect("room");
        let second = slots.take(&alice, &ViewName::owner()).expect("room");
        assert!(slots.take(&alice, &ViewName::owner()).is_none());
        assert!(slots.take(&bob, &ViewName::owner()).is_some());
        assert!(slots.take(&alice, &ViewName::parse("bob").expect("a name")).is_some(), "a member's own");
        drop(first);
        let third = slots.take(&alice, &ViewName::owner()).expect("room again");
        drop((second, third));
        assert!(slots.taken.lock().expect("no panic").is_empty());
    }
}
