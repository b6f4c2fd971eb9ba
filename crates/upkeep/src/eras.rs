//! How long something has been there when the clock that stamped it was wrong for a while.
//!
//! The store stamps what happens with the bare wall clock, right or wrong. **The rule**: only time counts in which the
//! appliance ran, or was down for less than a day; what the clock jumped over has not passed. So nothing goes sooner
//! for a jump, whichever way, and nothing stays for ever because it was stamped by a clock that ran ahead.
//!
//! Between two jumps of the wall clock, each over a day, is an **era**: from what it said after the one to what it would
//! have said at the other. Lesser steps within it are believed. A stamp is of the latest era that it falls into: where that is not
//! sure, what it is of is younger, and never older. Hold, trash, the guard, absences and the ages of mail are all
//! asked here.

use std::time::Duration;

use crate::words::ms;

/// How far the clock may be ahead of where it was expected, and a stamp of now ahead of the clock.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How far before its era a stamp may be: a jump shows only at the next look. Behind its end it may be by the steps back
/// that the clock made within it.
const SLACK: Duration = Duration::from_secs(60 * 60);
/// Eras that are remembered at most. What is older than all of them counts from their beginning.
const ERAS: usize = 512;

/// All that is known of the jumps of the wall clock. Instants are in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Eras {
    /// Those that are over, in their order: from and to.
    over: Vec<(u64, u64)>,
    /// When this one began; 0 where no jump is known.
    begun_ms: u64,
    /// When this run began, or this era after that: what cannot be explained counts from then on.
    run_ms: u64,
}

impl Eras {
    /// Goes on from what was written down.
    pub(crate) fn new(over: Vec<(u64, u64)>, begun_ms: u64) -> Self {
        Self { over, begun_ms, run_ms: begun_ms }
    }

    /// What the next run must know.
    pub(crate) fn kept(&self) -> (&[(u64, u64)], u64) {
        (&self.over, self.begun_ms)
    }

    /// A run begins.
    pub(crate) fn run(&mut self, wall_ms: u64) {
        self.run_ms = wall_ms;
    }

    /// Nothing is known of what the clock said before.
    pub(crate) fn forget(&mut self, wall_ms: u64) {
        *self = Self::new(Vec::new(), wall_ms);
    }

    /// The clock has jumped from where it was expected.
    pub(crate) fn jumped(&mut self, expected_ms: u64, wall_ms: u64) {
        self.over.push((self.begun_ms.min(expected_ms), expected_ms));
        if self.over.len() > ERAS {
            self.over.remove(0);
        }
        (self.begun_ms, self.run_ms) = (wall_ms, wall_ms);
    }

    /// From which instant of this era on something counts that was stamped so. It may be before the era began.
    pub(crate) fn since(&self, stamp_ms: u64, wall_ms: u64) -> u64 {
        let slack = ms(SLACK);
        if (self.begun_ms.saturating_sub(slack)..=wall_ms.saturating_add(ms(DAY))).contains(&stamp_ms) {
            return stamp_ms.max(self.begun_ms);
        }
        let (mut since, mut first) = (self.begun_ms, self.begun_ms);
        for (from, to) in self.over.iter().rev() {
            if (from.saturating_sub(slack)..=to.saturating_add(ms(DAY))).contains(&stamp_ms) {
                return since.saturating_sub(to.saturating_sub(stamp_ms.max(*from)));
            }
            since = since.saturating_sub(to - from);
            first = *from;
        }
        // Before all that is known, or under a clock that nobody saw.
        if stamp_ms < first { since } else { self.run_ms }
    }

    /// What was stamped before this instant is so old now; and whether all of it is, for an era that came later may have
    /// begun before it. What came before all that is known was stamped well.
    pub(crate) fn before(&self, age: Duration, now_ms: u64) -> (u64, bool) {
        let (mut left, mut end) = (ms(age), now_ms);
        let mut begun = self.begun_ms;
        let mut first = u64::MAX;
        for (from, to) in self.over.iter().rev() {
            let lasted = end.saturating_sub(begun);
            if lasted >= left {
                break;
            }
            left -= lasted;
            first = first.min(begun);
            (begun, end) = (*from, *to);
        }
        let before_ms = end.saturating_sub(left);
        (before_ms, before_ms <= first)
    }
}

