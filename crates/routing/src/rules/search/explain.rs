use serde::{Deserialize, Serialize};

use super::super::answer::Answer;
use super::super::condition::Question;
use super::super::ruleset::Rule;
use super::judgement::Judgement;
use super::trail::{Note, Trail};

/// A judgement with the way to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What came out.
    pub judgement: Judgement,
    /// Every rule that was tried, in order.
    pub trials: Vec<Trial>,
}

/// One rule's trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Its name.
    pub rule: String,
    /// It only counts.
    pub shadow: bool,
    /// Whether it matches.
    pub answer: Said,
    /// Why the answer did not count as what it is, where it did not.
    pub note: Option<String>,
    /// Every condition that was asked, in order. What comes behind an answer that decides is not asked.
    pub asked: Vec<Asked>,
}

/// One condition's trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// How many combinators it stands in.
    pub depth: u8,
    /// Its key: `subject`, or `all`, `any`, `not`.
    pub key: String,
    /// What it wants, as in the file; nothing of a combinator.
    pub wants: String,
    /// What it saw; nothing of a combinator.
    pub saw: String,
    /// What it said.
    pub answer: Said,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// Yes.
    Yes,
    /// No.
    No,
    /// Nobody can tell now.
    Unknown,
    /// A later phase will tell.
    NotYet,
}

impl From<&Answer> for Said {
    fn from(answer: &Answer) -> Self {
        match answer {
            Answer::Yes => Self::Yes,
            Answer::No => Self::No,
            Answer::Unknown(_) => Self::Unknown,
            Answer::NotYet => Self::NotYet,
        }
    }
}

/// Keeps every trial.
#[derive(Default)]
pub(super) struct Record {
    pub(super) trials: Vec<Trial>,
    /// Places in the last trial's `asked` of the combinators that are open.
    open: Vec<usize>,
}

impl Record {
    fn push(&mut self, key: &str, wants: &str, saw: String, answer: Said) {
        let depth = u8::try_from(self.open.len()).unwrap_or(u8::MAX);
        if let Some(trial) = self.trials.last_mut() {
            trial.asked.push(Asked { depth, key: key.to_owned(), wants: wants.to_owned(), saw, answer });
        }
    }
}

impl Trail for Record {
    fn rule(&mut self, rule: &Rule) {
        self.open.clear();
        self.trials.push(Trial {
            rule: rule.name.to_string(),
            shadow: rule.shadow,
            answer: Said::No,
            note: None,
            asked: Vec::new(),
        });
    }

    fn enter(&mut self, word: &'static str) {
        self.push(word, "", String::new(), Said::No);
        self.open.push(self.trials.last().map_or(0, |trial| trial.asked.len() - 1));
    }

    fn leave(&mut self, answer: &Answer) {
        let place = self.open.pop();
        let trial = self.trials.last_mut();
        if let Some(asked) = trial.zip(place).and_then(|(trial, place)| trial.asked.get_mut(place)) {
            asked.answer = answer.into();
        }
    }

    fn asked(&mut self, question: &Question, answer: &Answer, saw: impl FnOnce() -> String) {
        self.push(&question.key, &question.wants, saw(), answer.into());
    }

    fn answered(&mut self, answer: &Answer, note: Option<Note>) {
        let Some(trial) = self.trials.last_mut() else { return };
        trial.answer = answer.into();
        trial.note = note.map(|note| {
            match note {
                Note::Protected => "mail to postmaster and abuse is neither refused, put off nor held back",
                Note::NoRecipientYet => {
                    "waits for a recipient: mail to postmaster and abuse is never refused"
                }
                Note::IfUnknown { matches: true } => "matches, by if-unknown",
                Note::IfUnknown { matches: false } => "does not match, by if-unknown",
                Note::Lasting => "does not match: asking again would not help",
            }
            .to_owned()
        });
    }
}
