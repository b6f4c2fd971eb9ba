use std::ops::Range;

use super::action::Actions;
use super::condition::Condition;
use super::pattern::Literals;
use super::phase::Phase;
use super::testing::Case;

/// Checked rules, in the order in which they are tried, with what is always behind them.
#[derive(Debug)]
pub struct RuleSet {
    pub(crate) rules: Vec<Rule>,
    pub(crate) cases: Vec<Case>,
    /// The literals of all globs.
    pub(crate) literals: Literals,
    /// How many questions all rules ask.
    pub(crate) questions: usize,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: Box<str>,
    /// Its name in the file.
    pub(crate) span: Range<usize>,
    pub(crate) when: Condition,
    pub(crate) then: Actions,
    /// The search ends with it when it matches.
    pub(crate) ends: bool,
    /// It only counts.
    pub(crate) shadow: bool,
    /// Whether it matches when nobody can tell; none: then the mail is put off.
    pub(crate) if_unknown: Option<bool>,
}

/// When a rule that refuses can do so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// Its name.
    pub rule: String,
    /// Where it stands in the file.
    pub span: Range<usize>,
    /// The earliest phase at which some mail can be refused by it: RCPT at least, since postmaster's never is.
    pub earliest: Phase,
    /// The phase by which it is decided for every mail.
    pub latest: Phase,
    /// The rule above it that it may have to wait for longest, where that is later than what it asks itself.
    pub behind: Option<String>,
}

impl RuleSet {
    /// The names of all rules, in order, built-in ones last.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| &*rule.name)
    }

    /// For each rule that refuses, when it can: a rule above it that could end the search has to be decided as no
    /// before it.
    pub fn phases(&self) -> Vec<Firing> {
        let mut found = Vec::new();
        // Of the rules above: when all of them can be no, when all of them are decided, and which is last.
        let (mut open_until, mut settled, mut last) = (Phase::Recipient, Phase::Recipient, None);
        for rule in self.rules.iter().filter(|rule| !rule.shadow) {
            let phases = rule.when.phases();
            if rule.then.refusal().is_some() {
                let own = phases.settled.max(Phase::Recipient);
                found.push(Firing {
                    rule: rule.name.to_string(),
                    span: rule.span.clone(),
                    earliest: phases.yes.max(open_until),
                    latest: own.max(settled),
                    behind: last.filter(|_| settled > own).map(|rule: &Rule| rule.name.to_string()),
                });
            }
            if rule.ends {
                open_until = open_until.max(phases.no);
                if phases.settled > settled {
                    settled = phases.settled;
                    last = Some(rule);
                }
            }
        }
        found
    }
}
