use std::fmt::Write;

use ::mail::MailboxName;

use super::super::diagnostic::Diagnostic;
use super::super::ruleset::RuleSet;
use super::super::search::{Decision, Judgement};
use super::Case;
use super::expect::last_rule;

/// How a test came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestOutcome {
    /// Its name.
    pub name: String,
    /// What came instead of what was expected; nothing when it passed.
    pub failure: Option<Diagnostic>,
}

impl RuleSet {
    /// Tries the rules on every test of the file.
    pub fn run_tests(&self) -> Vec<TestOutcome> {
        self.cases.iter().map(|case| case.run(self)).collect()
    }
}

impl Case {
    fn run(&self, rules: &RuleSet) -> TestOutcome {
        let judgement = rules.judge(&self.facts, Some(&self.to));
        let failure = self.expect.unmet(&judgement, self.answer.as_deref()).map(|span| {
            let came = words(&judgement, self.answer.as_deref());
            Diagnostic::error(span, format!("test `{}` fails: {came}", self.name)).label("expected this")
        });
        TestOutcome { name: self.name.clone(), failure }
    }
}

/// What became of a mail, in one line.
fn words(judgement: &Judgement, answer: Option<&[MailboxName]>) -> String {
    let mut words = match judgement {
        Judgement::Refuse { code, enhanced, .. } => format!("it is refused with {code} {enhanced}"),
        Judgement::Defer { why, .. } => format!("it is put off, because {why}"),
        Judgement::Wait => "it is not decided".into(),
        Judgement::Decided(Decision { ruling, .. }) => {
            let goes = match ruling.deliver.as_deref().or(answer) {
                Some([]) => "nowhere".to_owned(),
                Some(mailboxes) => format!("to {}", names(mailboxes)),
                None => "where the directory says".to_owned(),
            };
            let mut words = match &ruling.quarantine {
                Some(reason) => format!("it is held back from going {goes} ({reason})"),
                None => format!("it goes {goes}"),
            };
            if !ruling.copy.is_empty() {
                // Writing to a string cannot fail.
                let _ = write!(words, ", with a copy to {}", names(&ruling.copy));
            }
            for (name, value) in &ruling.add {
                let _ = write!(words, ", with `{name}: {value}`");
            }
            for name in &ruling.remove {
                let _ = write!(words, ", without `{name}`");
            }
            for tag in &ruling.tags {
                let _ = write!(words, ", tagged `{tag}`");
            }
            if let Some(seconds) = ruling.expire {
                let time = mail::Span(std::time::Duration::from_secs(seconds));
                let _ = write!(words, ", for {time}");
            }
            words
        }
    };
    let _ = match last_rule(judgement) {
        Some(rule) => write!(words, ", by rule `{rule}`"),
        None => write!(words, ", by no rule"),
    };
    words
}

fn names(mailboxes: &[MailboxName]) -> String {
    mailboxes.iter().map(MailboxName::as_str).collect::<Vec<_>>().join(", ")
}