/// What the clocks say at one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At {
    /// The wall clock, right or wrong.
    pub(crate) wall_ms: u64,
    /// The time by which things grow old; none while the clock is not believed.
    pub(crate) now_ms: Option<u64>,
    /// How to read what is stamped.
    pub(crate) eras: Eras,
}

impl At {
    /// From when on something counts that was stamped so.
    pub(crate) fn since(&self, stamp_ms: u64) -> u64 {
        self.eras.since(stamp_ms, self.wall_ms)
    }

    /// The same of the end of something: of a span that was added to a stamp.
    pub(crate) fn until(&self, stamp_ms: u64, until_ms: u64) -> u64 {
        self.since(stamp_ms).saturating_add(until_ms.saturating_sub(stamp_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: u64 = 24 * 60 * 60 * 1000;
    const T: u64 = 20_000 * D;

    fn days(days: u64) -> Duration {
        Duration::from_millis(days * D)
    }

    #[test]
    fn what_the_clock_jumped_over_has_not_passed() {
        let mut eras = Eras::default();
        assert_eq!((eras.since(T, T + D), eras.before(days(7), T)), (T, (T - 7 * D, true)));
        // Off for twenty days, and it went on with its last time for one; then it is put right.
        eras.jumped(T + D, T + 21 * D);
        let now = T + 22 * D;
        assert_eq!(eras.since(T + D / 2, now), T + 20 * D + D / 2);
        assert_eq!(eras.since(T - 9 * D, now), T + 11 * D, "also what is from before");
        assert_eq!(eras.since(T + 21 * D, now), T + 21 * D);
        assert_eq!(eras.since(T + 15 * D, now), T + 21 * D, "nobody knows when that was");
        assert_eq!(eras.before(days(1), now), (T + 21 * D, true));
        assert_eq!(eras.before(days(2), now), (T, true), "one day of it in each era");
        assert_eq!(eras.before(days(9), now), (T - 7 * D, true));
    }

    #[test]
    fn what_was_stamped_by_a_clock_that_ran_ahead_ends_as_well() {
        let mut eras = Eras::default();
        eras.run(T);
        eras.jumped(T + D, T + 3000 * D);
        eras.jumped(T + 3002 * D, T + 3 * D);
        let at = |now: u64| At { wall_ms: now, now_ms: Some(now), eras: eras.clone() };
        assert_eq!(at(T + 4 * D).since(T + 3001 * D), T + 2 * D, "a day before it was put right");
        assert_eq!(at(T + 4 * D).since(T), T, "none of it was jumped over in the end");
        assert_eq!(at(T + 4 * D).until(T + 3001 * D, T + 3031 * D), T + 32 * D);
        assert_eq!(at(T + 3000 * D).since(T + 3001 * D), T + 3001 * D, "of which it is, nobody knows then");
        assert_eq!(eras.before(days(2), T + 4 * D), (T + 3001 * D, false), "this era is no such");
        assert_eq!(eras.before(days(4), T + 4 * D), (T, true));
        // Nobody saw how it came: it counts from the start on.
        assert_eq!(at(T + 4 * D).since(T + 9000 * D), T + 3 * D);
    }

    #[test]
    fn what_is_before_all_that_is_known_counts_from_there_and_no_more_is_remembered_than_that() {
        let mut eras = Eras::default();
        eras.forget(T);
        assert_eq!(eras.since(T - 100 * D, T + D), T);
        assert_eq!(eras.before(days(30), T + D), (T - 29 * D, true), "mail is as old as it says");
        for jump in 1..=600 {
            eras.jumped(T + 10 * jump * D + D, T + 10 * (jump + 1) * D);
        }
        let (over, begun) = eras.kept();
        assert_eq!((over.len(), begun), (ERAS, T + 6010 * D));
        assert_eq!(Eras::new(over.to_vec(), begun).since(T, T + 6011 * D), begun - 512 * D);
        eras.run(T + 6011 * D);
        assert_eq!(eras.since(T + 9000 * D, T + 6012 * D), T + 6011 * D);
    }
}
