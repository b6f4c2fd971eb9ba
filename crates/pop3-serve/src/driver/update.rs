use std::time::Duration;

use directory::{Dele, Part};
use mail::{Event, Uid};
use queue::{Expunge, Maildrop, Store, StoreError, Unwanted};

use super::Pickup;
use crate::session::DeleteError;

/// How long QUIT's answer waits until what is taken from all members of a team is in its trash.
const FOR_ALL_MAX: Duration = Duration::from_secs(5);
/// How long it waits for what other devices still list, which the trace is told.
const LISTED_MAX: Duration = Duration::from_secs(2);

/// What becomes of a message that DELE has marked in one part; nothing where it stays listed.
fn unwanted(part: &Part) -> Option<Unwanted> {
    match part.dele {
        // Done for this login is what QUIT promises; the others' part comes after it.
        Dele::Done | Dele::TrashForAll => Some(Unwanted::Stays),
        Dele::Trash => Some(Unwanted::ToTrash),
        Dele::Remove => Some(Unwanted::Goes),
        Dele::Keep => None,
    }
}

impl<S: Store> Pickup<'_, S> {
    /// Makes the deletions of QUIT in all parts, or none; how many messages are listed no more by them.
    pub(super) async fn delete(&mut self, places: &[usize]) -> Result<u64, DeleteError> {
        let Some(account) = &self.account else { return Err(DeleteError::NotDeleted) };
        let parts = &account.login.parts;
        let mut uids: Vec<Vec<Uid>> = vec![Vec::new(); parts.len()];
        let mut deleted = 0;
        for index in places {
            let mut stays = false;
            for place in account.drop.places(*index) {
                let Some(entry) = account.drop.entry(place) else { continue };
                match parts.get(place.part).and_then(unwanted) {
                    Some(_) => uids[place.part].push(entry.uid),
                    None => stays = true,
                }
            }
            deleted += u64::from(!stays);
        }
        let groups: Vec<Expunge> = parts
            .iter()
            .zip(&uids)
            .filter(|(_, uids)| !uids.is_empty())
            .filter_map(|(part, uids)| {
                let (mailbox, view) = (part.mailbox.clone(), part.view.clone());
                Some(Expunge { mailbox, view, uids: uids.clone(), unwanted: unwanted(part)? })
            })
            .collect();
        // What was fetched is told first, and not waited for: it stands before the deletions, or is not needed.
        self.begin_to_tell().await;
        if groups.is_empty() {
            return Ok(deleted);
        }
        match self.service.store.delete(groups).await {
            Ok(()) => {
                let gone = self.trash_for_all(&uids).await;
                self.deleted(uids, &gone).await;
                Ok(deleted)
            }
            Err(error @ StoreError::Unsure(_)) => {
                self.journal.store_failed("messages may or may not be deleted", &error);
                Err(DeleteError::Unsure)
            }
            Err(error) => {
                self.journal.store_failed("messages cannot be deleted", &error);
                Err(DeleteError::NotDeleted)
            }
        }
    }

    /// Takes from all members of a team what a login deleted that does so; which parts are through. What fails leaves
    /// the others theirs: this login is done with it all the same.
    async fn trash_for_all(&mut self, uids: &[Vec<Uid>]) -> Vec<usize> {
        let Some(account) = &self.account else { return Vec::new() };
        let mut through = Vec::new();
        for (at, part) in account.login.parts.iter().enumerate() {
            let uids = uids.get(at).filter(|uids| part.dele == Dele::TrashForAll && !uids.is_empty());
            let Some(uids) = uids else { continue };
            let trash = self.service.store.trash(&part.mailbox, uids.clone());
            let trashed = tokio::time::timeout(FOR_ALL_MAX, trash).await;
            match trashed.unwrap_or(Err(StoreError::Unsure("the trash takes too long".into()))) {
                Ok(()) => through.push(at),
                Err(error) => self.journal.store_failed("messages may stay with the other members", &error),
            }
        }
        through
    }

    /// For the log and the trace.
    async fn deleted(&mut self, uids: Vec<Vec<Uid>>, gone: &[usize]) {
        let Some(account) = &self.account else { return };
        let parts = account.login.parts.iter().enumerate().zip(uids);
        for ((at, part), uids) in parts.filter(|(_, uids)| !uids.is_empty()) {
            self.journal.deleted(at, uids.len());
            let (stay, went) = match part.dele {
                Dele::Done | Dele::Keep => (uids, Vec::new()),
                Dele::TrashForAll if gone.contains(&at) => (Vec::new(), uids),
                Dele::TrashForAll => (uids, Vec::new()),
                Dele::Trash | Dele::Remove if account.joined[at] => {
                    split(&self.service.store, part, uids).await
                }
                Dele::Trash | Dele::Remove => (Vec::new(), uids),
            };
            for (uids, view) in [(stay, Some(part.view.clone())), (went, None)] {
                if !uids.is_empty() {
                    let (mailbox, client) = (part.mailbox.clone(), self.journal.client());
                    self.service.journeys.tell(|| Event::Deleted { mailbox, view, uids, client });
                }
            }
        }
    }
}

/// Which of these are in the mailbox still, for another view lists them, and which went with this one. Where nobody can
/// tell, they stay: what is said to be gone is gone.
async fn split<S: Store>(store: &S, part: &Part, uids: Vec<Uid>) -> (Vec<Uid>, Vec<Uid>) {
    let here = tokio::time::timeout(LISTED_MAX, store.whole(&part.mailbox)).await;
    let Ok(Ok(here)) = here else { return (uids, Vec::new()) };
    uids.into_iter().partition(|uid| here.lists(*uid))
}
