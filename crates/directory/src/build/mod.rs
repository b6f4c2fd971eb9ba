//! From what configuration says to a checked table. Each step looks at every entry and goes on past a
//! fault, so that one run names them all; a table with a fault in it never leaves here.

mod alias;
mod domain;
mod mailbox;
mod names;
mod password;
mod pattern;
mod reference;
mod team;
mod unread;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mail::Domain;
use unread::Unsure;

use crate::fault::{Fault, Item, Severity};
use crate::spec::Spec;
use crate::table::Table;

/// What the steps share: the table as far as it is, and the faults so far.
struct Builder<'s> {
    spec: &'s Spec,
    table: Table,
    faults: Vec<Fault>,
    unsure: Unsure,
    /// What claims an exact address, for the words of a second claim.
    claims: HashMap<(usize, Box<str>), String>,
}

/// The separators that cut well: no letter or digit, and nothing that an address or a relay trick means
/// otherwise.
const SEPARATORS: &str = "+-_=.#~^/&";

impl Table {
    /// Checks what configuration says. Gives every fault at once, and no table when one of them is an error. With
    /// something [unread](Spec::unread) there is one only where it still knows all names and addresses: for look-ups, by
    /// whoever has said what is wrong.
    pub fn build(spec: &Spec) -> (Option<Self>, Vec<Fault>) {
        let table = Self {
            domains: Vec::new(),
            domain_names: HashMap::new(),
            mailboxes: BTreeMap::new(),
            aliases: Vec::new(),
            decoys: Vec::new(),
            separator: spec.detail_separator,
            hostname: None,
            literals: spec.literals.clone(),
            quarantine: spec.quarantine,
        };
        let mut builder =
            Builder { spec, table, faults: Vec::new(), unsure: Unsure::of(spec), claims: HashMap::new() };
        builder.host();
        builder.domains();
        let names = builder.mailboxes();
        builder.teams(&names);
        builder.refused();
        builder.aliases();
        builder.patterns();
        builder.roles();
        builder.follow_aliases();
        let Builder { mut table, faults, unsure, .. } = builder;
        let with_password = table.mailboxes.values().filter(|row| !row.passwords.is_empty());
        table.decoys = with_password.map(|row| Arc::clone(&row.passwords)).collect();
        let sound = unsure.of_nothing() && faults.iter().all(|fault| fault.severity == Severity::Warning);
        (sound.then_some(table), faults)
    }
}

impl Builder<'_> {
    /// The name of this host, and the separator.
    fn host(&mut self) {
        match Domain::parse(&self.spec.hostname) {
            _ if self.spec.hostname.is_empty() => {}
            Ok(name) if name.literal().is_none() => self.table.hostname = Some(name.folded()),
            Ok(_) | Err(_) => {
                let message = format!("`{}` is not a host name", self.spec.hostname);
                self.error(Item::Directory, "hostname", 0, message);
            }
        }
        if let Some(c) = self.spec.detail_separator
            && !SEPARATORS.contains(c)
        {
            let message = format!("`{}` cannot cut the detail off an address", c.escape_default());
            self.error(Item::Directory, "detail-separator", 0, message).hint =
                Some(format!("one of {SEPARATORS}, or an empty text to switch details off"));
        }
    }

    fn error(&mut self, item: Item, key: &'static str, index: usize, message: String) -> &mut Fault {
        self.fault(Fault::new(Severity::Error, item, key, index, message))
    }

    fn warning(&mut self, item: Item, key: &'static str, index: usize, message: String) -> &mut Fault {
        self.fault(Fault::new(Severity::Warning, item, key, index, message))
    }

    fn fault(&mut self, fault: Fault) -> &mut Fault {
        self.faults.push(fault);
        self.faults.last_mut().expect("one was pushed just now")
    }
}
