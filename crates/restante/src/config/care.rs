//! `[quarantine]`, `[guard]` and `[watchdog]`: what is held back, what somebody may have deleted by mistake, and what
//! nobody collects any more.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use directory::{Spec, Table};
use mail::MailboxName;

use super::fault::Fault;
use super::nearest::nearest;
use super::section::Section;
use super::source::File;
use super::value::{self, count, duration, or_none};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const GIB: u64 = 1 << 30;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A century is for ever.
const AGE: RangeInclusive<Duration> = SECOND..=Duration::from_secs(36_525 * 86_400);

/// `[quarantine]`: what is held back from each mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quarantine {
    /// How long.
    pub keep: Duration,
    /// How much of one mailbox's, in octets: past it the oldest go first.
    pub size: u64,
    /// When each mailbox is told once a day of what is newly held back from it; none: never.
    pub digest: Option<jiff::civil::Time>,
}

impl Default for Quarantine {
    fn default() -> Self {
        Self { keep: 30 * DAY, size: GIB, digest: Some(jiff::civil::Time::constant(7, 0, 0, 0)) }
    }
}

/// `[guard]`: very much old mail that is deleted at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// From how many messages on; none: nothing is guarded.
    pub messages: Option<u64>,
    /// How long they had been there.
    pub kept: Duration,
    /// How long they stay in the trash.
    pub trash: Duration,
}

impl Default for Guard {
    fn default() -> Self {
        Self { messages: Some(200), kept: 14 * DAY, trash: 30 * DAY }
    }
}

/// `[watchdog]`: mail that nobody collects any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watchdog {
    /// How long nobody may collect a mailbox; none: as long as nobody does.
    pub mailbox: Option<Duration>,
    /// The same of a team's robot.
    pub robot: Option<Duration>,
    /// Mailboxes that are not watched.
    pub ignore: Vec<String>,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self { mailbox: Some(26 * 60 * MINUTE), robot: Some(15 * MINUTE), ignore: Vec::new() }
    }
}

pub(super) fn guard(s: &mut Section<'_, '_>, guard: &mut Guard) {
    s.set("messages", &mut guard.messages, or_none(count(1..=1_000_000_000)));
    s.set("kept", &mut guard.kept, duration(Duration::ZERO..=*AGE.end()));
    s.set("trash", &mut guard.trash, duration(AGE));
}

/// Gives back where each of `ignore` is.
pub(super) fn watchdog(s: &mut Section<'_, '_>, watchdog: &mut Watchdog) -> Vec<Range<usize>> {
    s.set("mailbox", &mut watchdog.mailbox, or_none(duration(AGE)));
    s.set("robot", &mut watchdog.robot, or_none(duration(AGE)));
    let (names, places) = s.list("ignore", value::text).unwrap_or_default().into_iter().unzip();
    watchdog.ignore = names;
    places
}

/// Warns of what `ignore` names in vain: what is meant is watched all the same.
pub(super) fn ignored(ignore: &[String], places: &[Range<usize>], spec: &Spec, table: &Table) -> Vec<Fault> {
    let warning = |(text, place): (&String, &Range<usize>)| {
        let (message, hint) = in_vain(text, spec, table)?;
        let fault = Fault::error(File::Restante, place.clone(), message).warning();
        Some(Fault { hint, ..fault })
    };
    ignore.iter().zip(places).filter_map(warning).collect()
}

/// Why a name keeps nothing from being watched, and what to write instead.
fn in_vain(text: &str, spec: &Spec, table: &Table) -> Option<(String, Option<String>)> {
    let Some(named) = table.mailbox_named(text) else {
        // A member of a team, as she logs in.
        let team = text.split_once('/').and_then(|(_, team)| table.mailbox_named(team));
        let names: Vec<&str> = table.mailbox_names().map(MailboxName::as_str).collect();
        let hint = match team {
            Some(team) => Some(format!("a team is watched as a whole: \"{team}\"")),
            None => nearest(text, &names).map(|near| format!("did you mean \"{near}\"?")),
        };
        return Some((format!("there is no mailbox `{text}`"), hint));
    };
    let mut spelled =
        spec.mailboxes.iter().filter(|mailbox| table.mailbox_named(&mailbox.name) == Some(named));
    spelled.find(|mailbox| !mailbox.receives)?;
    let teams = table.teams().filter(|(_, team)| team.member(named).is_some());
    let teams: Vec<String> = teams.map(|(name, _)| format!("\"{name}\"")).collect();
    let hint = (!teams.is_empty()).then(|| format!("name what it collects: {}", teams.join(", ")));
    Some((format!("no mail comes to `{text}`, so there is nothing to watch"), hint))
}
