use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};

use super::*;
use crate::{Directory, DomainSpec, JoinFrom, MailboxSpec, MemberSpec, Password, Spec, Table};

/// The least argon2 that there is, so that counting many hashes takes no time.
fn cheap(password: &str, salt: &[u8; 16]) -> String {
    let params = Params::new(8, 1, 1, None).expect("argon2's least");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let phc: PasswordHash = argon2.hash_password_with_salt(password.as_bytes(), salt).expect("a good salt");
    phc.to_string()
}

fn mailbox(name: &str, passwords: &[(Option<&str>, String)]) -> MailboxSpec {
    MailboxSpec {
        name: name.into(),
        addresses: Vec::new(),
        passwords: passwords
            .iter()
            .map(|(name, hash)| Password { name: name.map(Into::into), hash: hash.clone() })
            .collect(),
        receives: true,
        allowance: Default::default(),
        ..MailboxSpec::default()
    }
}

fn table(mailboxes: Vec<MailboxSpec>) -> Table {
    let domain = |name: &str, alias: &str| DomainSpec {
        name: name.into(),
        aliases: vec![alias.into()],
        catch_all: mailboxes.first().map(|mailbox| mailbox.name.clone()),
        postmaster: None,
    };
    let domains = vec![domain("example.com", "example.net"), domain("other.example", "bücher.example")];
    let (table, faults) = Table::build(&Spec { domains, mailboxes, ..Spec::default() });
    table.unwrap_or_else(|| panic!("{faults:?}"))
}

fn one(name: &str, password: &str) -> MailboxSpec {
    mailbox(name, &[(None, cheap(password, b"a salt of its own"[..16].try_into().expect("16 octets")))])
}

fn directory(mailboxes: Vec<MailboxSpec>) -> Directory {
    Directory::new(table(mailboxes), VerifierParams::default())
}

fn secret(text: &str) -> Secret {
    Secret::from(text.as_bytes())
}

const HERE: Source = Source(None);

impl Directory {
    fn runs(&self) -> usize {
        self.verifier().runs.load(Ordering::Relaxed)
    }

    /// The answer in short, and how many hashes it took.
    async fn ask(&self, user: &str, password: &str) -> (String, usize) {
        let before = self.runs();
        let answer = match self.verify(user, &secret(password), HERE).await {
            Ok(Login { mailbox, password, cached, .. }) => {
                let password = password.map_or(String::new(), |name| format!(" by {name}"));
                format!("{mailbox}{password}{}", if cached { " cached" } else { "" })
            }
            Err(LoginError::Denied { repeated: true }) => "repeated".into(),
            Err(LoginError::Denied { repeated: false }) => "denied".into(),
            Err(LoginError::Busy) => "busy".into(),
        };
        (answer, self.runs() - before)
    }
}

fn said(answer: &str, runs: usize) -> (String, usize) {
    (answer.to_owned(), runs)
}

#[tokio::test]
async fn the_second_time_costs_no_hash() {
    let directory = directory(vec![one("alice", "rose")]);
    assert_eq!(directory.ask("alice", "rose").await, said("alice", 1));
    assert_eq!(directory.ask("alice", "rose").await, said("alice cached", 0));
    assert_eq!(directory.ask("alice", "thorn").await, said("denied", 1));
    assert_eq!(directory.ask("alice", "thorn").await, said("repeated", 0));
    assert_eq!(directory.ask("alice", "leaf").await, said("denied", 1));
}

