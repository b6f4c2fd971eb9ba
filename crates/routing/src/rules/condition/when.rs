use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::super::answer::Answer;
use super::super::diagnostic::Diagnostic;
use super::super::phase::Phase;
use super::super::search::Trail;
use super::super::source::{Fields, Reader, Value};
use super::{Evidence, FAMILIES, Recipient, Test};

/// How deep conditions may be nested.
const DEPTH: usize = 16;

/// All that a rule asks.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    /// Each of these; none is always.
    All(Vec<Condition>),
    /// One of these at least.
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Test(Question),
}

/// One test with its words.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// Its key, as in the file.
    pub(crate) key: Box<str>,
    /// What it wants, as in the file.
    pub(crate) wants: Box<str>,
    test: Test,
    /// Among all questions of the file.
    number: usize,
}

impl Condition {
    /// Always.
    pub(crate) fn always() -> Self {
        Self::All(Vec::new())
    }

    /// Gives every question in it to `each`.
    pub(crate) fn each(&self, each: &mut impl FnMut(&Question)) {
        match self {
            Self::All(inner) | Self::Any(inner) => inner.iter().for_each(|inner| inner.each(each)),
            Self::Not(inner) => inner.each(each),
            Self::Test(question) => each(question),
        }
    }

    /// Reads `when`: a table of several keys means all of them.
    pub(crate) fn read(value: &Value<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let table = reader.table("when", value, "expected { subject = \"…\", … }")?;
        Self::read_table(table, reader, 0)
    }

    fn read_table(table: &DeTable<'_>, reader: &mut Reader<'_>, depth: usize) -> Option<Self> {
        let rows = Fields::in_order(table);
        let mut all = Vec::with_capacity(rows.len());
        // Every key is read, whatever is wrong with one before it.
        let mut sound = true;
        for (key, span, value) in rows {
            match Self::read_key(key, span, value, reader, depth) {
                Some(mut conditions) => all.append(&mut conditions),
                None => sound = false,
            }
        }
        sound.then(|| if all.len() == 1 { all.remove(0) } else { Self::All(all) })
    }

    fn read_key(
        key: &str,
        span: Range<usize>,
        value: &Value<'_>,
        reader: &mut Reader<'_>,
        depth: usize,
    ) -> Option<Vec<Self>> {
        match key {
            "all" => Some(vec![Self::All(Self::read_several(key, value, reader, depth)?)]),
            "any" => Some(vec![Self::Any(Self::read_several(key, value, reader, depth)?)]),
            "not" => {
                if value.get_ref().is_array() {
                    let none_of = Self::Any(Self::read_several(key, value, reader, depth)?);
                    return Some(vec![Self::Not(Box::new(none_of))]);
                }
                let table = reader.table(key, value, "expected a table: { subject = \"…\" }")?;
                if table.is_empty() {
                    let said = Diagnostic::error(value.span(), "`not` is empty, which is never so");
                    reader.say(said.label("expected a table: { subject = \"…\" }"));
                    return None;
                }
                let inner = Self::deeper(value, reader, depth, |r| Self::read_table(table, r, depth + 1))?;
                Some(vec![Self::Not(Box::new(inner))])
            }
            // A table of names: all of them.
            "header" => {
                let table = reader.table(key, value, "expected header.\"X-Name\" = \"…\"")?;
                let mut all = Vec::new();
                let mut sound = true;
                for (name, span, value) in Fields::in_order(table) {
                    match super::header::read_named(name, span, value, reader) {
                        Some(test) => {
                            all.push(Self::question(format!("header.\"{name}\""), value, test, reader));
                        }
                        None => sound = false,
                    }
                }
                sound.then_some(all)
            }
            key => {
                let Some((_, read)) = FAMILIES.iter().find(|(keys, _)| keys.contains(&key)) else {
                    let known: Vec<&str> = FAMILIES
                        .iter()
                        .flat_map(|(keys, _)| keys.iter().copied())
                        .chain(["header", "any", "all", "not"])
                        .collect();
                    reader.unknown(key, span, false, "when", &known);
                    return None;
                };
                let test = read(key, value, reader)?;
                Some(vec![Self::question(key.to_owned(), value, test, reader)])
            }
        }
    }

    fn question(key: String, value: &Value<'_>, test: Test, reader: &mut Reader<'_>) -> Self {
        let wants = mail::shown(reader.text.get(value.span()).unwrap_or_default());
        Self::Test(Question { key: key.into(), wants: wants.into(), test, number: reader.numbers.question() })
    }

