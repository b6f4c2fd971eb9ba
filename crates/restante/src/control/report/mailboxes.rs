use directory::{Allowance, Directory};
use queue::MailboxStatus;

use super::{Filled, Mailboxes};

/// How many of the fullest are shown.
const FULLEST: usize = 5;
/// How many are named at most: an answer is one line of the protocol.
const NAMED: usize = 100;

impl Mailboxes {
    pub(super) fn of(kept: &[MailboxStatus], directory: &Directory) -> Self {
        let mut found = Self { configured: directory.mailbox_names().len() as u64, ..Self::default() };
        let mut limited = Vec::new();
        for status in kept {
            found.messages += status.usage.messages;
            found.octets += status.usage.octets;
            // What is held back or was deleted goes by itself, whoever it was for.
            if status.name.quarantined_from().is_some() || status.name.trashed_from().is_some() {
                continue;
            }
            if directory.has_mailbox(&status.name) {
                let filled = filled(status, directory.allowance(&status.name));
                limited.extend(filled.percent.map(|_| filled));
            } else if status.usage.messages > 0 {
                found.unconfigured_count += 1;
                if found.unconfigured.len() < NAMED {
                    found.unconfigured.push(filled(status, Allowance::default()));
                }
            }
        }
        limited.sort_by_key(|filled| std::cmp::Reverse(filled.percent));
        limited.truncate(FULLEST);
        found.fullest = limited;
        found
    }
}

fn filled(status: &MailboxStatus, allowance: Allowance) -> Filled {
    let total = status.usage.total();
    let octets = allowance.octets.map(|most| percent(total.octets, most));
    let messages = allowance.messages.map(|most| percent(total.messages, most));
    Filled {
        name: status.name.to_string(),
        messages: status.usage.messages,
        octets: status.usage.octets,
        percent: octets.max(messages),
    }
}

/// Rounded down, so that 100 means full.
fn percent(part: u64, most: u64) -> u64 {
    let whole = u128::from(part) * 100 / u128::from(most.max(1));
    u64::try_from(whole).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use directory::{DomainSpec, MailboxSpec, Spec, Table, VerifierParams};
    use mail::MailboxName;
    use queue::{Amount, Usage};

    use super::*;

    fn directory(limits: &[(&str, Option<u64>)]) -> Directory {
        let mailbox = |(name, octets): &(&str, Option<u64>)| MailboxSpec {
            name: (*name).into(),
            addresses: Vec::new(),
            passwords: Vec::new(),
            receives: true,
            allowance: Allowance { octets: *octets, messages: None, age: None },
            ..MailboxSpec::default()
        };
        let domain = DomainSpec {
            name: "example.test".into(),
            postmaster: Some(limits[0].0.into()),
            ..DomainSpec::default()
        };
        let spec = Spec {
            domains: vec![domain],
            mailboxes: limits.iter().map(mailbox).collect(),
            hostname: "mx.example.test".into(),
            ..Spec::default()
        };
        Directory::new(Table::build(&spec).0.expect("sound"), VerifierParams::default())
    }

    fn status(name: &str, messages: u64, octets: u64, queued: u64) -> MailboxStatus {
        let queued = Amount { messages: u64::from(queued > 0), octets: queued };
        let name = MailboxName::parse(name).expect("a name");
        MailboxStatus { name, usage: Usage { messages, octets, queued }, views: Vec::new() }
    }

    #[test]
    fn the_fullest_come_first_and_who_left_the_file_is_named() {
        let directory = directory(&[("alice", Some(1000)), ("bob", Some(100)), ("carol", None)]);
        let kept = [
            status("alice", 3, 500, 400),
            status("bob", 1, 99, 0),
            status("carol", 9, 9000, 0),
            status("dave", 2, 7, 0),
            status("eve", 0, 0, 0),
        ];
        let alice = MailboxName::parse("alice").expect("a name");
        let usage = Usage { messages: 2, octets: 20, ..Usage::default() };
        let beside =
            [alice.quarantine(), alice.trash()].map(|name| MailboxStatus { name, usage, views: Vec::new() });
        let found = Mailboxes::of(&[&kept[..], &beside].concat(), &directory);
        let fullest: Vec<_> = found.fullest.iter().map(|it| (it.name.as_str(), it.percent)).collect();
        assert_eq!(fullest, [("bob", Some(99)), ("alice", Some(90))]);
        assert_eq!((found.configured, found.messages, found.octets), (3, 19, 9646));
        let gone: Vec<_> = found.unconfigured.iter().map(|it| (it.name.as_str(), it.messages)).collect();
        assert_eq!((gone, found.unconfigured_count), (vec![("dave", 2)], 1));
    }
}
