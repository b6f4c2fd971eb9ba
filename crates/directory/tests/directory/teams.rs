//! Whatever is said of teams, devices and what is collected: a login name shows what it says, or is nobody's.

use std::collections::BTreeSet;
use std::time::Duration;

use directory::{
    Allowance, Dele, Directory, Item, JoinFrom, MailboxSpec, MemberSpec, OnDele, Part, Password, Release,
    Severity, Spec, Table, VerifierParams, When,
};
use mail::{MailboxName, ViewName};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::mailbox;

const HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const PEOPLE: [&str; 5] = ["root", "ann", "bob", "ann@b.example", "cy@b.example"];
const TEAMS: [&str; 4] = ["sales", "desk", "desk@b.example", "ann-desk@b.example"];
const DEVICES: [&str; 4] = ["phone", "tablet", "Phone", "trash"];

prop_compose! {
    fn person(name: &'static str)(
        open in prop::bool::weighted(0.8),
        devices in subsequence(DEVICES.to_vec(), 0..3),
        collect in subsequence(TEAMS.to_vec(), 0..3),
        on_dele in on_dele(),
        trash in any::<bool>(),
    ) -> MailboxSpec {
        let (devices, collect) = (devices.into_iter().map(Into::into), collect.into_iter().map(Into::into));
        MailboxSpec {
            passwords: password(open),
            devices: devices.collect(),
            collect: collect.collect(),
            on_dele,
            trash: trash.then_some(Duration::from_secs(86_400)),
            ..mailbox(name, &[])
        }
    }
}

prop_compose! {
    fn team(name: &'static str)(
        members in subsequence([&PEOPLE[..], &["sales", "nobody"]].concat(), 0..5),
        robots in vec(any::<bool>(), 7),
        shared in any::<bool>(),
        on_dele in on_dele(),
        trash in prop::bool::weighted(0.8),
    ) -> MailboxSpec {
        let member = |(login, robot): (&str, bool)| {
            MemberSpec { login: login.into(), robot, mirrors: None, from: JoinFrom::All }
        };
        MailboxSpec {
            passwords: password(shared),
            members: members.into_iter().zip(robots).map(member).collect(),
            on_dele,
            trash: trash.then_some(Duration::from_secs(86_400)),
            ..mailbox(name, &[])
        }
    }
}

fn on_dele() -> impl Strategy<Value = Option<OnDele>> {
    select(vec![None, None, Some(OnDele::Done), Some(OnDele::Trash), Some(OnDele::Keep)])
}

fn password(open: bool) -> Vec<Password> {
    if open { vec![Password { name: None, hash: HASH.into() }] } else { Vec::new() }
}

fn firm() -> impl Strategy<Value = Spec> {
    let people: Vec<_> = PEOPLE.into_iter().map(person).collect();
    let teams: Vec<_> = TEAMS.into_iter().map(team).collect();
    (people, teams).prop_map(|(people, teams)| {
        let mut spec = crate::spec();
        for (spec, name) in spec.domains.iter_mut().zip(["a.example", "b.example"]) {
            spec.name = name.into();
            spec.postmaster = Some("root".into());
            spec.aliases.clear();
        }
        spec.domains[0].aliases = vec!["bücher.example".into()];
        spec.mailboxes = people.into_iter().chain(teams).collect();
        spec
    })
}

/// The name of a login, from whatever one may be made of.
fn login() -> impl Strategy<Value = String> {
    let name =
        || select(vec!["root", "ann", "ANN", "bob", "cy", "sales", "desk", "Desk", "ann-desk", "nobody", ""]);
    let domain = || {
        select(vec![
            "",
            "",
            "@a.example",
            "@B.EXAMPLE",
            "@b.example",
            "@bücher.example",
            "@xn--bcher-kva.example",
            "@",
            "@c",
        ])
    };
    let view = select(vec![
        "",
        "",
        "",
        "+phone",
        "+PHONE",
        "+tablet",
        "+trash",
        "+quarantine",
        "+",
        "+phone+trash",
        "+ann",
    ]);
    let team = prop_oneof![3 => Just(String::new()), 4 => (name(), domain()).prop_map(|(name, at)| format!("/{name}{at}"))];
    (name(), domain(), view, team, domain(), any::<bool>()).prop_map(
        |(name, first, view, team, last, before)| {
            if before {
                format!("{name}{first}{view}{team}{last}")
            } else {
                format!("{name}{view}{first}{team}{last}")
            }
        },
    )
}

