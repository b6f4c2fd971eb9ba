use std::time::{Duration, Instant};

use super::params::Patience;
use super::reply::Ending;

/// What a session waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitsFor {
    /// The time to greet.
    Greeting,
    /// A command; the next BDAT of a message too.
    Command,
    /// QUIT, of a peer that was turned away.
    Farewell,
    /// The octets of a message.
    Content,
}

/// Whoever was turned away must not keep others out.
const FAREWELL: Duration = Duration::from_secs(30);

/// How long the peer may still keep us waiting (RFC 5321 §3.8, §4.5.3.2.5, §4.5.3.2.7). Time passes only by
/// what callers say it is.
#[derive(Debug)]
pub(crate) struct Clock {
    patience: Patience,
    started: Instant,
    /// Since when the peer owes us the rest of a command.
    waiting: Option<Instant>,
    /// The stretch over which the rate of content is taken: its start, and what came in it.
    window: Option<(Instant, u64)>,
    /// Octets of content in the whole session.
    content: u64,
    /// Since when connections are scarce, and how long a command may take then.
    hurry: Option<(Instant, Duration)>,
    /// The service stops, and no message goes on beyond this.
    stop_by: Option<Instant>,
}

impl Clock {
    pub(crate) fn new(patience: Patience, now: Instant) -> Self {
        Self { patience, started: now, waiting: None, window: None, content: 0, hurry: None, stop_by: None }
    }

