use std::sync::Arc;
use std::time::Duration;

use directory::{Login, LoginError, Source};
use queue::Store;
use tokio::time::Instant;

use super::Pickup;
use super::slots::Slot;
use crate::listing::Opened;
use crate::session::{Credentials, LoginRefused};

/// An age as EXPIRE tells it: a promise, so what is left of a day is left out (RFC 2449 §6.7).
pub fn whole_days(age: Duration) -> u32 {
    u32::try_from(age.as_secs() / 86_400).unwrap_or(u32::MAX)
}

/// Somebody who is let in.
pub(super) struct Account<S: Store> {
    pub(super) login: Login,
    pub(super) maildrop: Arc<S::Maildrop>,
    _slot: Slot,
}

impl<S: Store> Pickup<'_, S> {
    pub(super) async fn login(
        &mut self,
        peer: &net::Peer,
        credentials: &Credentials,
    ) -> Result<(Opened, Option<u32>), LoginRefused> {
        let outcome = match self.verify(peer, credentials).await {
            Ok(login) => self.open(login).await,
            Err(refused) => Err(refused),
        };
        match outcome {
            Ok((account, opened)) => {
                self.journal.logged_in(&credentials.user, &account.login);
                let age = self.service.directory.allowance(&account.login.mailbox).age;
                self.account = Some(account);
                Ok((opened, age.map(whole_days)))
            }
            Err(refused) => {
                self.journal.login_refused(&self.called(&credentials.user), refused);
                Err(refused)
            }
        }
    }

    /// What the log calls whoever was not let in. People type passwords where the name belongs.
    fn called(&self, user: &str) -> String {
        match self.service.directory.mailbox_named(user) {
            Some(_) => user.to_owned(),
            None => self.service.strangers.called(user),
        }
    }

    /// The budget before the password: what is not looked at costs no hash.
    async fn verify(&mut self, peer: &net::Peer, credentials: &Credentials) -> Result<Login, LoginRefused> {
        let (service, address) = (self.service, peer.ip());
        let account = mail::fold(&credentials.user);
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

    async fn open(&mut self, login: Login) -> Result<(Account<S>, Opened), LoginRefused> {
        let slot = self.service.slots.take(&login.mailbox, &login.view).ok_or(LoginRefused::InUse)?;
        let maildrop = self.service.store.open(&login.mailbox, &login.view).await.map_err(|error| {
            self.journal.store_failed("a maildrop cannot be opened", &error);
            LoginRefused::Unavailable
        })?;
        let maildrop = Arc::new(maildrop);
        let (mailbox, view) = (login.mailbox.clone(), login.view.clone());
        let opened = Opened::cached(maildrop.clone(), self.service.listings.clone(), mailbox, view);
        Ok((Account { login, maildrop, _slot: slot }, opened))
    }
}
