//! What configuration says of the directory, before it is checked. Positions in the lists are how a
//! [`Fault`](crate::Fault) names the table it is about.

use std::collections::HashSet;
use std::time::Duration;

use crate::{Item, JoinFrom, Release};

/// The whole directory as written.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    /// `[[domain]]`; bare names belong to the first.
    pub domains: Vec<DomainSpec>,
    /// `[[mailbox]]`.
    pub mailboxes: Vec<MailboxSpec>,
    /// `[[alias]]`.
    pub aliases: Vec<Alias>,
    /// `[[refuse]]`.
    pub refused: Vec<Refuse>,
    /// What cuts the detail off a local part (RFC 5233); `+` unless configured, none switches it off.
    pub detail_separator: Option<char>,
    /// Our own addresses: `postmaster@[these]` is ours (RFC 5321 §4.5.1).
    pub literals: Vec<std::net::IpAddr>,
    /// Our own host name: `postmaster@hostname` is ours too.
    pub hostname: String,
    /// How long what is held back from a mailbox is kept; none: it stays.
    pub quarantine: Option<Duration>,
    /// Keys whose values could not be read, which has been said; of the directory itself whole kinds of tables. What
    /// stands here in their place means nothing, and nothing is said that hangs on it. `members.*` are keys inside of
    /// members whose logins are known.
    pub unread: HashSet<(Item, &'static str)>,
}

/// One domain that we receive for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainSpec {
    /// Its name.
    pub name: String,
    /// Other names with the same addresses.
    pub aliases: Vec<String>,
    /// The mailbox of addresses that nobody has.
    pub catch_all: Option<String>,
    /// The mailbox of postmaster@ and, unless it has one of its own, abuse@.
    pub postmaster: Option<String>,
}

/// One mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxSpec {
    /// Its name: `alice`, or `alice@other.example`.
    pub name: String,
    /// More addresses: bare ones belong to the mailbox's own domain.
    pub addresses: Vec<String>,
    /// The passwords that open it; without one nobody logs in.
    pub passwords: Vec<Password>,
    /// False: a login without an address.
    pub receives: bool,
    /// How much it may hold, and how long.
    pub allowance: Allowance,
    /// How long what was deleted stays in its trash; none: it goes for good.
    pub trash: Option<Duration>,
    /// Who collects it, each with a view of their own; with any it is a team mailbox.
    pub members: Vec<MemberSpec>,
    /// When a team's mail goes; without it, it stays.
    pub release: Option<Release>,
    /// The team mailboxes that its own login shows too.
    pub collect: Vec<String>,
    /// Views of its own for the devices of a person: `phone` is the login `alice+phone`.
    pub devices: Vec<String>,
    /// What DELE by its own login does; when absent `Done` of a team, else `Trash`.
    pub on_dele: Option<OnDele>,
}

/// One entry of `members`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSpec {
    /// The mailbox whose password opens the view.
    pub login: String,
    /// A program that imports mail: its view is exclusive, and its fetching counts as no human's.
    pub robot: bool,
    /// Whether its devices remove what the server removes; when absent, a robot's do not and a person's do.
    pub mirrors: Option<bool>,
    /// Which mail it gets of before it joined.
    pub from: JoinFrom,
}

/// What DELE by a mailbox's own login does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDele {
    /// Of a team: done for that login alone.
    Done,
    /// Into the trash; of a team, for all of its members.
    Trash,
    /// Nothing.
    Keep,
}

/// A mailbox that receives, without a name, and with everything else off.
impl Default for MailboxSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            addresses: Vec::new(),
            passwords: Vec::new(),
            receives: true,
            allowance: Allowance::default(),
            trash: None,
            members: Vec::new(),
            release: None,
            collect: Vec::new(),
            devices: Vec::new(),
            on_dele: None,
        }
    }
}

/// What a mailbox may hold before new mail is put off, and how long it holds what it has; none is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowance {
    /// Octets, as served.
    pub octets: Option<u64>,
    /// Messages.
    pub messages: Option<u64>,
    /// The age at which a message goes.
    pub age: Option<Duration>,
}

/// One password of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password {
    /// Its name in logs: `phone`; none for the plain `password` key.
    pub name: Option<String>,
    /// argon2id PHC, or `{BLF-CRYPT}$2b$…`, `{SHA512-CRYPT}$6$…` (also without the braces).
    pub hash: String,
}

/// One alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// Exact, or a glob with `*` and `?` (on either side of the `@`); a bare one belongs to the first domain.
    pub address: String,
    /// Mailboxes, or addresses of our domains that lead to some. What is the name of a mailbox is that
    /// mailbox; any other bare name is that address of the first domain. A catch-all is not looked at.
    pub to: Vec<String>,
    /// One copy for each recipient that comes this way, instead of one per mailbox.
    pub duplicate: bool,
}

/// One address that is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refuse {
    /// Exact, or a glob, as in an alias. Of postmaster and abuse it refuses nothing.
    pub address: String,
    /// What the sender is told.
    pub text: Option<String>,
}
