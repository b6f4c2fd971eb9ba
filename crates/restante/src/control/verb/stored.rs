//! What `restante rules diff` asks for: all mail that is stored, as it came in.

use std::collections::HashSet;
use std::time::{SystemTime, UNIX_EPOCH};

use mail::{Protocol, Uid};
use queue::{MailboxStatus, Maildrop as _, Message as _, Store as _, StoreError};
use queue_sled::SledMaildrop;
use serde::{Deserialize, Serialize};

use super::Verb;
use crate::control::{Call, Desk, Fault, OCTETS_MAX};

/// Hands out every stored message that came by a door of ours, with its envelope and the octets received: once each,
/// however many mailboxes hold it. Nothing changes. Only those with several holders are remembered meanwhile, and of a
/// message one chunk is in memory.
#[derive(Debug)]
pub enum Stored {}

/// Since when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Args {
    /// In milliseconds since 1970; none is all.
    pub since_ms: Option<u64>,
}

/// What is streamed: for each message its envelope, then parts until another begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// How many entries will be looked at; first of all.
    Count(u64),
    /// A message begins: its octets are its envelope in JSON.
    Message {
        /// Its uid.
        uid: u64,
        /// Its queue id.
        id: u64,
    },
    /// Octets received.
    Part,
    /// The message is whole.
    Whole,
    /// So many entries were looked at.
    Seen(u64),
    /// It cannot be read, or not to its end.
    Broken {
        /// Its uid.
        uid: u64,
        /// Why.
        why: String,
    },
}

/// What was handed out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Messages.
    pub messages: u64,
}

/// How often it is said how far it is.
const SEEN: u64 = 100;

impl Verb for Stored {
    const NAME: &'static str = "stored";
    type Args = Args;
    type Item = Item;
    type Answer = Answer;

    async fn serve(desk: &Desk, args: Args, call: &mut Call) -> Result<Answer, Fault> {
        let mailboxes = desk.store.mailboxes().await?;
        let all = mailboxes.iter().map(|status| status.usage.messages).sum();
        call.item(&Item::Count(all), &[]).await?;
        let mut handing = Handing { call, shared: HashSet::new(), seen: 0, messages: 0 };
        for status in &mailboxes {
            let old = older(desk, status, args.since_ms).await?;
            // Opened one after the other: what one lists may go when the next is at hand.
            let maildrop = desk.store.whole(&status.name).await?;
            for index in 0..maildrop.len() {
                let Some(entry) = maildrop.entry(index) else { break };
                handing.seen += 1;
                if old.is_none_or(|old| entry.uid > old) {
                    handing.hand_out(&maildrop, index, entry.uid, entry.body).await?;
                }
                if handing.seen.is_multiple_of(SEEN) {
                    handing.call.item(&Item::Seen(handing.seen), &[]).await?;
                }
            }
        }
        Ok(Answer { messages: handing.messages })
    }
}

/// The last entry that was delivered before.
async fn older(desk: &Desk, status: &MailboxStatus, since_ms: Option<u64>) -> Result<Option<Uid>, Fault> {
    let Some(since_ms) = since_ms else { return Ok(None) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    Ok(desk.store.older_than(&status.name, since_ms, now_ms, usize::MAX).await?.pop())
}

struct Handing<'a> {
    call: &'a mut Call,
    /// Messages with several holders that went out.
    shared: HashSet<u64>,
    seen: u64,
    messages: u64,
}

impl Handing<'_> {
    async fn hand_out(
        &mut self,
        maildrop: &SledMaildrop,
        index: usize,
        uid: Uid,
        body: u64,
    ) -> Result<(), Fault> {
        match self.message(maildrop, index, uid, body).await {
            Ok(()) => Ok(()),
            Err(Stopped::Call(fault)) => Err(fault),
            Err(Stopped::Message(why)) => self.call.item(&Item::Broken { uid: uid.0, why }, &[]).await,
        }
    }

    async fn message(
        &mut self,
        maildrop: &SledMaildrop,
        index: usize,
        uid: Uid,
        body: u64,
    ) -> Result<(), Stopped> {
        let envelope = maildrop.envelope(index).await?;
        // What was imported, released or written by us was never before the rules.
        if envelope.is_import() || envelope.trace.protocol == Protocol::Local {
            return Ok(());
        }
        if envelope.copies().len() > 1 && !self.shared.insert(body) {
            return Ok(());
        }
        let octets = serde_json::to_vec(&*envelope).map_err(|error| Stopped::Message(error.to_string()))?;
        if octets.len() > OCTETS_MAX {
            return Err(Stopped::Message("its envelope is too long".into()));
        }
        // The engine names a body by the message that it came with.
        self.call.item(&Item::Message { uid: uid.0, id: body }, &octets).await?;
        let mut message = maildrop.received(index).await?;
        while let Some(octets) = message.chunk().await? {
            self.call.item(&Item::Part, &octets).await?;
        }
        self.call.item(&Item::Whole, &[]).await?;
        self.messages += 1;
        Ok(())
    }
}

/// Why a message did not go out whole.
enum Stopped {
    /// It cannot be read.
    Message(String),
    /// Nobody takes it.
    Call(Fault),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Message(error.to_string())
    }
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Call(fault)
    }
}
