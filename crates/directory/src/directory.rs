use std::sync::Arc;

use arc_swap::ArcSwap;
use mail::{ForwardPath, MailboxName, Secret};

use crate::resolve::{Silent, resolve};
use crate::{Known, Login, LoginError, Resolution, Source, Step, Table, VerifierParams};

/// The directory as everyone holds it: cheap to clone, and exchanged whole at a reload, so that no answer
/// ever mixes two files.
#[derive(Clone)]
pub struct Directory {
    shared: Arc<Shared>,
}

struct Shared {
    table: ArcSwap<Table>,
}

impl Directory {
    /// Starts with a checked table.
    pub fn new(table: Table, _params: VerifierParams) -> Self {
        Self { shared: Arc::new(Shared { table: ArcSwap::from_pointee(table) }) }
    }

    /// Exchanges the table: the next question is answered from the new one.
    pub fn replace(&self, table: Table) {
        self.shared.table.store(Arc::new(table));
    }

    /// Where a recipient goes. A few hash look-ups; globs alone are tried one by one.
    pub fn resolve(&self, path: &ForwardPath) -> Resolution {
        resolve(&self.shared.table.load(), path, &mut Silent)
    }

    /// The same with the way there, step by step.
    pub fn explain(&self, path: &ForwardPath) -> (Vec<Step>, Resolution) {
        let mut steps = Vec::new();
        let resolution = resolve(&self.shared.table.load(), path, &mut steps);
        (steps, resolution)
    }

    /// Most octets that a mailbox may hold before new mail is put off; none is no limit, or no such mailbox.
    pub fn quota(&self, mailbox: &MailboxName) -> Option<u64> {
        self.shared.table.load().mailboxes.get(mailbox)?.quota
    }

    /// Whether the file has this mailbox now. Names compare in the form that [`Directory::mailbox_named`]
    /// gives: `alice@example.com` is `alice` where example.com is the first domain.
    pub fn has_mailbox(&self, mailbox: &MailboxName) -> bool {
        self.shared.table.load().mailboxes.contains_key(mailbox)
    }

    /// Every mailbox of the file, sorted.
    pub fn mailbox_names(&self) -> Vec<MailboxName> {
        self.shared.table.load().mailboxes.keys().cloned().collect()
    }

    /// See [`Table::mailbox_named`].
    pub fn mailbox_named(&self, text: &str) -> Option<MailboxName> {
        self.shared.table.load().mailbox_named(text).cloned()
    }

    /// What `Delivered-To` says of a mailbox's copies: its name at the first name of its domain. A mailbox
    /// that has left the file keeps the address that its name says.
    pub fn home_address(&self, mailbox: &MailboxName) -> String {
        self.shared.table.load().home_address(mailbox)
    }

    /// What an upstream must know to refuse unknown addresses itself, the strongest first.
    pub fn recipients(&self) -> Vec<Known> {
        self.shared.table.load().recipients()
    }
}
