//! Who sent it to whom: `sender`, `recipient`, `detail`.

use super::super::answer::Answer;
use super::super::pattern::{Kind, Wanted};
use super::super::phase::Phase;
use super::super::source::{Reader, Value};
use super::evidence::{Values, words};
use super::{Evidence, Family, Recipient};

pub(super) const KEYS: &[&str] = &["sender", "recipient", "detail"];

#[derive(Debug, Clone)]
pub(crate) struct Test {
    of: Of,
    wanted: Wanted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The reverse-path; `""` and `"<>"` are the null one.
    Sender,
    /// The forward-path that the search is for.
    Recipient,
    /// What stands behind its separator.
    Detail,
}

pub(super) fn read(key: &str, value: &Value<'_>, reader: &mut Reader<'_>) -> Option<super::Test> {
    let (of, wanted) = match key {
        "sender" => (Of::Sender, Wanted::Matches(reader.patterns(key, value, Kind::Address)?)),
        "recipient" => (Of::Recipient, Wanted::Matches(reader.patterns(key, value, Kind::Recipient)?)),
        _ => (Of::Detail, reader.wanted(key, value, Kind::Text)?),
    };
    Some(super::Test::Envelope(Test { of, wanted }))
}

impl Test {
    fn values<'e>(&self, mail: &'e Evidence<'_>, to: Option<&'e Recipient<'_>>) -> Values<'e> {
        match self.of {
            Of::Sender => mail.sender(),
            Of::Recipient => to.map(|to| &to.address).ok_or(Answer::NotYet),
            Of::Detail => to.map(|to| &to.detail).ok_or(Answer::NotYet),
        }
    }

    pub(super) fn covers(&self, other: &Self) -> bool {
        self.of == other.of && self.wanted.covers(&other.wanted)
    }
}

impl Family for Test {
    fn phase(&self) -> Phase {
        match self.of {
            Of::Sender => Phase::Sender,
            Of::Recipient | Of::Detail => Phase::Recipient,
        }
    }

    fn ask(&self, mail: &Evidence<'_>, to: Option<&Recipient<'_>>) -> Answer {
        self.values(mail, to).map_or_else(|answer| answer, |values| self.wanted.of(values).into())
    }

    fn saw(&self, mail: &Evidence<'_>, to: Option<&Recipient<'_>>) -> String {
        words(&self.values(mail, to))
    }
}
