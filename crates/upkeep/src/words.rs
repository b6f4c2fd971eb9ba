use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mail::Span;

/// The time from one instant to another, in milliseconds since 1970, as it is said.
pub(crate) fn between(from_ms: u64, to_ms: u64) -> Span {
    Span::about(Duration::from_millis(to_ms.saturating_sub(from_ms)))
}

/// In milliseconds.
pub(crate) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// An instant as people read it, in UTC.
pub(crate) fn instant(ms: u64) -> String {
    in_utc(ms, "%Y-%m-%d %H:%M UTC")
}

fn in_utc(ms: u64, format: &str) -> String {
    let stamp =
        i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    stamp.to_zoned(TimeZone::UTC).strftime(format).to_string()
}

/// An instant as a command line takes it, to the second: not after it.
pub(crate) fn since(ms: u64) -> String {
    in_utc(ms, "%Y-%m-%dT%H:%M:%SZ")
}

/// A name as a shell takes it: of all that names have, an apostrophe alone means something there.
pub(crate) fn pasted(name: &str) -> String {
    if name.contains('\'') { format!("\"{name}\"") } else { name.to_owned() }
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
        assert_eq!(between(1_000, 94_600_000).to_string(), "26 h");
        assert_eq!(between(2_000, 1_000).to_string(), "0 s");
        assert_eq!(instant(1_795_375_000_000), "2026-11-22 19:16 UTC");
        assert_eq!(since(1_795_375_059_999), "2026-11-22T19:17:39Z");
        assert_eq!(
            (pasted("o'brien+phone").as_str(), pasted("müller")),
            ("\"o'brien+phone\"", "müller".into())
        );
        assert_eq!((messages(1), messages(2)), ("1 message".into(), "2 messages".into()));
    }
}
