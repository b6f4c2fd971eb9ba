//! Which view a login name asks for, and what it shows.

use mail::{MailboxName, ViewName};

use crate::login::{Dele, Nearly, Opens, Part};
use crate::spec::OnDele;
use crate::table::{MailboxTable, Table};

impl Table {
    /// Reads a login name, and says what it shows; none when nobody is called so.
    ///
    /// - `alice`, `alice@example.com`: the mailbox, by any name of its domain, and what it collects.
    /// - `alice+phone`, `alice+phone@example.com`: a declared device's view of it; `alice+trash` and
    ///   `alice+quarantine` are of every mailbox. None of them collects anything.
    /// - `alice/sales`, `alice/sales@example.com`, `alice@example.com/sales`: her view of a team. The domain is that
    ///   of the person. A team is named as in the file: `sales` is that of the first domain, and where she is no
    ///   member of such a one, that of her own domain.
    /// - `alice/sales@other.example@example.com`, `alice@example.com/sales@other.example`: a team with its domain.
    ///   Where `sales@other.example` alone stands behind the `/`, its domain is the person's if there is such a
    ///   member, or else the team's.
    ///
    /// There is no view of a view: `alice+phone/sales` is nobody.
    pub(crate) fn opens(&self, name: &str) -> Option<Opens> {
        match name.split_once('/') {
            Some((person, team)) => self.opens_team(person, team),
            None => match name.split_once('+') {
                Some((local, rest)) => {
                    let (view, domain) = rest.split_at(rest.find('@').unwrap_or(rest.len()));
                    self.opens_view(&format!("{local}{domain}"), &mail::fold(view))
                }
                None => self.opens_own(name),
            },
        }
    }

    /// Whose login a name that nobody has would nearly be.
    pub(crate) fn nearly(&self, name: &str) -> Option<Nearly> {
        if self.opens(name).is_some() {
            return None;
        }
        let device = |person: &str| {
            let (local, rest) = person.split_once('+')?;
            let domain = rest.find('@').map_or("", |at| &rest[at..]);
            self.mailbox_named(&format!("{local}{domain}")).cloned().map(Nearly::Device)
        };
        let Some((person, team)) = name.split_once('/') else { return device(name) };
        let Some(mailbox) = self.mailbox_named(person).cloned() else { return device(person) };
        Some(match self.mailbox_named(team).cloned() {
            Some(team) => Nearly::Member(mailbox, team),
            None => Nearly::Team(mailbox),
        })
    }

    pub(crate) fn opens_own(&self, name: &str) -> Option<Opens> {
        let (mailbox, row) = self.with_password(name)?;
        let view = ViewName::owner();
        let own = Part { mailbox: mailbox.clone(), view: view.clone(), dele: row.own_dele(), robot: false };
        let collected = row.collect.iter().filter_map(|team| self.member_part(mailbox, team));
        let parts = std::iter::once(own).chain(collected).collect();
        Some(Opens { mailbox: mailbox.clone(), view, parts })
    }

    fn opens_view(&self, name: &str, view: &str) -> Option<Opens> {
        let (mailbox, row) = self.with_password(name)?;
        let device = row.devices.iter().find(|device| device.as_str() == view);
        let (kept, view, dele) = match (view, device) {
            ("trash", _) => (mailbox.trash(), ViewName::owner(), Dele::Remove),
            ("quarantine", _) => (mailbox.quarantine(), ViewName::owner(), Dele::Remove),
            (_, Some(device)) => (mailbox.clone(), device.clone(), row.gone()),
            (_, None) => return None,
        };
        let part = Part { mailbox: kept, view: view.clone(), dele, robot: false };
        Some(Opens { mailbox: mailbox.clone(), view, parts: vec![part] })
    }

    fn opens_team(&self, person: &str, team: &str) -> Option<Opens> {
        let readings = match (person.contains('@'), team.rsplit_once('@')) {
            (false, Some((bare, domain))) => {
                [Some((format!("{person}@{domain}"), bare)), Some((person.to_owned(), team))]
            }
            (true, _) | (false, None) => [Some((person.to_owned(), team)), None],
        };
        readings.into_iter().flatten().find_map(|(person, team)| {
            let (mailbox, row) = self.with_password(&person)?;
            let named = self.mailbox_named(team).and_then(|team| self.member_part(mailbox, team));
            let part = named.or_else(|| {
                let homely = self.domains.get(row.home.0)?.named.get(mail::fold(team).as_str())?;
                self.member_part(mailbox, homely)
            })?;
            Some(Opens { mailbox: mailbox.clone(), view: ViewName::owner(), parts: vec![part] })
        })
    }

    /// The mailbox of that name, if anybody can log in to it.
    fn with_password(&self, name: &str) -> Option<(&MailboxName, &MailboxTable)> {
        let mailbox = self.mailbox_named(name)?;
        let row = self.mailboxes.get(mailbox)?;
        (!row.passwords.is_empty()).then_some((mailbox, row))
    }

    pub(crate) fn member_part(&self, login: &MailboxName, team: &MailboxName) -> Option<Part> {
        let member = self.team(team)?.member(login)?;
        let view = member.view.clone();
        Some(Part { mailbox: team.clone(), view, dele: Dele::Done, robot: member.robot })
    }
}

impl MailboxTable {
    /// What DELE by its own login does.
    fn own_dele(&self) -> Dele {
        let absent = if self.team.is_some() { OnDele::Done } else { OnDele::Trash };
        match self.on_dele.unwrap_or(absent) {
            OnDele::Done => Dele::Done,
            // The releaser's view of a team wants everything until it lets it go: "once nobody wants it" would be
            // the same as "done".
            OnDele::Trash if self.team.is_some() => Dele::TrashForAll,
            OnDele::Trash => self.gone(),
            OnDele::Keep => Dele::Keep,
        }
    }

    fn gone(&self) -> Dele {
        match self.trash {
            Some(_) => Dele::Trash,
            None => Dele::Remove,
        }
    }
}