/// Without what is wrong in it: the table of what is left, and that.
fn sound(mut spec: Spec) -> (Table, Spec) {
    loop {
        let (table, faults) = Table::build(&spec);
        if let Some(table) = table {
            return (table, spec);
        }
        let worst =
            faults.iter().find(|fault| fault.severity == Severity::Error).expect("why there is no table");
        let Item::Mailbox(index) = worst.item else { panic!("{worst:?}") };
        let row = &mut spec.mailboxes[index];
        match worst.field.key {
            "members" => drop(row.members.remove(worst.field.index)),
            "devices" if !row.members.is_empty() => row.devices.clear(),
            "devices" => drop(row.devices.remove(worst.field.index)),
            "collect" => drop(row.collect.remove(worst.field.index)),
            "on-dele" => row.on_dele = None,
            other => panic!("{other}: {worst:?}"),
        }
    }
}

/// What the file says of a mailbox by the name it has there.
fn row<'s>(spec: &'s Spec, name: &MailboxName) -> &'s MailboxSpec {
    spec.mailboxes.iter().find(|row| row.name == name.as_str()).expect("a mailbox of the file")
}

fn member_part(spec: &Spec, team: &str, login: &str) -> Option<Part> {
    let row = spec.mailboxes.iter().find(|row| row.name == team)?;
    let member = row.members.iter().find(|member| member.login == login)?;
    Some(Part {
        mailbox: MailboxName::parse(team).expect("a name"),
        view: ViewName::parse(login).expect("a view"),
        dele: Dele::Done,
        robot: member.robot,
    })
}

fn own_part(row: &MailboxSpec) -> Part {
    let team = !row.members.is_empty();
    let dele = match (row.on_dele, team, row.trash) {
        (Some(OnDele::Keep), _, _) => Dele::Keep,
        (Some(OnDele::Done), _, _) | (None, true, _) => Dele::Done,
        (Some(OnDele::Trash), true, _) => Dele::TrashForAll,
        (Some(OnDele::Trash) | None, false, Some(_)) => Dele::Trash,
        (Some(OnDele::Trash) | None, false, None) => Dele::Remove,
    };
    let mailbox = MailboxName::parse(&row.name).expect("a name");
    Part { mailbox, view: ViewName::owner(), dele, robot: false }
}

/// All that a table must show by the names that the file has, each form once.
fn promised(spec: &Spec) -> Vec<(String, Vec<Part>)> {
    let mut promised = Vec::new();
    for row in spec.mailboxes.iter().filter(|row| !row.passwords.is_empty()) {
        let collected = row.collect.iter().filter_map(|team| member_part(spec, team, &row.name));
        promised.push((row.name.clone(), std::iter::once(own_part(row)).chain(collected).collect()));
        let (local, at) = row.name.split_at(row.name.find('@').unwrap_or(row.name.len()));
        let gone = if row.trash.is_some() { Dele::Trash } else { Dele::Remove };
        let beside = |name: &str, mailbox: MailboxName, view: ViewName, dele: Dele| {
            (format!("{local}+{name}{at}"), vec![Part { mailbox, view, dele, robot: false }])
        };
        let mailbox = MailboxName::parse(&row.name).expect("a name");
        for device in &row.devices {
            let view = ViewName::parse(device).expect("a view");
            promised.push(beside(device, mailbox.clone(), view, gone));
        }
        promised.push(beside("trash", mailbox.trash(), ViewName::owner(), Dele::Remove));
        promised.push(beside("quarantine", mailbox.quarantine(), ViewName::owner(), Dele::Remove));
        for team in spec.mailboxes.iter() {
            let Some(part) = member_part(spec, &team.name, &row.name) else { continue };
            let whole =
                |name: &str| if name.contains('@') { name.to_owned() } else { format!("{name}@a.example") };
            promised.push((format!("{}/{}", whole(&row.name), whole(&team.name)), vec![part]));
        }
    }
    promised
}

fn views_of<'s>(names: impl Iterator<Item = &'s String>) -> Vec<ViewName> {
    names.map(|name| ViewName::parse(name).expect("a view")).collect()
}

