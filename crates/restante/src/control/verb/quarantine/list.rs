use queue::Maildrop as _;
use serde::{Deserialize, Serialize};

use super::super::{Verb, head::head};
use super::{Held, held, reason};
use crate::control::{Call, Desk, Fault};

/// Says what is held back.
#[derive(Debug)]
pub enum List {}

/// From whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Args {
    /// One mailbox alone.
    pub mailbox: Option<String>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What it is called.
    pub uid: String,
    /// Whose mail it is.
    pub mailbox: String,
    /// When it came, in milliseconds since 1970.
    pub received_ms: u64,
    /// Who sent it: the reverse-path, empty for the null one.
    pub sender: String,
    /// Whom it says it is from.
    pub from: String,
    /// What it is about, decoded.
    pub subject: String,
    /// Octets, as they would be served.
    pub octets: u64,
    /// Why it is held back.
    pub reason: String,
}

/// Nothing more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// How many there are.
    pub messages: u64,
}

impl Verb for List {
    const NAME: &'static str = "quarantine-list";
    type Args = Args;
    type Item = Item;
    type Answer = Answer;

    async fn serve(desk: &Desk, args: Args, call: &mut Call) -> Result<Answer, Fault> {
        let mut messages = 0;
        for held in held(desk, args.mailbox.as_deref()).await? {
            for index in 0..held.maildrop.len() {
                // What went meanwhile is not held any more.
                if let Ok(item) = item(&held, index).await {
                    call.item(&item, &[]).await?;
                    messages += 1;
                }
            }
        }
        Ok(Answer { messages })
    }
}

async fn item(held: &Held, index: usize) -> Result<Item, Fault> {
    let gone = || Fault::internal("a message is gone");
    let entry = held.maildrop.entry(index).ok_or_else(gone)?;
    let envelope = held.maildrop.envelope(index).await?;
    let (from, subject) = head(&held.maildrop, index).await?;
    Ok(Item {
        uid: entry.uid.to_string(),
        mailbox: held.mailbox.to_string(),
        received_ms: envelope.trace.received_ms,
        sender: envelope.reverse_path.to_string(),
        from,
        subject,
        octets: entry.octets,
        reason: reason(&envelope),
    })
}
