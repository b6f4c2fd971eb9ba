//! `expect = { … }` of a test: only what it says is looked at.

use std::collections::BTreeSet;
use std::ops::Range;

use ::mail::{MailboxName, Ruling};
use toml::de::DeValue;

use super::super::compile::BUILT_IN;
use super::super::diagnostic::Diagnostic;
use super::super::search::{Decision, Judgement};
use super::super::source::{Fields, Reader, Value, did_you_mean};

/// What is expected, each with its place.
#[derive(Debug)]
pub(super) struct Expect(Vec<(Range<usize>, Item)>);

#[derive(Debug)]
enum Item {
    /// These mailboxes and no others, by the rules or else by the directory.
    Deliver(BTreeSet<MailboxName>),
    Copy(BTreeSet<MailboxName>),
    /// A refusal, with the beginning of its codes; false: none.
    Refuse(Option<String>),
    /// Held back, with this reason where one is given; none: not.
    Quarantine(Option<Option<String>>),
    Discard(bool),
    /// 451.
    Defer(bool),
    /// The last rule that matched; none: no rule did.
    Rule(Option<String>),
    Tag(Vec<String>),
    AddHeader(Vec<String>),
    RemoveHeader(BTreeSet<String>),
    Expire(u64),
}

type Read = fn(&Value<'_>, &[&str], &mut Reader<'_>) -> Option<Item>;

const ITEMS: [(&str, Read); 11] = [
    ("deliver", |value, _, reader| mailboxes("deliver", value, reader).map(Item::Deliver)),
    ("copy", |value, _, reader| mailboxes("copy", value, reader).map(Item::Copy)),
    ("refuse", |value, _, reader| {
        let said = flag_or_text("refuse", value, "expected true, false or the codes: \"550 5.7.1\"", reader)?;
        Some(Item::Refuse(said.map(Option::unwrap_or_default)))
    }),
    ("quarantine", |value, _, reader| {
        flag_or_text("quarantine", value, "expected true, false or the reason", reader).map(Item::Quarantine)
    }),
    ("discard", |value, _, reader| reader.flag("discard", value).map(Item::Discard)),
    ("defer", |value, _, reader| reader.flag("defer", value).map(Item::Defer)),
    ("rule", rule),
    ("tag", |value, _, reader| texts("tag", value, reader).map(Item::Tag)),
    ("add-header", |value, _, reader| texts("add-header", value, reader).map(Item::AddHeader)),
    ("remove-header", |value, _, reader| {
        let names = texts("remove-header", value, reader)?;
        Some(Item::RemoveHeader(names.iter().map(|name| name.to_ascii_lowercase()).collect()))
    }),
    ("expire", |value, _, reader| {
        let text = reader.string("expire", value, "expected a time such as \"30 days\"")?;
        let time = humantime::parse_duration(text).ok();
        if time.is_none() {
            let message = format!("`expire`: `{}` is no length of time", text.escape_debug());
            reader.say(Diagnostic::error(value.span(), message));
        }
        time.map(|time| Item::Expire(time.as_secs()))
    }),
];

fn texts(key: &str, value: &Value<'_>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    // An empty list is that there is none.
    if value.get_ref().as_array().is_some_and(|list| list.is_empty()) {
        return Some(Vec::new());
    }
    let before = reader.errors;
    let texts = reader.strings(key, value, "expected a string, or a list of them");
    (reader.errors == before).then(|| texts.into_iter().map(|(text, _)| text.to_owned()).collect())
}

fn mailboxes(key: &str, value: &Value<'_>, reader: &mut Reader<'_>) -> Option<BTreeSet<MailboxName>> {
    if value.get_ref().as_array().is_some_and(|list| list.is_empty()) {
        return Some(BTreeSet::new());
    }
    super::super::action::mailboxes(key, value, reader).map(|names| names.into_iter().collect())
}

/// `false` is `None`, `true` is `Some(None)`, a text is `Some(Some(text))`.
fn flag_or_text(
    key: &str,
    value: &Value<'_>,
    expected: &str,
    reader: &mut Reader<'_>,
) -> Option<Option<Option<String>>> {
    match value.get_ref() {
        DeValue::Boolean(flag) => Some(flag.then_some(None)),
        _ => reader.string(key, value, expected).map(|text| Some(Some(text.to_owned()))),
    }
}

fn rule(value: &Value<'_>, rules: &[&str], reader: &mut Reader<'_>) -> Option<Item> {
    if let DeValue::Boolean(false) = value.get_ref() {
        return Some(Item::Rule(None));
    }
    let name = reader.string("rule", value, "expected the name of a rule, or false for none")?;
    if !rules.contains(&name) && !name.starts_with(BUILT_IN) {
        let said = Diagnostic::error(value.span(), format!("there is no rule `{}`", name.escape_debug()));
        reader.say(said.maybe(did_you_mean(name, rules.iter().copied())));
        return None;
    }
    Some(Item::Rule(Some(name.to_owned())))
}

