//! Decides what dialogs ask: a few people at example.test, and the mishaps that a dialog orders.

use mail::{ForwardPath, MailboxName, Protocol, QueueId, Recipient};
use smtp_receive::{Answer, Ask, PolicyRefusal, Refusal};

#[derive(Clone, Default)]
pub(crate) struct World {
    mishaps: Vec<String>,
    accepted: u64,
}

impl World {
    pub(crate) fn new(mishaps: &[String]) -> Self {
        Self { mishaps: mishaps.to_vec(), accepted: 0 }
    }

    fn has(&self, mishap: &str) -> bool {
        self.mishaps.iter().any(|had| had == mishap)
    }

    pub(crate) fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Connected if self.has("rule-at-connection") => Answer::Refused(rule(false)),
            Ask::Connected if self.has("rule-at-connection-defers") => Answer::Refused(rule(true)),
            Ask::Connected => Answer::Proceed,
            Ask::Sender { .. } if self.has("rule-at-mail") => Answer::Refused(rule(false)),
            Ask::Sender { .. } if self.has("rule-at-mail-defers") => Answer::Refused(rule(true)),
            Ask::Recipient { path, .. } if self.has("rule-at-rcpt") && is(&path, "bob") => {
                Answer::Refused(rule(false))
            }
            Ask::Recipient { path, .. } if self.has("rule-at-rcpt-defers") && is(&path, "bob") => {
                Answer::Refused(rule(true))
            }
            Ask::Sender { .. } if self.has("no-room-at-mail") => Answer::Refused(Refusal::NoRoom),
            Ask::Begin { .. } if self.has("no-room-at-data") => Answer::Refused(Refusal::NoRoom),
            Ask::Sender { .. } | Ask::Begin { .. } => Answer::Proceed,
            Ask::Recipient { path, declared: Some(SMALL..) } if is_small(&path) => {
                Answer::Refused(Refusal::LargerThanMailbox)
            }
            Ask::Recipient { path, .. } => match resolve(&path) {
                Ok(mailbox) => Answer::Recipient(Recipient {
                    path,
                    mailboxes: vec![mailbox],
                    duplicate: false,
                    ruling: None,
                }),
                Err(refusal) => Answer::Refused(refusal),
            },
            Ask::Finish { .. } if self.has("store-fails") => Answer::Refused(Refusal::Unavailable),
            Ask::Finish { .. } if self.has("rule-refuses") => Answer::Refused(rule(false)),
            Ask::Finish { .. } if self.has("rule-refuses-each") => {
                Answer::RefusedEach(vec![rule(false), rule(true)])
            }
            Ask::Finish { .. } if self.has("rule-defers") => Answer::Refused(rule(true)),
            Ask::Finish { envelope, octets: SMALL.. } if envelope.recipients.iter().any(is_small_mailbox) => {
                let lmtp = envelope.trace.protocol == Protocol::Lmtp;
                let places = 0..envelope.recipients.len();
                let small: Vec<_> =
                    places.filter(|place| is_small_mailbox(&envelope.recipients[*place])).collect();
                if small.len() == envelope.recipients.len() {
                    return Answer::Refused(Refusal::LargerThanMailbox);
                }
                let refused = small.into_iter().filter(|_| lmtp);
                self.accepted += 1;
                let refused = refused.map(|place| (place, Refusal::LargerThanMailbox)).collect();
                Answer::Queued { id: QueueId(self.accepted), refused }
            }
            Ask::Finish { .. } => {
                let refused = self.has("rule-refuses-second").then(|| (1, rule(false)));
                self.accepted += 1;
                Answer::Queued { id: QueueId(self.accepted), refused: refused.into_iter().collect() }
            }
        }
    }
}

/// One octet more than the mailbox `small` may ever hold.
const SMALL: u64 = 21;

fn is_small(path: &ForwardPath) -> bool {
    is(path, "small")
}

fn is(path: &ForwardPath, name: &str) -> bool {
    path.address().is_some_and(|address| address.local.folded() == name)
}

fn is_small_mailbox(recipient: &Recipient) -> bool {
    is_small(&recipient.path)
}

fn rule(temporary: bool) -> Refusal {
    Refusal::Policy(PolicyRefusal {
        code: if temporary { 451 } else { 550 },
        enhanced: if temporary { "4.7.1" } else { "5.7.1" }.into(),
        text: "not wanted\r\n250 ü".into(),
        rule: "no-such-mail".into(),
    })
}

fn resolve(path: &ForwardPath) -> Result<MailboxName, Refusal> {
    let mailbox = |name: &str| MailboxName::parse(name).expect("a name");
    let Some(address) = path.address() else { return Ok(mailbox("alice")) };
    if address.domain.folded() != "example.test" && address.domain.as_str() != "[192.0.2.25]" {
        return Err(Refusal::NotLocal);
    }
    match address.local.folded().as_str() {
        "postmaster" | "abuse" => Ok(mailbox("alice")),
        name @ ("alice" | "bob" | "carol" | "müller" | "small") => Ok(mailbox(name)),
        "full" => Err(Refusal::MailboxFull),
        "closed" => Err(Refusal::ClosedRecipient("this address is closed".into())),
        _ => Err(Refusal::UnknownRecipient),
    }
}
