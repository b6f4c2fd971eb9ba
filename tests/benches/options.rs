//! What the command line asks for.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
usage: scripts/bench [--only raw|smtp|poll|retr[,...]] [--seconds N] [--rounds N] [--connections N[,...]]
                     [--size OCTETS] [--mailboxes N[,...]] [--threads N] [--budget GIB] [--json]
  --only         what to measure (all); smtp measures raw beside it
  --seconds      one slice (2)
  --rounds       how often every slice is repeated, interleaved (7)
  --connections  connections, or producers, at once (1,16,64,256)
  --size         of a message as it is sent (4096)
  --mailboxes    messages in the mailboxes that are polled (10,1000,100000)
  --threads      of the sending client (1)
  --budget       what all of it may write to the disk (16)
  --json         one JSON object instead of the tables";

/// One thing that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Raw,
    Smtp,
    Poll,
    Retr,
}

/// The whole command line, checked.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) parts: Vec<Part>,
    pub(crate) slice: Duration,
    pub(crate) rounds: usize,
    pub(crate) connections: Vec<usize>,
    pub(crate) size: usize,
    pub(crate) mailboxes: Vec<usize>,
    pub(crate) threads: usize,
    /// In octets.
    pub(crate) budget: u64,
    pub(crate) json: bool,
    pub(crate) help: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            parts: vec![Part::Raw, Part::Smtp, Part::Poll, Part::Retr],
            slice: Duration::from_secs(2),
            rounds: 7,
            connections: vec![1, 16, 64, 256],
            size: 4096,
            mailboxes: vec![10, 1_000, 100_000],
            threads: 1,
            budget: 16 << 30,
            json: false,
            help: false,
        }
    }
}

impl Options {
    /// Reads the words behind the program's name.
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--only" => options.parts = list(&value()?, part)?,
                "--seconds" => options.slice = Duration::from_secs(number(&value()?, 1, 600)?),
                "--rounds" => options.rounds = number(&value()?, 1, 1_000)?,
                "--connections" => options.connections = list(&value()?, |n| number(n, 1, 4_096))?,
                "--size" => options.size = number(&value()?, 512, 32 << 20)?,
                "--mailboxes" => options.mailboxes = list(&value()?, |n| number(n, 1, 1_000_000))?,
                "--threads" => options.threads = number(&value()?, 1, 64)?,
                "--budget" => options.budget = number(&value()?, 1, 1_024)? << 30,
                "--json" => options.json = true,
                "--help" | "-h" => options.help = true,
                // `cargo bench` says this to whatever it runs.
                "--bench" => {}
                _ => return Err(format!("`{word}` is not an option")),
            }
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}

fn part(word: &str) -> Result<Part, String> {
    match word {
        "raw" => Ok(Part::Raw),
        "smtp" => Ok(Part::Smtp),
        "poll" => Ok(Part::Poll),
        "retr" => Ok(Part::Retr),
        _ => Err(format!("`{word}` is none of raw, smtp, poll, retr")),
    }
}

fn list<T>(words: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    words.split(',').map(read).collect()
}

fn number<T: FromStr + PartialOrd + Display + Copy>(word: &str, least: T, most: T) -> Result<T, String> {
    match word.parse() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(format!("`{word}` is not a number from {least} to {most}")),
    }
}
