use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use mail::{ForwardPath, MailboxName, Secret, ViewName};

use crate::resolve::{Silent, always_open, resolve};
use crate::verify::Verifier;
use crate::{
    Allowance, Expiry, Known, Login, LoginError, Nearly, Part, Resolution, Source, Step, Table, Team,
    VerifierParams,
};

/// The directory as everyone holds it: cheap to clone, and exchanged whole at a reload, so that no answer
/// ever mixes two files.
#[derive(Clone)]
pub struct Directory {
    shared: Arc<Shared>,
}

struct Shared {
    table: ArcSwap<Table>,
    verifier: Arc<Verifier>,
}

impl Directory {
    /// Starts with a checked table.
    pub fn new(table: Table, params: VerifierParams) -> Self {
        let verifier = Arc::new(Verifier::new(params));
        Self { shared: Arc::new(Shared { table: ArcSwap::from_pointee(table), verifier }) }
    }

    /// Exchanges the table: the next question is answered from the new one.
    pub fn replace(&self, table: Table) {
        self.take_over(&self.beside(table));
    }

    /// Another directory that knows the same of logins, and answers from this table: for what must be done before it
    /// is in force here.
    pub fn beside(&self, table: Table) -> Self {
        let (table, verifier) = (ArcSwap::from_pointee(table), self.shared.verifier.clone());
        Self { shared: Arc::new(Shared { table, verifier }) }
    }

    /// Puts the table of another one in force.
    pub fn take_over(&self, other: &Self) {
        let table = other.shared.table.load_full();
        self.shared.verifier.keep_overlay(|old| table.has_hash(old));
        self.shared.table.store(table);
    }

    /// Where a recipient goes. A few hash look-ups; globs alone are tried one by one.
    pub fn resolve(&self, path: &ForwardPath) -> Resolution {
        resolve(&self.shared.table.load(), path, &mut Silent)
    }

    /// The same with the way there, step by step.
    pub fn explain(&self, path: &ForwardPath) -> (Vec<Step>, Resolution) {
        let mut steps = Vec::new();
        let resolution = resolve(&self.shared.table.load(), path, &mut steps);
        (steps, resolution)
    }

    /// Whether a recipient is postmaster, or abuse of one of our domains: neither directory, rules, harvest
    /// limits nor quota may refuse it (RFC 5321 §4.5.1).
    pub fn always_open(&self, path: &ForwardPath) -> bool {
        always_open(&self.shared.table.load(), path)
    }

    /// What stands behind the separator of a recipient's local part, folded.
    pub fn detail(&self, path: &ForwardPath) -> Option<String> {
        self.shared.table.load().detail(path)
    }

    /// Most octets that a mailbox may hold before new mail is put off; none is no limit, or no such mailbox.
    pub fn quota(&self, mailbox: &MailboxName) -> Option<u64> {
        self.allowance(mailbox).octets
    }

    /// What a mailbox may hold, and how long; without any limit when there is no such mailbox.
    pub fn allowance(&self, mailbox: &MailboxName) -> Allowance {
        let table = self.shared.table.load();
        table.mailboxes.get(mailbox).map_or_else(Allowance::default, |row| row.allowance)
    }

    /// What every login can be promised about the age of its mail.
    pub fn expiry(&self) -> Expiry {
        self.shared.table.load().expiry()
    }

    /// How long mail that a part lists is kept at least, as long as it is not deleted there; none: it stays.
    pub fn kept(&self, part: &Part) -> Option<Duration> {
        self.shared.table.load().kept(part)
    }

    /// Whether mail comes to a mailbox and somebody can collect it.
    pub fn is_collected(&self, mailbox: &MailboxName) -> bool {
        let table = self.shared.table.load();
        table.mailboxes.get(mailbox).is_some_and(|row| row.receives && !row.passwords.is_empty())
    }

    /// Whether the file has this mailbox now. Names compare in the form that [`Directory::mailbox_named`]
    /// gives: `alice@example.com` is `alice` where example.com is the first domain.
    pub fn has_mailbox(&self, mailbox: &MailboxName) -> bool {
        self.shared.table.load().mailboxes.contains_key(mailbox)
    }

    /// Every mailbox of the file, sorted.
    pub fn mailbox_names(&self) -> Vec<MailboxName> {
        self.shared.table.load().mailboxes.keys().cloned().collect()
    }

