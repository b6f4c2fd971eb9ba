use super::super::answer::Answer;
use super::super::condition::Question;
use super::super::ruleset::Rule;

/// Who listens to a search. Words are made only for a listener who wants them.
pub(crate) trait Trail {
    /// A rule is tried.
    fn rule(&mut self, rule: &Rule);

    /// A combinator's conditions follow.
    fn enter(&mut self, word: &'static str);

    /// They have been asked as far as needed.
    fn leave(&mut self, answer: &Answer);

    /// A condition was asked.
    fn asked(&mut self, question: &Question, answer: &Answer, saw: impl FnOnce() -> String);

    /// The rule has its answer.
    fn answered(&mut self, answer: &Answer, note: Option<Note>);
}

/// Why a rule's answer did not count as what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Note {
    /// It would refuse, put off or hold back mail of a postmaster.
    Protected,
    /// It would refuse or hold back mail before it is known whether the recipient is a postmaster.
    NoRecipientYet,
    /// Nobody can tell, and `if-unknown` says what then.
    IfUnknown { matches: bool },
    /// Nobody will ever be able to tell, so there is nothing to wait for.
    Lasting,
}

/// Nobody does: every message.
pub(crate) struct Silent;

impl Trail for Silent {
    fn rule(&mut self, _: &Rule) {}
    fn enter(&mut self, _: &'static str) {}
    fn leave(&mut self, _: &Answer) {}
    fn asked(&mut self, _: &Question, _: &Answer, _: impl FnOnce() -> String) {}
    fn answered(&mut self, _: &Answer, _: Option<Note>) {}
}
