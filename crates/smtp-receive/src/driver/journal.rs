use std::fmt;
use std::net::IpAddr;

use mail::{
    About, Arrival, Envelope, Event, ForwardPath, Journeys, MailboxName, Phase, Protocol, QueueId,
    ReversePath, shown,
};
use net::{ConnError, Peer};
use queue::StoreError;
use tokio::time::Instant;
use tracing::{Level, debug, enabled, error, info};

use super::Reason;
use crate::session::params::Dialect;
use crate::session::reply::{Refusal, Reply};

/// What the log will say of a connection: one line for each message and each refusal, one at its end; and what
/// the trace is told.
pub(super) struct Journal {
    journeys: Journeys,
    peer: Peer,
    dialect: Dialect,
    tls: Option<&'static str>,
    since: Instant,
    taken: u32,
    refused: u32,
    octets: u64,
    /// A message that was given up, and has not been told why.
    abandoned: Option<(Entry, u64)>,
}

/// A message in the words of the log and of the trace, made while its envelope is at hand, and only for those
/// who want it.
#[derive(Default)]
pub(super) struct Entry {
    arrival: Arrival,
    from: String,
    to: String,
    helo: String,
}

impl Entry {
    fn of(envelope: &Envelope, is_traced: bool) -> Self {
        let traced =
            if is_traced { Self { arrival: arrival(envelope), ..Self::default() } } else { Self::default() };
        if !enabled!(Level::INFO) {
            return traced;
        }
        Self {
            from: shown(format_args!("<{}>", envelope.reverse_path)),
            to: shown(Commas(envelope.recipients.iter().map(|recipient| format!("<{}>", recipient.path)))),
            helo: shown(&envelope.trace.helo),
            ..traced
        }
    }
}

impl Journal {
    pub(super) fn new(peer: &Peer, dialect: Dialect, journeys: Journeys) -> Self {
        Self {
            journeys,
            peer: *peer,
            dialect,
            tls: None,
            since: Instant::now(),
            taken: 0,
            refused: 0,
            octets: 0,
            abandoned: None,
        }
    }

    /// A message begins.
    pub(super) fn entry(&self, envelope: &Envelope) -> Entry {
        Entry::of(envelope, self.journeys.is_kept())
    }

    pub(super) fn peer(&self) -> Option<IpAddr> {
        self.peer.ip()
    }

    pub(super) fn secured(&mut self, version: &'static str) {
        self.tls = Some(version);
    }

    pub(super) fn handshake_failed(&self, error: &ConnError) {
        info!(peer = %self.peer, error = %shown(error), "{} TLS handshake failed", self.dialect);
    }

    pub(super) fn queued(
        &mut self,
        entry: &Entry,
        octets: u64,
        id: QueueId,
        kept_in: Vec<MailboxName>,
        refused: &[(usize, Refusal)],
    ) {
        self.taken += 1;
        self.octets += octets;
        let Entry { from, to, helo, arrival, .. } = entry;
        let mailbox = if enabled!(Level::INFO) { shown(Commas(kept_in.iter())) } else { String::new() };
        self.journeys.tell(|| Event::Accepted {
            id,
            arrival: arrival.clone(),
            size: octets,
            mailboxes: kept_in,
        });
        let (peer, tls) = (self.peer, self.tls.unwrap_or("-"));
        info!(%id, from, to, size = octets, status = "queued", mailbox, %peer, helo, tls, "message");
        for (place, refusal) in refused {
            let reason = shown(refusal.said());
            info!(%id, place, status = "refused", rule = rule(refusal), reason, "recipient of message");
            let to = arrival.to.get(*place).cloned().into_iter().collect();
            self.tell_refused(|| Arrival { to, ..arrival.clone() }, Phase::Data, refusal);
        }
    }

    /// Somebody decided against a whole message.
    pub(super) fn refused(&mut self, entry: &Entry, octets: u64, refusal: &Refusal, about: About) {
        self.not_taken(entry, octets, status(refusal), rule(refusal), &refusal.said());
        self.tell_refused_of(|| entry.arrival.clone(), Phase::Data, refusal, about);
    }

