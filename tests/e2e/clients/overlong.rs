//! A line that Python's poplib does not read: a program that is built on it stops at such a message at every run.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use restante_tests::{Appliance, Ended, PASSWORD, Setup, deliver, found, pop3, run, smtp};

use crate::PATIENCE;

/// Odoo's way: whatever happens in a message, it says QUIT before it goes.
const COLLECTOR: &str = r"
import poplib, sys
client = poplib.POP3('127.0.0.1', int(sys.argv[1]), timeout=50)
client.user('odoo')
client.pass_(sys.argv[2])
try:
    count = client.stat()[0]
    client.list()
    for number in range(1, count + 1):
        client.retr(number)
        client.dele(number)
finally:
    client.quit()
";

fn verb(appliance: &Appliance, words: &[&str]) -> Ended {
    run(&mut appliance.verb(words), PATIENCE)
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < patience, "{what}: it took too long");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_message_that_stops_a_collector_again_and_again_is_named() {
    let Some(python) = found("python3") else { return };
    let appliance = Appliance::with(Setup::of(&["odoo"]));
    let mut client = smtp(appliance.smtp);
    for line in [100, 5000] {
        let mail = format!("From: a@client.example\r\nSubject: {line}\r\n\r\n{}\r\n", "x".repeat(line));
        assert!(deliver(&mut client, &["odoo@example.test"], mail.as_bytes()).starts_with("250 "));
    }
    let collect = || {
        let mut command = Command::new(&python);
        command.args(["-c", COLLECTOR, &appliance.pop3.port().to_string(), PASSWORD]);
        let ended = run(&mut command, PATIENCE);
        assert!(!ended.status.success() && ended.err.contains("line too long"), "{ended:?}");
    };
    let uid = pop3(appliance.pop3, "odoo").listing("UIDL").remove(1).value;
    collect();
    let word = "broken off in odoo by odoo at 127.0.0.1: it may be for a line of over 2,048 octets";
    until("it is traced", || verb(&appliance, &["trace", &uid]).out.contains(word));
    let named = format!("broke off at message {uid}");
    assert!(!verb(&appliance, &["status"]).out.contains(&named), "once may be the network");
    let listed = || pop3(appliance.pop3, "odoo").listing("UIDL").len();
    assert_eq!(listed(), 1, "it gets no further than to the one behind which it said QUIT");
    collect();
    until("it is told", || verb(&appliance, &["status"]).out.contains(&format!("{named} 2 times")));
    // Another program collects it.
    let mut client = pop3(appliance.pop3, "odoo");
    client.command("DELE 1");
    client.quit();
    until("it is over", || !verb(&appliance, &["status"]).out.contains(&named));
}