/// RFC 5034 §4; RFC 6856 §2.2.
#[tokio::test]
async fn logins_are_mailbox_names_by_any_name_of_their_domain() {
    let directory = directory(vec![
        one("alice", "rose"),
        one("alice@other.example", "lily"),
        one("müller", "oak"),
        MailboxSpec { receives: false, ..one("helpdesk", "elm") },
        MailboxSpec { addresses: vec!["boss".into()], ..one("carol", "ash") },
    ]);
    for (user, password, answer) in [
        ("ALICE", "rose", "alice"),
        ("alice@EXAMPLE.com", "rose", "alice cached"),
        ("Alice@example.net", "rose", "alice cached"),
        ("alice@other.example", "lily", "alice@other.example"),
        ("alice@xn--bcher-kva.example", "lily", "alice@other.example cached"),
        ("MU\u{308}LLER", "oak", "müller"),
        ("helpdesk", "elm", "helpdesk"),
        // Another person's password, another domain, views that are not declared, and what is no name.
        ("alice@other.example", "rose", "denied"),
        ("alice@elsewhere.example", "rose", "denied"),
        ("alice+phone", "rose", "denied"),
        ("alice/sales", "rose", "denied"),
        ("alice/sales@example.com", "rose", "denied"),
        ("boss", "ash", "denied"),
        ("postmaster", "rose", "denied"),
        ("abuse@example.com", "rose", "denied"),
        ("@example.com", "rose", "denied"),
        ("alice@", "rose", "denied"),
        (" alice", "rose", "denied"),
    ] {
        assert_eq!(directory.ask(user, password).await.0, answer, "{user} {password}");
    }
}

#[tokio::test]
async fn what_no_client_can_mean_costs_nothing() {
    let directory = directory(vec![one("alice", "rose")]);
    let long = "x".repeat(257);
    for (user, password) in
        [("alice", ""), ("alice", &*long), ("", "rose"), ("alice\0", "rose"), ("a\nb", "rose")]
    {
        assert_eq!(directory.ask(user, password).await, said("denied", 0), "{user:?}");
    }
}

#[tokio::test]
async fn nobody_costs_what_somebody_costs() {
    let salt = b"sixteen octets !";
    let three = [
        (None, cheap("rose", salt)),
        (Some("phone"), cheap("lily", salt)),
        (Some("car"), cheap("oak", salt)),
    ];
    let directory = directory(vec![mailbox("alice", &three), mailbox("keyless", &[])]);
    for user in ["alice", "nobody", "keyless", "alice+phone", "nobody@elsewhere.example"] {
        assert_eq!(directory.ask(user, "wrong").await, said("denied", 3), "{user}");
        assert_eq!(directory.ask(user, "wrong").await, said("repeated", 0), "{user}");
    }
    // Not even with a password that is right for the one whose hashes are the decoy.
    assert_eq!(directory.ask("nobody", "rose").await, said("denied", 3));
    assert_eq!(directory.ask("nobody", "rose").await, said("repeated", 0));
    // The first password that opens ends it.
    assert_eq!(directory.ask("alice", "lily").await, said("alice by phone", 2));
    assert_eq!(directory.ask("alice", "lily").await, said("alice by phone cached", 0));
}

#[tokio::test]
async fn where_nobody_has_a_password_a_login_still_costs_a_hash() {
    let directory = directory(vec![mailbox("keyless", &[])]);
    for user in ["keyless", "nobody"] {
        assert_eq!(directory.ask(user, "wrong").await, said("denied", 1), "{user}");
    }
    let claimant = table(vec![mailbox("keyless", &[])]).claimant("nobody", |_| 7).expect("a name");
    assert!(!claimant.passwords[0].stored.is_weak(), "it costs what our own hashes cost");
}

#[tokio::test]
async fn nobodies_look_like_all_mailboxes() {
    let salt = b"sixteen octets !";
    let two = [(Some("a"), cheap("rose", salt)), (Some("b"), cheap("lily", salt))];
    let directory = directory(vec![one("alice", "rose"), mailbox("bob", &two)]);
    let mut costs = [0; 3];
    for name in 0..64 {
        let (_, runs) = directory.ask(&format!("nobody{name}"), "wrong").await;
        costs[runs] += 1;
        assert_eq!(directory.ask(&format!("nobody{name}"), "other").await.1, runs, "one name, one cost");
    }
    assert!(costs[0] == 0 && costs[1] > 8 && costs[2] > 8, "{costs:?}");
}

#[tokio::test]
async fn a_changed_hash_is_another_password() {
    let directory = directory(vec![one("alice", "rose")]);
    directory.ask("alice", "rose").await;
    directory.ask("alice", "lily").await;
    directory.replace(table(vec![mailbox("alice", &[(None, cheap("lily", b"another salt .16"))])]));
    assert_eq!(directory.ask("alice", "rose").await, said("denied", 1));
    assert_eq!(directory.ask("alice", "lily").await, said("alice", 1));
    directory.replace(table(vec![one("bob", "rose")]));
    assert_eq!(directory.ask("alice", "lily").await.0, "denied", "gone from the file");
}

