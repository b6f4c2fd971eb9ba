//! What is in it: `size`, `attachment`, `attachment-type`, `content-type`, `body`, `too-complex`.

use std::str::FromStr;

use super::super::answer::Answer;
use super::super::pattern::{Kind, Wanted};
use super::super::phase::Phase;
use super::super::source::{Reader, Value};
use super::compare::Comparison;
use super::evidence::{Values, words};
use super::{Evidence, Family, Recipient};

pub(super) const KEYS: &[&str] =
    &["size", "attachment", "attachment-type", "content-type", "body", "too-complex"];

#[derive(Debug, Clone)]
pub(crate) enum Test {
    /// Octets received.
    Size(Comparison),
    Text(Of, Wanted),
    /// It has more parts, or deeper ones, than are looked at.
    TooComplex(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// The name of one, after every decoding.
    Attachment,
    /// What one says it is, or what its first octets say.
    AttachmentType,
    /// Of the message as a whole.
    ContentType,
    /// The text of its text parts.
    Body,
}

pub(super) fn read(key: &str, value: &Value<'_>, reader: &mut Reader<'_>) -> Option<super::Test> {
    let test = match key {
        "size" => {
            let example = ">= 5 MiB";
            let text = reader.string(key, value, "expected a comparison such as \">= 5 MiB\"")?;
            Test::Size(Comparison::read(key, text, value.span(), example, reader, octets)?)
        }
        "attachment" => Test::Text(Of::Attachment, reader.wanted(key, value, Kind::Text)?),
        "attachment-type" => {
            Test::Text(Of::AttachmentType, Wanted::Matches(reader.patterns(key, value, Kind::Text)?))
        }
        "content-type" => {
            Test::Text(Of::ContentType, Wanted::Matches(reader.patterns(key, value, Kind::Text)?))
        }
        "body" => Test::Text(Of::Body, Wanted::Matches(reader.patterns(key, value, Kind::Text)?)),
        _ => Test::TooComplex(reader.flag(key, value)?),
    };
    Some(super::Test::Content(test))
}

fn octets(text: &str) -> Result<i64, String> {
    if !text.ends_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(format!("`{}` has no unit: B, kB, KiB, MB, MiB, …", text.escape_debug()));
    }
    let size = bytesize::ByteSize::from_str(text).ok().and_then(|size| i64::try_from(size.as_u64()).ok());
    size.ok_or_else(|| format!("`{}` is no size", text.escape_debug()))
}

impl Of {
    fn values<'e>(self, mail: &'e Evidence<'_>) -> Values<'e> {
        match self {
            Self::Attachment => mail.attachment_names(),
            Self::AttachmentType => mail.attachment_types(),
            Self::ContentType => mail.content_type(),
            Self::Body => mail.body(),
        }
    }

    /// Whether what is seen of it is all there is.
    fn is_whole(self, mail: &Evidence<'_>) -> bool {
        match self {
            Self::Attachment | Self::AttachmentType | Self::Body => {
                mail.content().is_ok_and(|content| !content.too_complex)
            }
            Self::ContentType => true,
        }
    }
}

impl Test {
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Size(a), Self::Size(b)) => a.covers(*b),
            (Self::Text(of, wanted), Self::Text(its, other)) => of == its && wanted.covers(other),
            (Self::TooComplex(a), Self::TooComplex(b)) => a == b,
            (Self::Size(_) | Self::Text(..) | Self::TooComplex(_), _) => false,
        }
    }
}

impl Family for Test {
    fn phase(&self) -> Phase {
        Phase::Content
    }

    fn ask(&self, mail: &Evidence<'_>, _: Option<&Recipient<'_>>) -> Answer {
        match self {
            Self::Size(comparison) => mail.content().map_or_else(
                |answer| answer,
                |content| comparison.holds(i64::try_from(content.size).unwrap_or(i64::MAX)).into(),
            ),
            Self::Text(of, wanted) => match of.values(mail) {
                Err(answer) => answer,
                // What was found is there, whatever else may be; what was not found may yet be there.
                Ok(values) if !of.is_whole(mail) => {
                    let found = !matches!(wanted, Wanted::There(false)) && wanted.of(values);
                    let none = matches!(wanted, Wanted::There(false)) && !values.texts().is_empty();
                    match (found, none) {
                        (true, _) => Answer::Yes,
                        (false, true) => Answer::No,
                        (false, false) => Answer::unknowable("it has more parts than are looked at"),
                    }
                }
                Ok(values) => wanted.of(values).into(),
            },
            Self::TooComplex(wanted) => {
                mail.inside().map_or_else(|answer| answer, |content| (content.too_complex == *wanted).into())
            }
        }
    }

    fn saw(&self, mail: &Evidence<'_>, _: Option<&Recipient<'_>>) -> String {
        match (self, mail.content()) {
            (Self::Size(_), Ok(content)) => format!("{} octets", content.size),
            (Self::TooComplex(_), Ok(content)) => content.too_complex.to_string(),
            (Self::Text(Of::Body, _), Ok(_)) => match mail.body() {
                // A body is not for the trace.
                Ok(values) => {
                    format!(
                        "{} octets of text",
                        values.texts().iter().map(|text| text.raw().len()).sum::<usize>()
                    )
                }
                unknown => words(&unknown),
            },
            (Self::Text(of, _), _) => words(&of.values(mail)),
            (Self::Size(_) | Self::TooComplex(_), Err(answer)) => words(&Err(answer)),
        }
    }
}
