//! How far long work is, for the person at the terminal.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// A bar on a terminal; elsewhere a line every few seconds, so that a log of it stays short.
pub(super) struct Bar {
    bar: ProgressBar,
    of: u64,
    what: &'static str,
    /// None on a terminal.
    told: Option<Instant>,
}

impl Bar {
    /// Work on so many of something.
    pub(super) fn new(of: u64, what: &'static str) -> Self {
        let terminal = io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style =
            ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} {msg}, {per_sec}, {eta} left");
        let bar = ProgressBar::with_draw_target(Some(of), target)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            .with_message(what);
        Self { bar, of, what, told: (!terminal).then(Instant::now) }
    }

    /// So many are done.
    pub(super) fn to(&mut self, done: u64) {
        self.bar.set_position(done);
        if self.told.is_some_and(|told| told.elapsed() >= EVERY) {
            self.told = Some(Instant::now());
            super::say(&format!("restante: {done} of {} {}", self.of, self.what));
        }
    }

    /// A line that stays.
    pub(super) fn say(&self, words: &str) {
        self.bar.suspend(|| super::say(words));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
