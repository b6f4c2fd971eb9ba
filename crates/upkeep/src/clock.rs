use std::fmt;
use std::time::{Duration, Instant};

use crate::eras::{DAY, Eras};
use crate::words::ms;

/// The clock by which mail grows old: a wall clock that is not believed when it jumps. One that wakes up in
/// 2038 must not make everything old at once.
///
/// Within a run it advances by the lesser of wall clock and monotonic clock. When the wall clock is over a day
/// from where it was expected, at a look or since the last run, nothing grows old until the appliance has run
/// for a day: time enough for somebody to see what the log says and to put the clock right. What was stamped before
/// counts by the rule of `eras.rs`.
#[derive(Debug)]
pub struct AgeClock {
    /// The wall clock at the last look, in this run or an earlier one.
    last_ms: Option<u64>,
    /// How long nothing grows old yet, in time of running.
    suspended: Duration,
    /// That is because it has jumped.
    doubted: bool,
    looked: Option<Instant>,
    /// Wall and monotonic clock at the look from which on both are believed.
    anchor: Option<(u64, Instant)>,
    eras: Eras,
}

/// What the clock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// What is older than its age at this instant, in milliseconds since 1970, may go.
    Now(u64),
    /// Nothing may go in so much more time of running.
    Suspended(Duration),
}

impl AgeClock {
    /// Goes on from what [`AgeClock::kept`] said.
    pub fn new(last_ms: Option<u64>, suspended: Duration, doubted: bool) -> Self {
        Self { last_ms, suspended, doubted, looked: None, anchor: None, eras: Eras::default() }
    }

    /// The same, and of what it has jumped over that is known.
    pub(crate) fn with_eras(self, eras: Eras) -> Self {
        Self { eras, ..self }
    }

    /// What it has jumped over.
    pub(crate) fn eras(&self) -> &Eras {
        &self.eras
    }

    /// What the next run must know.
    pub fn kept(&self) -> (Option<u64>, Duration, bool) {
        (self.last_ms, self.suspended, self.doubted)
    }

    /// Whether somebody should look at the clock: nothing grows old because it has jumped, not because nothing was
    /// known of it.
    pub fn is_doubted(&self) -> bool {
        self.doubted
    }

    /// Goes on from what was written of one, as its text; from nothing where that is damaged.
    pub fn read(text: &str) -> Self {
        let mut words = text.split_whitespace();
        let last_ms = words.next().and_then(|word| word.parse().ok());
        let suspended = words.next().and_then(|word| word.parse().ok()).map(Duration::from_millis);
        match (last_ms, suspended, words.next()) {
            (Some(last_ms), Some(suspended), Some(doubted)) => {
                Self::new(Some(last_ms), suspended, doubted == "doubted")
            }
            _ => Self::new(None, Duration::ZERO, false),
        }
    }

    /// Looks at both clocks.
    pub fn look(&mut self, wall_ms: u64, now: Instant) -> Reading {
        if self.looked.is_none() {
            self.eras.run(wall_ms);
        }
        let ran =
            self.looked.replace(now).map_or(Duration::ZERO, |before| now.saturating_duration_since(before));
        let expected = self.last_ms.replace(wall_ms).map(|last| last.saturating_add(ms(ran)));
        match expected {
            None => self.eras.forget(wall_ms),
            Some(expected) if wall_ms.abs_diff(expected) > ms(DAY) => self.eras.jumped(expected, wall_ms),
            // Lesser steps are as good as none: there and back they add up to nothing.
            Some(_) => {}
        }
        if expected.is_none_or(|expected| wall_ms.abs_diff(expected) > ms(DAY)) {
            self.suspended = DAY;
            self.doubted = expected.is_some();
        } else {
            self.suspended = self.suspended.saturating_sub(ran);
        }
        if !self.suspended.is_zero() {
            self.anchor = None;
            return Reading::Suspended(self.suspended);
        }
        self.doubted = false;
        let (wall, since) = *self.anchor.get_or_insert((wall_ms, now));
        Reading::Now(wall_ms.min(wall.saturating_add(ms(now.saturating_duration_since(since)))))
    }
}

