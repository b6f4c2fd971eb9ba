use std::time::{Duration, Instant};

use mail::{MailboxName, Uid, ViewName};

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
    view: ViewName,
    uid: Uid,
    /// As it was typed the last time.
    login: String,
    times: u64,
    heard: Instant,
}

impl Stumbles {
    /// One more. What is to be told of it, if it is the time for that.
    pub(crate) fn gave_up(
        &mut self,
        (mailbox, view, uid): (&MailboxName, &ViewName, Uid),
        login: &str,
        now: Instant,
    ) -> Option<Concern> {
        self.forget(now);
        let is_it = |it: &Stumble| it.uid == uid && it.view == *view && it.mailbox == *mailbox;
        let mut stumble = match self.0.iter().position(is_it) {
            Some(at) => self.0.remove(at),
            None => {
                let (mailbox, view) = (mailbox.clone(), view.clone());
                Stumble { mailbox, view, uid, login: String::new(), times: 0, heard: now }
            }
        };
        login.clone_into(&mut stumble.login);
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
        let Self { mailbox, view: _, uid, login, times, heard: _ } = self;
        Concern {
            text: format!(
                "{mailbox}: what collects as {login} broke off at message {uid} {times} times; it may be for its line of \
                 over 2,048 octets, of which Python's poplib, which Odoo uses, reads none"
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

    fn view(text: &str) -> ViewName {
        ViewName::kept(text).expect("a name")
    }

    #[test]
    fn who_gives_up_twice_is_told_once_until_it_is_gone_or_a_day_is_over() {
        let (mut stumbles, now) = (Stumbles::default(), Instant::now());
        let (sales, office) = (name("sales"), name("office"));
        let mut gave_up = |mailbox: &MailboxName, of: &str, uid: u64, login: &str| {
            stumbles.gave_up((mailbox, &view(of), Uid(uid)), login, now)
        };
        assert_eq!(gave_up(&sales, "odoo", 1, "odoo/sales"), None);
        assert_eq!(gave_up(&sales, "bob", 1, "bob/sales"), None);
        assert_eq!(gave_up(&office, "odoo", 1, "odoo/office"), None);
        assert_eq!(gave_up(&sales, "odoo", 2, "odoo/sales"), None);
        // However it is typed, it is the same view.
        let told = gave_up(&sales, "odoo", 1, "ODOO/sales").expect("the second time");
        assert!(
            told.text.starts_with("sales: what collects as ODOO/sales broke off at message "),
            "{told:?}"
        );
        assert_eq!(gave_up(&sales, "odoo", 1, "odoo/sales"), None);
        assert!(stumbles.standing(now)[0].text.contains(" 3 times"));
        assert_eq!(stumbles.standing(now).len(), 1);
        assert!(!stumbles.gone(&office, &[Uid(2)]));
        assert_eq!(stumbles.standing(now + OVER - Duration::from_secs(1)).len(), 1);
        assert_eq!(stumbles.standing(now + OVER), []);
        for _ in 0..2 {
            stumbles.gave_up((&sales, &view("odoo"), Uid(1)), "odoo/sales", now);
        }
        assert!(stumbles.gone(&sales, &[Uid(7), Uid(1)]));
        assert_eq!(stumbles.standing(now), []);
    }

    #[test]
    fn what_is_known_is_bounded_and_the_oldest_makes_room() {
        let (mut stumbles, now, sales) = (Stumbles::default(), Instant::now(), name("sales"));
        let most = STUMBLES as u64;
        for uid in (0..most).chain([0, most]) {
            stumbles.gave_up((&sales, &view(""), Uid(uid)), "sales", now);
        }
        assert_eq!(stumbles.0.len(), STUMBLES);
        assert!(stumbles.gone(&sales, &[Uid(0)]) && !stumbles.gone(&sales, &[Uid(1)]));
    }
}
