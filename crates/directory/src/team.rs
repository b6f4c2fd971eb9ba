use std::sync::Arc;
use std::time::Duration;

use mail::{MailboxName, ViewName};

use crate::Table;

/// A mailbox that several collect: one stored copy, and a view for each member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// In the order of the file, never empty.
    pub members: Vec<Member>,
    /// When its mail goes; none: it stays.
    pub release: Option<Release>,
    /// It has a password of its own, so that the owner's view is one of its views too. That one never counts for
    /// release: nobody can tell who it was.
    pub shared: bool,
}

/// One who collects a team mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The view of the team mailbox: it has the name of the member's own mailbox.
    pub view: ViewName,
    /// The mailbox whose password opens it.
    pub login: MailboxName,
    /// A program that imports mail: its view is exclusive, and its fetching counts as no human's.
    pub robot: bool,
    /// Its devices remove what the server removes: what it fetched and did not delete is not released for it.
    pub mirrors: bool,
    /// Which mail it gets of before it joined.
    pub from: JoinFrom,
}

/// Which mail a member gets of before it joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JoinFrom {
    /// All that there is.
    #[default]
    All,
    /// None.
    Now,
    /// What came in this time before.
    Back(Duration),
}

/// When a team's mail goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// What makes it go.
    pub when: When,
    /// How long it stays after that: of what is held already too.
    pub hold: Duration,
    /// The age at which it goes whoever has it; none: never.
    pub max_age: Option<Duration>,
    /// After how long without a pickup a member's claim lapses; none: never.
    pub ignore_absent: Option<Duration>,
}

/// What makes a team's mail go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Every active member has fetched it or is done with it.
    AllFetched,
    /// Every active member is done with it.
    AllDone,
    /// Nothing but its age.
    Never,
}

impl Team {
    /// Its member of that name.
    pub fn member(&self, login: &MailboxName) -> Option<&Member> {
        self.members.iter().find(|member| member.login == *login)
    }
}

impl Table {
    /// See [`Directory::team`](crate::Directory::team).
    pub fn team(&self, mailbox: &MailboxName) -> Option<&Arc<Team>> {
        self.mailboxes.get(mailbox)?.team.as_ref()
    }

    /// See [`Directory::teams`](crate::Directory::teams).
    pub fn teams(&self) -> impl Iterator<Item = (&MailboxName, &Arc<Team>)> {
        self.mailboxes.iter().filter_map(|(name, row)| Some((name, row.team.as_ref()?)))
    }

    /// See [`Directory::devices`](crate::Directory::devices).
    pub fn devices(&self, mailbox: &MailboxName) -> &[ViewName] {
        self.mailboxes.get(mailbox).map_or(&[], |row| &row.devices)
    }

    /// See [`Directory::views`](crate::Directory::views).
    pub fn views(&self) -> impl Iterator<Item = (&MailboxName, Vec<ViewName>)> {
        self.mailboxes.iter().filter_map(|(name, row)| {
            let (own, others): (bool, Vec<ViewName>) = match &row.team {
                Some(team) => (team.shared, team.members.iter().map(|member| member.view.clone()).collect()),
                None if row.devices.is_empty() => return None,
                None => (true, row.devices.clone()),
            };
            Some((name, own.then(ViewName::owner).into_iter().chain(others).collect()))
        })
    }

    /// See [`Directory::trash`](crate::Directory::trash).
    pub fn trash(&self, mailbox: &MailboxName) -> Option<Duration> {
        self.mailboxes.get(mailbox)?.trash
    }
}
