use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mail::{Domain, LocalPart, MailboxName, ViewName};

use crate::glob::Glob;
use crate::login::StoredPassword;
use crate::spec::{Allowance, OnDele};
use crate::team::Team;

/// A checked directory: what `Table::build` makes of a [`Spec`](crate::Spec). Every key is in folded form, so a
/// look-up is a hash or two, and every alias is followed to its end beforehand.
#[derive(Debug)]
pub struct Table {
    /// In the order of the file: bare names belong to the first.
    pub(crate) domains: Vec<DomainTable>,
    /// Every name of a domain, folded, to its place in `domains`.
    pub(crate) domain_names: HashMap<Box<str>, usize>,
    pub(crate) mailboxes: BTreeMap<MailboxName, MailboxTable>,
    pub(crate) aliases: Vec<AliasTable>,
    /// The passwords of every mailbox that has some: what a name that nobody has is made to cost.
    pub(crate) decoys: Vec<Arc<[StoredPassword]>>,
    /// Cuts the detail off a local part (RFC 5233).
    pub(crate) separator: Option<char>,
    /// Our host name, folded.
    pub(crate) hostname: Option<String>,
    pub(crate) literals: Vec<IpAddr>,
    /// How long what is held back is kept.
    pub(crate) quarantine: Option<Duration>,
}

/// One domain with everything that is said of its addresses.
#[derive(Debug, Default)]
pub(crate) struct DomainTable {
    /// As the file spells them; the first is the name that its mailboxes are addressed by.
    pub(crate) names: Vec<String>,
    /// Folded local part to what is said of exactly it.
    pub(crate) exact: HashMap<Box<str>, Exact>,
    /// Longest literal first, refusals first among equals: the first that fits is the answer.
    pub(crate) globs: Vec<GlobRow>,
    /// Folded local part to the mailbox of that name, whether it receives or not.
    pub(crate) named: HashMap<Box<str>, MailboxName>,
    pub(crate) catch_all: Option<MailboxName>,
    /// Where postmaster@ and abuse@ go; always there in a table that was handed out.
    pub(crate) postmaster: Option<MailboxName>,
}

/// What is said of one exact address. A mailbox and an alias cannot both claim it.
#[derive(Debug, Default)]
pub(crate) struct Exact {
    pub(crate) refused: Option<Box<str>>,
    pub(crate) target: Option<Target>,
}

#[derive(Debug, Clone)]
pub(crate) enum Target {
    Mailbox(MailboxName),
    /// A place in `Table::aliases`.
    Alias(usize),
}

#[derive(Debug)]
pub(crate) struct GlobRow {
    /// Over the local part.
    pub(crate) pattern: Glob,
    /// Of the whole pattern, its domain included.
    pub(crate) literals: usize,
    /// As the file spells it.
    pub(crate) spelled: String,
    pub(crate) outcome: GlobOutcome,
}

#[derive(Debug)]
pub(crate) enum GlobOutcome {
    Refused(Box<str>),
    /// A place in `Table::aliases`.
    Alias(usize),
}

#[derive(Debug)]
pub(crate) struct MailboxTable {
    /// Its domain's place, and its folded local part there.
    pub(crate) home: (usize, Box<str>),
    pub(crate) receives: bool,
    pub(crate) allowance: Allowance,
    pub(crate) passwords: Arc<[StoredPassword]>,
    pub(crate) trash: Option<Duration>,
    pub(crate) on_dele: Option<OnDele>,
    /// With members it is a team mailbox.
    pub(crate) team: Option<Arc<Team>>,
    /// Teams that it is a member of, in the order of the file.
    pub(crate) collect: Vec<MailboxName>,
    pub(crate) devices: Vec<ViewName>,
}

#[derive(Debug)]
pub(crate) struct AliasTable {
    /// As the file spells it.
    pub(crate) spelled: String,
    pub(crate) to: Vec<Onward>,
    /// Where all of it ends, each mailbox once.
    pub(crate) mailboxes: Vec<MailboxName>,
    /// This alias, or one that it leads to, asks for a copy for each recipient.
    pub(crate) duplicate: bool,
}

/// One entry of an alias's `to`.
#[derive(Debug, Clone)]
pub(crate) enum Onward {
    Mailbox(MailboxName),
    /// An address of ours: its domain's place, its folded local part.
    Address(usize, Box<str>),
}

/// What the domain of an address is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// One that we receive for.
    Domain(usize),
    /// Our host name or one of our own addresses: postmaster alone lives there.
    Host,
    Elsewhere,
}

/// `local@domain` with the quotes that the local part needs.
pub(crate) fn at(local: &str, domain: &str) -> String {
    if LocalPart::parse(local).is_ok_and(|plain| plain.as_str() == local) {
        return format!("{local}@{domain}");
    }
    format!("\"{}\"@{domain}", local.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Table {
    pub(crate) fn place(&self, domain: &Domain) -> Place {
        if let Some(ip) = domain.literal() {
            return if self.literals.contains(&ip) { Place::Host } else { Place::Elsewhere };
        }
        let folded = domain.folded();
        match self.domain_names.get(folded.as_str()) {
            Some(index) => Place::Domain(*index),
            None if self.hostname.as_deref() == Some(folded.as_str()) => Place::Host,
            None => Place::Elsewhere,
        }
    }

    /// The mailbox that `text` names, by whichever of its domain's names: `alice`, `alice@example.com` and
    /// `alice@example.net` are one where the first domain is `example.com` with the alias `example.net`.
    pub fn mailbox_named(&self, text: &str) -> Option<&MailboxName> {
        let (local, index) = match text.rsplit_once('@') {
            None => (text, 0),
            Some((local, domain)) => {
                let domain = Domain::parse(domain).ok()?.folded();
                (local, *self.domain_names.get(domain.as_str())?)
            }
        };
        self.domains.get(index)?.named.get(mail::fold(local).as_str())
    }

    /// `local@domain` for words, by the domain's first name.
    pub(crate) fn spelled(&self, domain: usize, local: &str) -> String {
        // Only while it is built may a domain have no name.
        let name = self.domains.get(domain).and_then(|d| d.names.first());
        name.map_or_else(|| local.to_owned(), |name| at(local, name))
    }

    /// The address that a mailbox's copies are `Delivered-To`: its name at the first name of its domain.
    /// A mailbox that has left the file keeps the one that its name says. It stands in a header field, so the
    /// domain is one that every mail program can read.
    pub(crate) fn home_address(&self, mailbox: &MailboxName) -> String {
        let spelled = match self.mailboxes.get(mailbox) {
            Some(row) => self.spelled(row.home.0, &row.home.1),
            None if mailbox.as_str().contains('@') => mailbox.as_str().to_owned(),
            None => self.spelled(0, mailbox.as_str()),
        };
        if spelled.is_ascii() {
            return spelled;
        }
        match spelled.rsplit_once('@').map(|(local, domain)| (local, Domain::parse(domain))) {
            Some((local, Ok(domain))) => at(local, &domain.to_ascii()),
            Some((_, Err(_))) | None => spelled,
        }
    }

    /// Whether some mailbox has this very string as a password hash.
    pub fn has_hash(&self, configured: &str) -> bool {
        self.decoys.iter().any(|passwords| passwords.iter().any(|stored| stored.configured == configured))
    }
}