    /// It is too early to greet.
    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.started) < self.patience.greeting
    }

    /// The peer has brought a whole command.
    pub(crate) fn served(&mut self) {
        self.waiting = None;
        self.window = None;
    }

    /// The peer has brought octets of a message.
    pub(crate) fn received(&mut self, octets: usize) {
        self.content += octets as u64;
        if let Some((_, came)) = &mut self.window {
            *came += octets as u64;
        }
    }

    /// Commands have to come within `limit` until this is taken back. Who was silent for long before has that
    /// long yet: it could not know.
    pub(crate) fn hurry(&mut self, limit: Option<Duration>, now: Instant) {
        self.hurry = limit.map(|limit| self.hurry.unwrap_or((now, limit)));
    }

    pub(crate) fn stop(&mut self, now: Instant) {
        self.stop_by.get_or_insert(now + self.patience.drain);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop_by.is_some()
    }

    /// The input does not suffice: wait, or why not any longer.
    pub(crate) fn wait(&mut self, waits_for: WaitsFor, now: Instant) -> Option<Ending> {
        match waits_for {
            WaitsFor::Greeting => return None,
            WaitsFor::Command | WaitsFor::Farewell if self.stop_by.is_some() => {
                return Some(Ending::ShuttingDown);
            }
            WaitsFor::Command | WaitsFor::Farewell => {
                self.waiting.get_or_insert(now);
            }
            WaitsFor::Content => self.roll_window(now),
        }
        if now < self.deadline(waits_for) {
            return None;
        }
        Some(if self.stop_by.is_some_and(|by| now >= by) { Ending::ShuttingDown } else { Ending::Timeout })
    }

    fn roll_window(&mut self, now: Instant) {
        let (since, came) = *self.window.get_or_insert((now, 0));
        let enough = came >= self.patience.data_rate * self.patience.data_window.as_secs();
        if enough && now >= since + self.patience.data_window {
            self.window = Some((now, 0));
        }
    }

    /// When waiting ends.
    pub(crate) fn deadline(&self, waits_for: WaitsFor) -> Instant {
        let patience = &self.patience;
        let limit = match waits_for {
            WaitsFor::Greeting => return self.started + patience.greeting,
            WaitsFor::Command => self.command_deadline(),
            WaitsFor::Farewell => {
                self.command_deadline().min(self.waiting.unwrap_or(self.started) + FAREWELL)
            }
            WaitsFor::Content => self.window.map_or(self.started, |(since, _)| since) + patience.data_window,
        };
        let bought = Duration::from_secs(self.content / patience.session_rate.max(1));
        let session = self.started + patience.session + bought;
        limit.min(session).min(self.stop_by.unwrap_or(limit))
    }

    fn command_deadline(&self) -> Instant {
        let waiting = self.waiting.unwrap_or(self.started);
        let patient = waiting + self.patience.command;
        self.hurry.map_or(patient, |(since, limit)| patient.min(waiting.max(since) + limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_trickle_does_not_put_off_the_end_of_a_command() {
        let start = Instant::now();
        let mut clock = Clock::new(Patience::default(), start);
        for second in 0..300 {
            assert_eq!(clock.wait(WaitsFor::Command, start + SECOND * second), None);
        }
        assert_eq!(clock.wait(WaitsFor::Command, start + SECOND * 300), Some(Ending::Timeout));
    }

    #[test]
    fn in_a_hurry_a_command_has_less_time_and_all_of_it_again_afterwards() {
        let start = Instant::now();
        let limit = Some(SECOND * 10);
        let mut clock = Clock::new(Patience::default(), start);
        assert_eq!(clock.wait(WaitsFor::Command, start), None);
        clock.hurry(limit, start + SECOND * 100);
        clock.hurry(limit, start + SECOND * 105);
        assert_eq!(clock.deadline(WaitsFor::Command), start + SECOND * 110);
        assert_eq!(clock.wait(WaitsFor::Content, start), None);
        assert_eq!(
            clock.deadline(WaitsFor::Content),
            start + SECOND * 60,
            "a message keeps its rate, no more"
        );
        clock.hurry(None, start + SECOND * 109);
        assert_eq!(clock.wait(WaitsFor::Command, start + SECOND * 299), None);
        clock.hurry(limit, start + SECOND * 299);
        assert_eq!(clock.wait(WaitsFor::Command, start + SECOND * 300), Some(Ending::Timeout), "never more");
        clock.served();
        assert_eq!(clock.wait(WaitsFor::Command, start + SECOND * 310), None);
        assert_eq!(clock.wait(WaitsFor::Command, start + SECOND * 320), Some(Ending::Timeout));
    }

    /// RFC 5321 §4.5.3.2.5.
    #[test]
    fn content_must_keep_its_rate() {
        let start = Instant::now();
        let mut clock = Clock::new(Patience::default(), start);
        assert_eq!(clock.wait(WaitsFor::Content, start), None);
        clock.received(30_000);
        assert_eq!(clock.wait(WaitsFor::Content, start + SECOND * 60), None);
        clock.received(29_999);
        assert_eq!(clock.wait(WaitsFor::Content, start + SECOND * 119), None);
        assert_eq!(clock.wait(WaitsFor::Content, start + SECOND * 120), Some(Ending::Timeout));
    }

    #[test]
    fn a_rate_that_was_kept_early_is_looked_at_when_its_time_is_over() {
        let start = Instant::now();
        let mut clock = Clock::new(Patience::default(), start);
        assert_eq!(clock.wait(WaitsFor::Content, start), None);
        clock.received(30_000);
        assert_eq!(clock.wait(WaitsFor::Content, start + SECOND * 30), None);
        assert_eq!(clock.deadline(WaitsFor::Content), start + SECOND * 60);
    }

    #[test]
    fn silence_before_the_greeting_has_an_end() {
        let start = Instant::now();
        let clock = Clock::new(Patience { greeting: SECOND * 5, ..Patience::default() }, start);
        assert!(clock.is_silent(start + SECOND * 4) && !clock.is_silent(start + SECOND * 5));
        assert_eq!(clock.deadline(WaitsFor::Greeting), start + SECOND * 5);
    }

    #[test]
    fn mail_buys_time_and_a_session_still_ends() {
        let start = Instant::now();
        let mut clock = Clock::new(Patience::default(), start);
        clock.received(5_000_000);
        let late = start + SECOND * 699;
        assert_eq!(clock.wait(WaitsFor::Command, late), None);
        assert_eq!(clock.wait(WaitsFor::Command, late + SECOND), Some(Ending::Timeout));
    }

    #[test]
    fn a_stop_spares_content_for_a_while() {
        let start = Instant::now();
        let mut clock = Clock::new(Patience::default(), start);
        clock.stop(start);
        clock.stop(start + SECOND * 20);
        assert_eq!(clock.wait(WaitsFor::Command, start), Some(Ending::ShuttingDown));
        assert_eq!(clock.wait(WaitsFor::Content, start + SECOND * 29), None);
        assert_eq!(clock.wait(WaitsFor::Content, start + SECOND * 30), Some(Ending::ShuttingDown));
    }
}
