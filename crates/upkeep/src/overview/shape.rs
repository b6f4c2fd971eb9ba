use directory::{Release, When};
use queue::Amount;
use serde::{Deserialize, Serialize};

use crate::days::Day;

/// Who has what of a mailbox that several views show, a team's or a person's with devices, and when what goes. Times are in milliseconds since 1970, spans in seconds, sizes in
/// octets. A field may be added; none changes its name or its meaning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Its name.
    pub mailbox: String,
    /// Whether its views are a person's and her devices', and no team's: what each lists it wants.
    #[serde(default)]
    pub devices: bool,
    /// When its mail goes; none: it keeps everything.
    pub release: Option<Rule>,
    /// How long its trash stays; none: it has none.
    pub trash_seconds: Option<u64>,
    /// Whether it has a password of its own.
    pub shared: bool,
    /// All that it holds, without the trash.
    pub holds: Sum,
    /// What of it is released, and goes after the team's hold.
    pub released: Sum,
    /// What is held back, by whomever.
    pub held_back: Sum,
    /// What nobody wants, and nobody of those that count has had.
    pub unread: Sum,
    /// What is in the trash.
    pub trash: Sum,
    /// Who collects it: those that the file names first, then those that were taken out and have not left.
    pub members: Vec<Seat>,
    /// When what is released goes, day by day in UTC.
    pub goes: Vec<Day>,
    /// The same of what goes before that for its age, whoever wants it, in the next sixty days.
    #[serde(default)]
    pub ages: Vec<Day>,
    /// Before this nothing goes for its time, here or elsewhere, and nobody's claim ends.
    pub suspended_until_ms: Option<u64>,
}

/// When a team's mail goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// `all-fetched`, `all-done` or `never`.
    pub when: String,
    /// How long it stays after that.
    pub hold_seconds: u64,
    /// The age at which it goes whoever has it.
    pub max_age_seconds: Option<u64>,
    /// After how long without a pickup a claim lapses.
    pub ignore_absent_seconds: Option<u64>,
}

/// So much mail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Messages.
    pub messages: u64,
    /// Octets.
    pub octets: u64,
}

impl Sum {
    pub(super) fn add(&mut self, octets: u64) {
        self.messages += 1;
        self.octets += octets;
    }
}

impl From<Amount> for Sum {
    fn from(Amount { messages, octets }: Amount) -> Self {
        Self { messages, octets }
    }
}

/// One member, and what it has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// The view; empty for the mailbox's own password.
    pub view: String,
    /// A program.
    pub robot: bool,
    /// Its devices remove what is removed here.
    pub mirrors: bool,
    /// Whether the file names it here: as a member, as a device, or as the owner by a password.
    pub is_declared: bool,
    /// Since when it is no member, or no device, any more.
    pub left_ms: Option<u64>,
    /// When what it still wants is free, unless it is put back before.
    pub leaves_ms: Option<u64>,
    /// When it joined; none: it has not yet.
    pub joined_ms: Option<u64>,
    /// When it collected last.
    pub last_pickup_ms: Option<u64>,
    /// With what.
    pub client: Option<String>,
    /// When its claim lapses, or has lapsed.
    pub lapses_ms: Option<u64>,
    /// Whether it has.
    pub is_absent: bool,
    /// What it has not fetched.
    pub waiting: Sum,
    /// What it has fetched and still lists.
    pub fetched: Sum,
    /// Messages that it is done with and that are here.
    pub done: u64,
    /// What it holds back.
    pub holds_back: Sum,
    /// When the oldest of that came.
    pub holds_since_ms: Option<u64>,
}

impl From<&Release> for Rule {
    fn from(release: &Release) -> Self {
        let when = match release.when {
            When::AllFetched => "all-fetched",
            When::AllDone => "all-done",
            When::Never => "never",
        };
        Self {
            when: when.into(),
            hold_seconds: release.hold.as_secs(),
            max_age_seconds: release.max_age.map(|time| time.as_secs()),
            ignore_absent_seconds: release.ignore_absent.map(|time| time.as_secs()),
        }
    }
}
