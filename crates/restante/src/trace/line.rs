use jiff::Timestamp;
use mail::Event;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::judged::Judged;

/// One line of the trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// When, by the wall clock in UTC.
    pub(crate) at: Timestamp,
    #[serde(flatten)]
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum What {
    Event(Event),
    Judged(Judged),
    /// So many events found no room, and are missing here.
    Lost {
        lost: u64,
    },
    /// So many refusals of the day stand here by their number alone: there was no more room for them.
    More {
        more_refusals: u64,
    },
}

impl Line {
    /// The line with its end.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        let start = to.len();
        // Strings and numbers always serialise; half a line would be worse than none.
        if serde_json::to_writer(&mut *to, self).is_err() {
            to.truncate(start);
            return;
        }
        to.push(b'\n');
    }

    /// What is no line of ours is told apart: the tail of one that a crash cut off, and one of another version.
    pub(crate) fn read(octets: &[u8]) -> Result<Self, Unread> {
        serde_json::from_slice(octets).map_err(|_| match serde_json::from_slice::<IgnoredAny>(octets) {
            Ok(IgnoredAny) => Unread::Strange,
            Err(_) => Unread::Torn,
        })
    }
}

/// Why a line is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is not whole.
    Torn,
    /// It is whole, and has a shape of another version's.
    Strange,
}

#[cfg(test)]
mod tests {
    use mail::{About, Arrival, Client, MailboxName, Phase, QueueId, Uid, ViewName};

    use super::*;

    #[test]
    fn every_event_reads_as_it_was_written_and_for_people() {
        let alice = MailboxName::parse("alice").expect("a name");
        let bob = ViewName::parse("bob").expect("a name");
        let arrival = Arrival {
            by: "SMTP".into(),
            ip: Some([192, 0, 2, 1].into()),
            helo: "mx.example.net".into(),
            tls: Some("TLS1.3".into()),
            from: "shop@vendor.test".into(),
            to: vec!["alice@example.test".into()],
        };
        let client = Client { login: "alice".into(), password: None, ip: None };
        let (id, uid) = (QueueId(0x6a2b_0000_0000_1000), Uid(0x6a2b_0000_0000_2000));
        let events = [
            Event::Accepted { id, arrival: arrival.clone(), size: 9, mailboxes: vec![alice.clone()] },
            Event::Refused {
                arrival: arrival.clone(),
                phase: Phase::Data,
                code: 550,
                rule: Some("no-exe".into()),
                reason: "550 5.7.1 no programs".into(),
                about: About {
                    subject: Some("setup.exe".into()),
                    message_id: Some("<1@example.org>".into()),
                },
            },
            Event::CutOff { arrival, size: 3, reason: "disconnected".into() },
            Event::Delivered { id, mailbox: alice.clone(), uid },
            Event::Discarded { id },
            Event::Fetched { mailbox: alice.clone(), uid, client: client.clone() },
            Event::Deleted { mailbox: alice.clone(), view: None, uids: vec![uid], client: client.clone() },
            Event::Deleted {
                mailbox: alice.clone(),
                view: Some(bob.clone()),
                uids: vec![uid],
                client: client.clone(),
            },
            Event::Parked {
                mailbox: alice.clone(),
                view: bob.clone(),
                uid,
                sessions: 5,
                client: client.clone(),
            },
            Event::GaveUp { mailbox: alice.clone(), view: bob.clone(), uid, client },
            Event::Undone { mailbox: alice.clone(), view: bob, was: uid, now: Uid(2) },
            Event::Unquarantined { mailbox: alice.clone(), uid, id, by: "root".into() },
            Event::Removed { mailbox: alice.clone(), uids: vec![uid, Uid(1)], reason: "too old".into() },
            Event::Released {
                mailbox: alice.clone(),
                uids: vec![uid],
                reason: "released: all have it".into(),
            },
            Event::Trashed { mailbox: alice.clone(), uids: vec![uid], reason: "held for 14 days".into() },
            Event::Left { mailbox: alice, view: ViewName::owner(), reason: "not declared".into() },
        ];
        let at: Timestamp = "2026-11-28T09:30:00.125Z".parse().expect("a time");
        let lines = events.map(|event| Line { at, what: What::Event(event) });
        let judged = What::Judged(crate::trace::judged::tests::judged("6a2b000000001000"));
        let others =
            [What::Lost { lost: 7 }, What::More { more_refusals: 9 }, judged].map(|what| Line { at, what });
        for line in lines.into_iter().chain(others) {
            let mut text = Vec::new();
            line.write(&mut text);
            assert_eq!(text.pop(), Some(b'\n'));
            assert_eq!(Line::read(&text).as_ref(), Ok(&line), "{}", String::from_utf8_lossy(&text));
            let cut = &text[..text.len() - 1];
            assert_eq!(Line::read(cut), Err(Unread::Torn), "a line that was cut off");
        }
    }

    #[test]
    fn the_words_of_the_file_stay_as_they_are() {
        let line = r#"{"at":"2026-11-28T09:30:00Z","event":"delivered","id":"6a2b000000001000","mailbox":"alice","uid":"r6a2b000000002000"}"#;
        let read = Line::read(line.as_bytes()).expect("a line");
        let mut again = Vec::new();
        read.write(&mut again);
        assert_eq!(String::from_utf8_lossy(&again).trim_end(), line);
        let older = line.replace("\"uid\":", "\"number\":");
        assert_eq!(Line::read(older.as_bytes()), Err(Unread::Strange));
    }
}
