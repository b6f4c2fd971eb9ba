//! The daily digest: once a day each mailbox with newly held mail is told of it, by a message of its own.
//!
//! A mailbox's part of the day is written down twice: before the message is handed to the queue, with the instant
//! that it bears, and after it is ours. What lies between the two is looked for in the queue and in the mailbox, so
//! that neither a crash nor a store that cannot say what it did tells anything twice, or leaves anything out.

mod letter;
mod told;

use std::path::PathBuf;
use std::sync::Arc;

use directory::Directory;
use jiff::civil::{Date, Time};
use jiff::{Timestamp, tz::TimeZone};
use mail::{Envelope, MailboxName, Protocol, QueueId, ReversePath, ViewName};
use queue::{Incoming, Maildrop, Message, Store, StoreError};
use tracing::{info, warn};

use crate::quarantine::quarantines;
use letter::{Held, Letter};
use told::{Record, Sending, Told};

/// Messages that one digest names: the newest. The rest is counted.
const NAMED: usize = 100;
/// Digests of one look: when many are due at once, the rest follows a little later.
const AT_ONCE: usize = 100;
/// Octets of a message that are read for its header section.
const HEADER: u64 = 128 << 10;
/// How far back one that may have been sent is looked for in its mailbox.
const LOOKED_AT: usize = 1000;

/// What a header section says of its message, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The authors.
    pub from: String,
    /// What it is about.
    pub subject: String,
}

/// Reads a header section: whoever has a parser lends it. It may take its time, and break.
pub type ReadHead = Arc<dyn Fn(&[u8]) -> Head + Send + Sync>;

/// Tells mailboxes of what is held back from them.
pub(crate) struct Digests {
    told: Record,
    read: ReadHead,
    zone: TimeZone,
}

impl Digests {
    /// What the run before has told is read from the file at `path`.
    pub(crate) fn open(path: PathBuf, read: ReadHead, zone: TimeZone) -> Self {
        Self { told: Record::open(path), read, zone }
    }

    /// Sends what is due.
    pub(crate) async fn look<S: Store>(
        &mut self,
        store: &S,
        directory: &Directory,
        host: &str,
        at: Time,
        now_ms: u64,
    ) {
        let Some(day) = digest_day(now_ms, at, &self.zone) else { return };
        let due = day.to_datetime(at);
        if self.told.is_new() {
            // What there is already is told of at the next hour.
            self.told.done(due, &[]).await;
        }
        if !self.told.is_due(due) {
            return;
        }
        let held = match quarantines(store).await {
            Ok(held) => held,
            Err(error) => {
                warn!(%error, "no digests for now: the store does not say what is held back");
                return;
            }
        };
        let mailboxes: Vec<MailboxName> =
            held.iter().filter_map(|(name, _)| name.quarantined_from()).collect();
        let (mut sent, mut all) = (0, true);
        for mailbox in &mailboxes {
            if sent == AT_ONCE {
                return;
            }
            let work = Work { store, directory, host, mailbox, day, now_ms };
            match self.tell(&work).await {
                Ok(told) => sent += usize::from(told),
                Err(error) => {
                    warn!(%error, %mailbox, "what is held back is not told: it is tried again");
                    all = false;
                }
            }
        }
        if all {
            self.told.done(due, &mailboxes).await;
        }
    }

    /// Whether a digest was sent.
    async fn tell<S: Store>(&mut self, work: &Work<'_, S>) -> Result<bool, StoreError> {
        let Work { store, directory, mailbox, day, now_ms, .. } = work;
        let told = self.settled(work).await?;
        if told.day == Some(*day) {
            return Ok(false);
        }
        let held = store.open(&mailbox.quarantine(), &ViewName::owner()).await?;
        let uid = |index: usize| held.entry(index).map(|entry| entry.uid);
        let is_new = |index: &usize| uid(*index).is_some_and(|uid| uid > told.uid);
        let new = (0..held.len()).rev().take_while(is_new).count();
        let first = held.len() - new;
        let Some(newest) = held.len().checked_sub(1).filter(|_| new > 0).and_then(uid) else {
            return Ok(false);
        };
        let after = Told { day: Some(*day), uid: newest, sending: None };
        let is_read = directory.is_collected(mailbox) || directory.team(mailbox).is_some();
        if !is_read {
            info!(%mailbox, messages = new, "mail is held back from a mailbox that nobody collects: no digest");
            self.told.set(mailbox, after).await?;
            return Ok(false);
        }
        let mut named = Vec::new();
        for index in first.max(held.len().saturating_sub(NAMED))..held.len() {
            // What went meanwhile is not held any more.
            named.extend(self.held(&held, index).await.ok());
        }
        if named.is_empty() {
            return Ok(false);
        }
        let address = directory.home_address(mailbox);
        let letter = Letter {
            host: work.host,
            mailbox,
            address: &address,
            login: directory.is_collected(mailbox).then(|| mailbox.quarantine()),
            more: new - named.len(),
            held: &named,
            now_ms: *now_ms,
            zone: &self.zone,
        };
        let Some(envelope) = letter.envelope() else { return Ok(false) };
        let sending = Sending { day: *day, uid: newest, at_ms: *now_ms };
        let before = Told { sending: Some(sending), ..told };
        // Nothing is sent that could be sent again.
        self.told.set(mailbox, before).await?;
        let id = send(*store, &letter.message(), envelope).await?;
        if let Err(error) = self.told.set(mailbox, after).await {
            warn!(%error, "that a digest was sent is not written down: the next start looks for it");
        }
        info!(%id, %mailbox, messages = new, "a mailbox is told of what is held back from it");
        Ok(true)
    }

