//! From the text of `rules.toml` to a [`RuleSet`], with everything that is wrong said at once.

mod reach;
mod rule;
mod surroundings;

pub use surroundings::Surroundings;
use toml::de::DeTable;

use super::diagnostic::Diagnostic;
use super::ruleset::{Rule, RuleSet};
use super::source::{Fields, Reader};
use super::testing::Case;

/// Most rules of a file.
const RULES: usize = 500;
/// Most tests of a file.
const TESTS: usize = 1000;
/// Most octets of a file.
const OCTETS: usize = 4 << 20;

/// What is behind every file's rules.
const DEFAULT: &str = include_str!("../default.toml");
/// What begins their names.
pub(crate) const BUILT_IN: &str = "default:";

impl RuleSet {
    /// Reads and checks `rules.toml`. Gives everything that there is to say, in the order of the file, and no rules
    /// when one of it is an error. An empty text is fine: what is always there is then all there is.
    pub fn compile(text: &str, around: &Surroundings<'_>) -> (Option<Self>, Vec<Diagnostic>) {
        let mut reader = Reader::new(text, around);
        if text.len() > OCTETS {
            let message = format!("the file has {} octets: at most {OCTETS} are read", text.len());
            reader.say(Diagnostic { span: None, ..Diagnostic::error(0..0, message) });
            return (None, reader.into_said());
        }
        let (table, faults) = DeTable::parse_recoverable(text);
        for fault in &faults {
            let span = fault.span().unwrap_or(0..0);
            reader.say(Diagnostic::error(span, fault.message()));
        }
        if !faults.is_empty() {
            return (None, reader.into_said());
        }
        let (mut rules, cases) = Self::read(table.get_ref(), &mut reader);
        if reader.failed() {
            return (None, reader.into_said());
        }
        reach::check(&rules, &mut reader);
        rules.extend(read_built_in(&mut reader));
        let (literals, questions) = std::mem::take(&mut reader.numbers).finish();
        (Some(Self { rules, cases, literals, questions }), reader.into_said())
    }

    fn read(table: &DeTable<'_>, reader: &mut Reader<'_>) -> (Vec<Rule>, Vec<Case>) {
        let mut top = Fields::new(table, 0..0, "");
        let (rules, tests, lists) = (top.get("rule"), top.get("test"), top.get("lists"));
        top.finish(reader);
        if let Some(lists) = lists {
            reader.read_lists(lists);
        }
        let tables = rules.map(|rules| reader.tables("rule", rules)).unwrap_or_default();
        if let Some((_, span)) = tables.get(RULES) {
            let message = format!("there are {} rules: at most {RULES}", tables.len());
            reader.say(Diagnostic::error(span.clone(), message));
        }
        // Also of a rule that has a fault: what names it is right.
        let names = rule::names(&tables, reader);
        let rules = tables.into_iter().filter_map(|(table, span)| Rule::read(table, span, reader)).collect();
        let tables = tests.map(|tests| reader.tables("test", tests)).unwrap_or_default();
        if let Some((_, span)) = tables.get(TESTS) {
            let message = format!("there are {} tests: at most {TESTS}", tables.len());
            reader.say(Diagnostic::error(span.clone(), message));
        }
        let cases =
            tables.into_iter().filter_map(|(table, span)| Case::read(table, span, &names, reader)).collect();
        reader.finish_lists();
        (rules, cases)
    }
}

/// Reads the rules behind those of the file, in the same language and with the same numbers.
fn read_built_in<'s>(after: &mut Reader<'s>) -> Vec<Rule> {
    let mut reader = Reader::new(DEFAULT, after.around);
    std::mem::swap(&mut reader.numbers, &mut after.numbers);
    let table = DeTable::parse(DEFAULT);
    // A test holds them to be right.
    let set = table.map(|table| RuleSet::read(table.get_ref(), &mut reader)).ok();
    std::mem::swap(&mut reader.numbers, &mut after.numbers);
    set.map(|(rules, _)| rules).unwrap_or_default()
}
