//! What its header says, decoded and unfolded: `from`, `from-name`, `to`, `cc`, `subject`, `list-id`,
//! `header."X-Y"`.

use std::ops::Range;

use super::super::answer::Answer;
use super::super::diagnostic::Diagnostic;
use super::super::pattern::{Kind, Wanted};
use super::super::phase::Phase;
use super::super::source::{Reader, Value};
use super::evidence::{Values, words};
use super::{Evidence, Family, Recipient};

/// `header` has a table of names and is read by itself.
pub(super) const KEYS: &[&str] = &["from", "from-name", "to", "cc", "subject", "list-id"];

#[derive(Debug, Clone)]
pub(crate) struct Test {
    of: Of,
    wanted: Wanted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Of {
    /// Addresses of authors.
    From,
    /// Their display names: what most programs show instead.
    FromName,
    To,
    Cc,
    Subject,
    /// The id in its brackets.
    ListId,
    /// Any other field, by its name in lower case.
    Field(Box<str>),
}

pub(super) fn read(key: &str, value: &Value<'_>, reader: &mut Reader<'_>) -> Option<super::Test> {
    let (of, kind) = match key {
        "from" => (Of::From, Kind::Address),
        "from-name" => (Of::FromName, Kind::Text),
        "to" => (Of::To, Kind::Address),
        "cc" => (Of::Cc, Kind::Address),
        "subject" => (Of::Subject, Kind::Text),
        _ => (Of::ListId, Kind::Text),
    };
    let wanted = reader.wanted(key, value, kind)?;
    Some(super::Test::Header(Test { of, wanted }))
}

/// Reads one name of `header`.
pub(super) fn read_named(
    name: &str,
    span: Range<usize>,
    value: &Value<'_>,
    reader: &mut Reader<'_>,
) -> Option<super::Test> {
    if !is_field_name(name) {
        let message = format!("`{}` cannot be the name of a header field", name.escape_debug());
        reader.say(Diagnostic::error(span, message).label("expected letters, digits and hyphens"));
        return None;
    }
    let wanted = reader.wanted(name, value, Kind::Text)?;
    Some(super::Test::Header(Test { of: Of::Field(name.to_ascii_lowercase().into()), wanted }))
}

/// RFC 5322 §3.6.8: printable ASCII without the colon.
pub(crate) fn is_field_name(name: &str) -> bool {
    (1..=76).contains(&name.len()) && name.bytes().all(|octet| octet.is_ascii_graphic() && octet != b':')
}

impl Test {
    fn values<'e>(&self, mail: &'e Evidence<'_>) -> Values<'e> {
        match &self.of {
            Of::From => mail.authors(),
            Of::FromName => mail.author_names(),
            Of::To => mail.to(),
            Of::Cc => mail.cc(),
            Of::Subject => mail.fields("subject"),
            Of::ListId => mail.list_id(),
            Of::Field(name) => mail.fields(name),
        }
    }

    pub(super) fn covers(&self, other: &Self) -> bool {
        self.of == other.of && self.wanted.covers(&other.wanted)
    }
}

impl Family for Test {
    fn phase(&self) -> Phase {
        Phase::Content
    }

    fn ask(&self, mail: &Evidence<'_>, _: Option<&Recipient<'_>>) -> Answer {
        self.values(mail).map_or_else(|answer| answer, |values| self.wanted.of(values).into())
    }

    fn saw(&self, mail: &Evidence<'_>, _: Option<&Recipient<'_>>) -> String {
        words(&self.values(mail))
    }
}
