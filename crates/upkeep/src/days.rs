//! When a team's mail goes, day by day.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use directory::{Release, When};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use mail::Uid;
use serde::{Deserialize, Serialize};

use crate::eras::At;
use crate::words::ms;

/// Days that are told one by one; what goes later is told of the last.
const DAYS: usize = 60;
/// How far ahead it is told what goes for its age: most mail never gets that old.
const AHEAD: Duration = Duration::from_secs(60 * 24 * 60 * 60);

/// What goes on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// As `2026-11-28`.
    pub day: String,
    /// Messages.
    pub messages: u64,
}

/// When what is released goes, by when it was. Nothing goes before `until_ms`.
pub(crate) fn goes(release: &Release, released: &BTreeMap<u64, Vec<Uid>>, until_ms: u64) -> Vec<Day> {
    if release.when == When::Never {
        return Vec::new();
    }
    let released = released.iter().filter(|(_, uids)| !uids.is_empty());
    let due_ms = |at_ms: &u64| at_ms.saturating_add(ms(release.hold)).max(until_ms);
    days(released.map(|(at_ms, uids)| (due_ms(at_ms), uids.len() as u64)))
}

/// When what a mailbox holds goes for its age, by when it came; but for what goes before that because it is released.
/// What of that goes for its age is taken out of it. Nothing goes before `suspended_ms`.
pub(crate) fn ages(
    release: &Release,
    came: &[(Uid, u64)],
    released: &mut BTreeMap<u64, Vec<Uid>>,
    (at, suspended_ms): (&At, u64),
) -> Vec<Day> {
    let Some(age) = release.max_age else { return Vec::new() };
    let ends = |(uid, came_ms): &(Uid, u64)| (*uid, at.since(*came_ms).saturating_add(ms(age)));
    let ends: BTreeMap<Uid, u64> = came.iter().map(ends).collect();
    let mut sooner = BTreeSet::new();
    for (at_ms, uids) in released.iter_mut().filter(|_| release.when != When::Never) {
        let due_ms = at_ms.saturating_add(ms(release.hold));
        uids.retain(|uid| ends.get(uid).is_none_or(|end| due_ms <= *end));
        sooner.extend(uids.iter().copied());
    }
    let until_ms = at.wall_ms.saturating_add(ms(AHEAD));
    let mut sums: BTreeMap<u64, u64> = BTreeMap::new();
    for (_, end) in ends.iter().filter(|(uid, end)| **end <= until_ms && !sooner.contains(uid)) {
        *sums.entry((*end).max(suspended_ms)).or_default() += 1;
    }
    days(sums.into_iter())
}

/// By the instants at which so many go, in their order.
fn days(goes: impl Iterator<Item = (u64, u64)>) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    for (due_ms, messages) in goes {
        let due = Timestamp::from_millisecond(i64::try_from(due_ms).unwrap_or(i64::MAX));
        let due = due.unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC);
        let day = due.strftime("%Y-%m-%d").to_string();
        let is_full = days.len() >= DAYS;
        match days.last_mut() {
            Some(last) if last.day == day || is_full => last.messages += messages,
            Some(_) | None => days.push(Day { day, messages }),
        }
    }
    days
}
