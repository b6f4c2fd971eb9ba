use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{MailboxName, QueueId, Uid, ViewName};

/// One station of a message's journey, or why it had none: what an admin needs to say where a mail went. Never
/// a body, never a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// It got its 250.
    Accepted {
        /// Its name from now on.
        #[serde(with = "text")]
        id: QueueId,
        /// How it came.
        #[serde(flatten)]
        arrival: Arrival,
        /// Octets received.
        size: u64,
        /// Where the directory sends it.
        mailboxes: Vec<MailboxName>,
    },
    /// It, or one of its recipients, got no 250.
    Refused {
        /// How it came, as far as it did.
        #[serde(flatten)]
        arrival: Arrival,
        /// In answer to what.
        phase: Phase,
        /// The reply: below 500 it may come again.
        code: u16,
        /// The rule that said so, if one did.
        rule: Option<String>,
        /// What the sender was told.
        reason: String,
        /// What is known of a message that came to its end.
        #[serde(flatten)]
        about: About,
    },
    /// The transaction ended before it did.
    CutOff {
        /// How it came.
        #[serde(flatten)]
        arrival: Arrival,
        /// Octets that had come.
        size: u64,
        /// How the transaction ended.
        reason: String,
    },
    /// It is in a mailbox.
    Delivered {
        /// Which message.
        #[serde(with = "text")]
        id: QueueId,
        /// Whose.
        mailbox: MailboxName,
        /// What UIDL calls it there.
        #[serde(with = "text")]
        uid: Uid,
    },
    /// The rules sent it nowhere.
    Discarded {
        /// Which message.
        #[serde(with = "text")]
        id: QueueId,
    },
    /// A client has got all of it.
    Fetched {
        /// From whose mailbox.
        mailbox: MailboxName,
        /// What.
        #[serde(with = "text")]
        uid: Uid,
        /// Who collected.
        client: Client,
    },
    /// A client deleted it, and got its `+OK` to QUIT.
    Deleted {
        /// From whose mailbox.
        mailbox: MailboxName,
        /// The view that is done with it, where it stays in the mailbox; none where it goes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        view: Option<ViewName>,
        /// What.
        #[serde(with = "texts")]
        uids: Vec<Uid>,
        /// Who collected.
        client: Client,
    },
    /// A robot fetched it again and again without coming to an end: it is shown that one no more.
    Parked {
        /// From whose mailbox.
        mailbox: MailboxName,
        /// The robot's view of it.
        view: ViewName,
        /// What.
        #[serde(with = "text")]
        uid: Uid,
        /// In so many sessions.
        sessions: u64,
        /// Who collected the last time.
        client: Client,
    },
    /// A client broke off at it, or right after it, and it has a line that is longer than some programs read: that may be
    /// why.
    GaveUp {
        /// From whose mailbox.
        mailbox: MailboxName,
        /// The view of it.
        view: ViewName,
        /// What.
        #[serde(with = "text")]
        uid: Uid,
        /// Who collected.
        client: Client,
    },
    /// An admin brought it back after it was deleted.
    Undone {
        /// Into whose mailbox.
        mailbox: MailboxName,
        /// For which view.
        view: ViewName,
        /// What it was called.
        #[serde(with = "text")]
        was: Uid,
        /// What it is called now.
        #[serde(with = "text")]
        now: Uid,
    },
    /// An admin let it out of quarantine: it goes on as another message.
    Unquarantined {
        /// Whose mail it is.
        mailbox: MailboxName,
        /// What it was called in quarantine.
        #[serde(with = "text")]
        uid: Uid,
        /// What it is now.
        #[serde(with = "text")]
        id: QueueId,
        /// Who did it.
        by: String,
    },
    /// The appliance removed it.
    Removed {
        /// From whose mailbox.
        mailbox: MailboxName,
        /// What.
        #[serde(with = "texts")]
        uids: Vec<Uid>,
        /// Why.
        reason: String,
    },
    /// Everyone in the team has it: it goes after a while.
    Released {
        /// From whose mailbox.
        mailbox: MailboxName,
        /// What.
        #[serde(with = "texts")]
        uids: Vec<Uid>,
        /// Why.
        reason: String,
    },
    /// The appliance moved it to the trash.
    Trashed {
        /// From whose mailbox.
        mailbox: MailboxName,
        /// What.
        #[serde(with = "texts")]
        uids: Vec<Uid>,
        /// Why.
        reason: String,
    },
    /// A member or a device was taken out of the file long enough ago: its view is forgotten.
    Left {
        /// Whose mailbox.
        mailbox: MailboxName,
        /// Which view.
        view: ViewName,
        /// Why.
        reason: String,
    },
}

/// How a message came, in the words of its envelope.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Arrival {
    /// `SMTP`, `LMTP`, `local`.
    pub by: String,
    /// The peer's address; none on a Unix socket.
    pub ip: Option<IpAddr>,
    /// What it called itself.
    pub helo: String,
    /// The TLS it came by.
    pub tls: Option<String>,
    /// The reverse-path; empty for the null one.
    pub from: String,
    /// The forward-paths.
    pub to: Vec<String>,
}

/// By what people call a message that is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct About {
    /// Its Subject, decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Its Message-ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
}

/// To what a refusal was the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The connection.
    Connect,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// The end of the data.
    Data,
}

/// Who collects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The login, as it was typed.
    pub login: String,
    /// Which of its passwords, where it has several.
    pub password: Option<String>,
    /// The client's address.
    pub ip: Option<IpAddr>,
}

/// Who is told of events, and must not wait.
pub trait Listen: Send + Sync {
    /// Whether there is room for an event now.
    fn has_room(&self) -> bool {
        true
    }

    /// Keeps an event, or counts it when there is no room after all.
    fn keep(&self, event: Event);

    /// Counts an event for which there was no room: it was not even made.
    fn miss(&self) {}
}

impl<F: Fn(Event) + Send + Sync> Listen for F {
    fn keep(&self, event: Event) {
        self(event);
    }
}

/// Where events go. Clones go to the same place; the default goes nowhere.
///
/// Telling never waits: whoever keeps events drops what he has no room for, and counts it.
#[derive(Clone, Default)]
pub struct Journeys(Option<Arc<dyn Listen>>);

impl Journeys {
    /// Hands every event to `listener`.
    pub fn new(listener: impl Listen + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Whether anybody listens.
    pub fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Tells what `event` makes, if anybody listens and has room for it.
    pub fn tell(&self, event: impl FnOnce() -> Event) {
        match &self.0 {
            Some(listener) if listener.has_room() => listener.keep(event()),
            Some(listener) => listener.miss(),
            None => {}
        }
    }
}

impl fmt::Debug for Journeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Journeys(kept)" } else { "Journeys(none)" })
    }
}

/// Ids as people see them, in logs and in UIDL: as numbers they would be too long for many readers of JSON.
mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<T: Display, S: Serializer>(id: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, T, D: Deserializer<'de>>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
    {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// The same of several.
mod texts {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    use crate::Uid;

    pub(super) fn serialize<S: Serializer>(ids: &[Uid], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(ids.iter().map(Uid::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Uid>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}
