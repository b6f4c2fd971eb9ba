use queue::{Maildrop as _, Message as _};
use routing::content::{ContentLimits, Want};
use routing::rules::Content;
use serde::{Deserialize, Serialize};

use super::super::Verb;
use super::{Held, held, reason};
use crate::control::{Call, Desk, Fault};

/// Octets of a message that are looked at: its header section.
const LOOK: u64 = 128 << 10;

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
    let (from, subject) = head(held, index).await?;
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

/// Who it says it is from, and what it is about.
async fn head(held: &Held, index: usize) -> Result<(String, String), Fault> {
    let mut message = held.maildrop.message(index, 0..LOOK).await?;
    let mut octets = Vec::new();
    while let Some(chunk) = message.chunk().await? {
        octets.extend_from_slice(&chunk);
    }
    // The header section alone: a body that breaks a parser stays where it is.
    let end = memchr::memmem::find(&octets, b"\r\n\r\n").map_or(octets.len(), |at| at + 4);
    let read = Content::read(&octets[..end], &ContentLimits::default(), Want { body: false });
    let value = |name: &str| {
        read.content
            .headers
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    Ok((value("from"), value("subject")))
}
