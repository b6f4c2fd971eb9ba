use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Every mailbox that takes part.
pub(crate) const USERS: [&str; 3] = ["alice", "bob", "carol"];

/// What the clients know: written before they ask for something, and when they have the answer.
#[derive(Debug, Default)]
pub(crate) struct Book {
    next: AtomicU64,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// By number: to whom, and what was answered.
    pub(crate) sent: BTreeMap<u64, Sent>,
    /// By mailbox and number.
    pub(crate) deletions: BTreeMap<(&'static str, u64), Answer>,
    /// The unique id under which a mailbox once showed a message.
    pub(crate) uids: BTreeMap<(&'static str, u64), String>,
    /// All of them: none may ever name two messages.
    pub(crate) owners: BTreeMap<(&'static str, String), u64>,
    queue_ids: BTreeSet<String>,
    /// Unique ids whose octets were held against what was sent.
    read: BTreeSet<(&'static str, String)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) to: Vec<&'static str>,
    pub(crate) answer: Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answer {
    /// It was asked for, and the plug was pulled.
    None,
    /// Not now.
    Refused,
    /// It is promised.
    Promised,
}

/// How much was going on.
#[derive(Debug)]
#[expect(dead_code, reason = "shown")]
pub(crate) struct Told {
    pub(crate) acknowledged: u64,
    pub(crate) unanswered: usize,
    pub(crate) refused: usize,
    pub(crate) deleted: u64,
    pub(crate) maybe_deleted: usize,
}

impl Book {
    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message that is about to be sent: its number.
    pub(crate) fn sending(&self, to: &[&'static str]) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.pages().sent.insert(number, Sent { to: to.to_vec(), answer: Answer::None });
        number
    }

    /// The answer to its end of data.
    pub(crate) fn answered(&self, number: u64, reply: &str) {
        let mut pages = self.pages();
        let answer = match reply.strip_prefix("250 2.0.0 queued as ") {
            Some(id) => {
                assert!(pages.queue_ids.insert(id.to_owned()), "queue id {id} was given twice");
                Answer::Promised
            }
            None => {
                assert!(reply.starts_with('4'), "{reply}");
                Answer::Refused
            }
        };
        pages.sent.get_mut(&number).expect("sent").answer = answer;
    }

    /// QUIT is about to be said over these.
    pub(crate) fn deleting(&self, user: &'static str, numbers: &[u64]) {
        let mut pages = self.pages();
        for number in numbers {
            pages.deletions.entry((user, *number)).or_insert(Answer::None);
        }
    }

    /// QUIT was answered with `+OK`.
    pub(crate) fn deleted(&self, user: &'static str, numbers: &[u64]) {
        let mut pages = self.pages();
        for number in numbers {
            pages.deletions.insert((user, *number), Answer::Promised);
        }
    }

    /// A mailbox shows a message under this unique id: as ever, and no other one.
    pub(crate) fn seen(&self, user: &'static str, uid: &str, number: u64) {
        let mut pages = self.pages();
        let known = pages.uids.entry((user, number)).or_insert_with(|| uid.to_owned());
        assert_eq!(known, uid, "{user} has message {number} under another unique id");
        let owner = *pages.owners.entry((user, uid.to_owned())).or_insert(number);
        assert_eq!(owner, number, "{user} has another message under {uid}");
    }

    /// All octets behind this unique id were what was sent.
    pub(crate) fn read(&self, user: &'static str, uid: &str) {
        self.pages().read.insert((user, uid.to_owned()));
    }

    /// Which message is behind this unique id, if its octets were read before.
    pub(crate) fn read_before(&self, user: &'static str, uid: &str) -> Option<u64> {
        let pages = self.pages();
        let key = (user, uid.to_owned());
        pages.owners.get(&key).copied().filter(|_| pages.read.contains(&key))
    }

    pub(crate) fn told(&self) -> Told {
        let pages = self.pages();
        let sent = |answer| pages.sent.values().filter(|sent| sent.answer == answer).count();
        let deletions = |answer| pages.deletions.values().filter(|one| **one == answer).count();
        Told {
            acknowledged: sent(Answer::Promised) as u64,
            unanswered: sent(Answer::None),
            refused: sent(Answer::Refused),
            deleted: deletions(Answer::Promised) as u64,
            maybe_deleted: deletions(Answer::None),
        }
    }
}

/// The octets of a message, all of which follow from its number.
pub(crate) fn message(number: u64) -> Vec<u8> {
    let mut chance = crate::Chance(number);
    let octets = match number {
        // Beside the log; in several records' worth of it; as most mail is.
        number if number % 53 == 7 => 4_500_000,
        number if number % 11 == 3 => 20_000 + chance.below(300_000),
        _ => chance.below(6_000),
    };
    let mut message = format!("X-Number: {number}\r\nSubject: load\r\n\r\n").into_bytes();
    let mut line = 0_u64;
    while (message.len() as u64) < octets {
        message.extend_from_slice(
            format!(".{number:016x} {line:016x} {:016x}\r\n", chance.below(1 << 31)).as_bytes(),
        );
        line += 1;
    }
    message
}

/// The number of a message, from its octets.
pub(crate) fn number_of(octets: &[u8]) -> u64 {
    let mark = b"X-Number: ";
    let at = octets.windows(mark.len()).position(|part| part == mark).expect("a number") + mark.len();
    let digits: String =
        octets[at..].iter().map(|octet| char::from(*octet)).take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}
