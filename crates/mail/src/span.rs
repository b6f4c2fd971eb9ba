use std::fmt;
use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// As they are read: a year has 365.25 days, and a month 30.44.
const YEAR: u64 = 31_557_600;
const MONTH: u64 = 2_630_016;

/// A length of time, wherever an admin reads one: in the form that the configuration takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// For how long something has been so: in the largest unit of which it has two or more, rounded down. Days are
    /// counted up to two years, as in the settings that they are compared with; months would lose a third of that.
    pub fn about(time: Duration) -> Self {
        let seconds = time.as_secs();
        let unit = [YEAR, DAY, HOUR, MINUTE].into_iter().find(|unit| seconds >= 2 * unit).unwrap_or(1);
        Self(Duration::from_secs(seconds / unit * unit))
    }
}

/// Exactly, in the largest unit that divides it.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let units = [("year", YEAR), ("month", MONTH), ("day", DAY), ("h", HOUR), ("min", MINUTE)];
        let found = units.iter().find(|(_, unit)| seconds >= *unit && seconds.is_multiple_of(*unit));
        let (name, count) = found.map_or(("s", seconds), |(name, unit)| (*name, seconds / unit));
        let ending = if count > 1 && matches!(name, "year" | "month" | "day") { "s" } else { "" };
        write!(f, "{count} {name}{ending}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_told_as_they_are_written() {
        for (seconds, text) in [
            (0, "0 s"),
            (90, "90 s"),
            (600, "10 min"),
            (5400, "90 min"),
            (3600, "1 h"),
            (26 * HOUR, "26 h"),
            (DAY, "1 day"),
            (14 * DAY, "14 days"),
            (365 * DAY, "365 days"),
            (YEAR, "1 year"),
            (100 * YEAR, "100 years"),
            (6 * MONTH, "6 months"),
            (14 * DAY + 1, "1209601 s"),
        ] {
            assert_eq!(Span(Duration::from_secs(seconds)).to_string(), text);
        }
    }

    #[test]
    fn what_has_lasted_is_told_roughly() {
        for (seconds, text) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (121, "2 min"),
            (3661, "61 min"),
            (2 * HOUR - 1, "119 min"),
            (2 * HOUR, "2 h"),
            (7261, "2 h"),
            (26 * HOUR + 59, "26 h"),
            (2 * DAY - 1, "47 h"),
            (2 * DAY, "2 days"),
            (61 * HOUR, "2 days"),
            (400 * DAY, "400 days"),
            (2 * YEAR - 1, "730 days"),
            (2 * YEAR, "2 years"),
            (761 * DAY, "2 years"),
            (3 * YEAR - 1, "2 years"),
            (1461 * DAY, "4 years"),
        ] {
            assert_eq!(Span::about(Duration::from_secs(seconds)).to_string(), text, "{seconds} s");
        }
        // A unit that is not looked for shows nowhere: no number of days up to two years is one of months.
        for days in 2..=730 {
            assert_eq!(Span::about(Duration::from_secs(days * DAY)).to_string(), format!("{days} days"));
        }
    }
}
