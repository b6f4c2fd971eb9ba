//! Exact aliases and refused addresses; the patterns among them wait for `pattern`.

use super::Builder;
use crate::fault::Item;
use crate::glob::is_glob;
use crate::resolve::{CLOSED, RESERVED};
use crate::table::{AliasTable, Target};

/// What one reply line has room for beside its codes (RFC 5321 §4.5.3.1.5).
const TEXT_MAX: usize = 400;

impl Builder<'_> {
    pub(super) fn refused(&mut self) {
        for (index, refuse) in self.spec.refused.iter().enumerate() {
            let item = Item::Refuse(index);
            let text = refuse.text.as_deref().unwrap_or(CLOSED);
            if text.len() > TEXT_MAX || text.is_empty() || !text.bytes().all(|b| (32..127).contains(&b)) {
                let message =
                    format!("the text is sent in one SMTP reply: 1 to {TEXT_MAX} printable ASCII characters");
                self.error(item, "text", 0, message);
            }
            if is_glob(&refuse.address) || self.is_unread(item, "address") {
                continue;
            }
            let Some((domain, local)) = self.own_address(item, &refuse.address) else { continue };
            if RESERVED.contains(&&*local) {
                let message = format!("`{}` stays open: {local} is never refused", refuse.address);
                self.warning(item, "address", 0, message).hint =
                    Some("this [[refuse]] does nothing: remove it".into());
            }
            let said = self.table.domains[domain].exact.entry(local).or_default();
            if said.refused.is_some() {
                self.error(item, "address", 0, format!("`{}` is already refused", refuse.address));
            } else {
                said.refused = Some(text.into());
            }
        }
    }

    pub(super) fn aliases(&mut self) {
        for (index, alias) in self.spec.aliases.iter().enumerate() {
            let item = Item::Alias(index);
            // Every alias has a row, so that its place in the file is its place in the table.
            let row = AliasTable {
                spelled: alias.address.clone(),
                to: Vec::new(),
                mailboxes: Vec::new(),
                duplicate: alias.duplicate,
            };
            self.table.aliases.push(row);
            if is_glob(&alias.address) || self.is_unread(item, "address") {
                continue;
            }
            let Some((domain, local)) = self.own_address(item, &alias.address) else { continue };
            let said = self.table.domains[domain].exact.entry(local.clone()).or_default();
            if said.target.is_some() {
                let claim = self.claims.get(&(domain, local)).cloned().unwrap_or_default();
                let message = format!("`{}` is already {claim}", alias.address);
                self.error(item, "address", 0, message).hint =
                    Some("one address is one mailbox's or one alias's: remove one of the two".into());
                continue;
            }
            said.target = Some(Target::Alias(index));
            self.claims.insert((domain, local), format!("an alias to {}", alias.to.join(", ")));
        }
    }

    /// The exact address of an `[[alias]]` or a `[[refuse]]`; bare ones belong to the first domain.
    fn own_address(&mut self, item: Item, text: &str) -> Option<(usize, Box<str>)> {
        match self.address(text, 0) {
            Ok((domain, local)) => Some((domain, local)),
            Err(not_ours) => {
                if let Some((message, hint)) = not_ours.words(text, self) {
                    self.error(item, "address", 0, message).hint = hint;
                }
                None
            }
        }
    }
}
