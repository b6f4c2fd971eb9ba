//! Conditions: what a rule asks of a message. One family is one file with one row in each table here; the
//! compiler names the rows that a new one lacks.

mod authentication;
mod clock;
mod compare;
mod content;
mod envelope;
mod evidence;
mod header;
mod peer;
mod verdict;
mod when;

pub(crate) use evidence::{Evidence, Recipient};
pub(crate) use header::is_field_name;
pub(crate) use verdict::hundredths;
pub(crate) use when::{Condition, Question};

use super::answer::Answer;
use super::phase::Phase;
use super::source::{Reader, Value};

/// Reads a condition by its key; nothing when it has a fault, which is said.
type Read = fn(&str, &Value<'_>, &mut Reader<'_>) -> Option<Test>;

/// The keys of each family, and what reads them.
const FAMILIES: [(&[&str], Read); 7] = [
    (envelope::KEYS, envelope::read),
    (peer::KEYS, peer::read),
    (authentication::KEYS, authentication::read),
    (header::KEYS, header::read),
    (content::KEYS, content::read),
    (verdict::KEYS, verdict::read),
    (clock::KEYS, clock::read),
];

/// The keys that ask for what stands in a message.
pub(crate) const CONTENT: [&[&str]; 2] = [header::KEYS, content::KEYS];

/// One question to a message.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Envelope(envelope::Test),
    Peer(peer::Test),
    Authentication(authentication::Test),
    Header(header::Test),
    Content(content::Test),
    Verdict(verdict::Test),
    Clock(clock::Test),
}

/// What every family can do.
trait Family {
    /// From when on the question can be answered.
    fn phase(&self) -> Phase;

    /// The answer.
    fn ask(&self, mail: &Evidence<'_>, to: Option<&Recipient<'_>>) -> Answer;

    /// What it looked at, in words.
    fn saw(&self, mail: &Evidence<'_>, to: Option<&Recipient<'_>>) -> String;
}

impl Test {
    fn family(&self) -> &dyn Family {
        match self {
            Self::Envelope(test) => test,
            Self::Peer(test) => test,
            Self::Authentication(test) => test,
            Self::Header(test) => test,
            Self::Content(test) => test,
            Self::Verdict(test) => test,
            Self::Clock(test) => test,
        }
    }

    /// Whether a yes to `other` is a yes to this one, as far as can be proved.
    fn covers(&self, other: &Self) -> bool {
        match self {
            Self::Envelope(a) => matches!(other, Self::Envelope(b) if a.covers(b)),
            Self::Peer(a) => matches!(other, Self::Peer(b) if a.covers(b)),
            Self::Authentication(a) => matches!(other, Self::Authentication(b) if a.covers(b)),
            Self::Header(a) => matches!(other, Self::Header(b) if a.covers(b)),
            Self::Content(a) => matches!(other, Self::Content(b) if a.covers(b)),
            Self::Verdict(a) => matches!(other, Self::Verdict(b) if a.covers(b)),
            Self::Clock(a) => matches!(other, Self::Clock(b) if a.covers(b)),
        }
    }
}
