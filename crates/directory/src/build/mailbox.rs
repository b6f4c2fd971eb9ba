use mail::{Domain, LocalPart, MailboxName};

use super::Builder;
use crate::fault::Item;
use crate::glob::is_glob;
use crate::spec::MailboxSpec;
use crate::table::{MailboxTable, Target};

impl Builder<'_> {
    /// Enters all of them; what each is called, none where that is a fault.
    pub(super) fn mailboxes(&mut self) -> Vec<Option<MailboxName>> {
        // Names first: an address may be claimed before the mailbox that it is the name of.
        let names: Vec<_> =
            self.spec.mailboxes.iter().enumerate().map(|(index, spec)| self.mailbox(index, spec)).collect();
        for (index, (spec, name)) in self.spec.mailboxes.iter().zip(&names).enumerate() {
            let Some(name) = name else { continue };
            let home = self.table.mailboxes[name].home.clone();
            if self.is_unread(Item::Mailbox(index), "receives") {
                // Nobody knows whether its name is an address.
            } else if spec.receives {
                self.claim_mailbox(index, name, home.clone(), "name", 0);
            } else if !spec.addresses.is_empty() {
                let message = format!("mailbox `{name}` has addresses and receives = false");
                self.error(Item::Mailbox(index), "addresses", 0, message).hint =
                    Some("remove one of the two".into());
                continue;
            }
            for (place, text) in spec.addresses.iter().enumerate() {
                self.mailbox_address(index, name, home.0, text, place);
            }
        }
        names
    }

    /// Enters a mailbox by its name; none when the name is a fault.
    fn mailbox(&mut self, index: usize, spec: &MailboxSpec) -> Option<MailboxName> {
        let item = Item::Mailbox(index);
        let passwords = self.passwords(index, spec);
        if self.is_unread(item, "name") {
            return None;
        }
        let (domain, local) = self.mailbox_home(index, &spec.name)?;
        // The name of a mailbox at rest: bare in the first domain, else with its domain's first name.
        let full = match (domain, self.table.domains[domain].names.first()) {
            (0, _) | (_, None) => local.clone(),
            (_, Some(first)) => format!("{local}@{first}"),
        };
        let name = match MailboxName::parse(&full) {
            Ok(name) if LocalPart::parse(&local).is_ok() => name,
            Ok(_) => {
                let message =
                    format!("`{}` cannot be a mailbox: it would be no address without quotes", spec.name);
                self.error(item, "name", 0, message);
                return None;
            }
            Err(error) => {
                self.error(item, "name", 0, format!("`{}` cannot be a mailbox: {error}", spec.name));
                return None;
            }
        };
        if self.table.mailboxes.contains_key(&name) {
            self.error(item, "name", 0, format!("there is already a mailbox `{name}`"));
            return None;
        }
        let folded = mail::fold(&local).into_boxed_str();
        self.table.domains[domain].named.insert(folded.clone(), name.clone());
        let row = MailboxTable {
            home: (domain, folded),
            receives: spec.receives,
            allowance: spec.allowance,
            passwords,
            trash: spec.trash,
            on_dele: spec.on_dele,
            // These name other mailboxes: `teams` reads them when all are known.
            team: None,
            collect: Vec::new(),
            devices: Vec::new(),
        };
        self.table.mailboxes.insert(name.clone(), row);
        Some(name)
    }

    /// The domain and the local part that a mailbox's name says.
    fn mailbox_home(&mut self, index: usize, text: &str) -> Option<(usize, String)> {
        let item = Item::Mailbox(index);
        let Some((local, domain)) = text.split_once('@') else {
            return Some((0, text.to_owned()));
        };
        match Domain::parse(domain).map(|name| self.table.domain_names.get(name.folded().as_str())) {
            Ok(Some(place)) => Some((*place, local.to_owned())),
            Ok(None) if self.unsure.domains => None,
            Ok(None) => {
                let (message, hint) = self.foreign(text, domain);
                self.error(item, "name", 0, message).hint = Some(hint);
                None
            }
            Err(_) => {
                self.error(item, "name", 0, format!("`{text}` cannot be a mailbox: `{domain}` is no domain"));
                None
            }
        }
    }

    fn mailbox_address(&mut self, index: usize, name: &MailboxName, home: usize, text: &str, place: usize) {
        let item = Item::Mailbox(index);
        if is_glob(text) {
            let message = format!("`{text}` is a pattern, and a mailbox has exact addresses");
            self.error(item, "addresses", place, message).hint =
                Some(format!("[[alias]] address = \"{text}\" with to = [\"{name}\"]"));
            return;
        }
        match self.address(text, home) {
            Ok(address) => self.claim_mailbox(index, name, address, "addresses", place),
            Err(not_ours) => {
                if let Some((message, hint)) = not_ours.words(text, self) {
                    self.error(item, "addresses", place, message).hint = hint;
                }
            }
        }
    }

    fn claim_mailbox(
        &mut self,
        index: usize,
        name: &MailboxName,
        (domain, local): (usize, Box<str>),
        key: &'static str,
        place: usize,
    ) {
        let spelled = self.table.spelled(domain, &local);
        let said = self.table.domains[domain].exact.entry(local.clone()).or_default();
        match &said.target {
            Some(Target::Mailbox(other)) if other == name => {
                let message = format!("`{spelled}` is said twice of mailbox `{name}`");
                self.warning(Item::Mailbox(index), key, place, message);
            }
            Some(_) => {
                let claim = self.claims.get(&(domain, local)).cloned().unwrap_or_default();
                let message = format!("`{spelled}` is already {claim}");
                self.error(Item::Mailbox(index), key, place, message).hint =
                    Some("for both to get a copy, make it an [[alias]] to both mailboxes".into());
            }
            None => {
                said.target = Some(Target::Mailbox(name.clone()));
                self.claims.insert((domain, local), format!("an address of mailbox `{name}`"));
            }
        }
    }
}
