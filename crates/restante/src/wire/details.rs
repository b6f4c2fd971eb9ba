//! What is different about a thing of `mailboxes.toml`: the keys, and of a team who came and who went.

use directory::{Alias, Allowance, DomainSpec, MailboxSpec, MemberSpec, Release};

pub(super) fn domain(old: &DomainSpec, new: &DomainSpec) -> Vec<String> {
    let DomainSpec { name: _, aliases, catch_all, postmaster } = old;
    keys([
        ("aliases", *aliases == new.aliases),
        ("catch-all", *catch_all == new.catch_all),
        ("postmaster", *postmaster == new.postmaster),
    ])
}

pub(super) fn alias(old: &Alias, new: &Alias) -> Vec<String> {
    let Alias { address: _, to, duplicate } = old;
    keys([("to", *to == new.to), ("duplicate", *duplicate == new.duplicate)])
}

pub(super) fn mailbox(old: &MailboxSpec, new: &MailboxSpec) -> Vec<String> {
    let MailboxSpec {
        name: _,
        addresses,
        passwords: _,
        receives,
        allowance: Allowance { octets, messages, age },
        trash,
        members,
        release,
        collect,
        devices,
        on_dele,
    } = old;
    let passwords = |spec: &MailboxSpec, named: bool| {
        let some = spec.passwords.iter().filter(|password| password.name.is_some() == named);
        some.cloned().collect::<Vec<_>>()
    };
    let mut found = who(members, &new.members);
    found.extend(keys([
        ("addresses", *addresses == new.addresses),
        ("password", passwords(old, false) == passwords(new, false)),
        ("passwords", passwords(old, true) == passwords(new, true)),
        ("receives", *receives == new.receives),
        ("quota", *octets == new.allowance.octets),
        ("quota-messages", *messages == new.allowance.messages),
        ("expire", *age == new.allowance.age),
        ("trash", *trash == new.trash),
    ]));
    found.extend(of_release(release.as_ref(), new.release.as_ref()));
    found.extend(keys([
        ("collect", *collect == new.collect),
        ("devices", *devices == new.devices),
        ("on-dele", *on_dele == new.on_dele),
    ]));
    found
}

/// Who came, who went, and of whom something else is said. The order of the file says nothing.
fn who(old: &[MemberSpec], new: &[MemberSpec]) -> Vec<String> {
    let find = |list: &'_ [MemberSpec], login: &str| {
        list.iter().find(|member| mail::fold(&member.login) == mail::fold(login)).cloned()
    };
    let came = new.iter().filter(|member| find(old, &member.login).is_none());
    let went = old.iter().filter(|member| find(new, &member.login).is_none());
    let other = new.iter().filter(|member| find(old, &member.login).is_some_and(|was| was != **member));
    let came = came.map(|member| format!("{} joined", member.login));
    let went = went.map(|member| format!("{} left", member.login));
    came.chain(went).chain(other.map(|member| format!("{} is said otherwise", member.login))).collect()
}

fn of_release(old: Option<&Release>, new: Option<&Release>) -> Vec<String> {
    let (old, new) = match (old, new) {
        (None, None) => return Vec::new(),
        (Some(old), Some(new)) => (old, new),
        (None, Some(_)) | (Some(_), None) => return vec!["release".into()],
    };
    let Release { when, hold, max_age, ignore_absent } = old;
    keys([
        ("release.when", *when == new.when),
        ("release.hold", *hold == new.hold),
        ("release.max-age", *max_age == new.max_age),
        ("release.ignore-absent", *ignore_absent == new.ignore_absent),
    ])
}

fn keys<const N: usize>(rows: [(&str, bool); N]) -> Vec<String> {
    rows.iter().filter(|(_, same)| !same).map(|(key, _)| (*key).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use directory::{JoinFrom, Password, When};

    use super::*;

    fn member(login: &str, robot: bool) -> MemberSpec {
        MemberSpec { login: login.into(), robot, mirrors: None, from: JoinFrom::All }
    }

    #[test]
    fn who_came_and_went_and_what_else_is_said() {
        let hold = Duration::from_secs(60);
        let release = Release { when: When::AllDone, hold, max_age: None, ignore_absent: None };
        let secret =
            |name: Option<&str>, hash: &str| Password { name: name.map(Into::into), hash: hash.into() };
        let old = MailboxSpec {
            members: vec![member("alice", false), member("bob", false), member("desk", false)],
            release: Some(release),
            passwords: vec![secret(None, "a"), secret(Some("phone"), "b")],
            ..MailboxSpec::default()
        };
        assert!(mailbox(&old, &old).is_empty());
        let moved = MailboxSpec {
            members: vec![member("desk", true), member("carol", false), member("alice", false)],
            release: Some(Release { hold: hold * 2, max_age: Some(hold), ..release }),
            passwords: vec![secret(None, "a"), secret(Some("phone"), "c")],
            ..old.clone()
        };
        let said = [
            "carol joined",
            "bob left",
            "desk is said otherwise",
            "passwords",
            "release.hold",
            "release.max-age",
        ];
        assert_eq!(mailbox(&old, &moved), said);
        let plain = MailboxSpec { members: Vec::new(), release: None, receives: false, ..old.clone() };
        assert_eq!(mailbox(&old, &plain), ["alice left", "bob left", "desk left", "receives", "release"]);
    }
}
