//! `restante mailbox remove NAME --delete-mail`.

use mail::{Event, MailboxName, Uid};
use queue::{Maildrop as _, Store as _, Unwanted};
use serde::{Deserialize, Serialize};
use tracing::info;

use super::{Nothing, Verb};
use crate::control::{Call, Code, Desk, Fault};

/// Deletes for good what a mailbox holds that the configuration does not have any more.
#[derive(Debug)]
pub enum DeleteMail {}

/// Whose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Args {
    /// The mailbox, as the store calls it.
    pub mailbox: String,
    /// Nothing is done.
    pub dry_run: bool,
}

/// What is gone, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// Messages in it, in its trash and in its quarantine.
    pub messages: u64,
    /// How many of them in its trash.
    pub in_trash: u64,
    /// How many of them in its quarantine, or deleted there.
    pub in_quarantine: u64,
    /// Their octets, as served.
    pub octets: u64,
    /// Messages that wait for it in the queue, and come into it yet.
    pub queued: u64,
}

/// Messages that go in one step.
const STEP: usize = 1000;

impl Verb for DeleteMail {
    const NAME: &'static str = "delete-mail";
    type Args = Args;
    type Item = Nothing;
    type Answer = Answer;

    async fn serve(desk: &Desk, args: Args, call: &mut Call) -> Result<Answer, Fault> {
        let mailbox = removed(desk, &args.mailbox).await?;
        let by = call.caller();
        let mut answer = Answer { queued: desk.store.usage(&mailbox).queued.messages, ..Answer::default() };
        for part in parts(&mailbox) {
            let maildrop = desk.store.whole(&part).await?;
            let messages = maildrop.len() as u64;
            answer.messages += messages;
            if part == mailbox.trash() {
                answer.in_trash += messages;
            } else if part != mailbox {
                answer.in_quarantine += messages;
            }
            answer.octets += maildrop.octets();
            if args.dry_run {
                continue;
            }
            let entries = (0..maildrop.len()).filter_map(|index| maildrop.entry(index));
            let uids: Vec<Uid> = entries.map(|entry| entry.uid).collect();
            for step in uids.chunks(STEP) {
                desk.store.purge(&part, step.to_vec()).await?;
                let (mailbox, uids) = (part.clone(), step.to_vec());
                let reason =
                    format!("{by} deleted all mail of a mailbox that was taken out of the configuration");
                desk.journeys().tell(|| Event::Removed { mailbox, uids, reason });
            }
            // A mailbox of that name, should there be one again, begins anew for everybody; if there is one by now, those
            // who collect it have joined.
            if desk.directory()?.mailbox_named(mailbox.as_str()).is_some() {
                break;
            }
            for state in desk.store.views(&part).await? {
                desk.store.leave(&part, &state.view, Unwanted::Goes).await?;
            }
        }
        if !args.dry_run {
            let Answer { messages, octets, .. } = answer;
            info!(%mailbox, messages, octets, by, "all mail of a mailbox that was taken out is deleted");
        }
        Ok(answer)
    }
}

/// Where mail of a mailbox is.
fn parts(mailbox: &MailboxName) -> [MailboxName; 4] {
    let quarantine = mailbox.quarantine();
    [mailbox.clone(), mailbox.trash(), quarantine.trash(), quarantine]
}

/// One that holds mail, and that the configuration does not have: there is no way back from this.
async fn removed(desk: &Desk, name: &str) -> Result<MailboxName, Fault> {
    if let Some(found) = desk.directory()?.mailbox_named(name) {
        let text = format!("mailbox `{found}` is in use: its mail is not deleted");
        let hint = format!("first `restante mailbox remove {found}`, and `restante reload`");
        return Err(Fault::new(Code::Exists, text).hint(hint));
    }
    let unknown = || {
        Fault::new(Code::NotFound, format!("there is no mail of a mailbox `{name}`"))
            .hint("`restante status` names those that are not in mailboxes.toml and hold mail")
    };
    let directory = desk.directory()?;
    let name = mail::fold(name);
    let held = desk.store.mailboxes().await?;
    let mut held = held.iter().filter(|status| status.usage.messages > 0).map(|status| whose(&status.name));
    let is_it =
        |held: &MailboxName| held.as_str() == name || mail::fold(&directory.home_address(held)) == name;
    held.find(is_it).ok_or_else(unknown)
}

/// The mailbox of a trash or a quarantine; or itself.
fn whose(part: &MailboxName) -> MailboxName {
    let mailbox = part.trashed_from().unwrap_or_else(|| part.clone());
    mailbox.quarantined_from().unwrap_or(mailbox)
}
