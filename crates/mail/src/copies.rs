use crate::{Envelope, MailboxName, Recipient, RuledField, Ruling};

/// One copy of a message: what all recipients that lead to its mailbox come to together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxCopy {
    /// The mailbox that it is for.
    pub mailbox: MailboxName,
    /// The recipients that led there, by their place in the envelope.
    pub recipients: Vec<u16>,
    /// What is done with it: [`Ruling::deliver`] and [`Ruling::copy`] have been followed and are empty, and of the
    /// rules those are named that decided something.
    pub ruling: Ruling,
}

impl MailboxCopy {
    /// Where it is kept: in the mailbox, or in its quarantine.
    pub fn kept_in(&self) -> MailboxName {
        match self.ruling.quarantine {
            Some(_) => self.mailbox.quarantine(),
            None => self.mailbox.clone(),
        }
    }

    /// Whether a field of the envelope's list is hidden from this copy.
    pub fn hides(&self, field: &RuledField) -> bool {
        (field.name == "subject" && !self.ruling.tags.is_empty())
            || self.ruling.remove.iter().any(|name| name.eq_ignore_ascii_case(&field.name))
    }

    fn new(mailbox: MailboxName, place: u16, ruling: Option<&Ruling>, way: Way) -> Self {
        let mut ruling = ruling.filter(|ruling| !ruling.is_nothing()).cloned().unwrap_or_default();
        (ruling.deliver, ruling.copy) = (None, Vec::new());
        ruling.quarantine = ruling.quarantine.filter(|_| way == Way::There);
        Self { mailbox, recipients: vec![place], ruling }
    }

    /// One more recipient leads here. What any of them asks for is done once; who gets it delivered, or keeps it,
    /// prevails.
    fn merge(&mut self, place: u16, other: Option<&Ruling>, way: Way) {
        if self.recipients.last() != Some(&place) {
            self.recipients.push(place);
        }
        let mine = &mut self.ruling;
        let Some(other) = other else {
            (mine.quarantine, mine.expire) = (None, None);
            return;
        };
        if !other.is_nothing() {
            unite(&mut mine.rules, &other.rules);
        }
        unite(&mut mine.add, &other.add);
        unite(&mut mine.remove, &other.remove);
        unite(&mut mine.tags, &other.tags);
        let is_held = way == Way::There && other.quarantine.is_some();
        mine.quarantine = mine.quarantine.take().filter(|_| is_held);
        mine.expire = mine.expire.zip(other.expire).map(|(one, two)| one.max(two));
    }
}

/// How a recipient leads to a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The message is for it.
    There,
    /// It gets one besides, whatever becomes of the message: what is held back or discarded is copied all the same.
    Besides,
}

impl Envelope {
    /// The copies that come of the message: what the rules decided where they did, else the directory's answers.
    /// A mailbox gets one however many recipients lead to it; a recipient that came by an alias with
    /// `duplicate = true` has one to itself.
    pub fn copies(&self) -> Vec<MailboxCopy> {
        let mut shared: Vec<MailboxCopy> = Vec::new();
        let mut own = Vec::new();
        for (place, recipient) in (0..).zip(&self.recipients) {
            let ruling = recipient.ruling.as_ref();
            let begin = own.len();
            for (mailbox, way) in recipient.goes_to() {
                let copies = if recipient.duplicate { &mut own } else { &mut shared };
                // Of its own copies a recipient has one in each mailbox.
                let from = if recipient.duplicate { begin } else { 0 };
                match copies[from..].iter_mut().find(|copy| copy.mailbox == *mailbox) {
                    Some(copy) => copy.merge(place, ruling, way),
                    None => copies.push(MailboxCopy::new(mailbox.clone(), place, ruling, way)),
                }
            }
        }
        shared.extend(own);
        shared
    }
}

