use mail::{Domain, MailboxName};

use super::Builder;
use super::names::{Words, did_you_mean};
use crate::fault::Item;
use crate::table::DomainTable;

impl Builder<'_> {
    pub(super) fn domains(&mut self) {
        if self.spec.domains.is_empty() {
            if !self.is_unread(Item::Directory, "domain") {
                self.error(Item::Directory, "domain", 0, "there is no domain to receive for".into()).hint =
                    Some("add [[domain]] with name = \"example.com\"".into());
            }
            // One without a name: what else is wrong is said all the same.
            self.table.domains.push(DomainTable::default());
        }
        for (index, spec) in self.spec.domains.iter().enumerate() {
            self.table.domains.push(DomainTable::default());
            self.domain_name(index, &spec.name, "name", 0);
            for (place, alias) in spec.aliases.iter().enumerate() {
                self.domain_name(index, alias, "aliases", place);
            }
        }
    }

    fn domain_name(&mut self, index: usize, text: &str, key: &'static str, place: usize) {
        let item = Item::Domain(index);
        if key == "name" && self.is_unread(item, key) {
            return;
        }
        let folded = match Domain::parse(text) {
            Ok(name) if !text.starts_with('[') => name.folded(),
            Ok(_) | Err(_) => {
                self.error(item, key, place, format!("`{text}` is not a domain name"));
                return;
            }
        };
        if let Some(other) = self.table.domain_names.get(folded.as_str()) {
            let first = &self.table.domains[*other].names[0];
            let message = match *other == index {
                true => format!("`{text}` is named twice in this domain"),
                false => format!("`{text}` is already a name of the domain `{first}`"),
            };
            self.error(item, key, place, message);
            return;
        }
        self.table.domain_names.insert(folded.into(), index);
        self.table.domains[index].names.push(text.to_owned());
    }

    /// Catch-all and postmaster, once the mailboxes are known.
    pub(super) fn roles(&mut self) {
        for (index, spec) in self.spec.domains.iter().enumerate() {
            let catch_all = spec.catch_all.as_deref().map(|name| self.role(index, name, "catch-all"));
            let postmaster = spec.postmaster.as_deref().map(|name| self.role(index, name, "postmaster"));
            let item = Item::Domain(index);
            let unread = self.is_unread(item, "catch-all") || self.is_unread(item, "postmaster");
            if catch_all.is_none() && postmaster.is_none() && !unread {
                let whose = match spec.name.as_str() {
                    "" => "this domain".to_owned(),
                    name => format!("`{name}`"),
                };
                let message = format!("nobody is postmaster of {whose}");
                self.error(item, "", 0, message).hint = Some(
                    "name a mailbox with postmaster = \"…\" (or a catch-all): RFC 5321 §4.5.1 asks every \
                     domain to take mail for postmaster"
                        .into(),
                );
            }
            let row = &mut self.table.domains[index];
            row.catch_all = catch_all.flatten();
            row.postmaster = postmaster.unwrap_or_else(|| row.catch_all.clone());
        }
    }

    fn role(&mut self, index: usize, text: &str, key: &'static str) -> Option<MailboxName> {
        match self.receiving_mailbox(text) {
            Ok(name) => Some(name),
            Err(words) => {
                if let Some((message, hint)) = words {
                    self.error(Item::Domain(index), key, 0, message).hint = hint;
                }
                None
            }
        }
    }

    /// The mailbox of that name, if mail may go there; else message and hint, when it is known why not.
    pub(super) fn receiving_mailbox(&self, text: &str) -> Result<MailboxName, Option<Words>> {
        let Some(name) = self.table.mailbox_named(text) else {
            let hint = || self.near_mailbox(text).map(|n| did_you_mean(&n));
            return Err((!self.unsure.mailboxes).then(|| (format!("there is no mailbox `{text}`"), hint())));
        };
        if self.table.mailboxes.get(name).is_some_and(|row| !row.receives) {
            let message = format!("no mail can go to `{text}`: this mailbox has receives = false");
            return Err(Some((message, Some("let it receive, or name another mailbox".into()))));
        }
        Ok(name.clone())
    }

    pub(super) fn near_mailbox(&self, text: &str) -> Option<String> {
        super::names::nearest(text, self.table.mailboxes.keys().map(MailboxName::as_str))
    }
}