    /// The tables of `any`, `all` or `not`.
    fn read_several(
        key: &str,
        value: &Value<'_>,
        reader: &mut Reader<'_>,
        depth: usize,
    ) -> Option<Vec<Self>> {
        let expected = "expected a list of tables: [{ subject = \"…\" }, { from = \"…\" }]";
        let DeValue::Array(items) = value.get_ref() else {
            reader.wrong_kind(key, value, expected);
            return None;
        };
        if items.is_empty() {
            reader.say(Diagnostic::error(value.span(), format!("`{key}` is an empty list")).label(expected));
            return None;
        }
        let mut found = Vec::with_capacity(items.len());
        for item in items.iter() {
            let inner = reader.table(key, item, expected).and_then(|table| {
                Self::deeper(item, reader, depth, |r| Self::read_table(table, r, depth + 1))
            });
            found.extend(inner);
        }
        (found.len() == items.len()).then_some(found)
    }

    fn deeper<'s>(
        value: &Value<'_>,
        reader: &mut Reader<'s>,
        depth: usize,
        read: impl FnOnce(&mut Reader<'s>) -> Option<Self>,
    ) -> Option<Self> {
        if depth >= DEPTH {
            let message = format!("conditions are nested more than {DEPTH} deep");
            reader.say(Diagnostic::error(value.span(), message));
            return None;
        }
        read(reader)
    }

    /// What it says of a message. What comes behind an answer that decides is not asked.
    pub(crate) fn ask(
        &self,
        mail: &Evidence<'_>,
        to: Option<&Recipient<'_>>,
        trail: &mut impl Trail,
    ) -> Answer {
        match self {
            Self::All(inner) => {
                let mut sum = Answer::Yes;
                trail.enter("all");
                for condition in inner {
                    sum = sum.and(condition.ask(mail, to, trail));
                    if sum == Answer::No {
                        break;
                    }
                }
                trail.leave(&sum);
                sum
            }
            Self::Any(inner) => {
                let mut sum = Answer::No;
                trail.enter("any");
                for condition in inner {
                    sum = sum.or(condition.ask(mail, to, trail));
                    if sum == Answer::Yes {
                        break;
                    }
                }
                trail.leave(&sum);
                sum
            }
            Self::Not(inner) => {
                trail.enter("not");
                let answer = inner.ask(mail, to, trail).not();
                trail.leave(&answer);
                answer
            }
            Self::Test(question) => {
                let family = question.test.family();
                let answer = match family.phase() {
                    Phase::Recipient => family.ask(mail, to),
                    Phase::Connection | Phase::Sender | Phase::Content => {
                        mail.once(question.number, || family.ask(mail, to))
                    }
                };
                trail.asked(question, &answer, || family.saw(mail, to));
                answer
            }
        }
    }

    /// Whether a yes to `other` is a yes to this one, as far as can be proved.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All(mine), _) => mine.iter().all(|mine| mine.covers(other)),
            (_, Self::Any(others)) => others.iter().all(|other| self.covers(other)),
            (Self::Any(mine), _) if mine.iter().any(|mine| mine.covers(other)) => true,
            (_, Self::All(others)) => others.iter().any(|other| self.covers(other)),
            (Self::Not(mine), Self::Not(others)) => others.covers(mine),
            (Self::Test(mine), Self::Test(others)) => mine.test.covers(&others.test),
            (Self::Any(_) | Self::Not(_) | Self::Test(_), Self::Not(_) | Self::Test(_)) => false,
        }
    }

    /// Whether it is decided whatever a message is.
    pub(crate) fn is_always(&self) -> bool {
        match self {
            Self::All(inner) => inner.iter().all(Self::is_always),
            Self::Any(inner) => inner.iter().any(Self::is_always),
            Self::Not(_) | Self::Test(_) => false,
        }
    }

    /// The phases at which the answer can first be yes, can first be no, and is there in any case.
    pub(crate) fn phases(&self) -> Phases {
        match self {
            Self::All(inner) => Phases::of(inner, |phases| {
                let yes = phases.iter().map(|p| p.yes).max();
                let no = phases.iter().map(|p| p.no).min();
                (yes.unwrap_or(Phase::Connection), no.unwrap_or(Phase::Content))
            }),
            Self::Any(inner) => Phases::of(inner, |phases| {
                let yes = phases.iter().map(|p| p.yes).min();
                let no = phases.iter().map(|p| p.no).max();
                (yes.unwrap_or(Phase::Content), no.unwrap_or(Phase::Connection))
            }),
            Self::Not(inner) => {
                let Phases { yes, no, settled } = inner.phases();
                Phases { yes: no, no: yes, settled }
            }
            Self::Test(question) => {
                let phase = question.test.family().phase();
                Phases { yes: phase, no: phase, settled: phase }
            }
        }
    }
}

/// When an answer can be there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phases {
    pub(crate) yes: Phase,
    pub(crate) no: Phase,
    pub(crate) settled: Phase,
}

impl Phases {
    fn of(inner: &[Condition], join: impl FnOnce(&[Self]) -> (Phase, Phase)) -> Self {
        let phases: Vec<_> = inner.iter().map(Condition::phases).collect();
        let (yes, no) = join(&phases);
        let settled = phases.iter().map(|p| p.settled).max().unwrap_or(Phase::Connection);
        Self { yes, no, settled }
    }
}
