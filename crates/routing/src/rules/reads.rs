use super::condition::{CONTENT, Question};
use super::phase::Phase;
use super::ruleset::RuleSet;

/// What rules look at, so that nothing else need be found out for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reads {
    /// Header fields, attachments, the size: what [`super::Content`] has.
    pub content: bool,
    /// Its text, too.
    pub body: bool,
    /// What only name servers can tell of the connection or the sender.
    pub sender_by_dns: bool,
    /// DNS block lists.
    pub listed: bool,
    /// The spam filter's answer.
    pub spam: bool,
    /// The virus scanner's.
    pub virus: bool,
    /// The earliest phase at which some mail can be refused; none when no rule refuses.
    pub refuses_from: Option<Phase>,
}

impl RuleSet {
    /// What the rules look at.
    pub fn reads(&self) -> Reads {
        let refuses_from = self.phases().iter().map(|firing| firing.earliest).min();
        let mut reads = Reads { refuses_from, ..Reads::default() };
        for rule in &self.rules {
            rule.when.each(&mut |question: &Question| reads.note(&question.key));
        }
        reads
    }
}

impl Reads {
    fn note(&mut self, key: &str) {
        self.content |= CONTENT.iter().any(|keys| keys.contains(&key)) || key.starts_with("header.");
        self.body |= key == "body";
        self.sender_by_dns |= matches!(key, "spf" | "reverse-dns" | "listed" | "verified-domain");
        self.listed |= key == "listed";
        self.spam |= key.starts_with("spam-");
        self.virus |= key == "virus";
    }
}
