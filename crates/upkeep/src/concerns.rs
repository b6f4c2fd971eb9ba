use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mail::{Event, MailboxName, ViewName};

use crate::stumbles::Stumbles;

/// What is noted for the next report at most; more is counted.
const NOTED: usize = 100;
/// Of what programs stumble over so much is noted within a day, which is one report.
const STUMBLES: usize = 10;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The same of what is wrong now.
const STANDING: usize = 100;

/// What somebody should know: for postmaster's report, and for whoever asks how the appliance is. A handle; telling
/// never waits.
#[derive(Debug, Clone, Default)]
pub struct Concerns {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    noted: Vec<String>,
    /// How many of these, and since when.
    stumbled: Option<(usize, Instant)>,
    more: u64,
    standing: Vec<Concern>,
    stumbles: Stumbles,
    mass_deletions: u64,
}

/// Something that is wrong now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    /// What.
    pub text: String,
    /// What to do.
    pub todo: String,
    /// Whose pickup is missed, if it is that: the owner's view stands for everybody's.
    pub silent: Option<(MailboxName, ViewName)>,
}

impl Concerns {
    /// Notes a sentence for the next report.
    pub fn note(&self, text: impl Into<String>) {
        let mut shared = self.lock();
        if shared.noted.len() < NOTED {
            shared.noted.push(text.into());
        } else {
            shared.more += 1;
        }
    }

    /// Notes one of those that a client can bring about as often as it likes: they leave room for what matters more.
    fn note_stumble(&self, text: String) {
        let mut shared = self.lock();
        let (before, since) =
            shared.stumbled.filter(|(_, since)| since.elapsed() < DAY).unwrap_or((0, Instant::now()));
        if before < STUMBLES {
            shared.stumbled = Some((before + 1, since));
            drop(shared);
            self.note(text);
        } else {
            shared.more += 1;
        }
    }

    /// Notes what somebody should know of what becomes of mail.
    pub fn hear(&self, event: &Event) {
        match event {
            Event::GaveUp { mailbox, view, uid, client } => {
                let told = self.lock().stumbles.gave_up((mailbox, view, *uid), &client.login, Instant::now());
                if let Some(Concern { text, todo, .. }) = told {
                    self.note_stumble(format!("{text}. You can {todo}."));
                }
            }
            Event::Parked { mailbox, view, uid, sessions, .. } => {
                let is_long = self.lock().stumbles.gone(mailbox, &[*uid]);
                let why = if is_long { " It has a line of over 2,048 octets." } else { "" };
                self.note(format!(
                    "{mailbox}: the robot {view} fetched {uid} in {sessions} sessions and came to no good end of any.{why} \
                     It is shown that message no more, and others of the team still have it; `restante trace {uid}` says \
                     which it is. Without others it goes when the team has held it long enough: `restante undo --login \
                     {view}/{mailbox} --id {uid}` brings it back for the robot."
                ));
            }
            Event::Deleted { mailbox, view: None, uids, .. }
            | Event::Removed { mailbox, uids, .. }
            | Event::Trashed { mailbox, uids, .. } => {
                self.lock().stumbles.gone(mailbox, uids);
            }
            Event::Accepted { .. }
            | Event::Refused { .. }
            | Event::CutOff { .. }
            | Event::Delivered { .. }
            | Event::Discarded { .. }
            | Event::Fetched { .. }
            // It stays for others: also for the program that stops at it.
            | Event::Deleted { view: Some(_), .. }
            | Event::Undone { .. }
            | Event::Unquarantined { .. }
            | Event::Released { .. }
            | Event::Left { .. } => {}
        }
    }

    /// What is wrong now.
    pub fn standing(&self) -> Vec<Concern> {
        let mut shared = self.lock();
        let stumbles = shared.stumbles.standing(Instant::now());
        shared.standing.iter().cloned().chain(stumbles).take(STANDING).collect()
    }

    /// How often very much old mail was deleted at once, since the start.
    pub fn mass_deletions(&self) -> u64 {
        self.lock().mass_deletions
    }

    pub(crate) fn mass_deletion(&self) {
        self.lock().mass_deletions += 1;
    }

    pub(crate) fn stand(&self, mut standing: Vec<Concern>) {
        standing.truncate(STANDING);
        self.lock().standing = standing;
    }

    /// What was noted since this was asked.
    pub(crate) fn take(&self) -> Vec<String> {
        let mut shared = self.lock();
        let mut noted = std::mem::take(&mut shared.noted);
        let more = std::mem::take(&mut shared.more);
        noted.extend((more > 0).then(|| format!("and {more} more such things: the log has them")));
        noted
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use mail::{Client, Uid};

    use super::*;

    #[test]
    fn what_is_noted_is_bounded_and_told_once() {
        let concerns = Concerns::default();
        (0..NOTED + 3).for_each(|number| concerns.note(number.to_string()));
        let taken = concerns.take();
        assert_eq!(
            (taken.len(), taken[NOTED].as_str()),
            (NOTED + 1, "and 3 more such things: the log has them")
        );
        assert!(concerns.take().is_empty());
    }

    #[test]
    fn what_stops_a_robot_stands_until_it_is_parked_with_the_reason() {
        let concerns = Concerns::default();
        let mailbox = MailboxName::parse("sales").expect("a name");
        let (uid, view) = (Uid(7), ViewName::parse("desk").expect("a name"));
        let client = Client { login: "desk/sales".into(), password: None, ip: None };
        let gave_up =
            Event::GaveUp { mailbox: mailbox.clone(), view: view.clone(), uid, client: client.clone() };
        let parked = Event::Parked { mailbox, view, uid, sessions: 5, client };
        concerns.stand(vec![Concern { text: "silent".into(), todo: "look".into(), silent: None }]);
        concerns.hear(&gave_up);
        assert_eq!(concerns.standing().len(), 1);
        concerns.hear(&gave_up);
        let standing = concerns.standing();
        assert!(standing.len() == 2 && standing[1].text.contains("2,048 octets"), "{standing:?}");
        concerns.hear(&parked);
        assert_eq!(concerns.standing().len(), 1);
        concerns.hear(&parked);
        let noted = concerns.take();
        let is_why: Vec<bool> = noted.iter().map(|text| text.contains("over 2,048 octets")).collect();
        assert_eq!(is_why, [true, true, false], "{noted:?}");
    }

    /// One login can break off as often as it likes.
    #[test]
    fn what_programs_stumble_over_leaves_room_for_the_rest() {
        let concerns = Concerns::default();
        let mailbox = MailboxName::parse("sales").expect("a name");
        let client = Client { login: "bob/sales".into(), password: None, ip: None };
        for uid in (0..NOTED as u64 * 2).map(|number| Uid(number / 2)) {
            let view = ViewName::parse("bob").expect("a name");
            concerns.hear(&Event::GaveUp { mailbox: mailbox.clone(), view, uid, client: client.clone() });
        }
        concerns.note("who deleted hundreds");
        let noted = concerns.take();
        assert_eq!(noted.len(), STUMBLES + 2, "{noted:?}");
        assert!(noted.contains(&"who deleted hundreds".to_owned()));
        let (view, uid) = (ViewName::owner(), Uid(1 << 20));
        for _ in 0..2 {
            let (mailbox, view, client) = (mailbox.clone(), view.clone(), client.clone());
            concerns.hear(&Event::GaveUp { mailbox, view, uid, client });
        }
        assert_eq!(concerns.take(), ["and 1 more such things: the log has them"], "nor at the next look");
    }
}
