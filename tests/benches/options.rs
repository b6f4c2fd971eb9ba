//! What the command line asks for.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::load::sender::Manner;
use crate::load::wire::Security;

pub(crate) const USAGE: &str = "\
usage: scripts/bench [serve|store|team|big] [options]
serve (default): the release binary by its sockets, against raw group commit on the same disk
store:           the store by its own door, against the same
team:            polls by the 20 members of a team mailbox, against the same mailbox as a plain one
big:             a store of a million messages: its start, its memory, its index built again
  --quick        a look: one round, slices of a second, 4 KiB, 16 and 64 connections, small mailboxes
  --only         serve: what to measure, of raw,smtp,poll,retr,idle (all); smtp measures raw beside it
  --wire         serve: plain,tls (both); STARTTLS with SMTP, a port of its own with POP3
  --client       serve: waits,pipelines,chunks (waits,pipelines); what an SMTP client writes together:
                 the envelope, the message; the message and the next envelope; the envelope and BDAT LAST
  --seconds      one slice at most (serve and team 2, store 1)
  --slice        one slice writes at most so many MiB, or a message for each connection (128)
  --rounds       how often every slice is repeated, interleaved (serve and team 3, store 7)
  --connections  connections, or producers, at once (1,16,64,256)
  --size         octets of messages (serve 4096,51200,1048576,10485760; store 4096,30720,262144,1048576)
  --mailboxes    messages in the mailboxes that are polled (10,1000,20000,100000; team 10000,100000)
  --idle         connections that say nothing (5000)
  --messages     in the big store (1000000)
  --threads      of the sending client (1)
  --budget       GiB that all of it may write to the disk (serve 32, store 64, team and big 8)
  --json         one JSON object instead of the tables";

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Serve,
    Store,
    Team,
    Big,
}

/// One thing that can be measured of the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Raw,
    Smtp,
    Poll,
    Retr,
    Idle,
}

/// The whole command line, checked.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) mode: Mode,
    pub(crate) parts: Vec<Part>,
    pub(crate) wires: Vec<Security>,
    pub(crate) manners: Vec<Manner>,
    pub(crate) slice: Duration,
    /// Octets that a slice writes at most.
    pub(crate) slice_octets: u64,
    pub(crate) rounds: usize,
    pub(crate) connections: Vec<usize>,
    pub(crate) sizes: Vec<usize>,
    pub(crate) mailboxes: Vec<usize>,
    pub(crate) idle: usize,
    pub(crate) messages: u64,
    pub(crate) threads: usize,
    /// In octets.
    pub(crate) budget: u64,
    pub(crate) json: bool,
    pub(crate) help: bool,
}

impl Options {
    fn of(mode: Mode) -> Self {
        let (seconds, rounds, budget, sizes) = match mode {
            Mode::Serve => (2, 3, 32, [4 << 10, 50 << 10, 1 << 20, 10 << 20]),
            Mode::Store => (1, 7, 64, [4 << 10, 30 << 10, 256 << 10, 1 << 20]),
            Mode::Team => (2, 3, 8, [1 << 10; 4]),
            Mode::Big => (1, 1, 8, [1 << 10; 4]),
        };
        Self {
            mode,
            parts: vec![Part::Raw, Part::Smtp, Part::Poll, Part::Retr, Part::Idle],
            wires: vec![Security::Plain, Security::Tls],
            manners: vec![Manner::Waits, Manner::Pipelines],
            slice: Duration::from_secs(seconds),
            slice_octets: 128 << 20,
            rounds,
            connections: vec![1, 16, 64, 256],
            sizes: sizes.to_vec(),
            mailboxes: match mode {
                Mode::Team => vec![10_000, 100_000],
                Mode::Serve | Mode::Store | Mode::Big => vec![10, 1_000, 20_000, 100_000],
            },
            idle: 5_000,
            messages: 1_000_000,
            threads: 1,
            budget: budget << 30,
            json: false,
            help: false,
        }
    }

    fn quick(&mut self) {
        (self.rounds, self.slice) = (1, Duration::from_secs(1));
        (self.connections, self.sizes) = (vec![16, 64], vec![4 << 10]);
        (self.mailboxes, self.idle, self.messages) = (vec![10, 1_000], 500, 20_000);
    }

    /// Reads the words behind the program's name.
    pub(crate) fn read(words: impl Iterator<Item = String>) -> Result<Self, String> {
        // `cargo bench` says this to whatever it runs, behind everything else.
        let mut words = words.filter(|word| word != "--bench").peekable();
        let mode = match words.peek().map(String::as_str) {
            Some("serve") => Some(Mode::Serve),
            Some("store") => Some(Mode::Store),
            Some("team") => Some(Mode::Team),
            Some("big") => Some(Mode::Big),
            Some(_) | None => None,
        };
        words.next_if(|_| mode.is_some());
        let mut options = Self::of(mode.unwrap_or(Mode::Serve));
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--quick" => options.quick(),
                "--only" => options.parts = list(&value()?, part)?,
                "--wire" => options.wires = list(&value()?, wire)?,
                "--client" => options.manners = list(&value()?, manner)?,
                "--seconds" => options.slice = Duration::from_secs(number(&value()?, 1, 600)?),
                "--slice" => options.slice_octets = number(&value()?, 1, 1 << 20)? << 20,
                "--rounds" => options.rounds = number(&value()?, 1, 1_000)?,
                "--connections" => options.connections = list(&value()?, |n| number(n, 1, 4_096))?,
                "--size" => options.sizes = list(&value()?, |n| number(n, 512, 32 << 20))?,
                "--mailboxes" => options.mailboxes = list(&value()?, |n| number(n, 1, 1_000_000))?,
                "--idle" => options.idle = number(&value()?, 1, 20_000)?,
                "--messages" => options.messages = number(&value()?, 1_000, 10_000_000)?,
                "--threads" => options.threads = number(&value()?, 1, 64)?,
                "--budget" => options.budget = number(&value()?, 1, 1_024)? << 30,
                "--json" => options.json = true,
                "--help" | "-h" => options.help = true,
                _ => return Err(format!("`{word}` is not an option")),
            }
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// How many messages of a size one slice begins at most.
    pub(crate) fn messages_of(&self, size: usize, connections: usize) -> u64 {
        (self.slice_octets / size as u64).max(connections as u64)
    }
}

fn part(word: &str) -> Result<Part, String> {
    match word {
        "raw" => Ok(Part::Raw),
        "smtp" => Ok(Part::Smtp),
        "poll" => Ok(Part::Poll),
        "retr" => Ok(Part::Retr),
        "idle" => Ok(Part::Idle),
        _ => Err(format!("`{word}` is none of raw, smtp, poll, retr, idle")),
    }
}

fn wire(word: &str) -> Result<Security, String> {
    match word {
        "plain" => Ok(Security::Plain),
        "tls" => Ok(Security::Tls),
        _ => Err(format!("`{word}` is neither plain nor tls")),
    }
}

fn manner(word: &str) -> Result<Manner, String> {
    match word {
        "waits" => Ok(Manner::Waits),
        "pipelines" => Ok(Manner::Pipelines),
        "chunks" => Ok(Manner::Chunks),
        _ => Err(format!("`{word}` is none of waits, pipelines, chunks")),
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