/// What [`AgeClock::read`] reads.
impl fmt::Display for AgeClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(last_ms) = self.last_ms else { return Ok(()) };
        let word = if self.doubted { "doubted" } else { "believed" };
        writeln!(f, "{last_ms} {} {word}", ms(self.suspended))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);
    const TODAY: u64 = 1_795_000_000_000;

    /// Both clocks, and a run that looks at them.
    struct World {
        clock: AgeClock,
        wall: u64,
        now: Instant,
    }

    impl World {
        fn new(last_ms: Option<u64>, suspended: Duration) -> Self {
            Self { clock: AgeClock::new(last_ms, suspended, false), wall: TODAY, now: Instant::now() }
        }

        fn run(&mut self, time: Duration) -> Reading {
            self.now += time;
            self.wall += ms(time);
            self.look()
        }

        fn look(&mut self) -> Reading {
            self.clock.look(self.wall, self.now)
        }

        /// Down for so long, by its own clock.
        fn restart(self, down: Duration) -> Self {
            let (last, suspended, doubted) = self.clock.kept();
            Self {
                clock: AgeClock::new(last, suspended, doubted),
                wall: self.wall + ms(down),
                now: Instant::now(),
            }
        }
    }

    #[test]
    fn a_short_stop_is_no_jump_and_a_long_one_is() {
        let mut world = World::new(Some(TODAY - 1000), Duration::ZERO);
        assert_eq!(world.look(), Reading::Now(TODAY));
        assert_eq!(world.run(HOUR), Reading::Now(TODAY + ms(HOUR)));
        let mut world = world.restart(20 * HOUR);
        assert_eq!(world.look(), Reading::Now(TODAY + ms(21 * HOUR)));
        assert_eq!(world.restart(30 * HOUR).look(), Reading::Suspended(DAY));
        let mut world = World::new(None, Duration::ZERO);
        assert_eq!(world.look(), Reading::Suspended(DAY), "nothing to compare with");
        assert!(!world.clock.is_doubted(), "and nothing to doubt");
    }

    #[test]
    fn a_clock_that_wakes_up_in_2038_makes_nothing_old_however_often_it_is_started() {
        let mut world = World::new(Some(TODAY), Duration::ZERO);
        assert_eq!(world.look(), Reading::Now(TODAY));
        world.wall += 12 * 365 * ms(DAY);
        assert_eq!(world.run(HOUR), Reading::Suspended(DAY));
        let mut running = HOUR;
        for _ in 0..11 {
            world = world.restart(Duration::from_secs(60));
            assert_eq!(world.look(), Reading::Suspended(DAY + HOUR - running));
            assert!(world.clock.is_doubted());
            assert_eq!(world.run(2 * HOUR), Reading::Suspended(DAY - HOUR - running));
            running += 2 * HOUR;
        }
        // Put right, that is a jump again, and the day begins anew.
        world.wall -= 12 * 365 * ms(DAY);
        assert_eq!(world.run(HOUR), Reading::Suspended(DAY));
        assert_eq!(world.run(23 * HOUR), Reading::Suspended(HOUR));
        let wall = world.wall;
        assert_eq!(world.run(HOUR), Reading::Now(wall + ms(HOUR)));
        assert!(!world.clock.is_doubted());
    }

    #[test]
    fn a_clock_that_was_written_down_goes_on() {
        let mut world = World::new(Some(TODAY), Duration::ZERO);
        world.wall += 40 * ms(DAY);
        assert_eq!(world.look(), Reading::Suspended(DAY));
        world.run(HOUR);
        let read = AgeClock::read(&world.clock.to_string());
        assert_eq!(read.kept(), (Some(world.wall), DAY - HOUR, true));
        for damaged in ["", "soon", "7", "7 8", "x 8 doubted"] {
            assert_eq!(AgeClock::read(damaged).kept(), (None, Duration::ZERO, false), "{damaged}");
        }
    }

    #[test]
    fn the_slower_of_both_clocks_counts() {
        let mut world = World::new(Some(TODAY), Duration::ZERO);
        world.look();
        world.wall += ms(20 * HOUR);
        assert_eq!(world.run(HOUR), Reading::Now(TODAY + ms(HOUR)), "the wall clock is ahead");
        world.wall += ms(20 * HOUR);
        assert_eq!(world.run(HOUR), Reading::Now(TODAY + ms(2 * HOUR)), "also in steps under a day");
        world.wall = TODAY + ms(HOUR);
        assert_eq!(world.look(), Reading::Suspended(DAY));
        assert_eq!(world.run(DAY), Reading::Now(world.wall));
    }
}