#[tokio::test(start_paused = true)]
async fn verified_logins_are_forgotten_in_time() {
    let directory = directory(vec![one("alice", "rose")]);
    directory.ask("alice", "rose").await;
    directory.ask("alice", "thorn").await;
    tokio::time::advance(Duration::from_secs(600)).await;
    assert_eq!(directory.ask("alice", "thorn").await, said("denied", 1));
    assert_eq!(directory.ask("alice", "rose").await, said("alice cached", 0));
    tokio::time::advance(Duration::from_secs(3_000)).await;
    assert_eq!(directory.ask("alice", "rose").await, said("alice", 1));
}

#[tokio::test(start_paused = true)]
async fn without_a_permit_a_stranger_is_told_busy_and_the_cached_go_on() {
    let directory = directory(vec![one("alice", "rose")]);
    let known = Source(Some("192.0.2.1".parse().expect("an address")));
    assert!(directory.verify("alice", &secret("rose"), known).await.is_ok());
    let verifier = Arc::clone(directory.verifier());
    let held = (verifier.queue.permit(false).await, verifier.queue.permit(false).await);
    assert!(held.0.is_some() && held.1.is_some());
    for (source, seconds) in [(HERE, 5), (known, 20)] {
        let begun = Instant::now();
        assert_eq!(directory.verify("alice", &secret("thorn"), source).await, Err(LoginError::Busy));
        assert_eq!(begun.elapsed().as_secs(), seconds);
    }
    assert_eq!(directory.ask("alice", "rose").await, said("alice cached", 0));
    drop(held);
    assert_eq!(directory.ask("alice", "thorn").await, said("denied", 1));
    assert_eq!(
        directory.known_sources(),
        [("192.0.2.1".parse().expect("an address"), Duration::from_secs(25))]
    );
}

#[tokio::test(start_paused = true)]
async fn a_source_of_before_the_restart_waits_longer() {
    let directory = directory(vec![one("alice", "rose")]);
    let known = Source(Some("192.0.2.1".parse().expect("an address")));
    directory.remember_source(known, Duration::from_secs(86_400));
    let verifier = Arc::clone(directory.verifier());
    let _held = (verifier.queue.permit(false).await, verifier.queue.permit(false).await);
    let begun = Instant::now();
    assert_eq!(directory.verify("alice", &secret("rose"), known).await, Err(LoginError::Busy));
    assert_eq!(begun.elapsed().as_secs(), 20);
}

#[tokio::test]
async fn twins_in_the_line_are_hashed_once() {
    let directory = directory(vec![one("alice", "rose")]);
    let verifier = Arc::clone(directory.verifier());
    let held = (verifier.queue.permit(false).await, verifier.queue.permit(false).await);
    let ask = || {
        let directory = directory.clone();
        tokio::spawn(async move { directory.verify("alice", &secret("rose"), HERE).await })
    };
    let twins: Vec<_> = (0..20).map(|_| ask()).collect();
    while verifier.queue.waiting() < 20 {
        tokio::task::yield_now().await;
    }
    drop(held);
    for twin in twins {
        assert!(twin.await.expect("no panic").is_ok());
    }
    assert!(directory.runs() <= 2, "{} hashes for 20 twins on two permits", directory.runs());
}

