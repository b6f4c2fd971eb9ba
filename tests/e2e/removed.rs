//! A mailbox that is taken out of the file keeps its mail, until somebody asks for it to be deleted.

use std::thread::sleep;
use std::time::{Duration, Instant};

use restante_tests::{Appliance, Ended, Setup, collect, deliver, pop3, run, smtp};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);

fn verb(appliance: &Appliance, words: &[&str]) -> Ended {
    let ended = run(&mut appliance.verb(words), SOON);
    assert!(!ended.err.contains("panicked"), "{ended:?}");
    ended
}

fn status(appliance: &Appliance) -> Value {
    serde_json::from_str(&verb(appliance, &["status", "--json"]).out).expect("one document")
}

/// Ends as it should, and what it prints.
fn done(appliance: &Appliance, words: &[&str]) -> String {
    let ended = verb(appliance, words);
    assert_eq!(ended.status.code(), Some(0), "{words:?}: {ended:?}");
    ended.out
}

/// Ends with this code, and what it complains of.
fn refused(appliance: &Appliance, words: &[&str], code: i32) -> String {
    let ended = verb(appliance, words);
    assert_eq!(ended.status.code(), Some(code), "{words:?}: {ended:?}");
    ended.err
}

const DELETE: [&str; 4] = ["mailbox", "remove", "bob", "--delete-mail"];

/// With two messages that alice and bob have, and their names of his; he has deleted one, and it is in his trash.
fn filled() -> (Appliance, Vec<String>) {
    let mut setup = Setup::of(&["alice", "bob"]);
    setup.mailboxes.push_str("trash = \"7 days\"\n");
    let appliance = Appliance::with(setup);
    let mut client = smtp(appliance.smtp);
    for subject in ["one", "two"] {
        let mail = format!("Subject: {subject}\r\n\r\n{subject}\r\n");
        let to = ["bob@example.test", "alice@example.test"];
        assert!(deliver(&mut client, &to, mail.as_bytes()).starts_with("250 "));
    }
    collect(appliance.pop3, "bob", 2);
    let mut client = pop3(appliance.pop3, "bob");
    let uids = client.listing("UIDL").into_iter().map(|line| line.value).collect();
    assert!(client.command("DELE 1").starts_with("+OK"));
    client.quit();
    (appliance, uids)
}

fn take_out(appliance: &Appliance) {
    done(appliance, &["mailbox", "remove", "bob"]);
    let again = refused(appliance, &["mailbox", "remove", "bob"], 66);
    assert!(again.contains("does not know yet that it is out: `restante reload`"), "{again}");
    let early = refused(appliance, &DELETE, 73);
    assert!(early.contains("mailbox `bob` is in use") && early.contains("`restante reload`"), "{early}");
    done(appliance, &["reload"]);
}

#[test]
fn its_mail_stays_until_it_is_deleted_by_that_word() {
    let (appliance, uids) = filled();
    for (words, code, part) in [
        (&DELETE[..], 73, "first `restante mailbox remove bob`, and `restante reload`"),
        (&["mailbox", "remove", "carol", "--delete-mail"], 66, "there is no mail of a mailbox `carol`"),
        (&["mailbox", "remove", "a/b", "--delete-mail"], 66, "there is no mail of a mailbox `a/b`"),
        (&["mailbox", "remove", "carol"], 66, "and no mail of one"),
        (
            &["export", "--mailbox", "carol", "--mbox", "carol.mbox"],
            66,
            "no mailbox `carol`, and no mail of one",
        ),
        (&["import", "--mailbox", "carol", "--mbox", "/dev/null"], 66, "there is no mailbox `carol`"),
    ] {
        let err = refused(&appliance, words, code);
        assert!(err.contains(part), "{words:?}: {err}");
    }
    take_out(&appliance);
    let named = |found: &Value| found["mailboxes"]["unconfigured"].as_array().expect("a list").len();
    assert_eq!(named(&status(&appliance)), 1);
    let would = done(&appliance, &[&DELETE[..], &["--dry-run"]].concat());
    assert!(would.starts_with("would be deleted for good: 2 messages of `bob`, "), "{would}");
    assert!(would.ends_with("; of them 1 in its trash\n"), "{would}");
    let twice = refused(&appliance, &["mailbox", "remove", "bob"], 66);
    assert!(
        twice.contains("its mail is kept, 2 messages") && twice.contains("bob --delete-mail`"),
        "{twice}"
    );
    assert_eq!(named(&status(&appliance)), 1, "nothing was done");
    let gone = done(&appliance, &DELETE);
    assert!(gone.starts_with("deleted for good: 2 messages of `bob`, "), "{gone}");
    assert_eq!(named(&status(&appliance)), 0);
    let again = refused(&appliance, &DELETE, 66);
    assert!(again.contains("there is no mail of a mailbox `bob`"), "{again}");
    // Nobody else's went with it, and the trace says who did it.
    assert_eq!(pop3(appliance.pop3, "alice").listing("UIDL").len(), 2);
    for uid in uids {
        let patience = Instant::now() + SOON;
        while !done(&appliance, &["trace", &uid]).contains("deleted all mail of a mailbox that was taken out")
        {
            assert!(Instant::now() < patience, "{uid} is not traced");
            sleep(Duration::from_millis(50));
        }
    }
    let told = done(&appliance, &["trace", "bob@example.test"]);
    assert_eq!(told.lines().filter(|line| line.contains("  in alice")).count(), 2, "{told}");
}

/// Without a daemon the store is opened; and a mailbox of that name begins anew.
#[test]
fn it_is_deleted_without_a_daemon_too_and_the_name_may_be_used_again() {
    let (mut appliance, _) = filled();
    take_out(&appliance);
    assert!(appliance.stop().success());
    // By its address, as it may be taken out.
    let gone = done(&appliance, &["mailbox", "remove", "Bob@example.test", "--delete-mail"]);
    assert!(gone.starts_with("deleted for good: 2 messages of `Bob@example.test`, "), "{gone}");
    done(&appliance, &["mailbox", "add", "bob", "--no-password"]);
    appliance.restart();
    let found = status(&appliance);
    assert_eq!(found["mailboxes"]["messages"], 2, "alice's alone: {found}");
    assert_eq!(found["mailboxes"]["unconfigured_count"], 0, "{found}");
}
