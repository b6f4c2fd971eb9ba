use std::process::{Child, Stdio};

use restante_tests::{Appliance, collect, deliver, run, smtp};

use super::{OldServer, PATIENCE, import, imported, message, text, wire};

const MESSAGES: usize = 4000;

fn begin(appliance: &Appliance, old: &OldServer) -> Child {
    let mut command = appliance.verb(&["import", "--mailbox", "alice", "--maildir", text(old.path())]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started")
}

/// The router takes what came by SMTP and leaves alone what is being brought in.
#[test]
fn new_mail_comes_in_while_old_mail_does() {
    let appliance = Appliance::start();
    let old = OldServer::with(MESSAGES);
    let mut child = begin(&appliance, &old);
    let mut client = smtp(appliance.smtp);
    for number in 0..20 {
        let mail = format!("Subject: new {number}\r\n\r\n");
        let answer = deliver(&mut client, &["alice@example.test"], mail.as_bytes());
        assert!(answer.starts_with("250 "), "{answer}");
    }
    while child.try_wait().expect("asked").is_none() {
        let status = run(&mut appliance.verb(&["status", "--json"]), PATIENCE);
        assert_eq!(status.status.code(), Some(0), "{}", status.out);
    }
    assert!(child.wait().expect("waited for").success());
    let there = collect(appliance.pop3, "alice", MESSAGES + 20);
    let (new, moved): (Vec<_>, Vec<_>) = there.into_iter().partition(|found| found.uid.starts_with('r'));
    assert_eq!((new.len(), moved.len()), (20, MESSAGES));
    for (number, found) in moved.iter().enumerate() {
        assert_eq!(found.octets, wire(message(number).as_bytes()), "{number}");
    }
    for (number, found) in new.iter().enumerate() {
        let text = String::from_utf8_lossy(&found.octets);
        assert!(text.ends_with(&format!("\r\nSubject: new {number}\r\n\r\n")), "{text}");
    }
}

/// Two at once are one after the other, or one of them is told so; no message comes twice.
#[test]
fn the_same_import_twice_at_once_doubles_nothing() {
    let appliance = Appliance::start();
    let old = OldServer::with(MESSAGES);
    let mut child = begin(&appliance, &old);
    let second = import(&appliance, &["--maildir", text(old.path())]);
    assert!(matches!(second.status.code(), Some(0 | 69)), "{}", second.err);
    assert!(child.wait().expect("waited for").code().is_some_and(|code| code == 0 || code == 69));
    imported(&appliance, &["--maildir", text(old.path())]);
    assert_eq!(collect(appliance.pop3, "alice", MESSAGES).len(), MESSAGES);
}