impl Expect {
    pub(super) fn read(value: &Value<'_>, rules: &[&str], reader: &mut Reader<'_>) -> Option<Self> {
        let table = reader.table("expect", value, "expected { deliver = [\"…\"], … }")?;
        if table.is_empty() {
            let said = Diagnostic::error(value.span(), "`expect` is empty: whatever comes is right");
            reader.say(said.label("expected { deliver = [\"…\"], … }"));
            return None;
        }
        let mut found = Vec::new();
        let mut sound = true;
        for (key, span, value) in Fields::in_order(table) {
            let Some((_, read)) = ITEMS.iter().find(|(name, _)| *name == key) else {
                reader.unknown(key, span, false, "expect", &ITEMS.map(|(name, _)| name));
                sound = false;
                continue;
            };
            match read(value, rules, reader) {
                Some(item) => found.push((value.span(), item)),
                None => sound = false,
            }
        }
        sound.then_some(Self(found))
    }

    /// The first thing that is not as expected.
    pub(super) fn unmet(
        &self,
        judgement: &Judgement,
        answer: Option<&[MailboxName]>,
    ) -> Option<Range<usize>> {
        let is_expected = |item: &&(Range<usize>, Item)| !item.1.is_met(judgement, answer, self.held());
        self.0.iter().find(is_expected).map(|(span, _)| span.clone())
    }

    /// Whether it is expected to be held back.
    fn held(&self) -> bool {
        self.0.iter().any(|(_, item)| matches!(item, Item::Quarantine(Some(_))))
    }
}

impl Item {
    fn is_met(&self, judgement: &Judgement, answer: Option<&[MailboxName]>, held: bool) -> bool {
        let ruling = match judgement {
            Judgement::Decided(Decision { ruling, .. }) => Some(ruling),
            Judgement::Refuse { .. } | Judgement::Wait | Judgement::Defer { .. } => None,
        };
        let of = |is: &dyn Fn(&Ruling) -> bool| ruling.is_some_and(is);
        match self {
            Self::Deliver(names) => of(&|ruling| {
                let open = ruling.quarantine.is_none() || held;
                let goes = ruling.deliver.as_deref().or(answer);
                // Where the directory sends it is not known while the directory has faults.
                open && goes.is_none_or(|goes| goes.iter().cloned().collect::<BTreeSet<_>>() == *names)
            }),
            Self::Copy(names) => of(&|ruling| ruling.copy.iter().cloned().collect::<BTreeSet<_>>() == *names),
            Self::Refuse(expected) => match (judgement, expected) {
                (Judgement::Refuse { code, enhanced, .. }, Some(codes)) => {
                    format!("{code} {enhanced}").starts_with(codes.as_str())
                }
                (Judgement::Refuse { .. }, None) => false,
                (Judgement::Wait | Judgement::Defer { .. } | Judgement::Decided(_), expected) => {
                    expected.is_none()
                }
            },
            Self::Quarantine(None) => of(&|ruling| ruling.quarantine.is_none()),
            Self::Quarantine(Some(reason)) => of(&|ruling| {
                let came = ruling.quarantine.as_ref();
                came.is_some_and(|came| reason.as_ref().is_none_or(|reason| reason == came))
            }),
            Self::Discard(expected) => {
                let discarded = of(&|ruling| ruling.deliver.as_ref().is_some_and(Vec::is_empty));
                discarded == *expected
            }
            Self::Defer(expected) => matches!(judgement, Judgement::Defer { .. }) == *expected,
            Self::Rule(expected) => expected.as_deref() == last_rule(judgement),
            Self::Tag(tags) => of(&|ruling| ruling.tags == *tags),
            Self::AddHeader(fields) => of(&|ruling| {
                let came: Vec<String> =
                    ruling.add.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                came == *fields
            }),
            Self::RemoveHeader(names) => {
                of(&|ruling| ruling.remove.iter().cloned().collect::<BTreeSet<_>>() == *names)
            }
            Self::Expire(seconds) => of(&|ruling| ruling.expire == Some(*seconds)),
        }
    }
}

/// The rule that decided.
pub(super) fn last_rule(judgement: &Judgement) -> Option<&str> {
    match judgement {
        Judgement::Refuse { rule, .. } | Judgement::Defer { rule, .. } => Some(rule),
        Judgement::Decided(Decision { ruling, .. }) => ruling.rules.last().map(String::as_str),
        Judgement::Wait => None,
    }
}
