//! One file for each command, and one table for each state.

pub(super) mod auth;
mod capa;
mod dele;
mod lang;
mod list;
mod noop;
mod pass;
mod quit;
mod retr;
mod rset;
mod stat;
mod stls;
mod top;
mod uidl;
mod user;
mod utf8;

use super::argument::Command;
use super::response::{Fault, No, Refusal, Responses};
use super::state::{Authorization, Transaction};
use super::{Credentials, Fetch, Params, Peer};
use crate::listing::Kind;

use auth::Exchange;

/// Every command there is; keywords come in any case (RFC 1939 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Auth,
    Capa,
    Dele,
    Lang,
    List,
    Noop,
    Pass,
    Quit,
    Retr,
    Rset,
    Stat,
    Stls,
    Top,
    Uidl,
    User,
    Utf8,
}

const VERBS: [(&[u8], Verb); 16] = [
    (b"AUTH", Verb::Auth),
    (b"CAPA", Verb::Capa),
    (b"DELE", Verb::Dele),
    (b"LANG", Verb::Lang),
    (b"LIST", Verb::List),
    (b"NOOP", Verb::Noop),
    (b"PASS", Verb::Pass),
    (b"QUIT", Verb::Quit),
    (b"RETR", Verb::Retr),
    (b"RSET", Verb::Rset),
    (b"STAT", Verb::Stat),
    (b"STLS", Verb::Stls),
    (b"TOP", Verb::Top),
    (b"UIDL", Verb::Uidl),
    (b"USER", Verb::User),
    (b"UTF8", Verb::Utf8),
];

/// What a command sees beside its state.
pub(super) struct Context<'s, 'o> {
    pub(super) params: &'s Params,
    pub(super) peer: &'s Peer,
    pub(super) responses: Responses<'o>,
    /// Nothing has come behind this command yet.
    pub(super) last: bool,
}

/// What follows a command before the login.
pub(super) enum Before {
    /// The next command.
    Stay,
    /// The session ends.
    Quit,
    /// The session ends: somebody may have put octets behind STLS.
    Injected,
    /// The handshake.
    Secure,
    /// A SASL response.
    Exchange(Exchange),
    /// The password is looked at.
    Login(Credentials),
}

/// What follows a command after the login.
pub(super) enum After {
    /// The next command; `progress` when it was of use to somebody who collects mail.
    Stay {
        /// Against sessions that only keep themselves alive.
        progress: bool,
    },
    /// All lines of a listing.
    List(Kind),
    /// The octets of a message.
    Fetch(Fetch),
    /// The deletions, and the end.
    Update,
}

/// Does one command of the AUTHORIZATION state.
pub(super) fn authorization(
    state: &mut Authorization,
    line: &[u8],
    context: &mut Context<'_, '_>,
) -> Result<Before, No> {
    let (verb, command) = parse(line)?;
    // No password in the clear, unless the peer may, nor the name that goes before it.
    if matches!(verb, Verb::Auth | Verb::Pass | Verb::User) && !context.peer.may_login() {
        return Err(Refusal::TlsFirst.into());
    }
    match verb {
        Verb::Auth => auth::run(&command, context),
        Verb::Capa => capa::before(&command, context),
        Verb::Lang => lang::run(&command, context).map(|()| Before::Stay),
        Verb::Pass => pass::run(state, &command),
        Verb::Quit => quit::before(&command, context),
        Verb::Stls => stls::run(&command, context),
        Verb::User => user::run(state, &command, context),
        Verb::Utf8 => utf8::run(state, &command, context),
        Verb::Dele
        | Verb::List
        | Verb::Noop
        | Verb::Retr
        | Verb::Rset
        | Verb::Stat
        | Verb::Top
        | Verb::Uidl => Err(Fault::WrongState.into()),
    }
}

/// Does one command of the TRANSACTION state.
pub(super) fn transaction(
    state: &mut Transaction,
    line: &[u8],
    context: &mut Context<'_, '_>,
) -> Result<After, No> {
    let (verb, command) = parse(line)?;
    match verb {
        Verb::Capa => capa::after(state, &command, context),
        Verb::Dele => dele::run(state, &command, context),
        Verb::Lang => lang::run(&command, context).map(|()| After::Stay { progress: false }),
        Verb::List => list::run(state, &command, context),
        Verb::Noop => noop::run(&command, context),
        Verb::Quit => quit::after(&command),
        Verb::Retr => retr::run(state, &command, context),
        Verb::Rset => rset::run(state, &command, context),
        Verb::Stat => stat::run(state, &command, context),
        Verb::Top => top::run(state, &command, context),
        Verb::Uidl => uidl::run(state, &command, context),
        Verb::Auth | Verb::Pass | Verb::Stls | Verb::User | Verb::Utf8 => Err(Fault::WrongState.into()),
    }
}

fn parse(line: &[u8]) -> Result<(Verb, Command<'_>), Fault> {
    let command = Command::new(line);
    let known = VERBS.iter().find(|(name, _)| name.eq_ignore_ascii_case(command.keyword));
    let (_, verb) = known.ok_or(Fault::Unknown)?;
    // A password may hold anything that does not end a line or a C string; no other argument may hold
    // what a log or a terminal would obey.
    let harmful = |octet: &u8| match verb {
        Verb::Pass => matches!(octet, b'\0' | b'\r'),
        _ => octet.is_ascii_control(),
    };
    if command.rest.iter().any(harmful) { Err(Fault::Control) } else { Ok((*verb, command)) }
}
