use std::time::{Duration, Instant};

use mail::{MailboxName, Uid};

use crate::concerns::Concern;

/// Those that are known at a time; the one that was heard of longest ago makes room.
const STUMBLES: usize = 100;
/// Who gives up so often gives up for the message, and not for the network.
const AGAIN: u64 = 2;
/// What was not heard of for so long is over.
const OVER: Duration = Duration::from_secs(24 * 60 * 60);

/// What programs give up on, again and again, for its long lines.
#[derive(Debug, Default)]
pub(crate) struct Stumbles(Vec<Stumble>);

#[derive(Debug)]
struct Stumble {
    mailbox: MailboxName,
    uid: Uid,
    login: String,
    times: u64,
    heard: Instant,
}

impl Stumbles {
    /// One more. What is to be told of it, if it is the time for that.
    pub(crate) fn gave_up(
        &mut self,
        mailbox: &MailboxName,
        uid: Uid,
        login: &str,
        now: Instant,
    ) -> Option<Concern> {
        self.forget(now);
        let is_it = |it: &Stumble| it.uid == uid && it.login == login && it.mailbox == *mailbox;
        let mut stumble = match self.0.iter().position(is_it) {
            Some(at) => self.0.remove(at),
            None => Stumble { mailbox: mailbox.clone(), uid, login: login.to_owned(), times: 0, heard: now },
        };
        stumble.times += 1;
        stumble.heard = now;
        let told = (stumble.times == AGAIN).then(|| stumble.concern());
        // The one heard of last is the last.
        if self.0.len() >= STUMBLES {
            self.0.remove(0);
        }
        self.0.push(stumble);
        told
    }

    /// These are not shown any more. Whether one of them was given up on.
    pub(crate) fn gone(&mut self, mailbox: &MailboxName, uids: &[Uid]) -> bool {
        let before = self.0.len();
        self.0.retain(|it| it.mailbox != *mailbox || !uids.contains(&it.uid));
        self.0.len() < before
    }

    /// Those that go on.
    pub(crate) fn standing(&mut self, now: Instant) -> Vec<Concern> {
        self.forget(now);
        self.0.iter().filter(|it| it.times >= AGAIN).map(Stumble::concern).collect()
    }

    fn forget(&mut self, now: Instant) {
        self.0.retain(|it| now.saturating_duration_since(it.heard) < OVER);
    }
}

impl Stumble {
    fn concern(&self) -> Concern {
        let Self { mailbox, uid, login, times, heard: _ } = self;
        Concern {
            text: format!(
                "{mailbox}: what collects as {login} gave up on message {uid} {times} times: it has a line of over \
                 2,048 octets, and Python's poplib, which Odoo uses, reads none"
            ),
            todo: format!(
                "look with `restante trace {uid}` which it is; delete it with another program, or raise \
                 poplib._MAXLINE in that one"
            ),
            silent: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> MailboxName {
        MailboxName::parse(text).expect("a name")
    }

    #[test]
    fn who_gives_up_twice_is_told_once_until_it_is_gone_or_a_day_is_over() {
        let (mut stumbles, now, sales) = (Stumbles::default(), Instant::now(), name("sales"));
        assert_eq!(stumbles.gave_up(&sales, Uid(1), "odoo", now), None);
        assert_eq!(stumbles.gave_up(&sales, Uid(1), "bob", now), None);
        assert_eq!(stumbles.gave_up(&name("office"), Uid(1), "odoo", now), None);
        assert_eq!(stumbles.gave_up(&sales, Uid(2), "odoo", now), None);
        assert_eq!(stumbles.standing(now), []);
        let told = stumbles.gave_up(&sales, Uid(1), "odoo", now).expect("the second time");
        assert!(told.text.starts_with("sales: what collects as odoo gave up on message "), "{told:?}");
        assert_eq!(stumbles.gave_up(&sales, Uid(1), "odoo", now), None);
        assert!(stumbles.standing(now)[0].text.contains(" 3 times"));
        assert!(!stumbles.gone(&name("office"), &[Uid(2)]));
        assert_eq!(stumbles.standing(now + OVER - Duration::from_secs(1)).len(), 1);
        assert_eq!(stumbles.standing(now + OVER), []);
        for _ in 0..2 {
            stumbles.gave_up(&sales, Uid(1), "odoo", now);
        }
        assert!(stumbles.gone(&sales, &[Uid(7), Uid(1)]));
        assert_eq!(stumbles.standing(now), []);
    }

    #[test]
    fn what_is_known_is_bounded_and_the_oldest_makes_room() {
        let (mut stumbles, now, sales) = (Stumbles::default(), Instant::now(), name("sales"));
        let most = STUMBLES as u64;
        for uid in (0..most).chain([0, most]) {
            stumbles.gave_up(&sales, Uid(uid), "odoo", now);
        }
        assert_eq!(stumbles.0.len(), STUMBLES);
        assert!(stumbles.gone(&sales, &[Uid(0)]) && !stumbles.gone(&sales, &[Uid(1)]));
    }
}
