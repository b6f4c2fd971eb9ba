use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mail::{MailboxName, Uid, ViewName};
use queue::{Fetched, Store, StoreError};

/// Views that are remembered; a few too many only cost a look into the store.
const VIEWS_MAX: usize = 20_000;

/// What the store knows each joined view was offered, so that a poll with nothing new asks it nothing and writes
/// nothing.
#[derive(Clone, Default)]
pub(super) struct Offered {
    known: Arc<Mutex<HashMap<(MailboxName, ViewName), Uid>>>,
}

impl Offered {
    /// Whether the store knows already that a view was offered all up to `uid`.
    pub(super) fn covers(&self, mailbox: &MailboxName, view: &ViewName, uid: Uid) -> bool {
        let key = (mailbox.clone(), view.clone());
        self.lock().get(&key).is_some_and(|known| uid <= *known)
    }

    fn learn(&self, mailbox: MailboxName, view: ViewName, uid: Uid) {
        let mut known = self.lock();
        if known.len() >= VIEWS_MAX {
            known.clear();
        }
        known.insert((mailbox, view), uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(MailboxName, ViewName), Uid>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the store what views have got, as far as it does not know. A view that has not joined has nothing to
/// remember.
pub(super) async fn tell<S: Store>(
    store: S,
    offered: Offered,
    groups: Vec<Fetched>,
) -> Result<(), StoreError> {
    for mut group in groups {
        if group.uids.is_empty() && offered.covers(&group.mailbox, &group.view, group.offered) {
            continue;
        }
        let views = store.views(&group.mailbox).await?;
        let Some(state) = views.iter().find(|state| state.view == group.view) else { continue };
        group.uids.retain(|uid| !state.fetched.contains(*uid) && !state.done.contains(*uid));
        let Fetched { mailbox, view, .. } = &group;
        let (mailbox, view) = (mailbox.clone(), view.clone());
        let is_new = !group.uids.is_empty() || group.offered > state.offered;
        let most = group.offered.max(state.offered);
        if is_new {
            store.seen(group).await?;
        }
        offered.learn(mailbox, view, most);
    }
    Ok(())
}