#[tokio::test]
async fn who_leaves_gives_the_permit_back_and_leaves_the_answer() {
    let directory = directory(vec![one("alice", "rose")]);
    {
        let password = secret("rose");
        let mut leaving = pin!(directory.verify("alice", &password, HERE));
        // Polled once, it has its permit and its hash is under way.
        assert!(leaving.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let verifier = directory.verifier();
    while directory.runs() == 0 || verifier.queue.free() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(directory.ask("alice", "rose").await, said("alice cached", 0));
}

#[tokio::test]
async fn a_weak_hash_is_made_anew_once_and_kept() {
    let kept: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let strengthened: Strengthened =
        Arc::new(move |old, new| keep.lock().expect("no panic").push((old.into(), new.into())));
    let weak = cheap("rose", b"sixteen octets !");
    let make = || table(vec![mailbox("alice", &[(None, weak.clone())])]);
    let params = |overlay| VerifierParams { strengthened: Some(Arc::clone(&strengthened)), overlay };

    let directory = Directory::new(make(), params(HashMap::new()));
    assert_eq!(directory.ask("alice", "thorn").await.0, "denied");
    assert!(kept.lock().expect("no panic").is_empty(), "a wrong password makes nothing");
    assert_eq!(directory.ask("alice", "rose").await.0, "alice");
    let (old, new) = kept.lock().expect("no panic").first().cloned().expect("it was told");
    assert_eq!(old, weak);
    assert!(new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{new}");
    directory.replace(make());
    assert!(lock(&directory.verifier().overlay).contains_key(&weak), "a reload of the same string keeps it");
    directory.replace(table(vec![one("bob", "rose")]));
    assert!(lock(&directory.verifier().overlay).is_empty(), "and one without the string does not");

    // Another process with what was kept: the stronger hash is the one that decides, and stays.
    let later = Directory::new(make(), params(HashMap::from([(weak.clone(), new.clone())])));
    assert_eq!(later.ask("alice", "rose").await, said("alice", 1));
    assert_eq!(kept.lock().expect("no panic").len(), 1);
    // The configured string changed: what was kept for the old one opens nothing.
    let changed = cheap("lily", b"another salt .16");
    let changed = table(vec![mailbox("alice", &[(None, changed)])]);
    let void = Directory::new(changed, params(HashMap::from([(weak.clone(), new)])));
    assert_eq!(void.ask("alice", "rose").await.0, "denied");
    // What cannot be read is as if it were not there.
    let broken = Directory::new(make(), params(HashMap::from([(weak.clone(), "torn".into())])));
    assert_eq!(broken.ask("alice", "rose").await.0, "alice");
}

#[tokio::test]
async fn nobodys_login_never_makes_a_stronger_hash() {
    let kept: Arc<Mutex<usize>> = Arc::default();
    let keep = Arc::clone(&kept);
    let strengthened: Strengthened = Arc::new(move |_, _| *keep.lock().expect("no panic") += 1);
    let params = VerifierParams { strengthened: Some(strengthened), overlay: HashMap::new() };
    let directory = Directory::new(table(vec![one("alice", "rose")]), params);
    assert_eq!(directory.ask("nobody", "rose").await, said("denied", 1));
    assert_eq!(*kept.lock().expect("no panic"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_wrong_passwords_are_hashed_on_two_threads() {
    let directory = directory(vec![one("alice", "rose")]);
    let ask = |name| {
        let directory = directory.clone();
        tokio::spawn(async move { directory.verify("alice", &secret(&format!("thorn{name}")), HERE).await })
    };
    let asked: Vec<_> = (0..24).map(ask).collect();
    for answer in asked {
        assert_eq!(answer.await.expect("no panic"), Err(LoginError::Denied { repeated: false }));
    }
    assert_eq!(directory.runs(), 24);
    let threads = lock(&directory.verifier().ran_on).len();
    assert!((1..=2).contains(&threads), "{threads}");
}

#[tokio::test]
async fn a_hash_that_panics_opens_nothing_and_hinders_nobody() {
    let strengthened: Strengthened = Arc::new(|_, _| panic!("no room for it"));
    let params = VerifierParams { strengthened: Some(strengthened), ..VerifierParams::default() };
    let names = ["alice", "bob", "carol"];
    let directory = Directory::new(table(names.map(|name| one(name, "rose")).into()), params);
    let denied = Err(LoginError::Denied { repeated: false });
    let names = names.map(str::to_owned);
    assert_eq!(directory.verify(&names[0], &secret("rose"), HERE).await, denied);
    assert_eq!(directory.ask("alice", "rose").await, said("alice", 1));
    assert_eq!(directory.ask("bob", "thorn").await, said("denied", 1));
    assert_eq!(directory.verifier().queue.free(), 2);
}

fn member(login: &str) -> MemberSpec {
    MemberSpec { login: login.into(), robot: false, mirrors: None, from: JoinFrom::All }
}

/// Two teams of one name in two domains, with a member each who is not in the other.
fn teams() -> Vec<MailboxSpec> {
    let hour = Some(Duration::from_secs(3_600));
    let alice = MailboxSpec {
        devices: vec!["phone".into()],
        collect: vec!["sales".into()],
        trash: hour,
        ..one("alice", "rose")
    };
    let team = |name: &str, members: &[&str]| MailboxSpec {
        members: members.iter().map(|login| member(login)).collect(),
        ..mailbox(name, &[])
    };
    vec![
        alice,
        one("bob@other.example", "lily"),
        MailboxSpec { passwords: one("", "oak").passwords, ..team("sales", &["alice"]) },
        team("sales@other.example", &["bob@other.example", "alice"]),
        team("shop", &["bob@other.example"]),
    ]
}

impl Directory {
    async fn parts(&self, user: &str, password: &str) -> String {
        let Ok(login) = self.verify(user, &secret(password), HERE).await else { return "denied".into() };
        let part = |part: &crate::Part| format!("{}:{}:{:?}", part.mailbox, part.view, part.dele);
        login.parts.iter().map(part).collect::<Vec<_>>().join(" ")
    }
}

#[tokio::test]
async fn a_login_shows_the_view_that_it_names_and_no_other() {
    let directory = directory(teams());
    for (user, password, parts) in [
        ("alice", "rose", "alice::Trash sales:alice:Done"),
        ("Alice@example.net", "rose", "alice::Trash sales:alice:Done"),
        ("alice+PHONE", "rose", "alice:phone:Trash"),
        ("alice+phone@example.com", "rose", "alice:phone:Trash"),
        ("alice+trash", "rose", "alice+trash::Remove"),
        ("alice+quarantine@example.com", "rose", "alice+quarantine::Remove"),
        ("alice/sales", "rose", "sales:alice:Done"),
        ("alice/sales@example.com", "rose", "sales:alice:Done"),
        ("alice/sales@other.example", "rose", "sales@other.example:alice:Done"),
        ("alice/sales@other.example@example.com", "rose", "sales@other.example:alice:Done"),
        ("bob@other.example", "lily", "bob@other.example::Remove"),
        ("bob/sales@other.example", "lily", "sales@other.example:bob@other.example:Done"),
        ("bob@other.example/sales", "lily", "sales@other.example:bob@other.example:Done"),
        ("bob/shop@other.example", "lily", "shop:bob@other.example:Done"),
        ("sales", "oak", "sales::Done"),
        ("sales+trash", "oak", "sales+trash::Remove"),
        ("alice+tablet", "rose", "denied"),
        ("alice+", "rose", "denied"),
        ("alice/", "rose", "denied"),
        ("alice/shop", "rose", "denied"),
        ("alice/alice", "rose", "denied"),
        ("alice+phone/sales", "rose", "denied"),
        ("alice+trash/sales", "rose", "denied"),
        ("alice/sales+trash", "rose", "denied"),
        ("alice/sales/sales", "rose", "denied"),
        ("alice/sales", "oak", "denied"),
        ("sales/sales", "oak", "denied"),
    ] {
        assert_eq!(directory.parts(user, password).await, parts, "{user}");
    }
}

#[tokio::test]
async fn all_forms_of_a_login_are_verified_once_and_a_reload_takes_them_back() {
    let directory = directory(teams());
    assert_eq!(directory.ask("alice", "rose").await, said("alice", 1));
    for user in ["alice/sales", "alice+phone", "alice+trash"] {
        assert_eq!(directory.ask(user, "rose").await, said("alice cached", 0), "{user}");
    }
    for user in ["alice/shop", "alice+tablet"] {
        assert_eq!(directory.ask(user, "rose").await, said("denied", 1), "costs what nobody costs: {user}");
    }
    directory.replace(table(vec![one("alice", "rose")]));
    assert_eq!(directory.parts("alice", "rose").await, "alice::Remove");
    assert_eq!(directory.parts("alice/sales", "rose").await, "denied");
}