/// Every mailbox with views beside its own, and all that count for what it keeps.
fn declared(spec: &Spec) -> Vec<(MailboxName, Vec<ViewName>)> {
    let views = |row: &MailboxSpec| {
        let (own, others) = match row.members.is_empty() {
            true => (true, views_of(row.devices.iter())),
            false => (!row.passwords.is_empty(), views_of(row.members.iter().map(|member| &member.login))),
        };
        let name = MailboxName::parse(&row.name).expect("a name");
        (!others.is_empty()).then(|| (name, own.then(ViewName::owner).into_iter().chain(others).collect()))
    };
    let mut declared: Vec<_> = spec.mailboxes.iter().filter_map(views).collect();
    declared.sort();
    declared
}

/// Whatever it is that a name shows, it is the person's own or of a team that has her.
fn check_honest(directory: &Directory, spec: &Spec, login: &str) -> Result<(), TestCaseError> {
    let (shows, named) = (directory.login_shows(login), directory.login_named(login));
    prop_assert_eq!(shows.is_some(), named.is_some(), "{}", login);
    let (Some(parts), Some(who)) = (shows, named) else { return Ok(()) };
    prop_assert!(!parts.is_empty(), "{}", login);
    let row = row(spec, &who);
    prop_assert!(!row.passwords.is_empty(), "nobody can log in as {}", login);
    let plain = !login.contains(['+', '/']);
    for (at, part) in parts.iter().enumerate() {
        let devices: Vec<_> = row.devices.iter().map(|name| mail::fold(name)).collect();
        let view =
            login.split_once('+').map(|(_, rest)| mail::fold(rest.split('@').next().unwrap_or_default()));
        if let Some(team) = member_part(spec, part.mailbox.as_str(), who.as_str()) {
            prop_assert_eq!(part, &team, "{}", login);
            prop_assert!(login.contains('/') || (plain && at > 0), "{}", login);
        } else if part.mailbox == who && part.view == ViewName::owner() {
            prop_assert!(plain && at == 0, "{}", login);
        } else if part.mailbox == who {
            prop_assert_eq!(view.as_deref(), Some(part.view.as_str()), "{}", login);
            prop_assert!(devices.iter().any(|device| device == part.view.as_str()), "{}", login);
        } else {
            let beside = [("trash", who.trash()), ("quarantine", who.quarantine())];
            let found = beside.iter().find(|(name, _)| Some(*name) == view.as_deref());
            prop_assert_eq!(found.map(|(_, beside)| beside), Some(&part.mailbox), "{}", login);
        }
    }
    prop_assert!(parts.len() == 1 || (plain && parts.len() <= 1 + row.collect.len()), "{}", login);
    Ok(())
}

fn check_all(directory: &Directory, spec: &Spec, logins: &[String]) -> Result<(), TestCaseError> {
    for (login, parts) in promised(spec) {
        prop_assert_eq!(directory.login_shows(&login), Some(parts), "{}", &login);
        check_honest(directory, spec, &login)?;
    }
    for row in spec.mailboxes.iter().filter(|row| row.passwords.is_empty()) {
        prop_assert_eq!(directory.login_shows(&row.name), None, "{} has no password", &row.name);
    }
    logins.iter().try_for_each(|login| check_honest(directory, spec, login))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_login_shows_what_it_says_also_after_a_reload(
        before in firm(), after in firm(), logins in vec(login(), 1..60)
    ) {
        let (table, spec) = sound(before);
        let directory = Directory::new(table, VerifierParams::default());
        check_all(&directory, &spec, &logins)?;
        let (table, spec) = sound(after);
        directory.replace(table);
        check_all(&directory, &spec, &logins)?;
        prop_assert_eq!(directory.views(), declared(&spec));
        for row in &spec.mailboxes {
            let name = MailboxName::parse(&row.name).expect("a name");
            prop_assert_eq!(directory.trash(&name), row.trash);
            prop_assert_eq!(directory.devices(&name), views_of(row.devices.iter()));
            prop_assert_eq!(directory.team(&name).is_some(), !row.members.is_empty());
        }
        let teams = spec.mailboxes.iter().filter(|row| !row.members.is_empty()).count();
        prop_assert_eq!(directory.teams().len(), teams);
        for (name, team) in directory.teams() {
            let members: Vec<&str> = team.members.iter().map(|member| member.login.as_str()).collect();
            let said: Vec<&str> = row(&spec, &name).members.iter().map(|member| member.login.as_str()).collect();
            prop_assert_eq!((members, team.shared), (said, !row(&spec, &name).passwords.is_empty()));
            prop_assert!(team.members.iter().all(|member| member.mirrors != member.robot), "unless said otherwise");
        }
    }
}

