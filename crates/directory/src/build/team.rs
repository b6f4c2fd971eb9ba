//! Who collects what: members, devices, and what they are to each other.

use std::collections::BTreeSet;
use std::sync::Arc;

use mail::{MailboxName, ViewName};

use super::Builder;
use super::names::{did_you_mean, nearest};
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
        let rows = || spec.mailboxes.iter().zip(names).enumerate();
        let rows = || rows().filter_map(|(index, (row, name))| Some((index, row, name.as_ref()?)));
        let teams: BTreeSet<&MailboxName> =
            rows().filter(|(_, row, _)| !row.members.is_empty()).map(|(_, _, name)| name).collect();
        for (index, row, name) in rows() {
            let team = self.team(index, row, name, &teams);
            let devices = self.devices(index, row);
            self.on_dele(index, row);
            if let Some(entered) = self.table.mailboxes.get_mut(name) {
                (entered.team, entered.devices) = (team, devices);
            }
        }
        for (index, row, name) in rows() {
            let collect = self.collect(index, row, name);
            if let Some(entered) = self.table.mailboxes.get_mut(name) {
                entered.collect = collect;
            }
        }
    }

    fn team(
        &mut self,
        index: usize,
        spec: &MailboxSpec,
        name: &MailboxName,
        teams: &BTreeSet<&MailboxName>,
    ) -> Option<Arc<Team>> {
        let item = Item::Mailbox(index);
        if spec.members.is_empty() {
            if spec.release.is_some() {
                let message = format!("`{name}` has no members, and mail is released of team mailboxes only");
                self.error(item, "release", 0, message).hint =
                    Some("add members = [\"alice\"], or give it an age with expire".into());
            }
            return None;
        }
        if spec.members.len() > MEMBERS_MAX {
            let message = format!("`{name}` has {} members: at most {MEMBERS_MAX}", spec.members.len());
            self.error(item, "members", MEMBERS_MAX, message);
        }
        let mut members: Vec<Member> = Vec::new();
        for (place, member) in spec.members.iter().enumerate() {
            let Some(login) = self.member((index, place), member, name, teams) else { continue };
            if members.iter().any(|other| other.login == login) {
                let message = format!("`{}` is said twice: one member has one view", member.login);
                self.error(item, "members", place, message);
                continue;
            }
            let Ok(view) = ViewName::parse(login.as_str()) else { continue };
            let mirrors = member.mirrors.unwrap_or(!member.robot);
            members.push(Member { view, login, robot: member.robot, mirrors, from: member.from });
        }
        self.what_stays(index, spec, name, &members);
        let shared = self.table.mailboxes.get(name).is_some_and(|row| !row.passwords.is_empty());
        Some(Arc::new(Team { members, release: spec.release, shared }))
    }

    /// The mailbox that an entry of `members` names.
    fn member(
        &mut self,
        (index, place): (usize, usize),
        member: &MemberSpec,
        team: &MailboxName,
        teams: &BTreeSet<&MailboxName>,
    ) -> Option<MailboxName> {
        let item = Item::Mailbox(index);
        let text = &member.login;
        let Some(login) = self.table.mailbox_named(text).cloned() else {
            let near = self.near_mailbox(text).map(|near| did_you_mean(&near));
            self.error(item, "members", place, format!("there is no mailbox `{text}`")).hint = near;
            return None;
        };
        if login == *team {
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
        if self.table.mailboxes.get(&login).is_some_and(|row| row.passwords.is_empty()) {
            let message = format!("nobody can collect `{team}` as `{text}`, which has no password");
            self.warning(item, "members", place, message).hint =
                Some(format!("`restante passwd {login}` gives it one"));
        }
        Some(login)
    }

    /// Says what of a team's mail stays for ever.
    fn what_stays(&mut self, index: usize, spec: &MailboxSpec, name: &MailboxName, members: &[Member]) {
        let item = Item::Mailbox(index);
        if spec.allowance.age.is_some() {
            return;
        }
        let Some(Release { when, max_age, .. }) = spec.release else {
            let message = format!("`{name}` keeps everything: nothing says when its mail may go");
            self.warning(item, "name", 0, message).hint = Some(
                "release = { when = \"all-fetched\", max-age = \"1 year\" }; or { when = \"never\" } if it is meant"
                    .into(),
            );
            return;
        };
        let mirrors = members.iter().find(|member| member.mirrors);
        if let (When::AllFetched, None, Some(member)) = (when, max_age, mirrors) {
            let message = format!(
                "what `{}` fetches and does not delete stays in `{name}` for ever: its devices mirror the server",
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
        if !spec.members.is_empty() && !spec.devices.is_empty() {
            let message = format!("`{}` is a team mailbox: its views are its members'", spec.name);
            self.error(item, "devices", 0, message).hint =
                Some("devices belong to a person's mailbox".into());
            return Vec::new();
        }
        if spec.devices.len() > DEVICES_MAX {
            let message =
                format!("`{}` has {} devices: at most {DEVICES_MAX}", spec.name, spec.devices.len());
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
                    let message = format!("`{text}` is said twice of mailbox `{}`", spec.name);
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
        let item = Item::Mailbox(index);
        match spec.on_dele {
            Some(OnDele::Done) if spec.members.is_empty() => {
                let message = format!("`on-dele` cannot be \"done\" here: `{}` has no members", spec.name);
                self.error(item, "on-dele", 0, message).hint = Some("use \"keep\" or \"trash\"".into());
            }
            Some(OnDele::Done | OnDele::Trash | OnDele::Keep) if spec.passwords.is_empty() => {
                let message = format!("nobody logs in as `{}` itself: it has no password", spec.name);
                self.warning(item, "on-dele", 0, message).hint =
                    Some("on-dele is about its own login, never about its members'".into());
            }
            Some(OnDele::Trash) if !spec.members.is_empty() && spec.trash.is_none() => {
                let message = format!(
                    "`on-dele` cannot be \"trash\" here: `{}` has no trash, and its members would lose their mail for \
                     good",
                    spec.name
                );
                self.error(item, "on-dele", 0, message).hint =
                    Some("give it trash = \"7 days\", or use \"done\": members keep theirs".into());
            }
            Some(OnDele::Trash) if !spec.members.is_empty() => {
                let message = format!(
                    "what is deleted as `{}` itself goes to the trash for all of its members, fetched or not",
                    spec.name
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
    fn collect(&mut self, index: usize, spec: &MailboxSpec, name: &MailboxName) -> Vec<MailboxName> {
        let item = Item::Mailbox(index);
        if spec.collect.len() > COLLECT_MAX {
            let message =
                format!("`{name}` collects {} team mailboxes: at most {COLLECT_MAX}", spec.collect.len());
            self.error(item, "collect", COLLECT_MAX, message);
        }
        let mut teams: Vec<MailboxName> = Vec::new();
        for (place, text) in spec.collect.iter().enumerate() {
            match self.collected(text, name) {
                Ok(team) if teams.contains(&team) => {
                    let message = format!("`{text}` is said twice of mailbox `{name}`");
                    self.error(item, "collect", place, message);
                }
                Ok(team) => teams.push(team),
                Err((message, hint)) => self.error(item, "collect", place, message).hint = hint,
            }
        }
        teams
    }

    fn collected(&self, text: &str, name: &MailboxName) -> Result<MailboxName, (String, Option<String>)> {
        let near = || {
            let joined = self.table.teams().filter(|(_, team)| team.member(name).is_some());
            nearest(text, joined.map(|(team, _)| team.as_str())).map(|near| did_you_mean(&near))
        };
        let Some(team) = self.table.mailbox_named(text) else {
            return Err((format!("there is no mailbox `{text}`"), near()));
        };
        match self.table.team(team) {
            Some(found) if found.member(name).is_some() => Ok(team.clone()),
            Some(_) => {
                let hint = near().unwrap_or_else(|| format!("add \"{name}\" to the members of `{team}`"));
                Err((format!("`{name}` is no member of `{text}`"), Some(hint)))
            }
            None => {
                let message = format!("`{text}` is no team mailbox: it has no members");
                Err((message, near()))
            }
        }
    }
}
