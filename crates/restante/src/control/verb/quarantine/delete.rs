use mail::Event;
use queue::{Maildrop as _, Store as _};
use tracing::info;

use super::super::{Nothing, Verb};
use super::{Done, Which, chosen};
use crate::control::{Call, Desk, Fault};

/// Lets go what is held back.
#[derive(Debug)]
pub enum Delete {}

impl Verb for Delete {
    const NAME: &'static str = "quarantine-delete";
    type Args = Which;
    type Item = Nothing;
    type Answer = Done;

    async fn serve(desk: &Desk, which: Which, call: &mut Call) -> Result<Done, Fault> {
        let by = call.caller();
        let mut done = Done::default();
        for (held, places) in chosen(desk, &which).await? {
            let entries = places.iter().filter_map(|index| held.maildrop.entry(*index));
            let uids: Vec<_> = entries.map(|entry| entry.uid).collect();
            let quarantine = held.mailbox.quarantine();
            done.messages += uids.len() as u64;
            desk.store.purge(&quarantine, uids.clone()).await?;
            info!(mailbox = %held.mailbox, messages = uids.len(), by, "deleted from quarantine");
            let reason = format!("deleted from the quarantine by {by}");
            desk.journeys().tell(|| Event::Removed { mailbox: quarantine, uids, reason });
        }
        Ok(done)
    }
}
