use std::fs;

use directory::{Directory, LoginError, Source, VerifierParams};
use mail::Secret;
use restante::config;

use crate::folder::Folder;

/// Whether a password opens a mailbox by what the folder says now.
pub(crate) fn opens(folder: &Folder, user: &str, password: &str) -> bool {
    let table = config::load(&folder.path("")).unwrap().table;
    let directory = Directory::new(table, VerifierParams::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let secret = Secret::from(password.as_bytes());
    match runtime.block_on(directory.verify(user, &secret, Source(None))) {
        Ok(_) => true,
        Err(LoginError::Denied { .. }) => false,
        Err(LoginError::Busy) => panic!("nobody else logs in"),
    }
}

#[test]
fn init_writes_what_check_takes() {
    let folder = Folder::new();
    let run = folder.run(
        "init --yes --hostname mx.example.test --domain example.test --mailbox alice --catch-all bob \
         --listen-smtp 127.0.0.1:2525 --listen-smtp [::1]:2525 --listen-lmtp unix:/run/x.sock --state-dir state",
    );
    assert_eq!(run.code, 0, "{run:?}");
    let check = folder.run("check");
    assert_eq!((check.code, check.err.as_str()), (0, ""), "{check:?}");
    assert!(
        check.out.ends_with("1 domain, 2 mailboxes, 0 aliases, 0 closed addresses: no fault\n"),
        "{check:?}"
    );

    let loaded = config::load(&folder.path("")).unwrap();
    assert_eq!(loaded.config.hostname, "mx.example.test");
    assert_eq!(loaded.config.smtp.listen.len(), 2);
    assert_eq!(loaded.config.lmtp.listen.len(), 1);
    assert!(loaded.config.state_dir == folder.path("state") && loaded.config.tls.is_some());
    assert_eq!(loaded.spec.domains[0].catch_all.as_deref(), Some("bob"));
    assert_eq!(loaded.spec.domains[0].postmaster.as_deref(), Some("alice"));

    // The passwords are printed, and only their hashes are written.
    let passwords: Vec<(&str, &str)> = run
        .out
        .lines()
        .map(|line| line.strip_prefix("mailbox ").unwrap().split_once("\tpassword ").unwrap())
        .collect();
    assert_eq!(passwords.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["alice", "bob"]);
    let written = folder.read("mailboxes.toml");
    for (name, password) in passwords {
        assert!(!written.contains(password) && !run.err.contains(password));
        assert!(opens(&folder, name, password), "{name}");
        assert!(!opens(&folder, name, "not the password"), "{name}");
    }
}

#[test]
fn what_init_writes_keeps_the_comments_and_is_private() {
    let folder = Folder::ready();
    let comments = |text: &str| {
        text.lines().filter(|line| line.starts_with("# ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let ours = comments(&folder.read("restante.toml"));
    assert_eq!(ours, comments(config::shipped(config::File::Restante)));
    let ours = comments(&folder.read("mailboxes.toml").replace("passwd alice", "passwd postmaster"));
    assert_eq!(ours, comments(config::shipped(config::File::Mailboxes)));
    for (name, others) in [
        ("restante.toml", 0o007),
        ("mailboxes.toml", 0o007),
        ("rules.toml", 0o007),
        ("tls.key", 0o037),
        ("", 0o007),
    ] {
        assert_eq!(folder.mode(name) & others, 0, "{name}");
    }
}

#[test]
fn init_overwrites_nothing() {
    for name in ["restante.toml", "rules.toml", "tls.key"] {
        let folder = Folder::new();
        folder.write(name, "mine");
        let run = folder.run("init --yes --hostname mx.example.test --domain example.test");
        assert_eq!(run.code, 73, "{run:?}");
        assert!(run.err.contains(name) && run.err.contains("nothing was written"), "{run:?}");
        assert_eq!(folder.read(name), "mine");
        assert_eq!(fs::read_dir(folder.path("")).unwrap().count(), 1);
    }
}

#[test]
fn init_uses_a_pair_that_is_given() {
    let folder = Folder::ready();
    let pair = format!(
        "--certificate {} --key {}",
        folder.path("tls.crt").display(),
        folder.path("tls.key").display()
    );
    let other = Folder::new();
    let run = other.run(&format!("init --yes --hostname mx.example.test --domain example.test {pair}"));
    assert_eq!(run.code, 0, "{run:?}");
    assert!(!other.path("tls.key").exists());
    assert_eq!(other.run("check").code, 0);
    let run = Folder::new().run("init --yes --hostname a.example --domain a.example --key x");
    assert_eq!(run.code, 2, "a key without its certificate: {run:?}");
}

#[test]
fn init_writes_nothing_for_a_pair_that_cannot_be_used() {
    let (one, other) = (Folder::ready(), Folder::ready());
    let path = |folder: &Folder, name| folder.path(name).display().to_string();
    for (certificate, key, said) in [
        ("/no/such.crt".to_owned(), "/no/such.key".to_owned(), "/no/such.crt"),
        (path(&one, "tls.crt"), "/no/such.key".to_owned(), "/no/such.key"),
        (path(&one, "rules.toml"), path(&one, "tls.key"), "rules.toml"),
        (path(&one, "tls.crt"), path(&other, "tls.key"), "key"),
    ] {
        let folder = Folder::new();
        // What else is missing is not said first.
        let run = folder.run(&format!("init -y --certificate {certificate} --key {key}"));
        assert_eq!((run.code, run.out.as_str()), (65, ""), "{run:?}");
        assert!(run.err.contains(said) && run.err.contains("nothing was written"), "{run:?}");
        assert!(!folder.path("").exists());
    }
}

#[test]
fn init_says_what_is_missing_or_does_not_fit() {
    let run = Folder::new().run("init --hostname mx.example.test");
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.err.contains("--domain"), "{run:?}");
    let folder = Folder::new();
    let run = folder.run("init --yes --hostname mx --domain example.test");
    assert_eq!(run.code, 65, "{run:?}");
    assert!(run.err.contains("hostname = \"mx\"") && run.err.contains("nothing was written"), "{run:?}");
    let run = folder.run("init --yes --hostname mx.example.test --domain example.test --mailbox a/b");
    assert_eq!(run.code, 65, "{run:?}");
    assert!(!folder.path("").exists());
}
