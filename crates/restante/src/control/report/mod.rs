//! How the appliance is: what `restante status` prints, and what `--json` promises to scripts. A field may be
//! added; none changes its name or its meaning. Times are in seconds, sizes in octets.

mod certificate;
mod collect;
mod health;
mod mailboxes;

use serde::{Deserialize, Serialize};

use crate::config::Origin;

pub use health::{Health, Reason, State};
pub(crate) use health::{degraded, failed};

/// Everything that is known. What only a running daemon knows is absent when none runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// In one word, and why.
    pub health: Health,
    /// Of the daemon's program; of the command line's when no daemon runs.
    pub version: String,
    /// The daemon's process.
    pub pid: Option<u32>,
    /// Since it began to serve.
    pub uptime_seconds: Option<u64>,
    /// The folder of the three files.
    pub config_dir: String,
    /// The folder of everything that the daemon writes.
    pub state_dir: String,
    /// Settings that were changed and wait for a restart.
    pub waiting_for_restart: Vec<String>,
    /// Where the rules in force come from: `file`, `last-good`, or `nowhere`.
    pub rules: Option<Origin>,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Who is connected.
    pub sessions: Vec<Sessions>,
    /// What was accepted and is not delivered.
    pub queue: Option<Queue>,
    /// What is kept until it is called for.
    pub mailboxes: Option<Mailboxes>,
    /// That nothing goes for its time yet. No fault: it is so in the first day of every installation.
    pub suspended: Option<Suspended>,
    /// The file system of the state folder.
    pub disk: Option<Disk>,
    /// How mail is kept.
    pub store: Option<Store>,
    /// What is shown to clients.
    pub certificate: Option<Certificate>,
}

impl Report {
    /// All of it that fits a line.
    pub(crate) fn line(&self) -> String {
        let word = self.health.state.word();
        if let Some(worst) = self.health.reasons.first() {
            return format!("{word}: {}", worst.text);
        }
        let sessions = self.sessions.iter().map(|it| format!("{} {}", it.open, it.service));
        let sessions = sessions.collect::<Vec<_>>().join(" and ");
        let queued = self.queue.as_ref().map_or(0, |queue| queue.messages);
        format!("{word}: {sessions} sessions, {queued} queued")
    }
}

/// One socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// `smtp`, `lmtp`, `pop3`, `pop3s`.
    pub service: String,
    /// `[::]:25`, `unix:/run/restante/lmtp.sock`.
    pub address: String,
}

/// The connections of what shares one limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// `smtp`, `lmtp`, `pop3`: the last is pop3s too.
    pub service: String,
    /// Now.
    pub open: u64,
    /// At most.
    pub limit: u64,
}

/// The queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Messages.
    pub messages: u64,
    /// Their octets.
    pub octets: u64,
    /// How many of the first thousand are held.
    pub held: u64,
    /// Since the oldest was accepted that is not held.
    pub oldest_seconds: Option<u64>,
}

/// All mailboxes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Mailboxes {
    /// Those of the configuration.
    pub configured: u64,
    /// Messages in all, those of mailboxes that are not configured too.
    pub messages: u64,
    /// Their octets.
    pub octets: u64,
    /// Those that are nearest to what they may hold, fullest first.
    pub fullest: Vec<Filled>,
    /// Mailboxes with mail that `mailboxes.toml` does not name any more; the first hundred by name.
    pub unconfigured: Vec<Filled>,
    /// How many there are of these.
    pub unconfigured_count: u64,
}

/// Nothing goes for its time: to the trash or from there, out of quarantine, or for its age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspended {
    /// Until then, at the earliest, as `2027-02-28T12:00:00Z`.
    pub until: String,
    /// Of running, until then.
    pub seconds: u64,
    /// The clock was over a day from where it was expected: somebody should look at it.
    pub doubted: bool,
}

/// One mailbox, and what is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Filled {
    /// Its name.
    pub name: String,
    /// Messages.
    pub messages: u64,
    /// Octets.
    pub octets: u64,
    /// How full it is, of whichever limit is nearest; none: it has no limit.
    pub percent: Option<u64>,
}

/// The file system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Octets of all of it.
    pub total: u64,
    /// Octets that can still be written.
    pub free: u64,
    /// Octets below which no mail is taken.
    pub min_free: u64,
    /// Files that can still be made; none where nobody counts them.
    pub inodes: Option<u64>,
    /// Files below which no mail is taken.
    pub min_inodes: u64,
    /// Why no mail is taken now, for whatever reason.
    pub refused: Option<String>,
}

/// The store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    /// Segments of the log.
    pub segments: u64,
    /// Segments prepared ahead.
    pub spares: u64,
    /// Octets of both.
    pub log_octets: u64,
    /// Octets of the index.
    pub index_octets: u64,
    /// About how many octets of the log are dead and not freed yet.
    pub dead_octets: Option<u64>,
    /// Why nothing is freed, when the last attempt failed.
    pub unfreed: Option<String>,
    /// Whether there is an index; false while it is built again. None when no daemon runs.
    pub has_index: Option<bool>,
    /// Where what is durable ends.
    pub durable: Option<String>,
    /// Where what the index knows ends.
    pub applied: Option<String>,
    /// Octets that wait for the index.
    pub lag_octets: Option<u64>,
    /// Octets of these at which no mail is taken.
    pub lag_max: Option<u64>,
    /// Where the last checkpoint is.
    pub checkpoint: Option<String>,
    /// Since it was written.
    pub checkpoint_age_seconds: Option<u64>,
    /// Whether it holds everything; when it does, its age says nothing.
    pub is_checkpointed: bool,
    /// How long there is something already that it does not hold.
    pub ahead_seconds: Option<u64>,
    /// Why nothing is written any more.
    pub read_only: Option<String>,
    /// Places of the log that a start has found damaged and set aside, as long as they are there.
    pub damaged: Vec<String>,
}

/// The certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// When it ends, as `2027-02-28T12:00:00Z`.
    pub expires: String,
    /// Whole days until then; negative when it has expired.
    pub days: i64,
    /// What is wrong with its dates, if something is.
    pub wrong: Option<String>,
}
