//! `restante export`.

use mail::MailboxName;
use queue::{Maildrop as _, Message as _, Store as _, StoreError};
use serde::{Deserialize, Serialize};

use super::Verb;
use crate::control::{Call, Code, Desk, Fault};

/// Hands out all mail of a mailbox, oldest first. Nothing changes.
#[derive(Debug)]
pub enum Export {}

/// Which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// The mailbox, also one that the configuration does not have any more.
    pub mailbox: String,
}

/// What is streamed: for each message its beginning, with octets, and parts until it has as many as it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// How many messages there will be; first of all.
    Count(u64),
    /// A message begins.
    Message {
        /// Its uid.
        uid: u64,
        /// What UIDL calls it.
        uidl: String,
        /// When it came, in milliseconds since 1970.
        received_ms: u64,
        /// Who sent it; empty for nobody.
        sender: String,
        /// Octets of all of it.
        octets: u64,
    },
    /// More octets of it.
    Part,
    /// It cannot be read, or not to its end: the next item begins another.
    Broken {
        /// What UIDL calls it.
        uidl: String,
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

impl Verb for Export {
    const NAME: &'static str = "export";
    type Args = Args;
    type Item = Item;
    type Answer = Answer;

    async fn serve(desk: &Desk, args: Args, call: &mut Call) -> Result<Answer, Fault> {
        let mailbox = mailbox(desk, &args.mailbox).await?;
        let maildrop = desk.store.whole(&mailbox).await?;
        call.item(&Item::Count(maildrop.len() as u64), &[]).await?;
        let mut messages = 0;
        for index in 0..maildrop.len() {
            let Some(entry) = maildrop.entry(index) else { break };
            let uidl = entry.foreign_uidl.map_or_else(|| entry.uid.to_string(), str::to_owned);
            match hand_out(&maildrop, index, &uidl, call).await {
                Ok(()) => messages += 1,
                Err(Stopped::Call(fault)) => return Err(fault),
                Err(Stopped::Message(error)) => {
                    call.item(&Item::Broken { uidl, why: error.to_string() }, &[]).await?;
                }
            }
        }
        Ok(Answer { messages })
    }
}

/// Why a message did not go out whole.
enum Stopped {
    /// It cannot be read.
    Message(StoreError),
    /// Nobody takes it.
    Call(Fault),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Message(error)
    }
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Call(fault)
    }
}

async fn hand_out(
    maildrop: &queue_sled::SledMaildrop,
    index: usize,
    uidl: &str,
    call: &mut Call,
) -> Result<(), Stopped> {
    let Some(entry) = maildrop.entry(index) else { return Ok(()) };
    let envelope = maildrop.envelope(index).await?;
    let mut message = maildrop.message(index, 0..u64::MAX).await?;
    let mut item = Item::Message {
        uid: entry.uid.0,
        uidl: uidl.to_owned(),
        received_ms: envelope.trace.received_ms,
        sender: envelope.reverse_path.to_string(),
        octets: entry.octets,
    };
    let mut octets = message.chunk().await?.unwrap_or_default();
    loop {
        call.item(&item, &octets).await?;
        match message.chunk().await? {
            Some(more) => (item, octets) = (Item::Part, more),
            None => return Ok(()),
        }
    }
}

/// One that is configured, or that holds mail: who has taken a mailbox out of the file may still want its mail.
async fn mailbox(desk: &Desk, name: &str) -> Result<MailboxName, Fault> {
    let configured = desk.directory.as_ref().and_then(|directory| directory.mailbox_named(name));
    if let Some(found) = configured {
        return Ok(found);
    }
    let held = desk.store.mailboxes().await?;
    let found = held.into_iter().map(|status| status.name).find(|held| held.as_str() == name);
    let unknown = || Fault::new(Code::NotFound, format!("there is no mailbox `{name}`, and no mail of one"));
    found.ok_or_else(|| unknown().hint("`restante mailbox list` shows them"))
}
