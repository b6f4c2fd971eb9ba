//! What scanners said: `spam-score`, `spam-symbol`, `virus`.

use toml::de::DeValue;

use super::super::answer::Answer;
use super::super::diagnostic::Diagnostic;
use super::super::pattern::{Kind, Wanted};
use super::super::phase::Phase;
use super::super::source::{Reader, Value};
use super::compare::Comparison;
use super::evidence::{Values, known, words};
use super::{Evidence, Family, Recipient};

pub(super) const KEYS: &[&str] = &["spam-score", "spam-symbol", "virus"];

#[derive(Debug, Clone)]
pub(crate) enum Test {
    /// In hundredths. Without a filter there is no score, and no comparison holds.
    Score(Comparison),
    /// A name of what the filter noticed.
    Symbol(Wanted),
    /// The name of what was found.
    Virus(Wanted),
}

pub(super) fn read(key: &str, value: &Value<'_>, reader: &mut Reader<'_>) -> Option<super::Test> {
    let there = if key == "virus" { reader.around.virus_scanner } else { reader.around.spam_filter };
    if !there {
        let scanner = if key == "virus" { "virus scanner" } else { "spam filter" };
        // Where nobody looks nothing is found.
        let wants_none = matches!(value.get_ref(), DeValue::Boolean(false));
        let so = if wants_none { "always" } else { "never" };
        let message = format!("`{key}`: no {scanner} is asked, so this {so} matches");
        reader.say(Diagnostic::warning(value.span(), message).hint("name one in restante.toml"));
    }
    let test = match key {
        "spam-score" => {
            let text = reader.string(key, value, "expected a comparison such as \">= 5\"")?;
            Test::Score(Comparison::read(key, text, value.span(), ">= 5", reader, hundredths)?)
        }
        "spam-symbol" => Test::Symbol(Wanted::Matches(reader.patterns(key, value, Kind::Text)?)),
        _ => Test::Virus(reader.wanted(key, value, Kind::Text)?),
    };
    Some(super::Test::Verdict(test))
}

/// `-4.95` is -495.
pub(crate) fn hundredths(text: &str) -> Result<i64, String> {
    let bad = || format!("`{}` is no score: at most two digits behind the point", text.escape_debug());
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 2 || whole.len() > 9 {
        return Err(bad());
    }
    let number: i64 = format!("{whole}{part:0<2}").parse().map_err(|_| bad())?;
    Ok(if negative { -number } else { number })
}

impl Test {
    fn values<'e>(&self, mail: &'e Evidence<'_>) -> Values<'e> {
        match self {
            Self::Score(_) | Self::Symbol(_) => mail.symbols(),
            Self::Virus(_) => mail.virus(),
        }
    }

    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Score(a), Self::Score(b)) => a.covers(*b),
            (Self::Symbol(a), Self::Symbol(b)) | (Self::Virus(a), Self::Virus(b)) => a.covers(b),
            (Self::Score(_) | Self::Symbol(_) | Self::Virus(_), _) => false,
        }
    }
}

impl Family for Test {
    fn phase(&self) -> Phase {
        Phase::Content
    }

    fn ask(&self, mail: &Evidence<'_>, _: Option<&Recipient<'_>>) -> Answer {
        match self {
            Self::Score(comparison) => match known(&mail.facts.verdicts.spam) {
                Ok(spam) => spam.as_ref().is_some_and(|spam| comparison.holds(spam.score)).into(),
                Err(answer) => answer,
            },
            Self::Symbol(wanted) | Self::Virus(wanted) => match self.values(mail) {
                Ok(values) => wanted.of(values).into(),
                Err(answer) => answer,
            },
        }
    }

    fn saw(&self, mail: &Evidence<'_>, _: Option<&Recipient<'_>>) -> String {
        match self {
            Self::Score(_) => match known(&mail.facts.verdicts.spam) {
                Ok(Some(spam)) => {
                    let sign = if spam.score < 0 { "-" } else { "" };
                    let score = spam.score.unsigned_abs();
                    format!("{sign}{}.{:02}", score / 100, score % 100)
                }
                Ok(None) => "no score".into(),
                Err(answer) => words(&Err(answer)),
            },
            Self::Symbol(_) | Self::Virus(_) => words(&self.values(mail)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::hundredths;

    #[test]
    fn scores_are_exact() {
        for (text, score) in [
            ("5", Some(500)),
            ("5.0", Some(500)),
            ("4.95", Some(495)),
            ("0.1", Some(10)),
            ("-2.5", Some(-250)),
            ("-0.05", Some(-5)),
            ("5.123", None),
            (".5", None),
            ("5.", None),
            ("+5", None),
            ("5e3", None),
            ("", None),
            ("-", None),
            ("9999999999", None),
            ("999999999.99", Some(99_999_999_999)),
        ] {
            assert_eq!(hundredths(text).ok(), score, "{text}");
        }
    }
}
