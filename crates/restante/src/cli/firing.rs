use std::fmt;

use routing::rules::{Firing, Phase, RuleSet};
use serde::Serialize;

/// When a rule that refuses can do so: an admin who wants mail refused before its octets come reads here whether it is.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Refusal {
    rule: String,
    earliest: &'static str,
    latest: &'static str,
    /// The rule above it that it may have to wait for.
    behind: Option<String>,
}

/// Of each rule that refuses, in their order.
pub(super) fn refusals(rules: &RuleSet) -> Vec<Refusal> {
    let refusal = |firing: Firing| {
        let Firing { rule, span: _, earliest, latest, behind } = firing;
        Refusal { rule, earliest: word(earliest), latest: word(latest), behind }
    };
    rules.phases().into_iter().map(refusal).collect()
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Connection => "connection",
        Phase::Sender => "mail",
        Phase::Recipient => "rcpt",
        Phase::Content => "data",
    }
}

fn said(word: &str) -> &'static str {
    match word {
        "connection" => "at the connection",
        "mail" => "at MAIL",
        "rcpt" => "at RCPT",
        _ => "at the end of the data",
    }
}

impl Refusal {
    /// Which rule.
    pub(super) fn rule(&self) -> &str {
        &self.rule
    }

    /// When, in words.
    pub(super) fn when(&self) -> String {
        let (earliest, latest) = (said(self.earliest), said(self.latest));
        let mut text = format!("refuses {earliest}");
        if earliest != latest {
            text.push_str(&format!(", or else {latest}"));
        }
        if let Some(behind) = &self.behind {
            text.push_str(&format!(" (it waits for rule `{behind}` above it)"));
        }
        text
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule `{}` {}", self.rule, self.when())
    }
}
