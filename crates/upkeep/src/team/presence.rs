use std::time::Duration;

use crate::words::ms;

/// How long before a claim lapses somebody is told.
const NOTICE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Whether a member's claim counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It was here lately, or its claim never lapses.
    Here,
    /// Its claim will lapse at that instant, and somebody must know.
    Lapsing(u64),
    /// Its claim has lapsed.
    Lapsed,
}

/// How a member stands that was last seen at `seen_ms`, or joined then. `told_ms` is when somebody was told that its
/// claim would lapse: none lapses before that, however little is known of when it was here.
pub(crate) fn presence(
    seen_ms: u64,
    ignore: Option<Duration>,
    told_ms: Option<u64>,
    now_ms: u64,
) -> Presence {
    let Some(ignore) = ignore else { return Presence::Here };
    let notice = ms(NOTICE);
    let ends = seen_ms.saturating_add(ms(ignore));
    if now_ms < ends.saturating_sub(notice) {
        return Presence::Here;
    }
    // Who was told of an absence that has ended was told nothing of this one.
    let told = told_ms.filter(|told| *told > seen_ms);
    let lapses = ends.max(told.unwrap_or(now_ms).saturating_add(notice));
    if told.is_some() && now_ms >= lapses { Presence::Lapsed } else { Presence::Lapsing(lapses) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60 * 1000;

    fn days(days: u64) -> Option<Duration> {
        Some(Duration::from_millis(days * DAY))
    }

    #[test]
    fn a_claim_lapses_a_week_after_somebody_was_told_and_not_before() {
        use Presence::{Here, Lapsed, Lapsing};
        let of = |seen: u64, ignore, told: Option<u64>, now: u64| {
            presence(seen * DAY, ignore, told.map(|told| told * DAY), now * DAY)
        };
        assert_eq!(of(100, None, None, 10_000), Here, "never");
        assert_eq!(of(100, days(60), None, 152), Here);
        assert_eq!(of(100, days(60), None, 153), Lapsing(160 * DAY));
        assert_eq!(of(100, days(60), Some(153), 159), Lapsing(160 * DAY));
        assert_eq!(of(100, days(60), Some(153), 160), Lapsed);
        assert_eq!(of(100, days(60), None, 500), Lapsing(507 * DAY), "nobody was told");
        assert_eq!(of(100, days(60), Some(500), 506), Lapsing(507 * DAY), "told late");
        assert_eq!(of(100, days(60), Some(500), 507), Lapsed);
        assert_eq!(of(158, days(60), Some(153), 200), Here, "it came back");
        assert_eq!(of(158, days(60), Some(153), 400), Lapsing(407 * DAY), "told of another absence");
        assert_eq!(of(153, days(60), Some(153), 400), Lapsing(407 * DAY), "seen when it was told");
        assert_eq!(of(100, days(14), None, 107), Lapsing(114 * DAY), "the shortest that the file may say");
        assert_eq!(of(100, days(60), Some(153), 99), Here, "the clock was put back");
    }
}
