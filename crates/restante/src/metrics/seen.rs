use std::collections::BTreeMap;

use directory::Pickup;
use mail::{MailboxName, ViewName};

use crate::control::report::Report;
use crate::control::{Desk, Fault};

/// What there is to tell, at one moment.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) report: Report,
    /// Who collected what, and when.
    pub(super) pickups: Vec<(MailboxName, ViewName, Pickup)>,
    /// What the watchdog misses a pickup of; the owner's view stands for everybody's.
    pub(super) silent: Vec<(MailboxName, ViewName)>,
    /// How often the guard has found very much old mail deleted at once, since the start.
    pub(super) mass_deletions: u64,
    /// What became of mail, since the start, by the words of the trace.
    pub(super) events: BTreeMap<&'static str, u64>,
    /// Events that the trace had no room for, since the start.
    pub(super) lost: u64,
}

impl Seen {
    pub(super) async fn now(desk: &Desk) -> Result<Self, Fault> {
        let report = Report::of(desk).await?;
        let daemon = desk.daemon()?;
        let silent = daemon.concerns.standing().into_iter().filter_map(|concern| concern.silent);
        Ok(Self {
            report,
            pickups: daemon.pickups.all(),
            silent: silent.collect(),
            mass_deletions: daemon.concerns.mass_deletions(),
            events: daemon.tally.events(),
            lost: daemon.tally.lost(),
        })
    }
}