#[test]
fn so_many_may_share_and_not_one_more() {
    let member = |login: String| MemberSpec { login, robot: false, mirrors: None, from: JoinFrom::All };
    let person = |name: String| MailboxSpec { passwords: password(true), ..mailbox(&name, &[]) };
    let said = |members: usize, collect: usize, devices: usize| {
        let mut spec = crate::spec();
        spec.mailboxes.push(MailboxSpec {
            collect: (0..collect).map(|team| format!("team{team}")).collect(),
            devices: (0..devices).map(|device| format!("device{device}")).collect(),
            ..person("ann".into())
        });
        spec.mailboxes.extend((0..members).map(|number| person(format!("person{number}"))));
        let everyone = (0..members).map(|number| member(format!("person{number}")));
        spec.mailboxes.push(MailboxSpec { members: everyone.collect(), ..mailbox("all", &[]) });
        spec.mailboxes.extend((0..collect).map(|team| MailboxSpec {
            members: vec![member("ann".into())],
            ..mailbox(&format!("team{team}"), &[])
        }));
        let faults = Table::build(&spec).1.into_iter().filter(|fault| fault.severity == Severity::Error);
        faults.map(|fault| (fault.message, fault.field.index)).collect::<Vec<_>>()
    };
    assert_eq!(said(250, 32, 16), []);
    let one_more = [
        ("`ann` has 17 devices: at most 16".to_owned(), 16),
        ("`all` has 251 members: at most 250".to_owned(), 250),
        ("`ann` collects 33 team mailboxes: at most 32".to_owned(), 32),
    ];
    assert_eq!(said(251, 33, 17), one_more);
}

/// RFC 2449 §6.7.
#[test]
fn mail_is_kept_for_as_long_as_others_cannot_let_it_go() {
    let days = |count: u64| Duration::from_secs(count * 86_400);
    let release = |when, max_age: Option<u64>, absent: Option<u64>| {
        Some(Release { when, hold: days(14), max_age: max_age.map(days), ignore_absent: absent.map(days) })
    };
    // What ann's own login, her view whose devices mirror, bob's that keeps copies, and the shared login promise.
    let kept = |release, expire: Option<u64>, collect: bool| {
        let mut spec = Spec { quarantine: Some(days(30)), ..crate::spec() };
        let member = |login: &str, mirrors| MemberSpec {
            login: login.into(),
            robot: false,
            mirrors: Some(mirrors),
            from: JoinFrom::All,
        };
        let collect = if collect { vec!["sales".to_owned()] } else { Vec::new() };
        let trash = Some(days(7));
        spec.mailboxes.push(MailboxSpec { passwords: password(true), collect, trash, ..mailbox("ann", &[]) });
        spec.mailboxes.push(MailboxSpec { passwords: password(true), ..mailbox("bob", &[]) });
        spec.mailboxes.push(MailboxSpec {
            passwords: password(true),
            members: vec![member("ann", true), member("bob", false)],
            release,
            allowance: Allowance { age: expire.map(days), ..Allowance::default() },
            ..mailbox("sales", &[])
        });
        let directory = crate::directory(&spec);
        let least = |login: &str| {
            let parts = directory.login_shows(login).expect("somebody");
            let least = parts.iter().filter_map(|part| directory.kept(part)).min();
            least.map(|age| age.as_secs() / 86_400)
        };
        assert_eq!(least("ann+trash"), Some(7));
        assert_eq!((least("ann+quarantine"), least("bob")), (Some(30), None));
        let all = ["ann", "ann/sales", "bob/sales", "sales"].map(least);
        let expiry = directory.expiry();
        let told: BTreeSet<_> = all.into_iter().chain([None]).collect();
        assert_eq!(expiry.least.map(|age| age.as_secs() / 86_400), all.into_iter().flatten().min());
        assert_eq!(expiry.differs, told.len() > 1, "bob's own mail stays");
        all
    };
    let nothing = [None; 4];
    for (release, expire, collect, wanted) in [
        (None, None, true, nothing),
        (None, Some(90), true, [Some(90); 4]),
        (None, Some(90), false, [None, Some(90), Some(90), Some(90)]),
        (release(When::Never, None, Some(60)), None, true, nothing),
        (release(When::Never, Some(365), None), None, true, [Some(365); 4]),
        (release(When::AllDone, None, None), None, true, [None, None, None, Some(14)]),
        (release(When::AllDone, None, Some(60)), None, true, [Some(74), Some(74), Some(74), Some(14)]),
        (release(When::AllFetched, None, None), None, true, [None, None, Some(14), Some(14)]),
        (release(When::AllFetched, Some(365), None), None, true, [Some(365), Some(365), Some(14), Some(14)]),
        (
            release(When::AllFetched, Some(365), Some(60)),
            Some(30),
            false,
            [None, Some(30), Some(14), Some(14)],
        ),
        (release(When::AllFetched, Some(9), None), None, true, [Some(9); 4]),
    ] {
        assert_eq!(kept(release, expire, collect), wanted, "{release:?}, {expire:?}, {collect}");
    }
}

