//! `[quarantine]`, `[guard]` and `[watchdog]`: what is held back, what somebody may have deleted by mistake, and what
//! nobody collects any more.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::section::Section;
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

pub(super) fn watchdog(s: &mut Section<'_, '_>, watchdog: &mut Watchdog) {
    s.set("mailbox", &mut watchdog.mailbox, or_none(duration(AGE)));
    s.set("robot", &mut watchdog.robot, or_none(duration(AGE)));
    s.set_list("ignore", &mut watchdog.ignore, value::text);
}
