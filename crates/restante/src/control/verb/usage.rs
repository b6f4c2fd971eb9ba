//! What `restante mailbox list` shows beside the configuration.

use std::collections::BTreeSet;

use queue::{Amount, Store};
use serde::{Deserialize, Serialize};

use super::{NoArgs, Nothing, Verb};
use crate::control::{Call, Desk, Fault};

/// What every mailbox holds, of the file and of the store.
#[derive(Debug)]
pub enum Usage {}

/// One mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its name in the store.
    pub mailbox: String,
    /// Messages in it.
    pub messages: u64,
    /// Their octets, as served.
    pub octets: u64,
    /// Messages that wait for it in the queue.
    pub queued_messages: u64,
    /// Their octets, as received.
    pub queued_octets: u64,
}

impl Verb for Usage {
    const NAME: &'static str = "usage";
    type Args = NoArgs;
    type Item = Item;
    type Answer = Option<Nothing>;

    async fn serve(desk: &Desk, _args: NoArgs, call: &mut Call) -> Result<Option<Nothing>, Fault> {
        let kept = desk.store.mailboxes().await?.into_iter().map(|status| status.name);
        let named = desk.directory.iter().flat_map(directory::Directory::mailbox_names);
        for mailbox in named.chain(kept).collect::<BTreeSet<_>>() {
            let usage = desk.store.usage(&mailbox);
            let Amount { messages: queued_messages, octets: queued_octets } = usage.queued;
            let (mailbox, messages, octets) = (mailbox.to_string(), usage.messages, usage.octets);
            call.item(&Item { mailbox, messages, octets, queued_messages, queued_octets }, &[]).await?;
        }
        Ok(None)
    }
}
