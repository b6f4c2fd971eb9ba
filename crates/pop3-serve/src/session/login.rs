//! The way through the AUTHORIZATION state (RFC 1939 §4).

use std::time::{Duration, Instant};

use super::command::auth::{Exchange, Next};
use super::command::{self, Before, Context};
use super::maildrop::Maildrop;
use super::response::{Fault, No, Responses};
use super::state::{Authorization, State, Transaction};
use super::step::{End, LoginRefused};
use super::{Session, Tally};
use crate::listing::Opened;

impl Session {
    pub(super) fn before(
        &mut self,
        mut authorization: Authorization,
        line: Result<&[u8], Fault>,
        last: bool,
        responses: Responses<'_>,
    ) -> State {
        if let Ok(line) = line {
            self.habits.before(line);
        }
        let mut context = Context { params: &self.params, peer: &self.peer, responses, last };
        let outcome = line
            .map_err(No::Fault)
            .and_then(|line| command::authorization(&mut authorization, line, &mut context));
        let mut responses = context.responses;
        match outcome {
            Ok(Before::Stay) => State::Authorization(authorization),
            Ok(Before::Quit) => State::Closed(End::Quit),
            Ok(Before::Injected) => State::Closed(End::BehindStls),
            Ok(Before::Secure) => State::Securing,
            Ok(Before::Exchange(exchange)) => State::Exchange(authorization, exchange),
            Ok(Before::Login(credentials)) => State::LoggingIn(authorization, credentials),
            Err(no) => self.back_to(authorization, no, &mut responses),
        }
    }

    pub(super) fn exchange(
        &mut self,
        authorization: Authorization,
        exchange: Exchange,
        line: Result<&[u8], Fault>,
        responses: &mut Responses<'_>,
    ) -> State {
        match line.map_err(No::Fault).and_then(|line| exchange.take(line)) {
            Ok(Next::Exchange(exchange)) => {
                exchange.challenge(responses);
                State::Exchange(authorization, exchange)
            }
            Ok(Next::Login(credentials)) => State::LoggingIn(authorization, credentials),
            Err(no) => self.back_to(authorization, no, responses),
        }
    }

    fn back_to(&mut self, authorization: Authorization, no: No, responses: &mut Responses<'_>) -> State {
        let limit = if self.scarce.is_some() { 1 } else { self.params.faults_before_login };
        if self.deny(no, limit, responses) {
            return State::Closed(End::Faults);
        }
        State::Authorization(authorization)
    }

    pub(super) fn login_answered(
        &mut self,
        authorization: Authorization,
        asked: Instant,
        outcome: Result<(Opened, Option<u32>), LoginRefused>,
    ) -> State {
        // From the question, not from the answer: how long the look took must not show.
        let at = match &outcome {
            Err(refused) if refused.is_failure() => asked + self.failure_delay(),
            Ok(_) | Err(_) => asked,
        };
        State::LoginAnswered(authorization, at, outcome)
    }

    fn failure_delay(&self) -> Duration {
        let delays = &self.params.failure_delays;
        let failed = usize::try_from(self.failures).unwrap_or(usize::MAX);
        delays.get(failed).or(delays.last()).copied().unwrap_or_default()
    }

    pub(super) fn logged_in(
        &mut self,
        utf8: bool,
        opened: Opened,
        expire: Option<u32>,
        responses: &mut Responses<'_>,
        now: Instant,
    ) -> State {
        let maildrop = Maildrop::new(opened);
        let (messages, octets) = (maildrop.count(), maildrop.octets());
        self.tally = Tally { messages, octets, ..Tally::default() };
        (self.commanded, self.progressed, self.faults) = (now, now, 0);
        responses.ok(format_args!("{messages} messages ({octets} octets)"));
        State::Transaction(Transaction { maildrop, utf8, expire })
    }

    pub(super) fn not_logged_in(
        &mut self,
        authorization: Authorization,
        refused: LoginRefused,
        responses: &mut Responses<'_>,
    ) -> State {
        responses.refuse(refused.refusal());
        if refused.is_failure() {
            self.failures += 1;
            if self.failures >= self.params.login_failures {
                return State::Closed(End::LoginFailures);
            }
        }
        State::Authorization(authorization)
    }
}
