use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mail::{Event, MailboxName, ViewName};

/// What is noted for the next report at most; more is counted.
const NOTED: usize = 100;
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
    more: u64,
    standing: Vec<Concern>,
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

    /// Notes what somebody should know of what becomes of mail.
    pub fn hear(&self, event: &Event) {
        if let Event::Parked { mailbox, view, uid, sessions, .. } = event {
            self.note(format!(
                "{mailbox}: the robot {view} fetched {uid} in {sessions} sessions and ended each without QUIT. It is \
                 shown that message no more; others still have it, and `restante trace {uid}` says which it is."
            ));
        }
    }

    /// What is wrong now.
    pub fn standing(&self) -> Vec<Concern> {
        self.lock().standing.clone()
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
}
