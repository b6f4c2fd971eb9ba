//! How long mail is kept at least, whatever others do with it.

use std::collections::BTreeSet;
use std::time::Duration;

use mail::ViewName;

use crate::login::Part;
use crate::table::Table;
use crate::team::{Release, When};

/// What can be promised about the age of mail to somebody who has not logged in yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expiry {
    /// The least age at which a message of any login goes; none: nobody's mail does.
    pub least: Option<Duration>,
    /// It is not the same for all logins.
    pub differs: bool,
}

impl Table {
    /// Over all that a mailbox's own login and those of a team's members show. Devices see what their owner does, and
    /// who looks into a trash or a quarantine leaves nothing there.
    pub(crate) fn expiry(&self) -> Expiry {
        let own = self.mailboxes.keys().filter_map(|name| self.opens_own(name.as_str()));
        let own = own.map(|opens| opens.parts.iter().filter_map(|part| self.kept(part)).min());
        let members = self.teams().flat_map(|(name, team)| team.members.iter().map(move |it| (name, it)));
        let members = members.filter(|(_, it)| self.opens_own(it.login.as_str()).is_some());
        let members = members.filter_map(|(name, it)| self.member_part(&it.login, name));
        let ages: BTreeSet<_> = own.chain(members.map(|part| self.kept(&part))).collect();
        Expiry { least: ages.iter().flatten().min().copied(), differs: ages.len() > 1 }
    }

    /// See [`Directory::kept`](crate::Directory::kept).
    pub(crate) fn kept(&self, part: &Part) -> Option<Duration> {
        if let Some(mailbox) = part.mailbox.trashed_from() {
            return self.trash(&mailbox);
        }
        if part.mailbox.quarantined_from().is_some() {
            return self.quarantine;
        }
        let row = self.mailboxes.get(&part.mailbox)?;
        row.allowance.age.into_iter().chain(self.released(part)).min()
    }

    /// When at the earliest a team lets go what this view still lists.
    fn released(&self, part: &Part) -> Option<Duration> {
        let team = self.team(&part.mailbox)?;
        let Release { when, hold, max_age, ignore_absent } = team.release?;
        let member = team.members.iter().find(|member| member.view == part.view);
        let mirrors = member.is_some_and(|member| member.mirrors);
        let early = match when {
            When::Never => None,
            // Whoever shares a password holds nothing back.
            When::AllFetched | When::AllDone if part.view == ViewName::owner() => Some(hold),
            When::AllFetched if !mirrors => Some(hold),
            // It holds back what it is not done with, unless it stays away.
            When::AllFetched | When::AllDone => ignore_absent.map(|absent| absent.saturating_add(hold)),
        };
        early.into_iter().chain(max_age).min()
    }
}
