use mail::Ruling;

use super::super::answer::{Answer, Doubt};
use super::super::condition::{Evidence, Recipient};
use super::super::facts::{Facts, To};
use super::super::ruleset::{Rule, RuleSet};
use super::explain::{Explanation, Record};
use super::judgement::{Decision, Judgement};
use super::trail::{Note, Silent, Trail};

/// Most ways that a search is followed while nobody can tell which of them it takes.
const WAYS: usize = 16;

/// Rules and one message, for all of its recipients: what conditions compare is made once.
pub struct Examination<'e> {
    rules: &'e RuleSet,
    evidence: Evidence<'e>,
    out_of_time: Option<&'e dyn Fn() -> bool>,
}

impl RuleSet {
    /// Looks at a message.
    pub fn examine<'e>(&'e self, facts: &'e Facts) -> Examination<'e> {
        Examination {
            rules: self,
            evidence: Evidence::new(facts, &self.literals, self.questions),
            out_of_time: None,
        }
    }

    /// What the rules say of a message for one recipient; before RCPT there is none.
    pub fn judge(&self, facts: &Facts, to: Option<&To>) -> Judgement {
        self.examine(facts).judge(to)
    }

    /// The same with the way there.
    pub fn judge_explained(&self, facts: &Facts, to: Option<&To>) -> Explanation {
        self.examine(facts).explain(to)
    }
}

impl<'e> Examination<'e> {
    /// Ends every search that is under way when `out_of_time` says so; it is asked before each rule. What is not
    /// decided by then cannot be told now.
    #[must_use]
    pub fn until(mut self, out_of_time: &'e dyn Fn() -> bool) -> Self {
        self.out_of_time = Some(out_of_time);
        self
    }

    /// What the rules say for one recipient; before RCPT there is none.
    pub fn judge(&self, to: Option<&To>) -> Judgement {
        self.search(to, &mut Silent)
    }

    /// The same with the way there.
    pub fn explain(&self, to: Option<&To>) -> Explanation {
        let mut record = Record::default();
        let judgement = self.search(to, &mut record);
        Explanation { judgement, trials: record.trials }
    }

    fn search(&self, to: Option<&To>, trail: &mut impl Trail) -> Judgement {
        let to = to.map(Recipient::new);
        let protected = to.as_ref().is_some_and(|to| to.protected);
        let mut ways = Ways::new(self.evidence.is_early());
        for rule in &self.rules.rules {
            if self.out_of_time.is_some_and(|out_of_time| out_of_time()) {
                // What a postmaster's mail has come to by now is what becomes of it.
                let late = || ways.give_up(&rule.name, "the rules take too long on this message");
                return if protected { ways.end() } else { late() };
            }
            trail.rule(rule);
            let answer = rule.when.ask(&self.evidence, to.as_ref(), trail);
            let (answer, note) = rule.settle(answer, to.as_ref());
            trail.answered(&answer, note);
            if let Some(judgement) = ways.go_on(rule, rule.counted(answer, note)) {
                return judgement;
            }
        }
        ways.end()
    }
}

impl Rule {
    /// What its answer means for this recipient.
    fn settle(&self, answer: Answer, to: Option<&Recipient<'_>>) -> (Answer, Option<Note>) {
        if answer == Answer::No {
            return (answer, None);
        }
        if self.then.turns_away() && !self.shadow {
            match to {
                Some(to) if to.protected => return (answer, Some(Note::Protected)),
                None => return (answer, Some(Note::NoRecipientYet)),
                Some(_) => {}
            }
        }
        let protected = to.is_some_and(|to| to.protected);
        let note = match (&answer, self.if_unknown) {
            (Answer::Unknown(_), None) if protected => Some(Note::Protected),
            (Answer::Unknown(_), Some(matches)) => Some(Note::IfUnknown { matches }),
            (Answer::Unknown(Doubt { lasting: true, .. }), None) => Some(Note::Lasting),
            (Answer::Unknown(_) | Answer::Yes | Answer::No | Answer::NotYet, _) => None,
        };
        (answer, note)
    }

    /// The answer that the search goes by.
    fn counted(&self, answer: Answer, note: Option<Note>) -> Answer {
        match note {
            None => answer,
            Some(Note::Protected | Note::Lasting) => Answer::No,
            Some(Note::NoRecipientYet) => Answer::NotYet,
            Some(Note::IfUnknown { matches }) => matches.into(),
        }
    }
}

/// Where the search stands. While nobody can tell whether a rule matches, it goes both ways: only when they come
/// out differently does it depend on what cannot be told.
struct Ways {
    early: bool,
    /// What the rules have done so far, on each way that has not ended; the first is the one on which no rule
    /// matched that nobody can tell about.
    open: Vec<Ruling>,
    /// What came out on those that have: so far they all came out the same.
    ended: Option<Judgement>,
    /// The first rule that nobody can tell about, and why.
    doubt: Option<(String, String)>,
    /// A rule that the search goes on from is not decided yet: only a refusal can be said already.
    pending: bool,
    shadow: Vec<String>,
}

