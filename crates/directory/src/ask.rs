//! What else is asked of a table: by rules, which name mailboxes and addresses of ours.

use mail::{Domain, ForwardPath, MailboxName};

use crate::Resolution;
use crate::resolve::{Found, Silent, always_open, cut, find, resolve};
use crate::table::{Place, Table};

impl Table {
    /// Every mailbox, sorted.
    pub fn mailbox_names(&self) -> impl Iterator<Item = &MailboxName> {
        self.mailboxes.keys()
    }

    /// Every name of every domain, in folded form, sorted.
    pub fn domain_names(&self) -> impl Iterator<Item = &str> {
        let mut names: Vec<&str> = self.domain_names.keys().map(|name| &**name).collect();
        names.sort_unstable();
        names.into_iter()
    }

    /// Whether mail to some address of a domain can be ours: one we receive for, our own host, or its address.
    pub fn is_ours(&self, domain: &Domain) -> bool {
        match self.place(domain) {
            Place::Domain(_) | Place::Host => true,
            Place::Elsewhere => false,
        }
    }

    /// Where a recipient goes.
    pub fn resolve(&self, path: &ForwardPath) -> Resolution {
        resolve(self, path, &mut Silent)
    }

    /// Whether a recipient is postmaster, or abuse of one of our domains.
    pub fn always_open(&self, path: &ForwardPath) -> bool {
        always_open(self, path)
    }

    /// What stands behind the separator of a recipient's local part, folded.
    pub fn detail(&self, path: &ForwardPath) -> Option<String> {
        let local = path.address()?.local.folded();
        let (_, detail) = cut(self.separator, &local)?;
        Some(detail.chars().skip(1).collect())
    }

    /// The mailboxes of an address that somebody has by its very name: `info@example.com`, or `info` of the first
    /// domain. A catch-all is not looked at.
    pub fn leads_to(&self, text: &str) -> Option<Vec<MailboxName>> {
        let (local, domain) = match text.rsplit_once('@') {
            Some((local, domain)) => match self.place(&Domain::parse(domain).ok()?) {
                Place::Domain(index) => (local, index),
                Place::Host | Place::Elsewhere => return None,
            },
            None => (text, 0),
        };
        match find(self, domain, &mail::fold(local), &mut Silent) {
            Found::Mailbox(name) => Some(vec![name.clone()]),
            Found::Alias(index) => self.aliases.get(index).map(|alias| alias.mailboxes.clone()),
            Found::Refused(_) | Found::CatchAll(_) | Found::Relay | Found::Nobody => None,
        }
    }
}