impl Envelope {
    /// Where each of the [`Envelope::copies`] is kept.
    pub fn kept_in(&self) -> Vec<MailboxName> {
        match self.recipients.as_slice() {
            // Of most mail nobody asks for more than this.
            [Recipient { mailboxes, ruling: None, .. }] => mailboxes.clone(),
            _ => self.copies().iter().map(MailboxCopy::kept_in).collect(),
        }
    }
}

impl Recipient {
    /// The mailboxes that it leads to.
    fn goes_to(&self) -> impl Iterator<Item = (&MailboxName, Way)> {
        let ruling = self.ruling.as_ref();
        let instead = ruling.and_then(|ruling| ruling.deliver.as_ref());
        let besides = ruling.map_or(&[][..], |ruling| &ruling.copy);
        let there = instead.unwrap_or(&self.mailboxes).iter().map(|mailbox| (mailbox, Way::There));
        there.chain(besides.iter().map(|mailbox| (mailbox, Way::Besides)))
    }
}

fn unite<T: PartialEq + Clone>(mine: &mut Vec<T>, others: &[T]) {
    for other in others {
        if !mine.contains(other) {
            mine.push(other.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, ForwardPath, Protocol, ReversePath, Trace};

    fn name(text: &str) -> MailboxName {
        MailboxName::parse(text).expect("a name")
    }

    fn to(mailboxes: &[&str], ruling: Option<Ruling>) -> Recipient {
        let mailboxes = mailboxes.iter().map(|text| name(text)).collect();
        Recipient { path: ForwardPath::Postmaster, mailboxes, duplicate: false, ruling }
    }

    fn envelope(recipients: Vec<Recipient>) -> Envelope {
        let trace =
            Trace { protocol: Protocol::Esmtp, peer: None, helo: String::new(), tls: None, received_ms: 0 };
        Envelope {
            reverse_path: ReversePath::Null,
            recipients,
            body: Body::SevenBit,
            smtputf8: false,
            trace,
            cuts: Vec::new(),
            unterminated: false,
            results: None,
            fields: Vec::new(),
        }
    }

    /// Where the copies are kept, and who led there.
    fn kept(recipients: Vec<Recipient>) -> Vec<(String, Vec<u16>)> {
        let envelope = envelope(recipients);
        let copies = envelope.copies();
        let kept_in: Vec<_> = copies.iter().map(MailboxCopy::kept_in).collect();
        assert_eq!(envelope.kept_in(), kept_in, "the short way says the same");
        copies.into_iter().map(|copy| (copy.kept_in().to_string(), copy.recipients)).collect()
    }

    fn expected(list: &[(&str, &[u16])]) -> Vec<(String, Vec<u16>)> {
        list.iter().map(|(name, places)| ((*name).to_owned(), places.to_vec())).collect()
    }

    fn ruling(deliver: Option<&[&str]>, copy: &[&str]) -> Option<Ruling> {
        let names = |list: &[&str]| list.iter().map(|text| name(text)).collect::<Vec<_>>();
        Some(Ruling { deliver: deliver.map(names), copy: names(copy), ..Ruling::default() })
    }

    fn quarantined() -> Option<Ruling> {
        Some(Ruling { quarantine: Some("forged".into()), ..Ruling::default() })
    }

    #[test]
    fn deliver_replaces_copy_adds_and_nothing_is_nowhere() {
        let instead = || to(&["alice"], ruling(Some(&["carol"]), &["dave", "carol"]));
        assert_eq!(kept(vec![instead()]), expected(&[("carol", &[0]), ("dave", &[0])]));
        let besides = to(&["alice"], ruling(None, &["dave"]));
        assert_eq!(kept(vec![besides]), expected(&[("alice", &[0]), ("dave", &[0])]));
        assert_eq!(kept(vec![to(&["alice"], ruling(Some(&[]), &[]))]), expected(&[]));
        let discarded = to(&["alice"], ruling(Some(&[]), &["dave"]));
        assert_eq!(kept(vec![discarded, to(&["bob"], None)]), expected(&[("dave", &[0]), ("bob", &[1])]));
    }

    #[test]
    fn recipients_that_meet_in_a_mailbox_give_one_copy_and_a_duplicate_its_own() {
        let mut twin = to(&["alice"], ruling(None, &["alice", "bob"]));
        twin.duplicate = true;
        let list = vec![to(&["alice", "bob"], None), to(&["carol"], ruling(Some(&["bob"]), &[])), twin];
        let places = expected(&[("alice", &[0]), ("bob", &[0, 1]), ("alice", &[2]), ("bob", &[2])]);
        assert_eq!(kept(list), places);
    }

    #[test]
    fn the_directory_s_answer_stands_where_nobody_ruled() {
        let places = expected(&[("alice", &[0]), ("bob", &[0])]);
        assert_eq!(kept(vec![to(&["alice", "bob"], None)]), places);
        let mut twin = to(&["alice"], None);
        twin.duplicate = true;
        assert_eq!(kept(vec![twin]), expected(&[("alice", &[0])]));
        assert_eq!(kept(vec![to(&[], None)]), expected(&[]));
    }

    #[test]
    fn delivered_wins_over_quarantined_in_either_order() {
        assert_eq!(kept(vec![to(&["alice"], quarantined())]), expected(&[("alice+quarantine", &[0])]));
        for list in [
            vec![to(&["alice"], quarantined()), to(&["alice"], None)],
            vec![to(&["alice"], None), to(&["alice"], quarantined())],
            vec![to(&["alice"], quarantined()), to(&["alice"], Some(Ruling::default()))],
        ] {
            assert_eq!(kept(list), expected(&[("alice", &[0, 1])]));
        }
        let both = vec![to(&["alice"], quarantined()), to(&["alice"], quarantined())];
        assert_eq!(kept(both), expected(&[("alice+quarantine", &[0, 1])]));
    }

    #[test]
    fn a_copy_is_not_held_back_with_its_message() {
        let with =
            |copy: &[&str]| ruling(None, copy).map(|it| Ruling { quarantine: Some("spam".into()), ..it });
        let archived = to(&["alice"], with(&["archive"]));
        assert_eq!(kept(vec![archived]), expected(&[("alice+quarantine", &[0]), ("archive", &[0])]));
        // Who is asked to have a copy has it, also of what was for her.
        assert_eq!(kept(vec![to(&["alice"], with(&["alice"]))]), expected(&[("alice", &[0])]));
        let met = vec![to(&["archive"], quarantined()), to(&["alice"], with(&["archive"]))];
        assert_eq!(kept(met), expected(&[("archive", &[0, 1]), ("alice+quarantine", &[1])]));
    }

    #[test]
    fn what_is_asked_for_twice_is_done_once_and_the_longest_stay_wins() {
        let asks = |tag: &str, expire| Ruling {
            rules: vec!["all".into(), tag.into()],
            add: vec![("X-Dept".into(), "all".into()), ("X-Tag".into(), tag.into())],
            remove: vec!["X-Old".into()],
            tags: vec!["[list]".into(), tag.into()],
            expire,
            ..Ruling::default()
        };
        let two = vec![to(&["alice"], Some(asks("a", Some(5)))), to(&["alice"], Some(asks("b", Some(9))))];
        let copy = envelope(two).copies().remove(0);
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(copy.ruling.rules, ["all", "a", "b"]);
        assert_eq!(copy.ruling.add, [field("X-Dept", "all"), field("X-Tag", "a"), field("X-Tag", "b")]);
        assert_eq!((copy.ruling.remove.len(), copy.ruling.expire), (1, Some(9)));
        assert_eq!(copy.ruling.tags, ["[list]", "a", "b"]);
        for other in [None, Some(Ruling::default())] {
            let list = vec![to(&["alice"], Some(asks("a", Some(5)))), to(&["alice"], other)];
            assert_eq!(envelope(list).copies()[0].ruling.expire, None, "who keeps it prevails");
        }
    }
}
