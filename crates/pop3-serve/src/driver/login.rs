use std::time::Duration;

use directory::{Directory, Login, LoginError, Part, Source};
use mail::{MailboxName, ViewName};
use queue::Store;
use tokio::time::Instant;

use super::opening::open_all;
use super::robots::Hold;
use super::sessions::{Present, Row};
use super::slots::Slot;
use super::{Pickup, wall_ms};
use crate::collect::Collected;
use crate::listing::Opened;
use crate::session::{Credentials, LoginRefused, Program, Tally};

/// An age as EXPIRE tells it: a promise, so what is left of a day is left out (RFC 2449 §6.7).
pub fn whole_days(age: Duration) -> u32 {
    u32::try_from(age.as_secs() / 86_400).unwrap_or(u32::MAX)
}

/// Somebody who is let in.
pub(super) struct Account<S: Store> {
    pub(super) login: Login,
    /// The maildrops of its parts, in their order.
    pub(super) drop: Collected<S::Maildrop>,
    /// Which of its parts are views that the store remembers things of.
    pub(super) joined: Vec<bool>,
    /// When it logged in, in milliseconds since 1970.
    since_ms: u64,
    /// What the list of sessions shows of it.
    pub(super) row: Row,
    /// Its hold on views that are for one session at a time.
    pub(super) hold: Option<Hold>,
    _slot: Slot,
}

impl<S: Store> Pickup<'_, S> {
    pub(super) async fn login(
        &mut self,
        peer: &net::Peer,
        credentials: &Credentials,
    ) -> Result<(Opened, Option<u32>), LoginRefused> {
        let outcome = match self.verify(peer, credentials).await {
            Ok(login) => self.open(peer, &credentials.user, login).await,
            Err(refused) => Err(refused),
        };
        match outcome {
            Ok((account, opened)) => {
                self.journal.logged_in(&credentials.user, &account);
                let ages = account.login.parts.iter().filter_map(|part| self.service.directory.kept(part));
                let least = ages.min();
                self.account = Some(account);
                self.note();
                Ok((opened, least.map(whole_days)))
            }
            Err(refused) => {
                self.journal.login_refused(&self.called(&credentials.user), refused);
                Err(refused)
            }
        }
    }

    /// What the log calls whoever was not let in. People type passwords where the name belongs.
    fn called(&self, user: &str) -> String {
        let directory = &self.service.directory;
        if directory.login_named(user).or_else(|| directory.mailbox_named(user)).is_some() {
            return user.to_owned();
        }
        self.service.strangers.nearly(user, directory.login_nearly(user))
    }

    /// The budget before the password: what is not looked at costs no hash.
    async fn verify(&mut self, peer: &net::Peer, credentials: &Credentials) -> Result<Login, LoginRefused> {
        let (service, address) = (self.service, peer.ip());
        // Every form of a login asks for the password of one mailbox.
        let named = service.directory.login_named(&credentials.user);
        let account = named.map_or_else(|| mail::fold(&credentials.user), |mailbox| mailbox.to_string());
        // Whoever logged in from there before does not stand in line with those who guess.
        let _turn = match address {
            Some(address) if !service.budget.knows(Some(address), &account, Instant::now()) => {
                Some(service.turnstile.enter(address).await)
            }
            Some(_) | None => None,
        };
        if !service.budget.allows(address, &account, Instant::now()) {
            return Err(LoginRefused::Throttled);
        }
        let looked =
            service.directory.verify(&credentials.user, &credentials.password, Source(address)).await;
        match looked {
            Ok(login) => {
                service.budget.succeeded(address, &account, Instant::now());
                if let Some(address) = address {
                    self.permit.gate().behaved(address, Instant::now());
                }
                Ok(login)
            }
            Err(LoginError::Denied { repeated }) => {
                // A phone that was forgotten when the password changed is no guess.
                if !repeated {
                    service.budget.failed(address, &account, Instant::now());
                }
                Err(LoginRefused::Denied)
            }
            Err(LoginError::Busy) => Err(LoginRefused::Busy),
        }
    }

    async fn open(
        &mut self,
        peer: &net::Peer,
        user: &str,
        mut login: Login,
    ) -> Result<(Account<S>, Opened), LoginRefused> {
        let service = self.service;
        let own = login.parts.first().ok_or(LoginRefused::Unavailable)?;
        let slot = service.slots.take(&own.mailbox, &own.view).ok_or(LoginRefused::InUse)?;
        let robots: Vec<_> = login.parts.iter().filter(|part| part.robot).map(names).collect();
        let hold = match robots.is_empty() {
            true => None,
            // Before the maildrop is opened, so that it lacks what the session before has done.
            false => {
                let held = service.registry.robots.hold(robots, Instant::now());
                Some(held.ok_or(LoginRefused::Exclusive)?)
            }
        };
        let own_mailbox = own.mailbox.clone();
        let parts = std::mem::take(&mut login.parts);
        let opened = open_all(&service.store, parts).await.map_err(|error| {
            self.journal.not_opened(user, &error);
            LoginRefused::Unavailable
        })?;
        let (parts, drops): (_, Vec<_>) = opened.into_iter().unzip();
        login.parts = parts;
        let mailboxes: Vec<&MailboxName> = login.parts.iter().map(|part| &part.mailbox).collect();
        let drop = Collected::new(drops, &mailboxes, &service.orders).ok_or(LoginRefused::Unavailable)?;
        let opened = drop.opened(&own_mailbox, service.listings.clone());
        let joined = login.parts.iter().map(|part| is_joined(&service.directory, part)).collect();
        let since_ms = wall_ms();
        let row = service.registry.sessions.enter(Present {
            login: mail::shown(user),
            views: login.parts.iter().map(view_of).collect(),
            ip: peer.ip(),
            since_ms,
            tls: self.journal.tls.as_ref().map(|tls| tls.version),
            messages: opened.messages().count() as u64,
            tally: Tally::default(),
            program: Program::Unknown,
        });
        let account = Account { login, drop, joined, since_ms, row, hold, _slot: slot };
        Ok((account, opened))
    }

    /// Somebody collects.
    fn note(&self) {
        for (account, part) in self.collected() {
            self.service.pickups.note(&part.mailbox, &part.view, account.since_ms, None);
        }
    }

    /// What the session seems to have been.
    pub(super) fn name(&self, program: &'static str) {
        for (account, part) in self.collected() {
            self.service.pickups.name(&part.mailbox, &part.view, account.since_ms, program.into());
        }
    }

    /// What is collected, of what the login shows: a look into the trash or the quarantine collects nothing.
    fn collected(&self) -> impl Iterator<Item = (&Account<S>, &Part)> {
        let parts = self
            .account
            .iter()
            .flat_map(|account| account.login.parts.iter().map(move |part| (account, part)));
        parts.filter(|(_, part)| {
            part.mailbox.trashed_from().is_none() && part.mailbox.quarantined_from().is_none()
        })
    }
}

fn names(part: &Part) -> (MailboxName, ViewName) {
    (part.mailbox.clone(), part.view.clone())
}

/// What a part is called in the log and in the list of sessions.
pub(super) fn view_of(part: &Part) -> String {
    match part.view == ViewName::owner() {
        true => part.mailbox.to_string(),
        false => format!("{}/{}", part.mailbox, part.view),
    }
}

/// Whether a view is one of several of its mailbox.
fn is_joined(directory: &Directory, part: &Part) -> bool {
    part.view != ViewName::owner()
        || directory.team(&part.mailbox).is_some()
        || !directory.devices(&part.mailbox).is_empty()
}
