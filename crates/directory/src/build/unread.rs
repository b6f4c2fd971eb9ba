//! What could not be read is a fault that has been said; nothing is said of what hangs on it.

use super::Builder;
use crate::fault::Item;
use crate::spec::Spec;

/// Of what nobody can say that it is not there: it may be what could not be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unsure {
    /// The name of a domain.
    pub(super) domains: bool,
    /// The name of a mailbox.
    pub(super) mailboxes: bool,
    /// An address.
    pub(super) addresses: bool,
}

impl Unsure {
    pub(super) fn of(spec: &Spec) -> Self {
        let mut unsure = Self { domains: false, mailboxes: false, addresses: false };
        for (item, key) in &spec.unread {
            match (item, *key) {
                (Item::Directory, "domain") | (Item::Domain(_), "name" | "aliases") => unsure.domains = true,
                (Item::Directory, "mailbox") | (Item::Mailbox(_), "name") => unsure.mailboxes = true,
                (Item::Directory, "alias")
                | (Item::Mailbox(_), "addresses" | "receives")
                | (Item::Alias(_), "address") => unsure.addresses = true,
                (
                    Item::Directory | Item::Domain(_) | Item::Mailbox(_) | Item::Alias(_) | Item::Refuse(_),
                    _,
                ) => {}
            }
        }
        // Whose domain is not known has no name here, and who has no name has no address.
        unsure.mailboxes |= unsure.domains;
        unsure.addresses |= unsure.mailboxes;
        unsure
    }

    pub(super) fn of_nothing(self) -> bool {
        !(self.domains || self.mailboxes || self.addresses)
    }
}

impl Builder<'_> {
    /// Whether a value is there that could not be read.
    pub(super) fn is_unread(&self, item: Item, key: &'static str) -> bool {
        self.spec.unread.contains(&(item, key))
    }
}
