use std::fmt::Display;

use mail::harmless;
use serde::Serialize;

use super::failure::counted;
use super::progress::Bar;
use super::{Answer, Context, Failure, json};

/// What came of moving mail in or out.
#[derive(Debug, Default, Serialize)]
pub(super) struct Moved {
    /// Messages that were moved.
    pub(super) messages: u64,
    /// Messages that were there already.
    pub(super) already: u64,
    /// Messages that were not moved, each with its reason.
    pub(super) failed: Vec<Failed>,
}

#[derive(Debug, Serialize)]
pub(super) struct Failed {
    /// Which.
    name: String,
    /// Why.
    reason: String,
}

impl Moved {
    /// A message that was not moved: said at once, and kept for the end.
    pub(super) fn failed(&mut self, bar: &Bar, name: &str, reason: &dyn Display) {
        bar.say(&harmless(format_args!("restante: {name}: {reason}")));
        self.failed.push(Failed { name: name.to_owned(), reason: reason.to_string() });
    }

    /// The last word, `done` such as `brought into alice`. Yes only if all of them were moved.
    pub(super) fn tell(&self, context: &mut Context<'_>, json: bool, done: &str) -> Result<Answer, Failure> {
        match json {
            true => json::print(context, self)?,
            false => writeln!(context.out, "{}", self.words(done))?,
        }
        Ok(if self.failed.is_empty() { Answer::Yes } else { Answer::No })
    }

    fn words(&self, done: &str) -> String {
        let count = usize::try_from(self.messages).unwrap_or(usize::MAX);
        let mut words = format!("{} {done}", counted(count, "message"));
        if self.already > 0 {
            words.push_str(&format!(", {} there already", self.already));
        }
        if !self.failed.is_empty() {
            words.push_str(&format!(", {} not: see above", self.failed.len()));
        }
        words
    }
}
