//! One moment of the store, for a backup or a check: the daemon makes it and holds it, the caller reads it where
//! it is. The daemon may not write where a backup goes; the caller may.

use queue_sled::backup::Frozen;
use serde::{Deserialize, Serialize};

use super::{NoArgs, Verb};
use crate::control::{Call, Desk, Fault};

/// A moment of the store, held until the caller ends.
#[derive(Debug)]
pub enum Freeze {}

/// What is said on the way.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// The daemon's, once: where the moment is.
    Frozen(Frozen),
    /// The caller's, now and then: it is still at work.
    Alive,
}

/// It is let go.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Answer {}

impl Verb for Freeze {
    const NAME: &'static str = "freeze";
    type Args = NoArgs;
    type Item = Item;
    type Answer = Answer;

    async fn serve(desk: &Desk, _args: NoArgs, call: &mut Call) -> Result<Answer, Fault> {
        let held = desk.store.freeze().await?;
        call.item(&Item::Frozen(held.frozen().clone()), &[]).await?;
        while call.next::<Item>().await?.is_some() {}
        // Many names to remove: not on a thread that serves.
        tokio::task::spawn_blocking(move || drop(held))
            .await
            .map_err(|error| Fault::internal(error.to_string()))?;
        Ok(Answer {})
    }
}
