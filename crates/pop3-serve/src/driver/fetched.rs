use std::collections::BTreeSet;
use std::task::Poll;
use std::time::Duration;

use mail::{Event, Uid};
use queue::{Expunge, Fetched, Maildrop, Store, StoreError, Unwanted};
use tokio::time::timeout;
use tracing::warn;

use super::offered::tell;
use super::poison::SESSIONS;
use super::{Pickup, Reason};
use crate::session::{End, Program};

/// The store is told of so many at once.
const BATCH: usize = 100;
/// How long the end of a session waits for what the store is told.
const PATIENCE: Duration = Duration::from_secs(30);

impl<S: Store> Pickup<'_, S> {
    /// Takes what has become certain: the trace is told of it, and the store when there is more.
    pub(super) fn confirm(&mut self) {
        let certain = self.receipts.certain();
        let Some(account) = self.account.as_ref().filter(|_| !certain.is_empty()) else { return };
        for place in certain.iter().flat_map(|index| account.drop.places(*index)) {
            let part = account.login.parts.get(place.part);
            let Some((part, entry)) = part.zip(account.drop.entry(place)) else { continue };
            let (mailbox, uid) = (&part.mailbox, entry.uid);
            self.service.journeys.tell(|| Event::Fetched {
                mailbox: mailbox.clone(),
                uid,
                client: self.journal.client(),
            });
        }
        if account.hold.is_some() {
            self.fetched.extend(&certain);
        }
        if account.joined.contains(&true) {
            self.untold.extend(certain);
        }
        // Whoever has not done with the last ones yet gets more the next time.
        if self.untold.len() >= BATCH && self.telling.as_ref().is_none_or(|telling| telling.is_finished()) {
            let groups = self.take_untold(false);
            let telling = tell(self.service.store.clone(), self.service.registry.offered.clone(), groups);
            self.telling = Some(tokio::spawn(telling));
        }
    }

    /// What the store does not know: of each view what was fetched, and what it was offered. Of a view of which
    /// nothing was fetched, only when `all` is asked for.
    fn take_untold(&mut self, all: bool) -> Vec<Fetched> {
        let untold = std::mem::take(&mut self.untold);
        let Some(account) = &self.account else { return Vec::new() };
        let mut uids: Vec<Vec<Uid>> = vec![Vec::new(); account.login.parts.len()];
        for place in untold.iter().flat_map(|index| account.drop.places(*index)) {
            uids[place.part].extend(account.drop.entry(place).map(|entry| entry.uid));
        }
        let parts = account.login.parts.iter().zip(account.drop.parts()).zip(&account.joined).zip(uids);
        parts
            .filter(|((_, joined), uids)| **joined && (all || !uids.is_empty()))
            .map(|(((part, drop), _), uids)| {
                let last = drop.len().checked_sub(1).and_then(|index| drop.entry(index));
                let offered = last.map_or(Uid(0), |entry| entry.uid);
                Fetched { mailbox: part.mailbox.clone(), view: part.view.clone(), uids, offered }
            })
            .collect()
    }

    /// Begins to tell the store what it does not know, so that it comes before what it is told next.
    pub(super) async fn begin_to_tell(&mut self) {
        if self.untold.is_empty() || self.telling.as_ref().is_some_and(|telling| !telling.is_finished()) {
            return;
        }
        let groups = self.take_untold(false);
        let told = tell(self.service.store.clone(), self.service.registry.offered.clone(), groups);
        let mut told = Box::pin(told);
        // One look is enough to have it stand in line.
        let begun = std::future::poll_fn(|context| Poll::Ready(told.as_mut().poll(context))).await;
        match begun {
            Poll::Ready(outcome) => self.was_told(outcome),
            Poll::Pending => self.telling = Some(tokio::spawn(told)),
        }
    }

    /// The connection is gone: what there is still to remember of the session.
    pub(super) async fn finish(&mut self, reason: &Reason) {
        if self.account.is_none() {
            return;
        }
        // Before it is put aside for a robot: whoever is told of that is told why.
        let given_up = self.given_up(reason).await;
        if reason.is_the_clients() || given_up.is_some() {
            self.park(given_up).await;
        } else if let Reason::Session(End::Quit) = reason {
            self.was_well(&self.download.into_iter().collect());
        }
        if let Some(telling) = self.telling.take() {
            match timeout(PATIENCE, telling).await {
                Ok(Ok(outcome)) => self.was_told(outcome),
                Ok(Err(_)) | Err(_) => self.was_told(Err(StoreError::Unavailable)),
            }
        }
        let groups = self.take_untold(true);
        if !groups.is_empty() {
            let told = tell(self.service.store.clone(), self.service.registry.offered.clone(), groups);
            let outcome = timeout(PATIENCE, told).await.unwrap_or(Err(StoreError::Unavailable));
            self.was_told(outcome);
        }
        if let Some(name) = self.program.name() {
            self.name(name);
        }
    }

    /// A failure costs nothing but that mail is kept for longer.
    fn was_told(&mut self, outcome: Result<(), StoreError>) {
        if let Err(error) = outcome
            && !std::mem::replace(&mut self.untellable, true)
        {
            self.journal.store_failed("what was fetched is not remembered", &error);
        }
    }

    /// QUIT was done: what a robot has fetched it has fetched well, and another session may have its views. Of the last
    /// one that is not known yet, where it may have given up on it.
    pub(super) fn robot_has_quit(&mut self) {
        let last = self.download.filter(|_| self.program == Program::Poplib);
        let sent = self.fetched.iter().copied().chain(self.receipts.waiting()).chain(self.receipts.written());
        self.was_well(&sent.filter(|index| Some(*index) != last).collect());
        if let Some(account) = &mut self.account {
            account.hold = None;
        }
    }

    fn was_well(&self, sent: &BTreeSet<usize>) {
        for (at, uids) in self.of_robots(sent) {
            if let Some(part) = self.account.as_ref().and_then(|account| account.login.parts.get(at)) {
                self.service.registry.poison.well(&part.mailbox, &part.view, &uids);
            }
        }
    }

    /// A robot's session has ended without QUIT, or it has given up on a message: what it fetched in too many of those is
    /// put aside, for it alone. It need not be certain that it was received, nor all of it have been sent: a robot that
    /// dies of a message asks for nothing after it.
    async fn park(&mut self, given_up: Option<usize>) {
        let mut sent: BTreeSet<usize> = given_up.into_iter().collect();
        if self.account.as_ref().is_some_and(|account| account.hold.is_some()) {
            sent.extend(self.fetched.iter().copied().chain(self.receipts.written()));
        }
        for (at, uids) in self.of_robots(&sent) {
            let Some(account) = &self.account else { return };
            let Some(part) = account.login.parts.get(at) else { continue };
            let (mailbox, view) = (part.mailbox.clone(), part.view.clone());
            let uids = self.service.registry.poison.broken(&mailbox, &view, &uids);
            if uids.is_empty() {
                continue;
            }
            let (group, unwanted) = (uids.clone(), Unwanted::Stays);
            let group = Expunge { mailbox: mailbox.clone(), view: view.clone(), uids: group, unwanted };
            if let Err(error) = self.service.store.delete(vec![group]).await {
                self.journal.store_failed("messages that a robot stumbles over are not put aside", &error);
                continue;
            }
            for uid in uids {
                warn!(
                    %mailbox, %view, %uid,
                    "parked: {SESSIONS} sessions of this robot fetched it and came to no good end; it stays for others"
                );
                self.service.journeys.tell(|| Event::Parked {
                    mailbox: mailbox.clone(),
                    view: view.clone(),
                    uid,
                    sessions: SESSIONS.into(),
                    client: self.journal.client(),
                });
            }
        }
    }

    /// The names of these in those parts of the session that are a robot's.
    fn of_robots(&self, sent: &BTreeSet<usize>) -> Vec<(usize, Vec<Uid>)> {
        let Some(account) = &self.account else { return Vec::new() };
        let robots = account.login.parts.iter().enumerate().filter(|(_, part)| part.robot);
        let uids = |at: usize| -> Vec<Uid> {
            let places = sent.iter().flat_map(|index| account.drop.places(*index));
            places
                .filter(|place| place.part == at)
                .filter_map(|place| account.drop.entry(place).map(|entry| entry.uid))
                .collect()
        };
        robots.map(|(at, _)| (at, uids(at))).filter(|(_, uids)| !uids.is_empty()).collect()
    }
}

impl Reason {
    /// Whether it may have been a message that ended the session, and not us.
    fn is_the_clients(&self) -> bool {
        match self {
            Self::Disconnected | Self::WriteTimeout | Self::TakenOver => true,
            Self::Session(end) => match end {
                End::TimedOut | End::Faults => true,
                End::Quit | End::NotDeleted | End::LoginFailures | End::BehindStls | End::Misused => false,
            },
            Self::Handshake | Self::Store | Self::Shutdown => false,
        }
    }
}
