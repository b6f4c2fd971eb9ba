//! `restante import`.

use std::time::Duration;

use mail::{MailboxName, ReversePath};
use queue::{Incoming as _, Store};
use queue_sled::SledStore;
use serde::{Deserialize, Serialize};
use smtp_receive::{BareNewline, TextReader};
use tokio::time::timeout;

use super::Verb;
use crate::control::{Call, Code, Desk, Fault, Progress};
use crate::migrate::{Arrival, Intake, Uidl};

/// Brings mail of another server into a mailbox. First the daemon sends what is there already, then the client
/// what is to come.
#[derive(Debug)]
pub enum Import {}

/// Where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// The mailbox.
    pub mailbox: String,
}

/// What is streamed, first this way, then that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// From the daemon: this unique id is taken.
    Taken {
        /// The unique id.
        uidl: String,
        /// Octets of its message as it is served.
        octets: u64,
    },
    /// From the daemon: that was all; now it is the client's turn.
    Ready,
    /// From the client: octets of a message, of which more will come.
    Part,
    /// From the client: what was sent of a message so far is not wanted.
    Drop,
    /// From the client: with the octets of this item the message is whole.
    Message {
        /// What UIDL calls it, for ever.
        uidl: String,
        /// When the old server got it, in milliseconds since 1970.
        received_ms: u64,
        /// Who sent it; empty for nobody.
        sender: String,
    },
}

/// What was brought in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Messages.
    pub messages: u64,
    /// What the mailbox holds now, in octets.
    pub holds: u64,
    /// What it may hold, where that is less: then new mail is put off.
    pub quota: Option<u64>,
}

impl Verb for Import {
    const NAME: &'static str = "import";
    type Args = Args;
    type Item = Item;
    type Answer = Answer;

    async fn serve(desk: &Desk, args: Args, call: &mut Call) -> Result<Answer, Fault> {
        let mailbox = mailbox(desk, &args.mailbox)?;
        // One whose caller has just gone is over in a moment.
        let alone = timeout(Duration::from_secs(5), desk.importing.lock()).await;
        let _alone = alone.map_err(|_| {
            Fault::new(Code::Busy, "another import is running").hint("try again when it is through")
        })?;
        let mut intake = Intake::begin(desk.store.clone(), mailbox.clone()).await?;
        for (uidl, octets) in intake.known().await? {
            call.item(&Item::Taken { uidl, octets }, &[]).await?;
        }
        call.item(&Item::Ready, &[]).await?;
        let brought = bring(&mut intake, call).await;
        let messages = match brought {
            Ok(()) => intake.end().await?,
            Err(fault) => return Err(so_far(fault, intake.delivered())),
        };
        let (holds, allowance) = (desk.store.usage(&mailbox).octets, desk.directory()?.allowance(&mailbox));
        let quota = allowance.octets.filter(|quota| holds >= *quota);
        Ok(Answer { messages, holds, quota })
    }
}

/// A mailbox of the configuration: mail in any other could not be collected.
fn mailbox(desk: &Desk, name: &str) -> Result<MailboxName, Fault> {
    let unknown = || {
        let text = format!("there is no mailbox `{name}`");
        Fault::new(Code::NotFound, text).hint("`restante mailbox list` shows them; a new one needs a reload")
    };
    desk.directory()?.mailbox_named(name).ok_or_else(unknown)
}

async fn bring(intake: &mut Intake<SledStore>, call: &mut Call) -> Result<(), Fault> {
    let mut begun = None;
    let mut done = 0;
    while let Some((item, octets)) = call.next::<Item>().await? {
        let mut message = match begun.take() {
            Some(message) => message,
            None => Begun::new(intake.incoming().await?),
        };
        message.write(&octets).await?;
        match item {
            Item::Part => begun = Some(message),
            Item::Drop => {}
            Item::Message { uidl, received_ms, sender } => {
                let (incoming, unterminated) = message.whole().await?;
                let (uidl, sender) = names(&uidl, &sender)?;
                intake.accept(incoming, Arrival { uidl, received_ms, sender, unterminated }).await?;
                done += 1;
                call.progress(&Progress { what: "messages".into(), done, of: None });
            }
            Item::Taken { .. } | Item::Ready => {
                return Err(Fault::new(Code::Usage, "an item that only the daemon sends"));
            }
        }
    }
    Ok(())
}

/// A message on its way in. The client has brought its lines into shape; that is not taken on trust.
struct Begun {
    incoming: <SledStore as Store>::Incoming,
    text: TextReader,
}

impl Begun {
    fn new(incoming: <SledStore as Store>::Incoming) -> Self {
        Self { incoming, text: TextReader::new(BareNewline::Refuse, usize::MAX) }
    }

    async fn write(&mut self, mut octets: &[u8]) -> Result<(), Fault> {
        while !octets.is_empty() {
            let (taken, text) = self.text.read(octets);
            self.incoming.write(text).await?;
            octets = &octets[taken..];
        }
        self.check()
    }

    /// Ends it: its place, and whether its last line is not ended.
    async fn whole(mut self) -> Result<(<SledStore as Store>::Incoming, bool), Fault> {
        let (rest, unterminated) = self.text.finish();
        self.incoming.write(rest).await?;
        self.check()?;
        Ok((self.incoming, unterminated))
    }

    fn check(&self) -> Result<(), Fault> {
        match self.text.fault() {
            None => Ok(()),
            Some(_) => Err(Fault::new(Code::Usage, "a message with a bare CR, a bare LF or a NUL")),
        }
    }
}

fn names(uidl: &str, sender: &str) -> Result<(Uidl, ReversePath), Fault> {
    let usage = |why: String| Fault::new(Code::Usage, why);
    let uidl = Uidl::parse(uidl).map_err(|error| usage(format!("`{uidl}`: {error}")))?;
    let (sender, _) = ReversePath::parse(&format!("<{sender}>"))
        .map_err(|error| usage(format!("the sender `{sender}`: {error}")))?;
    Ok((uidl, sender))
}

/// What was brought in before it failed stays, and is known when the import is run again.
fn so_far(fault: Fault, delivered: u64) -> Fault {
    let text = format!("{} (at least {delivered} messages are in the mailbox)", fault.text);
    Fault { text, ..fault }.hint("run the same import again: what is there already is passed over")
}