#[test]
fn a_shared_login_that_trashes_is_warned_of_and_needs_a_trash() {
    let said = |on_dele, trash, members: &[&str]| {
        let mut spec = crate::spec();
        let member = |login: &&str| MemberSpec {
            login: (*login).into(),
            robot: false,
            mirrors: Some(false),
            from: JoinFrom::All,
        };
        spec.mailboxes.push(MailboxSpec { passwords: password(true), ..mailbox("ann", &[]) });
        spec.mailboxes.push(MailboxSpec {
            passwords: password(true),
            members: members.iter().map(member).collect(),
            on_dele,
            trash,
            ..mailbox("sales", &[])
        });
        let faults = Table::build(&spec).1.into_iter().filter(|fault| fault.field.key == "on-dele");
        faults.map(|fault| (fault.severity, fault.message)).collect::<Vec<_>>()
    };
    let week = Some(Duration::from_secs(7 * 86_400));
    let warned = "what is deleted as `sales` itself goes to the trash for all of its members, fetched or not";
    assert_eq!(said(Some(OnDele::Trash), week, &["ann"]), [(Severity::Warning, warned.to_owned())]);
    let refused = "`on-dele` cannot be \"trash\" here: `sales` has no trash, and its members would lose their mail for good";
    assert_eq!(said(Some(OnDele::Trash), None, &["ann"]), [(Severity::Error, refused.to_owned())]);
    for (on_dele, trash, members) in [
        (Some(OnDele::Trash), None, &[][..]),
        (Some(OnDele::Trash), week, &[]),
        (Some(OnDele::Done), None, &["ann"]),
        (Some(OnDele::Keep), None, &["ann"]),
        (None, None, &["ann"]),
    ] {
        assert_eq!(said(on_dele, trash, members), [], "{on_dele:?} {trash:?} {members:?}");
    }
}

#[test]
fn a_name_that_nobody_has_may_nearly_be_somebodys() {
    use directory::Nearly;
    let mut spec = crate::spec();
    let member =
        |login: &str| MemberSpec { login: login.into(), robot: false, mirrors: None, from: JoinFrom::All };
    let devices = vec!["phone".to_owned()];
    spec.mailboxes.push(MailboxSpec { passwords: password(true), devices, ..mailbox("ann", &[]) });
    spec.mailboxes.push(MailboxSpec { passwords: password(true), ..mailbox("bob", &[]) });
    spec.mailboxes.push(MailboxSpec { members: vec![member("ann")], ..mailbox("sales", &[]) });
    let directory = crate::directory(&spec);
    let name = |text: &str| MailboxName::parse(text).expect("a name");
    for (login, nearly) in [
        ("ann", None),
        ("ann+phone", None),
        ("ann/sales", None),
        ("nobody", None),
        ("nobody+phone", None),
        ("nobody/sales", None),
        ("hunter2", None),
        ("ann+tablet", Some(Nearly::Device(name("ann")))),
        ("Ann+tablet@example.net", Some(Nearly::Device(name("ann")))),
        ("ann+trash/sales", Some(Nearly::Device(name("ann")))),
        ("ann/slaes", Some(Nearly::Team(name("ann")))),
        ("ann@example.com/slaes", Some(Nearly::Team(name("ann")))),
        ("bob/sales", Some(Nearly::Member(name("bob"), name("sales")))),
    ] {
        assert_eq!(directory.login_nearly(login), nearly, "{login}");
    }
}
