//! `restante quarantine`: mail that the rules hold back, and what an admin does about it.

/// Lets messages go.
pub mod delete;
/// Says what is held back.
pub mod list;
/// Delivers messages.
pub mod release;
/// Hands out one message.
pub mod show;

use mail::{Envelope, MailboxName, Uid, ViewName};
use queue::{Maildrop as _, Store as _};
use queue_sled::SledMaildrop;
use serde::{Deserialize, Serialize};

use crate::control::{Code, Desk, Fault};

/// Which messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// These, by what the list calls them.
    These(Vec<String>),
    /// All that is held back from one mailbox.
    Of(String),
}

/// How many messages something was done to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// So many.
    pub messages: u64,
}

/// One quarantine, as it is now.
struct Held {
    /// Whose mail it is.
    mailbox: MailboxName,
    maildrop: SledMaildrop,
}

/// The quarantines that hold anything: of one mailbox, or all.
async fn held(desk: &Desk, of: Option<&str>) -> Result<Vec<Held>, Fault> {
    let is_it = |name: &str, mailbox: &MailboxName| {
        mailbox.as_str() == name || MailboxName::parse(name).is_ok_and(|name| name == *mailbox)
    };
    let mut found = Vec::new();
    let mut is_known = false;
    for status in desk.store.mailboxes().await? {
        is_known |= of.is_some_and(|name| is_it(name, &status.name));
        let Some(mailbox) = status.name.quarantined_from() else { continue };
        let is_wanted = of.is_none_or(|name| is_it(name, &mailbox));
        is_known |= is_wanted;
        if is_wanted && status.usage.messages > 0 {
            let maildrop = desk.store.open(&status.name, &ViewName::owner()).await?;
            found.push(Held { mailbox, maildrop });
        }
    }
    // A mailbox that was taken out may have left mail. Without a directory nobody knows who there is.
    match (of, desk.directory()) {
        (Some(name), Ok(directory)) if !is_known && directory.mailbox_named(name).is_none() => {
            Err(Fault::no_mailbox(name, directory))
        }
        (Some(_) | None, _) => Ok(found),
    }
}

/// The messages that are meant, by their quarantine; each one that is named must be there.
async fn chosen(desk: &Desk, which: &Which) -> Result<Vec<(Held, Vec<usize>)>, Fault> {
    let (of, named) = match which {
        Which::Of(mailbox) => (Some(mailbox.as_str()), None),
        Which::These(texts) => {
            (None, Some(texts.iter().map(|text| uid(text)).collect::<Result<Vec<_>, _>>()?))
        }
    };
    let mut found = Vec::new();
    let mut left = named.clone().unwrap_or_default();
    for held in held(desk, of).await? {
        let mut places = Vec::new();
        for index in 0..held.maildrop.len() {
            let Some(entry) = held.maildrop.entry(index) else { break };
            if named.as_ref().is_none_or(|named| named.contains(&entry.uid)) {
                left.retain(|uid| *uid != entry.uid);
                places.push(index);
            }
        }
        if !places.is_empty() {
            found.push((held, places));
        }
    }
    match left.first() {
        None => Ok(found),
        Some(uid) => Err(Fault::new(Code::NotFound, format!("nothing in quarantine is called {uid}"))
            .hint("`restante quarantine list` shows what is")),
    }
}

fn uid(text: &str) -> Result<Uid, Fault> {
    let wrong = |_| Fault::new(Code::Data, format!("`{text}` names no message"));
    text.parse().map_err(wrong).map_err(|fault| fault.hint("`restante quarantine list` has their names"))
}

/// Why a message is held back from a mailbox.
fn reason(envelope: &Envelope) -> String {
    let reasons = envelope.recipients.iter().filter_map(|to| to.ruling.as_ref()?.quarantine.as_ref());
    reasons.into_iter().next().cloned().unwrap_or_else(|| "not known".into())
}

/// The whole of one message, as it is served.
async fn whole(maildrop: &SledMaildrop, index: usize) -> Result<Vec<u8>, Fault> {
    use queue::Message as _;
    let mut message = maildrop.message(index, 0..u64::MAX).await?;
    let mut octets = Vec::new();
    while let Some(chunk) = message.chunk().await? {
        octets.extend_from_slice(&chunk);
    }
    Ok(octets)
}
