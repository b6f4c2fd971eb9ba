//! Mail that a rule lets go at an age of its own, whatever its mailbox keeps.
//!
//! What is true stands in the envelope, which is kept with the message for as long as any mailbox holds it, and
//! moves with it. Here is only where to look: the names of the mailboxes that may hold such mail, in a file, each
//! written before the first such message is delivered there. What is found in a mailbox is remembered until the
//! next start, which looks through it again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mail::{Envelope, MailboxName, Uid};
use queue::{Maildrop, Store, StoreError};

use crate::eras::{At, Eras};

/// Envelopes that are read in one look, and the rest at the next.
const LOOK: usize = 2_000;

/// Which mailboxes may hold mail with an age of its own. A handle, shared with whoever delivers.
#[derive(Clone)]
pub struct Expiring {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    /// Each with how often it was marked: one that is marked again while it is looked through stays.
    marked: Mutex<BTreeMap<MailboxName, u64>>,
}

impl Expiring {
    /// What the run before has left at `path`. A file that cannot be read lets nothing go early, until the next
    /// such message marks its mailbox again.
    pub fn open(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let marked = text.lines().filter_map(|line| Some((MailboxName::parse(line).ok()?, 1))).collect();
        Self { shared: Arc::new(Shared { path, marked: Mutex::new(marked) }) }
    }

    /// A message with an age of its own is about to be delivered there. On disk when this returns; it costs a
    /// sync the first time.
    pub fn mark(&self, mailbox: &MailboxName) -> io::Result<()> {
        let mut marked = self.lock();
        let is_new = !marked.contains_key(mailbox);
        *marked.entry(mailbox.clone()).or_default() += 1;
        if !is_new {
            return Ok(());
        }
        let written = write(&self.shared.path, &marked);
        if written.is_err() {
            marked.remove(mailbox);
        }
        written
    }

    fn marked(&self) -> Vec<(MailboxName, u64)> {
        self.lock().iter().map(|(name, times)| (name.clone(), *times)).collect()
    }