impl Ways {
    fn new(early: bool) -> Self {
        let open = vec![Ruling::default()];
        Self { early, open, ended: None, doubt: None, pending: false, shadow: Vec::new() }
    }

    /// Takes a rule's answer; gives the judgement when there is nothing more to ask.
    fn go_on(&mut self, rule: &Rule, answer: Answer) -> Option<Judgement> {
        if rule.shadow {
            if answer == Answer::Yes {
                self.shadow.push(rule.name.to_string());
            }
            return None;
        }
        match answer {
            Answer::No => None,
            // What is below an undecided rule that could end the search must not be said before it.
            Answer::NotYet if rule.ends => Some(Judgement::Wait),
            Answer::NotYet => {
                self.pending = true;
                None
            }
            Answer::Yes if rule.ends => {
                for ruling in std::mem::take(&mut self.open).into_iter().rev() {
                    if !self.come_out(rule.outcome(ruling)) {
                        return Some(self.undecided());
                    }
                }
                Some(std::mem::replace(self, Self::new(self.early)).end())
            }
            Answer::Yes => {
                self.open.iter_mut().for_each(|ruling| rule.apply(ruling));
                None
            }
            Answer::Unknown(doubt) => {
                self.doubt.get_or_insert_with(|| (rule.name.to_string(), doubt.why));
                self.fork(rule)
            }
        }
    }

    /// Both ways from a rule that nobody can tell about.
    fn fork(&mut self, rule: &Rule) -> Option<Judgement> {
        for at in 0..self.open.len() {
            let mut matched = self.open[at].clone();
            if rule.ends {
                if !self.come_out(rule.outcome(matched)) {
                    return Some(self.undecided());
                }
                continue;
            }
            rule.apply(&mut matched);
            if !self.open.iter().any(|open| same_fate(open, &matched)) {
                self.open.push(matched);
            }
        }
        (self.open.len() > WAYS).then(|| self.undecided())
    }

    /// Notes what came out on one way; false when it is not what came out on another. Of the same by several rules
    /// the last is kept: it matches for certain.
    fn come_out(&mut self, judgement: Judgement) -> bool {
        let same = self.ended.as_ref().is_none_or(|other| same(other, &judgement));
        self.ended = Some(judgement);
        same
    }

    /// No rule is left.
    fn end(mut self) -> Judgement {
        for ruling in std::mem::take(&mut self.open).into_iter().rev() {
            let decided = Judgement::Decided(Decision { ruling, shadow: Vec::new() });
            if !self.come_out(decided) {
                return self.undecided();
            }
        }
        match self.ended {
            Some(Judgement::Decided(_)) | None if self.pending => Judgement::Wait,
            Some(Judgement::Decided(Decision { ruling, .. })) => {
                Judgement::Decided(Decision { ruling, shadow: self.shadow })
            }
            Some(other) => other,
            None => Judgement::Wait,
        }
    }

    fn undecided(&self) -> Judgement {
        match &self.doubt {
            Some((rule, why)) => self.give_up(rule, why),
            None => Judgement::Wait,
        }
    }

    /// What cannot be told early may be known at the end of the data.
    fn give_up(&self, rule: &str, why: &str) -> Judgement {
        if self.early || self.pending {
            return Judgement::Wait;
        }
        Judgement::Defer { rule: rule.to_owned(), why: why.to_owned() }
    }
}

impl Rule {
    fn apply(&self, ruling: &mut Ruling) {
        ruling.rules.push(self.name.to_string());
        self.then.apply(ruling);
    }

    /// What comes out when it matches and ends the search.
    fn outcome(&self, mut ruling: Ruling) -> Judgement {
        if let Some(refusal) = self.then.refusal() {
            return Judgement::Refuse {
                rule: self.name.to_string(),
                code: refusal.code,
                enhanced: refusal.enhanced.clone(),
                text: refusal.text.clone(),
            };
        }
        self.apply(&mut ruling);
        Judgement::Decided(Decision { ruling, shadow: Vec::new() })
    }
}

/// Whether two ways come to the same: which rule says so, and in what words, makes no difference to the mail.
fn same(a: &Judgement, b: &Judgement) -> bool {
    match (a, b) {
        (Judgement::Refuse { code: a, .. }, Judgement::Refuse { code: b, .. }) => a / 100 == b / 100,
        (Judgement::Decided(a), Judgement::Decided(b)) => same_fate(&a.ruling, &b.ruling),
        (Judgement::Wait, Judgement::Wait) => true,
        (Judgement::Refuse { .. } | Judgement::Decided(_) | Judgement::Defer { .. } | Judgement::Wait, _) => {
            false
        }
    }
}

fn same_fate(a: &Ruling, b: &Ruling) -> bool {
    let Ruling { rules: _, deliver, copy, quarantine, add, remove, tags, expire } = a;
    (deliver, copy, add, remove, tags, expire) == (&b.deliver, &b.copy, &b.add, &b.remove, &b.tags, &b.expire)
        && quarantine.is_some() == b.quarantine.is_some()
}