    /// See [`Table::mailbox_named`].
    pub fn mailbox_named(&self, text: &str) -> Option<MailboxName> {
        self.shared.table.load().mailbox_named(text).cloned()
    }

    /// Who collects a mailbox that has members; none when it has none, or there is no such mailbox.
    pub fn team(&self, mailbox: &MailboxName) -> Option<Arc<Team>> {
        self.shared.table.load().team(mailbox).cloned()
    }

    /// Every team mailbox, sorted.
    pub fn teams(&self) -> Vec<(MailboxName, Arc<Team>)> {
        let table = self.shared.table.load();
        table.teams().map(|(name, team)| (name.clone(), Arc::clone(team))).collect()
    }

    /// The views that a person's mailbox has for devices, in the order of the file.
    pub fn devices(&self, mailbox: &MailboxName) -> Vec<ViewName> {
        self.shared.table.load().devices(mailbox).to_vec()
    }

    /// Every mailbox that declares views, sorted, and which: of a team its members', and the owner's where it has
    /// a password of its own; of a person the owner's and the devices'.
    pub fn views(&self) -> Vec<(MailboxName, Vec<ViewName>)> {
        let table = self.shared.table.load();
        table.views().map(|(name, views)| (name.clone(), views)).collect()
    }

    /// How long what was deleted stays in a mailbox's trash; none: it goes for good, or there is no such mailbox.
    pub fn trash(&self, mailbox: &MailboxName) -> Option<Duration> {
        self.shared.table.load().trash(mailbox)
    }

    /// What a login name shows, whether the password is right or not; never empty. None for a name that nobody has.
    pub fn login_shows(&self, user: &str) -> Option<Vec<Part>> {
        Some(self.shared.table.load().opens(user)?.parts)
    }

    /// The mailbox whose password a login name asks for, whether the password is right or not: `alice` for
    /// `alice/sales`. None for a name that nobody has.
    pub fn login_named(&self, user: &str) -> Option<MailboxName> {
        Some(self.shared.table.load().opens(user)?.mailbox)
    }

    /// Of a name that nobody has: whose login it would be, but for a slip in its device or its team.
    pub fn login_nearly(&self, user: &str) -> Option<Nearly> {
        self.shared.table.load().nearly(user)
    }

    /// What `Delivered-To` says of a mailbox's copies: its name at the first name of its domain. A mailbox
    /// that has left the file keeps the address that its name says.
    pub fn home_address(&self, mailbox: &MailboxName) -> String {
        self.shared.table.load().home_address(mailbox)
    }

    /// What an upstream must know to refuse unknown addresses itself, the strongest first.
    pub fn recipients(&self) -> Vec<Known> {
        self.shared.table.load().recipients()
    }

    /// Whether `password` opens the view that `user` names. Bounded: at most two hashes run at a time, and
    /// who cannot have a permit in 5 s (20 s for a source that has logged in within 14 days) is told
    /// [`LoginError::Busy`]. What was found lately is answered from memory in microseconds.
    ///
    /// A name that nobody has, a view that is not declared, or a mailbox without a password takes the same way and
    /// the same time. What a login shows is worked out anew each time, from the table of that moment.
    pub async fn verify(&self, user: &str, password: &Secret, source: Source) -> Result<Login, LoginError> {
        let verifier = &self.shared.verifier;
        let claimant = self.shared.table.load().claimant(user, |name| verifier.pick(name));
        match claimant {
            Some(claimant) => verifier.verify(claimant, password, source).await,
            None => Err(LoginError::Denied { repeated: false }),
        }
    }

    /// The networks that right passwords came from in the last 14 days, each with how long ago the last one
    /// did: kept over a restart, nobody's poller fails for the rush of the first minute.
    pub fn known_sources(&self) -> Vec<(IpAddr, Duration)> {
        self.shared.verifier.known_sources()
    }

    /// Takes back what [`Directory::known_sources`] gave.
    pub fn remember_source(&self, source: Source, ago: Duration) {
        self.shared.verifier.remember(source, ago);
    }

    #[cfg(test)]
    pub(crate) fn verifier(&self) -> &Arc<Verifier> {
        &self.shared.verifier
    }
}
