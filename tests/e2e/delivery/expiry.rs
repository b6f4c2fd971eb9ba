use std::thread;
use std::time::Duration;

use restante_tests::{Appliance, Setup, collect, deliver, pop3, smtp};

/// alice keeps mail for two seconds, bob for ever.
fn appliance(last_run: Duration) -> Appliance {
    let mut setup = Setup::of(&["bob", "alice"]);
    setup.mailboxes.push_str("expire = \"2 s\"\n");
    let appliance = Appliance::that_ran(setup, last_run);
    let mut client = smtp(appliance.smtp);
    let both = ["alice@example.test", "bob@example.test"];
    for _ in 0..3 {
        assert!(deliver(&mut client, &both, b"Subject: old\r\n\r\nbody\r\n").starts_with("250 "));
    }
    appliance
}

/// Mail that is older than its mailbox keeps it goes, from it alone, and who lists it can still read it; CAPA
/// has said so.
/// RFC 1939 §8; RFC 2449 §6.7.
#[test]
fn old_mail_goes_and_is_readable_to_who_lists_it() {
    let appliance = appliance(Duration::ZERO);
    let mut before = restante_tests::Client::connect(appliance.pop3);
    assert!(before.line().expect("a greeting").starts_with("+OK"));
    assert!(String::from_utf8(before.multiline("CAPA")).expect("text").contains("EXPIRE 0 USER\r\n"));
    before.quit();
    collect(appliance.pop3, "bob", 3);
    let mut lists = pop3(appliance.pop3, "alice");
    let listed = lists.listing("LIST").len();
    let line = appliance.logged(&["status=\"expired\"", "mailbox=alice"]);
    assert!(line.contains("seconds=2"), "{line}");
    for number in 1..=listed {
        assert!(lists.retrieve(number).ends_with(b"Subject: old\r\n\r\nbody\r\n"));
    }
    assert!(String::from_utf8(lists.multiline("CAPA")).expect("text").contains("EXPIRE 0\r\n"));
    lists.quit();
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while !pop3(appliance.pop3, "alice").listing("LIST").is_empty() {
        assert!(std::time::Instant::now() < until, "some of it stays");
        thread::sleep(Duration::from_millis(100));
    }
    collect(appliance.pop3, "bob", 3);
    assert!(
        String::from_utf8(pop3(appliance.pop3, "bob").multiline("CAPA"))
            .expect("text")
            .contains("EXPIRE NEVER")
    );
}

/// A clock that has jumped since the last run is not believed, loudly.
#[test]
fn nothing_goes_while_the_clock_is_not_believed() {
    let mut appliance = appliance(Duration::from_secs(3 * 24 * 60 * 60));
    appliance.logged(&["WARN", "no mail goes for its age", "hours=24"]);
    for _ in 0..2 {
        thread::sleep(Duration::from_secs(4));
        collect(appliance.pop3, "alice", 3);
        // The next start does not believe it either, though the clock has not moved since.
        appliance.restart();
    }
    assert!(!appliance.log().contains("expired"));
}