    fn tell_refused(&self, arrival: impl FnOnce() -> Arrival, phase: Phase, refusal: &Refusal) {
        self.tell_refused_of(arrival, phase, refusal, About::default());
    }

    fn tell_refused_of(
        &self,
        arrival: impl FnOnce() -> Arrival,
        phase: Phase,
        refusal: &Refusal,
        about: About,
    ) {
        self.journeys.tell(|| Event::Refused {
            arrival: arrival(),
            phase,
            code: Reply::Refused(refusal.clone()).code(),
            rule: Some(rule(refusal)).filter(|rule| *rule != "-").map(str::to_owned),
            reason: refusal.said(),
            about,
        });
    }

    /// The transaction as far as it has come; nothing of it, and only the peer, before MAIL.
    fn arrival(&self, envelope: Option<&Envelope>) -> Arrival {
        let so_far = envelope.map(arrival).unwrap_or_default();
        Arrival { ip: self.peer.ip(), tls: self.tls.map(str::to_owned), ..so_far }
    }

    /// The session gives up what is coming in; its next reply says why, or there is none.
    pub(super) fn abandoned(&mut self, entry: Entry, octets: u64) {
        self.abandoned = Some((entry, octets));
    }

    pub(super) fn replied(&mut self, reply: &Reply) {
        let abandoned = self.abandoned.take();
        if abandoned.is_none() && !matches!(reply, Reply::Fault(_)) {
            return;
        }
        let (status, why) = match reply {
            Reply::Fault(fault) => ("refused", fault.said()),
            Reply::Ended(ending) => ("refused", ending.said()),
            // The peer itself began anew, or went.
            Reply::Greeting
            | Reply::Helo
            | Reply::Extensions { .. }
            | Reply::Sender
            | Reply::Recipient
            | Reply::StartData
            | Reply::Chunk(_)
            | Reply::Queued(_)
            | Reply::Ok
            | Reply::CannotVerify
            | Reply::Help
            | Reply::ReadyForTls
            | Reply::Goodbye
            | Reply::Refused(_)
            | Reply::TurnedAway(_) => ("cut off", "given up by the peer".into()),
        };
        match (abandoned, reply) {
            (Some((entry, octets)), _) => {
                self.not_taken(&entry, octets, status, "-", &why);
                self.tell_cut_off(&entry, octets, &why);
            }
            (None, Reply::Fault(_)) => {
                debug!(peer = %self.peer, fault = why, "{} fault of the peer", self.dialect);
            }
            (None, _) => {}
        }
    }

    pub(super) fn cut_off(&mut self, entry: &Entry, octets: u64, reason: Reason) {
        self.not_taken(entry, octets, "cut off", "-", &reason.to_string());
        self.tell_cut_off(entry, octets, &reason.to_string());
    }

    fn tell_cut_off(&self, entry: &Entry, octets: u64, reason: &str) {
        let arrival = || entry.arrival.clone();
        self.journeys.tell(|| Event::CutOff { arrival: arrival(), size: octets, reason: reason.into() });
    }

    /// There is no service for this peer.
    pub(super) fn turned_away(&mut self, refusal: &Refusal) {
        self.refused += 1;
        self.tell_refused(|| self.arrival(None), Phase::Connect, refusal);
        let reason = shown(refusal.said());
        info!(status = status(refusal), peer = %self.peer, rule = rule(refusal), reason, "connection");
    }

    pub(super) fn sender_refused(&mut self, from: &ReversePath, refusal: &Refusal) {
        self.refused += 1;
        let arrival = || Arrival { from: from.to_string(), ..self.arrival(None) };
        self.tell_refused(arrival, Phase::Mail, refusal);
        let (peer, rule, reason) = (self.peer, rule(refusal), shown(refusal.said()));
        info!(from = %shown(format_args!("<{from}>")), status = status(refusal), %peer, rule, reason, "sender");
    }

