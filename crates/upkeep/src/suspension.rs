use std::path::Path;
use std::time::{Duration, Instant};

use crate::eras::DAY;
use crate::notes::Notes;
use crate::words::ms;

/// How old what a running appliance has noted may be: it looks at its clock every minute.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// How often the log is told that somebody should look at the clock.
const AGAIN: Duration = Duration::from_secs(60 * 60);

/// That nothing goes for its time yet: the clock is not believed before the appliance has seen it run well for a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspension {
    /// From when on something may go, in milliseconds since 1970. Only time of running counts, so it is that at the
    /// earliest.
    pub until_ms: u64,
    /// The clock has jumped, and somebody should look at it; else nothing was known of it, as in a new installation.
    pub doubted: bool,
}

impl Suspension {
    /// By what the run that is, or else the last one, has noted in the file at `path`.
    pub fn noted(path: &Path, now_ms: u64) -> Option<Self> {
        Self::of(&Notes::read(path), now_ms)
    }

    /// The same of what was read.
    pub(crate) fn of(notes: &Notes, now_ms: u64) -> Option<Self> {
        let Notes { time_ms, suspended, doubted, .. } = *notes;
        let Some(time_ms) = time_ms else {
            return Some(Self { until_ms: now_ms.saturating_add(ms(DAY)), doubted: false });
        };
        let away_ms = now_ms.abs_diff(time_ms);
        if away_ms > ms(DAY) {
            // The next look will not believe it.
            return Some(Self { until_ms: now_ms.saturating_add(ms(DAY)), doubted: true });
        }
        let from_ms = if away_ms <= ms(FRESH) { time_ms } else { now_ms };
        let until_ms = from_ms.saturating_add(ms(suspended));
        (!suspended.is_zero()).then_some(Self { until_ms, doubted })
    }
}

/// When the log was told of it last, and whether the clock had jumped.
#[derive(Debug, Default)]
pub(crate) struct Told(Option<(Instant, bool)>);

impl Told {
    /// Whether it is to be told now: of a clock that has jumped every hour, of one of which nothing was known once.
    pub(crate) fn is_due(&mut self, doubted: bool, now: Instant) -> bool {
        let is_told = self.0.is_some_and(|(at, before)| {
            before == doubted && (!doubted || now.saturating_duration_since(at) < AGAIN)
        });
        if !is_told {
            self.0 = Some((now, doubted));
        }
        !is_told
    }

    /// The clock is believed.
    pub(crate) fn over(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_noted_says_until_when_nothing_goes_at_the_earliest() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("upkeep");
        let (now, minute, hour, day) = (1_795_000_000_000, 60_000, 3_600_000, ms(DAY));
        let until = |until_ms, doubted| Some(Suspension { until_ms, doubted });
        assert_eq!(Suspension::noted(&path, now), until(now + day, false), "it has never run");
        for (ago, rest, expected) in [
            (minute, "suspended 0", None),
            (23 * hour, "suspended 0", None),
            (minute, "suspended 7200000", until(now - minute + 2 * hour, false)),
            // Down since: that is no running.
            (20 * hour, "suspended 7200000", until(now + 2 * hour, false)),
            (minute, "suspended 7200000\ndoubted yes", until(now - minute + 2 * hour, true)),
            (25 * hour, "suspended 0", until(now + day, true)),
        ] {
            fs::write(&path, format!("time {}\n{rest}\n", now - ago)).expect("written");
            assert_eq!(Suspension::noted(&path, now), expected, "{ago} {rest}");
        }
        fs::write(&path, format!("time {}\nsuspended 0\n", now + 2 * day)).expect("written");
        assert_eq!(Suspension::noted(&path, now), until(now + day, true), "the clock was put back");
    }
    #[test]
    fn the_log_is_told_of_a_new_clock_once_and_of_one_that_has_jumped_every_hour() {
        let (mut told, start) = (Told::default(), Instant::now());
        let mut is_due =
            |doubted, minutes: u64| told.is_due(doubted, start + Duration::from_secs(60 * minutes));
        let new = [0, 30, 60, 600].map(|minutes| is_due(false, minutes));
        assert_eq!(new, [true, false, false, false]);
        let jumped = [601, 602, 660, 661, 700, 721].map(|minutes| is_due(true, minutes));
        assert_eq!(jumped, [true, false, false, true, false, true]);
        told.over();
        assert!(told.is_due(true, start), "that is another time");
    }
}