    /// Nothing with an age of its own is there, unless it was marked since.
    fn unmark(&self, mailbox: &MailboxName, times: u64) {
        let mut marked = self.lock();
        if marked.get(mailbox) == Some(&times) {
            marked.remove(mailbox);
            // A name too many costs a look at the next start.
            let _ = write(&self.shared.path, &marked);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<MailboxName, u64>> {
        self.shared.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(path: &Path, marked: &BTreeMap<MailboxName, u64>) -> io::Result<()> {
    let text: String = marked.keys().map(|name| format!("{name}\n")).collect();
    let fresh = PathBuf::from(format!("{}.new", path.display()));
    let mut file = File::create(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(fresh, path)
}

/// What was found so far, mailbox by mailbox.
#[derive(Default)]
pub(crate) struct Found {
    mailboxes: HashMap<MailboxName, Dues>,
    /// What was known then of jumps of the clock.
    eras: Eras,
}

#[derive(Default)]
struct Dues {
    /// Up to here everything was looked at.
    to: Option<Uid>,
    /// When what goes, in milliseconds since 1970.
    due: BTreeSet<(u64, Uid)>,
}

impl Found {
    /// Looks through what is new in the marked mailboxes.
    pub(crate) async fn look<S: Store>(
        &mut self,
        store: &S,
        expiring: &Expiring,
        at: &At,
    ) -> Result<(), StoreError> {
        if self.eras != at.eras {
            // When something is due is told anew.
            *self = Self { eras: at.eras.clone(), mailboxes: HashMap::new() };
        }
        let marked = expiring.marked();
        self.mailboxes.retain(|name, _| marked.iter().any(|(other, _)| other == name));
        let mut left = LOOK;
        for (mailbox, times) in marked {
            let dues = self.mailboxes.entry(mailbox.clone()).or_default();
            let done = dues.read(store, &mailbox, &mut left, at).await?;
            if done && dues.due.is_empty() {
                expiring.unmark(&mailbox, times);
            }
        }
        Ok(())
    }

    /// What is due, mailbox by mailbox.
    pub(crate) fn due(&self, now_ms: u64) -> Vec<(MailboxName, Vec<Uid>)> {
        let due = self.mailboxes.iter().map(|(name, dues)| {
            let past = dues.due.iter().take_while(|(at, _)| *at <= now_ms);
            (name.clone(), past.map(|(_, uid)| *uid).collect::<Vec<_>>())
        });
        due.filter(|(_, uids)| !uids.is_empty()).collect()
    }

    /// They are gone.
    pub(crate) fn gone(&mut self, mailbox: &MailboxName, uids: &[Uid]) {
        if let Some(dues) = self.mailboxes.get_mut(mailbox) {
            dues.due.retain(|(_, uid)| uids.binary_search(uid).is_err());
        }
    }
}

impl Dues {
    /// Reads the envelopes of what has come since, whoever lists it; false when some are left.
    async fn read<S: Store>(
        &mut self,
        store: &S,
        mailbox: &MailboxName,
        left: &mut usize,
        at: &At,
    ) -> Result<bool, StoreError> {
        let maildrop = store.whole(mailbox).await?;
        let uid = |index: usize| maildrop.entry(index).map(|entry| entry.uid);
        let (mut low, mut high) = (0, maildrop.len());
        while low < high {
            let middle = low.midpoint(high);
            if uid(middle) <= self.to { low = middle + 1 } else { high = middle }
        }
        if low == maildrop.len() {
            return Ok(true);
        }
        // What came back is as young as new mail. What has come or gone since is no matter: the next look finds it.
        let came = store.came(mailbox, self.to.unwrap_or(Uid(0)), *left).await?;
        for index in low..maildrop.len() {
            let Some(uid) = uid(index) else { continue };
            if *left == 0 {
                return Ok(false);
            }
            *left -= 1;
            if let Ok(found) = came.binary_search_by_key(&uid, |(uid, _)| *uid) {
                let envelope = maildrop.envelope(index).await?;
                if let Some(seconds) = age_in(&envelope, mailbox) {
                    let due = at.since(came[found].1).saturating_add(seconds.saturating_mul(1000));
                    self.due.insert((due, uid));
                }
            }
            self.to = Some(uid);
        }
        Ok(true)
    }
}

/// The age in seconds that a message may reach in a mailbox. Which of several copies an entry is cannot be told:
/// then the longest counts, and none at all if one of them stays.
fn age_in(envelope: &Envelope, mailbox: &MailboxName) -> Option<u64> {
    let copies = envelope.copies();
    let here = copies.iter().filter(|copy| copy.kept_in() == *mailbox);
    here.map(|copy| copy.ruling.expire).reduce(|one, two| Some(one?.max(two?))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Between what a look saw and what it says of it a message may have been marked.
    #[test]
    fn what_is_marked_while_it_is_looked_through_stays_marked() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("expiring");
        let (expiring, alice) = (Expiring::open(path.clone()), MailboxName::parse("alice").expect("a name"));
        expiring.mark(&alice).expect("marked");
        let seen = expiring.marked();
        expiring.mark(&alice).expect("marked");
        expiring.unmark(&alice, seen[0].1);
        assert_eq!(Expiring::open(path.clone()).marked().len(), 1);
        let seen = expiring.marked();
        expiring.unmark(&alice, seen[0].1);
        assert!(Expiring::open(path).marked().is_empty() && expiring.marked().is_empty());
    }

    #[test]
    fn of_several_copies_in_a_mailbox_the_longest_age_counts_and_one_that_stays_keeps_all() {
        let alice = MailboxName::parse("alice").expect("a name");
        let age = |expires: [Option<u64>; 2]| {
            let mut envelope = queue::contract::envelope(&["alice", "alice"]);
            for (recipient, expire) in envelope.recipients.iter_mut().zip(expires) {
                recipient.duplicate = true;
                recipient.ruling = Some(mail::Ruling { expire, ..mail::Ruling::default() });
            }
            assert_eq!(envelope.copies().len(), 2);
            age_in(&envelope, &alice)
        };
        assert_eq!([[Some(60), Some(90)], [Some(90), Some(60)]].map(age), [Some(90); 2]);
        assert_eq!([[Some(60), None], [None, Some(60)], [None, None]].map(age), [None; 3]);
    }
}
