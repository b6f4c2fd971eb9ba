//! From what was decided for each recipient to what is done with the message.

use mail::{Envelope, Protocol, Ruling};
use smtp_receive::{PolicyRefusal, Verdict};

/// What the rules come to for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decided {
    /// It gets the message, so.
    Ruled(Ruling),
    /// It does not, for good.
    Refused(PolicyRefusal),
    /// It cannot be told now.
    Deferred(PolicyRefusal),
}

/// Writes the rulings into the envelope, and says whether the message is taken.
///
/// By LMTP each recipient has an answer of its own. By SMTP there is one for all: what cannot be told for one of them
/// is asked again with the whole message; what all refuse is refused; and what only some refuse is taken, and kept in
/// their quarantines, unless one refuses for all.
pub(super) fn settle(envelope: &mut Envelope, decided: Vec<Decided>, one_refuses_all: bool) -> Verdict {
    if envelope.trace.protocol == Protocol::Lmtp {
        return each(envelope, decided);
    }
    let mut refused = 0;
    let mut first = None;
    for one in &decided {
        match one {
            Decided::Deferred(refusal) => return Verdict::Refuse(refusal.clone()),
            Decided::Refused(refusal) => {
                refused += 1;
                first.get_or_insert(refusal);
            }
            Decided::Ruled(_) => {}
        }
    }
    if let Some(refusal) = first
        && (one_refuses_all || refused == decided.len())
    {
        return Verdict::Refuse(refusal.clone());
    }
    for (recipient, decided) in envelope.recipients.iter_mut().zip(decided) {
        recipient.ruling = Some(match decided {
            Decided::Ruled(ruling) => ruling,
            Decided::Refused(refusal) | Decided::Deferred(refusal) => held_back(&refusal),
        });
        // Most mail is ruled by nobody, and need not say so in every envelope.
        recipient.ruling.take_if(|ruling| *ruling == Ruling::default());
    }
    Verdict::Accept
}

fn each(envelope: &mut Envelope, decided: Vec<Decided>) -> Verdict {
    let mut refused = Vec::new();
    for (place, (recipient, decided)) in envelope.recipients.iter_mut().zip(decided).enumerate() {
        match decided {
            Decided::Ruled(ruling) => {
                recipient.ruling = Some(ruling).filter(|ruling| *ruling != Ruling::default());
            }
            Decided::Refused(refusal) | Decided::Deferred(refusal) => refused.push((place, refusal)),
        }
    }
    if refused.is_empty() { Verdict::Accept } else { Verdict::AcceptExcept(refused) }
}

/// What a recipient would have refused, had there been a way to say so.
fn held_back(refusal: &PolicyRefusal) -> Ruling {
    Ruling {
        rules: vec![refusal.rule.to_string()],
        quarantine: Some(format!("refused by {}: {}", refusal.rule, refusal.text)),
        ..Ruling::default()
    }
}

#[cfg(test)]
mod tests {
    use queue::contract::envelope;

    use super::*;

    fn refusal(code: u16) -> PolicyRefusal {
        PolicyRefusal { code, enhanced: "5.7.1".into(), text: "no".into(), rule: "r".into() }
    }

    fn ruled() -> Decided {
        Decided::Ruled(Ruling { expire: Some(7), ..Ruling::default() })
    }

    fn refused() -> Decided {
        Decided::Refused(refusal(550))
    }

    fn deferred() -> Decided {
        Decided::Deferred(refusal(451))
    }

    /// The verdict, and why each recipient's copy is held back; `-` where nothing was written.
    fn settled(protocol: Protocol, decided: Vec<Decided>, one_refuses_all: bool) -> (Verdict, Vec<String>) {
        let mut envelope = envelope(&["a", "b", "c", "d"][..decided.len()]);
        envelope.trace.protocol = protocol;
        let verdict = settle(&mut envelope, decided, one_refuses_all);
        let why = envelope.recipients.iter().map(|to| match &to.ruling {
            None => "-".to_owned(),
            Some(ruling) => ruling.quarantine.clone().unwrap_or_else(|| "delivered".to_owned()),
        });
        (verdict, why.collect())
    }

    #[test]
    fn by_smtp_there_is_one_answer_for_all() {
        let smtp = |decided, all| settled(Protocol::Esmtp, decided, all);
        let (verdict, why) = smtp(vec![ruled(), refused()], false);
        assert_eq!(
            (verdict, why),
            (Verdict::Accept, vec!["delivered".into(), "refused by r: no".to_owned()])
        );
        assert_eq!(smtp(vec![ruled(), refused()], true).0, Verdict::Refuse(refusal(550)));
        assert_eq!(smtp(vec![refused(), refused()], false).0, Verdict::Refuse(refusal(550)));
        for all in [false, true] {
            assert_eq!(smtp(vec![ruled(), refused(), deferred()], all).0, Verdict::Refuse(refusal(451)));
        }
        assert_eq!(smtp(vec![ruled(), ruled()], true), (Verdict::Accept, vec!["delivered".to_owned(); 2]));
        // The first that refuses is the one that is heard.
        let two = vec![ruled(), Decided::Refused(refusal(554)), refused()];
        assert_eq!(smtp(two, true).0, Verdict::Refuse(refusal(554)));
    }

    /// What is kept in a quarantine says which rule put it there, and what nobody ruled says nothing.
    #[test]
    fn what_is_written_into_the_envelope_is_what_rules_said() {
        for (protocol, held) in [(Protocol::Esmtp, true), (Protocol::Lmtp, false)] {
            let mut envelope = envelope(&["a", "b"]);
            envelope.trace.protocol = protocol;
            settle(&mut envelope, vec![Decided::Ruled(Ruling::default()), refused()], false);
            let rulings: Vec<_> = envelope.recipients.into_iter().map(|to| to.ruling).collect();
            let refused = Ruling {
                rules: vec!["r".into()],
                quarantine: Some("refused by r: no".into()),
                ..Ruling::default()
            };
            assert_eq!(rulings, [None, Some(refused).filter(|_| held)], "{protocol:?}");
        }
    }

    /// RFC 2033 §4.2.
    #[test]
    fn by_lmtp_each_has_its_own() {
        let (verdict, why) = settled(Protocol::Lmtp, vec![refused(), ruled(), deferred()], true);
        assert_eq!(verdict, Verdict::AcceptExcept(vec![(0, refusal(550)), (2, refusal(451))]));
        assert_eq!(why, ["-", "delivered", "-"]);
        let (verdict, why) = settled(Protocol::Lmtp, vec![ruled(), ruled()], false);
        assert_eq!((verdict, why), (Verdict::Accept, vec!["delivered".to_owned(); 2]));
    }
}
