use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use directory::Allowance;
use mail::MailboxName;
use queue::Amount;

/// What a message without SIZE is taken for until more of it has come: most mail is shorter.
const UNDECLARED: u64 = 64 << 10;
/// A message that outgrows what it was taken for is taken for this much more at a time.
const STEP: u64 = 1 << 20;

/// What the transactions under way may yet bring to each mailbox: with what it holds and what is queued for
/// it, all that a quota must count. One for all listeners of a store, also over a reload.
#[derive(Debug, Clone, Default)]
pub struct Receiving {
    totals: Arc<Mutex<HashMap<MailboxName, Amount>>>,
}

/// What one transaction may yet bring. Dropped, it brings nothing more.
pub(super) struct Claim {
    receiving: Receiving,
    declared: Option<u64>,
    /// What each copy is taken for.
    octets: u64,
    copies: Vec<Claimed>,
}

struct Claimed {
    mailbox: MailboxName,
    /// Only one recipient's: another one that leads there gets one more.
    own: bool,
}

impl Receiving {
    fn lock(&self) -> MutexGuard<'_, HashMap<MailboxName, Amount>> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A transaction begins, with the SIZE that it declared.
    pub(super) fn begin(&self, declared: Option<u64>) -> Claim {
        let octets = declared.unwrap_or(UNDECLARED);
        Claim { receiving: self.clone(), declared, octets, copies: Vec::new() }
    }

    /// For tests: nobody is on the way to anybody.
    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

impl Claim {
    /// Claims a copy in each of a recipient's mailboxes; false, and nothing, when all of them are full. What
    /// a mailbox has beside what is under way is `used`'s to say; a recipient that is `always_open` is never
    /// refused, and counts all the same.
    ///
    /// Looking and claiming is one step: of two who want the last room one gets it.
    pub(super) fn admit(
        &mut self,
        mailboxes: &[MailboxName],
        duplicate: bool,
        always_open: bool,
        used: impl Fn(&MailboxName) -> (Allowance, Amount),
    ) -> bool {
        let mut totals = self.receiving.lock();
        let shared = |mailbox: &MailboxName| {
            !duplicate && self.copies.iter().any(|copy| !copy.own && copy.mailbox == *mailbox)
        };
        let is_full = |mailbox: &MailboxName| {
            let (allowance, used) = used(mailbox);
            let coming = totals.get(mailbox).copied().unwrap_or_default();
            !shared(mailbox) && !has_room(allowance, &[used, coming], self.declared)
        };
        if !always_open && !mailboxes.is_empty() && mailboxes.iter().all(is_full) {
            return false;
        }
        let more: Vec<_> = mailboxes.iter().filter(|mailbox| !shared(mailbox)).cloned().collect();
        for mailbox in more {
            let total = totals.entry(mailbox.clone()).or_default();
            total.messages += 1;
            total.octets = total.octets.saturating_add(self.octets);
            self.copies.push(Claimed { mailbox, own: duplicate });
        }
        true
    }

    /// So many octets have come.
    pub(super) fn came(&mut self, octets: u64) {
        if octets <= self.octets {
            return;
        }
        let more = octets.saturating_add(STEP) - self.octets;
        let mut totals = self.receiving.lock();
        for copy in &self.copies {
            let total = totals.entry(copy.mailbox.clone()).or_default();
            total.octets = total.octets.saturating_add(more);
        }
        self.octets += more;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut totals = self.receiving.lock();
        for copy in &self.copies {
            let Some(total) = totals.get_mut(&copy.mailbox) else { continue };
            total.messages = total.messages.saturating_sub(1);
            total.octets = total.octets.saturating_sub(self.octets);
            if total.messages == 0 {
                totals.remove(&copy.mailbox);
            }
        }
    }
}

/// Whether one more message fits; what was declared of it counts too (RFC 1870 §6.4). One that declared
/// nothing fits wherever something does.
fn has_room(allowance: Allowance, taken: &[Amount], declared: Option<u64>) -> bool {
    let messages: u64 = taken.iter().map(|amount| amount.messages).sum();
    let octets = taken.iter().fold(0_u64, |sum, amount| sum.saturating_add(amount.octets));
    let fits = |quota: u64| octets < quota && octets.saturating_add(declared.unwrap_or(0)) <= quota;
    allowance.octets.is_none_or(fits) && allowance.messages.is_none_or(|quota| messages < quota)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> MailboxName {
        MailboxName::parse(text).expect("a name")
    }

    fn quota(octets: u64, messages: u64) -> impl Fn(&MailboxName) -> (Allowance, Amount) {
        let allowance = Allowance { octets: Some(octets), messages: Some(messages), age: None };
        move |_| (allowance, Amount::default())
    }

    #[test]
    fn who_is_under_way_counts_until_the_transaction_ends() {
        let receiving = Receiving::default();
        let alice = [name("alice")];
        let mut first = receiving.begin(Some(600));
        assert!(first.admit(&alice, false, false, quota(1000, 9)));
        let mut second = receiving.begin(Some(600));
        assert!(!second.admit(&alice, false, false, quota(1000, 9)), "both do not fit");
        assert!(second.admit(&[name("alice"), name("bob")], false, false, quota(1000, 9)), "bob has room");
        drop(first);
        assert!(!receiving.begin(Some(600)).admit(&alice, false, false, quota(1000, 9)), "it got bob's copy");
        drop(second);
        assert!(receiving.begin(Some(600)).admit(&alice, false, false, quota(1000, 9)));
        assert!(receiving.is_empty());
    }

    #[test]
    fn a_mailbox_counts_once_however_many_lead_there_and_again_for_a_duplicate() {
        let receiving = Receiving::default();
        let alice = [name("alice")];
        let mut claim = receiving.begin(None);
        let two = || quota(1 << 20, 2);
        for duplicate in [false, false, true, false] {
            assert!(claim.admit(&alice, duplicate, false, two()));
        }
        assert!(!claim.admit(&alice, true, false, two()), "a third copy");
        assert!(!receiving.begin(None).admit(&alice, false, false, two()));
        assert!(receiving.begin(None).admit(&alice, false, true, two()), "postmaster is always open");
    }

    #[test]
    fn what_comes_counts_when_it_is_more_than_was_said() {
        let receiving = Receiving::default();
        let alice = [name("alice")];
        let room = |quota_| receiving.begin(Some(1)).admit(&alice, false, false, quota(quota_, 9));
        let mut claim = receiving.begin(None);
        assert!(claim.admit(&alice, false, false, quota(1, 1)), "something fits");
        assert!(!room(UNDECLARED) && room(UNDECLARED + 1));
        claim.came(UNDECLARED);
        assert!(room(UNDECLARED + 1));
        claim.came(UNDECLARED + 1);
        assert!(!room(UNDECLARED + 1 + STEP) && room(UNDECLARED + 2 + STEP));
        drop(claim);
        assert!(receiving.is_empty());
    }
}
