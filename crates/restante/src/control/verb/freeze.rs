//! One moment of the store, for a backup or a check: the daemon makes it and holds it, the caller reads it where
//! it is. The daemon may not write where a backup goes; the caller may.

use std::time::Instant;

use queue_sled::backup::Frozen;
use serde::{Deserialize, Serialize};
use tracing::info;

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
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Answer {
    /// Places of the log that a start has found damaged and set aside, as long as they are there.
    #[serde(default)]
    pub damaged: Vec<String>,
}

/// The log tells how long a moment was held, however that ended.
struct Noted(Instant);

impl Noted {
    fn begin() -> Self {
        info!("a moment of the store is held for a backup or a check");
        Self(Instant::now())
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        info!(seconds = self.0.elapsed().as_secs(), "the moment of the store was let go");
    }
}

impl Verb for Freeze {
    const NAME: &'static str = "freeze";
    type Args = NoArgs;
    type Item = Item;
    type Answer = Answer;

    async fn serve(desk: &Desk, _args: NoArgs, call: &mut Call) -> Result<Answer, Fault> {
        let held = desk.store.freeze().await?;
        let _noted = Noted::begin();
        call.item(&Item::Frozen(held.frozen().clone()), &[]).await?;
        while call.next::<Item>().await?.is_some() {}
        let store = desk.store.clone();
        // Many names to remove: not on a thread that serves.
        let figures = tokio::task::spawn_blocking(move || {
            drop(held);
            store.figures()
        });
        let figures = figures.await.map_err(|error| Fault::internal(error.to_string()))?;
        Ok(Answer { damaged: figures.map_or_else(|_| Vec::new(), |figures| figures.files.damaged) })
    }
}