    /// What a mailbox was told, when it is certain.
    async fn settled<S: Store>(&mut self, work: &Work<'_, S>) -> Result<Told, StoreError> {
        let told = self.told.of(work.mailbox);
        let Some(Sending { day, uid, at_ms }) = told.sending else { return Ok(told) };
        let known = match is_there(work.store, work.mailbox, at_ms).await? {
            true => Told { day: Some(day), uid, sending: None },
            false => Told { sending: None, ..told },
        };
        self.told.set(work.mailbox, known).await?;
        Ok(known)
    }

    async fn held<M: Maildrop>(&self, held: &M, index: usize) -> Result<Held, StoreError> {
        let uid = held.entry(index).map(|entry| entry.uid).ok_or(StoreError::Unavailable)?;
        let envelope = held.envelope(index).await?;
        let mut message = held.message(index, 0..HEADER).await?;
        let mut octets = Vec::new();
        while let Some(chunk) = message.chunk().await? {
            octets.extend_from_slice(&chunk);
        }
        let end = octets.windows(4).position(|four| four == b"\r\n\r\n").map_or(octets.len(), |at| at + 4);
        octets.truncate(end);
        let read = self.read.clone();
        // A header that breaks its parser is told of without what it says.
        let head = tokio::task::spawn_blocking(move || read(&octets)).await.unwrap_or_default();
        let from =
            if head.from.trim().is_empty() { format!("<{}>", envelope.reverse_path) } else { head.from };
        let reasons = envelope.recipients.iter().filter_map(|to| to.ruling.as_ref()?.quarantine.clone());
        let reason = reasons.into_iter().next().unwrap_or_else(|| "not known".into());
        Ok(Held { uid, from, subject: head.subject, received_ms: envelope.trace.received_ms, reason })
    }
}

/// One mailbox's turn.
struct Work<'a, S> {
    store: &'a S,
    directory: &'a Directory,
    host: &'a str,
    mailbox: &'a MailboxName,
    day: Date,
    now_ms: u64,
}

async fn send<S: Store>(store: &S, message: &str, envelope: Envelope) -> Result<QueueId, StoreError> {
    let mut incoming = store.incoming(Some(message.len() as u64))?;
    incoming.write(message.as_bytes()).await?;
    incoming.commit(envelope).await
}

/// Whether a message of ours that bears this instant waits for the mailbox, or is in it.
async fn is_there<S: Store>(store: &S, mailbox: &MailboxName, at_ms: u64) -> Result<bool, StoreError> {
    let is_it = |envelope: &Envelope| {
        let Envelope { trace, reverse_path, recipients, .. } = envelope;
        trace.protocol == Protocol::Local
            && trace.received_ms == at_ms
            && *reverse_path == ReversePath::Null
            && recipients.iter().any(|to| to.mailboxes.contains(mailbox))
    };
    let mut after = None;
    loop {
        let page = store.queued(after, LOOKED_AT).await?;
        if page.iter().any(|queued| is_it(&queued.envelope)) {
            return Ok(true);
        }
        match page.last() {
            Some(last) => after = Some(last.id),
            None => break,
        }
    }
    let maildrop = store.open(mailbox, &ViewName::owner()).await?;
    for index in (0..maildrop.len()).rev().take(LOOKED_AT) {
        if maildrop.envelope(index).await.is_ok_and(|envelope| is_it(&envelope)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The day of the last instant at which digests were due.
fn digest_day(now_ms: u64, at: Time, zone: &TimeZone) -> Option<Date> {
    let now = Timestamp::from_millisecond(i64::try_from(now_ms).ok()?).ok()?.to_zoned(zone.clone());
    if now.time() >= at { Some(now.date()) } else { now.date().yesterday().ok() }
}
