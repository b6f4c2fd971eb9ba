//! Who collects what: members, devices, and what they are to each other.

use std::collections::BTreeSet;
use std::sync::Arc;

use mail::{MailboxName, ViewName};

use super::Builder;
use super::names::{Words, did_you_mean, nearest};
use crate::fault::Item;
use crate::login::RESERVED_VIEWS;
use crate::spec::{MailboxSpec, MemberSpec, OnDele};
use crate::team::{Member, Release, Team, When};

/// Most members of one team: each has a view of every message in it.
const MEMBERS_MAX: usize = 250;
/// Most devices of one person, for the same reason.
const DEVICES_MAX: usize = 16;
/// Most team mailboxes in one maildrop.
const COLLECT_MAX: usize = 32;

impl Builder<'_> {
    /// Once all mailboxes are known by their names; `names` has that of each in the order of the file.
    pub(super) fn teams(&mut self, names: &[Option<MailboxName>]) {
        let spec = self.spec;
        // One whose own name is a fault names others all the same.
        let rows = || spec.mailboxes.iter().zip(names).enumerate();
        let rows = || rows().map(|(index, (row, name))| (index, row, name.as_ref()));
        let teams: BTreeSet<&MailboxName> = rows()
            .filter(|(index, row, _)| self.is_team(*index, row))
            .filter_map(|(_, _, name)| name)
            .collect();
        for (index, row, name) in rows() {
            let team = self.team(index, row, name, &teams);
            let devices = self.devices(index, row);
            self.on_dele(index, row);
            if let Some(entered) = name.and_then(|name| self.table.mailboxes.get_mut(name)) {
                (entered.team, entered.devices) = (team, devices);
            }
        }
        // Of these nobody knows who is a member.
        let unread = rows().filter(|(index, _, _)| self.is_unread(Item::Mailbox(*index), "members"));
        let unread: BTreeSet<&MailboxName> = unread.filter_map(|(_, _, name)| name).collect();
        for (index, row, name) in rows() {
            let collect = self.collect(index, row, name, &unread);
            if let Some(entered) = name.and_then(|name| self.table.mailboxes.get_mut(name)) {
                entered.collect = collect;
            }
        }
    }

    /// Whether it says that it has members, also where none of them could be read.
    fn is_team(&self, index: usize, spec: &MailboxSpec) -> bool {
        !spec.members.is_empty() || self.is_unread(Item::Mailbox(index), "members")
    }

    fn team(
        &mut self,
        index: usize,
        spec: &MailboxSpec,
        name: Option<&MailboxName>,
        teams: &BTreeSet<&MailboxName>,
    ) -> Option<Arc<Team>> {
        let item = Item::Mailbox(index);
        if spec.members.is_empty() {
            let said = spec.release.is_some() || self.is_unread(item, "release");
            if said && !self.is_team(index, spec) {
                let whose = called(spec);
                let message = format!("{whose} has no members, and mail is released of team mailboxes only");
                self.error(item, "release", 0, message).hint =
                    Some("add members = [\"alice\"], or give it an age with expire".into());
            }
            return None;
        }
        if spec.members.len() > MEMBERS_MAX {
            let message =
                format!("{} has {} members: at most {MEMBERS_MAX}", called(spec), spec.members.len());
            self.error(item, "members", MEMBERS_MAX, message);
        }
        let mut members: Vec<Member> = Vec::new();
        for (place, member) in spec.members.iter().enumerate() {
            let Some(login) = self.member((index, place), member, (spec, name), teams) else { continue };
            if members.iter().any(|other| other.login == login) {
                let message = format!("`{}` is said twice: one member has one view", member.login);
                self.error(item, "members", place, message);
                continue;
            }
            let Ok(view) = ViewName::parse(login.as_str()) else { continue };
            let mirrors = member.mirrors.unwrap_or(!member.robot);
            members.push(Member { view, login, robot: member.robot, mirrors, from: member.from });
        }
        self.what_stays(index, spec, &members);
        let shared = name.and_then(|name| self.table.mailboxes.get(name));
        let shared = shared.is_some_and(|row| !row.passwords.is_empty());
        Some(Arc::new(Team { members, release: spec.release, shared }))
    }

    /// The mailbox that an entry of `members` names.
    fn member(
        &mut self,
        (index, place): (usize, usize),
        member: &MemberSpec,
        (team, name): (&MailboxSpec, Option<&MailboxName>),
        teams: &BTreeSet<&MailboxName>,
    ) -> Option<MailboxName> {
        let item = Item::Mailbox(index);
        let text = &member.login;
        let Some(login) = self.table.mailbox_named(text).cloned() else {
            if self.unsure.mailboxes {
                return None;
            }
            let near = self.near_mailbox(text).map(|near| did_you_mean(&near));
            self.error(item, "members", place, format!("there is no mailbox `{text}`")).hint = near;
            return None;
        };
        if name == Some(&login) {
            let message = format!("`{text}` cannot be a member of itself");
            self.error(item, "members", place, message).hint =
                Some("a password of its own is enough for it to log in".into());
            return None;
        }
        if teams.contains(&login) {
            let message = format!("`{text}` is a team mailbox itself, and members are people and robots");
            self.error(item, "members", place, message).hint = Some("name the members of both".into());
            return None;
        }
        if self.has_no_password(&login) {
            let message = format!("nobody can collect {} as `{text}`, which has no password", called(team));
            self.warning(item, "members", place, message).hint =
                Some(format!("`restante passwd {login}` gives it one"));
        }
        Some(login)
    }

    /// Whether nobody logs in as a mailbox, as far as its passwords could be read.
    fn has_no_password(&self, mailbox: &MailboxName) -> bool {
        let unread = |index: usize| {
            let item = Item::Mailbox(index);
            self.is_unread(item, "password") || self.is_unread(item, "passwords")
        };
        let none = self.table.mailboxes.get(mailbox).is_some_and(|row| row.passwords.is_empty());
        let spelled = |spec: &MailboxSpec| self.table.mailbox_named(&spec.name) == Some(mailbox);
        none && !self.spec.mailboxes.iter().enumerate().any(|(index, spec)| unread(index) && spelled(spec))
    }

    /// Says what of a team's mail stays for ever.
    fn what_stays(&mut self, index: usize, spec: &MailboxSpec, members: &[Member]) {
        let (item, name) = (Item::Mailbox(index), called(spec));
        let unread = ["members", "members.*", "release", "expire"];
        if spec.allowance.age.is_some() || unread.iter().any(|key| self.is_unread(item, key)) {
            return;
        }
        let Some(Release { when, max_age, .. }) = spec.release else {
            let message = format!("{name} keeps everything: nothing says when its mail may go");
            self.warning(item, "name", 0, message).hint = Some(
                "release = { when = \"all-fetched\", max-age = \"1 year\" }; or { when = \"never\" } if it is meant"
                    .into(),
            );
            return;
        };
        let mirrors = members.iter().find(|member| member.mirrors);
        if let (When::AllFetched, None, Some(member)) = (when, max_age, mirrors) {
            let message = format!(
                "what `{}` fetches and does not delete stays in {name} for ever: its devices mirror the server",
                member.login
            );
            self.warning(item, "release", 0, message).hint = Some(
                "give the release a max-age, or the member mirrors = false if no device removes what the server does"
                    .into(),
            );
        }
    }

    fn devices(&mut self, index: usize, spec: &MailboxSpec) -> Vec<ViewName> {
        let item = Item::Mailbox(index);
        if self.is_team(index, spec) && !spec.devices.is_empty() {
            let message = format!("{} is a team mailbox: its views are its members'", called(spec));
            self.error(item, "devices", 0, message).hint =
                Some("devices belong to a person's mailbox".into());
            return Vec::new();
        }
        if spec.devices.len() > DEVICES_MAX {
            let message =
                format!("{} has {} devices: at most {DEVICES_MAX}", called(spec), spec.devices.len());
            self.error(item, "devices", DEVICES_MAX, message);
        }
        let mut devices: Vec<ViewName> = Vec::new();
        for (place, text) in spec.devices.iter().enumerate() {
            match ViewName::parse(text) {
                Ok(view) if RESERVED_VIEWS.contains(&view.as_str()) => {
                    let message = format!("`{text}` cannot be a device: every mailbox has +{view} already");
                    self.error(item, "devices", place, message);
                }
                Ok(view) if devices.contains(&view) => {
                    let message = format!("`{text}` is said twice of {}", of_mailbox(spec));
                    self.error(item, "devices", place, message);
                }
                Ok(view) if !view.as_str().contains('@') => devices.push(view),
                Ok(_) => {
                    let message = format!("`{text}` cannot be a device: it has no domain of its own");
                    self.error(item, "devices", place, message);
                }
                Err(error) => {
                    self.error(item, "devices", place, format!("`{text}` cannot be a device: {error}"));
                }
            }
        }
        devices
    }

    fn on_dele(&mut self, index: usize, spec: &MailboxSpec) {
        let (item, name) = (Item::Mailbox(index), called(spec));
        let no_password = spec.passwords.is_empty()
            && !self.is_unread(item, "password")
            && !self.is_unread(item, "passwords");
        let no_trash = spec.trash.is_none() && !self.is_unread(item, "trash");
        match spec.on_dele {
            Some(OnDele::Done) if !self.is_team(index, spec) => {
                let message = format!("`on-dele` cannot be \"done\" here: {name} has no members");
                self.error(item, "on-dele", 0, message).hint = Some("use \"keep\" or \"trash\"".into());
            }
            Some(OnDele::Done | OnDele::Trash | OnDele::Keep) if no_password => {
                let message = format!("nobody logs in as {name} itself: it has no password");
                self.warning(item, "on-dele", 0, message).hint =
                    Some("on-dele is about its own login, never about its members'".into());
            }
            Some(OnDele::Trash) if !spec.members.is_empty() && no_trash => {
                let message = format!(
                    "`on-dele` cannot be \"trash\" here: {name} has no trash, and its members would lose their mail for \
                     good"
                );
                self.error(item, "on-dele", 0, message).hint =
                    Some("give it trash = \"7 days\", or use \"done\": members keep theirs".into());
            }
            Some(OnDele::Trash) if !spec.members.is_empty() => {
                let message = format!(
                    "what is deleted as {name} itself goes to the trash for all of its members, fetched or not"
                );
                self.warning(item, "on-dele", 0, message).hint = Some(
                    "\"done\" leaves the members theirs; if it is meant, `restante undo` brings it back"
                        .into(),
                );
            }
            Some(OnDele::Done | OnDele::Trash | OnDele::Keep) | None => {}
        }
    }

    /// The teams that a mailbox's own login shows too. Members are known by now.
    fn collect(
        &mut self,
        index: usize,
        spec: &MailboxSpec,
        name: Option<&MailboxName>,
        unread: &BTreeSet<&MailboxName>,
    ) -> Vec<MailboxName> {
        let item = Item::Mailbox(index);
        if spec.collect.len() > COLLECT_MAX {
            let message = format!(
                "{} collects {} team mailboxes: at most {COLLECT_MAX}",
                called(spec),
                spec.collect.len()
            );
            self.error(item, "collect", COLLECT_MAX, message);
        }
        let mut teams: Vec<MailboxName> = Vec::new();
        for (place, text) in spec.collect.iter().enumerate() {
            match self.collected(text, name, unread) {
                Ok(team) if teams.contains(&team) => {
                    let message = format!("`{text}` is said twice of {}", of_mailbox(spec));
                    self.error(item, "collect", place, message);
                }
                Ok(team) => teams.push(team),
                Err(Some((message, hint))) => self.error(item, "collect", place, message).hint = hint,
                Err(None) => {}
            }
        }
        teams
    }

    /// The team of that name, if the mailbox `name` is a member of it; else message and hint, when it is known why not.
    fn collected(
        &self,
        text: &str,
        name: Option<&MailboxName>,
        unread: &BTreeSet<&MailboxName>,
    ) -> Result<MailboxName, Option<Words>> {
        let joined = |team: &Team| name.is_none_or(|name| team.member(name).is_some());
        let near = || {
            let joined = self.table.teams().filter(|(_, team)| joined(team));
            nearest(text, joined.map(|(team, _)| team.as_str())).map(|near| did_you_mean(&near))
        };
        let Some(team) = self.table.mailbox_named(text) else {
            let words = || (format!("there is no mailbox `{text}`"), near());
            return Err((!self.unsure.mailboxes).then(words));
        };
        if unread.contains(team) {
            return Err(None);
        }
        match (self.table.team(team), name) {
            (Some(found), Some(name)) if !joined(found) => {
                let hint = near().unwrap_or_else(|| format!("add \"{name}\" to the members of `{team}`"));
                Err(Some((format!("`{name}` is no member of `{text}`"), Some(hint))))
            }
            (Some(_), _) => Ok(team.clone()),
            (None, _) => {
                let message = format!("`{text}` is no team mailbox: it has no members");
                Err(Some((message, near())))
            }
        }
    }
}

/// What a mailbox is called in words, also one that is called nothing that could be read.
fn called(spec: &MailboxSpec) -> String {
    if spec.name.is_empty() { "this mailbox".into() } else { format!("`{}`", spec.name) }
}

fn of_mailbox(spec: &MailboxSpec) -> String {
    if spec.name.is_empty() { called(spec) } else { format!("mailbox {}", called(spec)) }
}