    pub(super) fn recipient_refused(
        &mut self,
        envelope: Option<&Envelope>,
        to: &ForwardPath,
        refusal: &Refusal,
    ) {
        self.refused += 1;
        let arrival = || Arrival { to: vec![to.to_string()], ..self.arrival(envelope) };
        self.tell_refused(arrival, Phase::Rcpt, refusal);
        if !enabled!(Level::INFO) {
            return;
        }
        let (from, helo) = match envelope {
            Some(envelope) => {
                (shown(format_args!("<{}>", envelope.reverse_path)), shown(&envelope.trace.helo))
            }
            None => Default::default(),
        };
        let (to, peer, tls) = (shown(format_args!("<{to}>")), self.peer, self.tls.unwrap_or("-"));
        let (status, rule, reason) = (status(refusal), rule(refusal), shown(refusal.said()));
        info!(from, to, status, %peer, helo, tls, rule, reason, "recipient");
    }

    /// The peer has asked for too many addresses that are not there.
    pub(super) fn banned(&self) {
        info!(peer = %self.peer, "{}: the peer is banned for a search for addresses", self.dialect);
    }

    /// Our own failure, which no peer is told more of than that there is one.
    pub(super) fn store_failed(&self, what: &str, cause: &StoreError) {
        error!(peer = %self.peer, error = %cause, "{}: the store cannot {what}", self.dialect);
    }

    pub(super) fn ended(&self, reason: Reason) {
        let (peer, tls) = (self.peer, self.tls.unwrap_or("-"));
        let Self { dialect, taken, refused, octets, .. } = self;
        let seconds = self.since.elapsed().as_secs();
        // Who came, did nothing and went is of interest only to those who look for it.
        if *taken == 0 && *refused == 0 && matches!(reason, Reason::Quit | Reason::Disconnected) {
            debug!(%peer, tls, seconds, %reason, "{dialect} session");
        } else {
            info!(%peer, tls, messages = taken, refused, size = octets, seconds, %reason, "{dialect} session");
        }
    }

    fn not_taken(&mut self, entry: &Entry, octets: u64, status: &str, rule: &str, reason: &str) {
        self.refused += 1;
        let Entry { from, to, helo, .. } = entry;
        let (peer, tls, reason) = (self.peer, self.tls.unwrap_or("-"), shown(reason));
        info!(from, to, size = octets, status, %peer, helo, tls, rule = shown(rule), reason, "message");
    }
}

fn arrival(envelope: &Envelope) -> Arrival {
    let trace = &envelope.trace;
    Arrival {
        by: match trace.protocol {
            Protocol::Smtp | Protocol::Esmtp => "SMTP",
            Protocol::Lmtp => "LMTP",
            Protocol::Local => "local",
        }
        .into(),
        ip: trace.peer,
        helo: trace.helo.clone(),
        tls: trace.tls.as_ref().map(|tls| tls.version.clone()),
        from: envelope.reverse_path.to_string(),
        to: envelope.recipients.iter().map(|recipient| recipient.path.to_string()).collect(),
    }
}

/// Refused for good, or to be tried again.
fn status(refusal: &Refusal) -> &'static str {
    let code = Reply::Refused(refusal.clone()).code();
    if code < 500 { "deferred" } else { "refused" }
}

fn rule(refusal: &Refusal) -> &str {
    match refusal {
        Refusal::Policy(refusal) => &refusal.rule,
        Refusal::UnknownRecipient
        | Refusal::ClosedRecipient(_)
        | Refusal::NotLocal
        | Refusal::MailboxFull
        | Refusal::LargerThanMailbox
        | Refusal::TooManyCopies
        | Refusal::NoRoom
        | Refusal::Unavailable => "-",
    }
}

/// One after the other; it stops where its reader has enough.
struct Commas<I>(I);

impl<I: Iterator<Item: fmt::Display> + Clone> fmt::Display for Commas<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, item) in self.0.clone().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{item}")?;
        }
        Ok(())
    }
}
