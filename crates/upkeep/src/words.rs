use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A time as people say it, in the largest unit of which it has two or more, rounded down.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [("days", DAY), ("hours", HOUR), ("minutes", MINUTE)];
    let whole = units.into_iter().find(|(_, unit)| seconds >= 2 * unit);
    whole.map_or_else(|| format!("{seconds} s"), |(name, unit)| format!("{} {name}", seconds / unit))
}

/// The time from one instant to another, in milliseconds since 1970.
pub(crate) fn between(from_ms: u64, to_ms: u64) -> Duration {
    Duration::from_millis(to_ms.saturating_sub(from_ms))
}

/// In milliseconds.
pub(crate) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// An instant as people read it, in UTC.
pub(crate) fn instant(ms: u64) -> String {
    let stamp =
        i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    stamp.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// So many messages.
pub(crate) fn messages(number: u64) -> String {
    format!("{number} message{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_do() {
        for (seconds, words) in [
            (30, "30 s"),
            (119, "119 s"),
            (900, "15 minutes"),
            (26 * HOUR, "26 hours"),
            (14 * DAY, "14 days"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), words);
        }
        assert_eq!(instant(1_795_375_000_000), "2026-11-22 19:16 UTC");
        assert_eq!((messages(1), messages(2)), ("1 message".into(), "2 messages".into()));
    }
}
