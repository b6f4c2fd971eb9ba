//! Where did that mail go? Asked of a running appliance, and of one that is down.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use restante_tests::{Appliance, Ended, Setup, collect, deliver, pop3, run, smtp};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);

fn trace(appliance: &Appliance, words: &[&str]) -> Ended {
    let words = [&["trace"], words].concat();
    let ended = run(&mut appliance.verb(&words), SOON);
    assert!(!ended.err.contains("panicked"), "{ended:?}");
    ended
}

/// The kinds of events of each journey, once there are as many as are waited for: the trace is written a moment
/// after what it tells of.
fn events(appliance: &Appliance, word: &str, count: usize) -> Vec<Vec<String>> {
    let until = Instant::now() + SOON;
    loop {
        let ended = trace(appliance, &[word, "--json"]);
        let found: Value = serde_json::from_str(&ended.out).expect("one document");
        let journeys = found["journeys"].as_array().expect("a list");
        let kinds = |journey: &Value| {
            let lines = journey["lines"].as_array().expect("a list");
            lines.iter().map(|line| line["event"].as_str().unwrap_or("judged").to_owned()).collect()
        };
        let kinds: Vec<Vec<String>> = journeys.iter().map(kinds).collect();
        if kinds.iter().map(Vec::len).sum::<usize>() >= count {
            assert_eq!(ended.status.code(), Some(0));
            return kinds;
        }
        assert!(Instant::now() < until, "{ended:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn files(appliance: &Appliance) -> Vec<PathBuf> {
    let entries = fs::read_dir(appliance.state_dir().join("trace")).expect("a folder");
    entries.map(|entry| entry.expect("a name").path()).collect()
}

/// "I sent you that": whoever asks knows the subject, and not which rule did not let it in. And whoever is to have a copy
/// of everything has one of what is held back.
#[test]
fn what_was_refused_for_its_content_is_found_by_its_subject_and_a_copy_is_not_held_back() {
    let mut setup = Setup::of(&["bob", "archive"]);
    setup.rules = "[[rule]]\nname = \"archive\"\nthen = { copy = [\"archive\"] }\ncontinue = true\n\
                   [[rule]]\nname = \"no-cars\"\nwhen = { subject = \"*cär*\" }\nthen = { refuse = \"550 5.7.1\" }\n\
                   [[rule]]\nname = \"spam\"\nwhen = { subject = \"*win*\" }\nthen = { quarantine = true }\n"
        .into();
    let appliance = Appliance::with(setup);
    let mut client = smtp(appliance.smtp);
    let mail = b"Message-ID: <12@win.test>\r\nSubject: =?utf-8?q?Win_a_c=C3=A4r?=\r\n\r\nnow\r\n";
    assert!(deliver(&mut client, &["bob@example.test"], mail).starts_with("550 "));
    for word in ["win a cär", "<12@win.test>"] {
        assert_eq!(events(&appliance, word, 1), [["refused"]], "{word}");
    }
    let story = trace(&appliance, &["<12@win.test>"]);
    let words = "refused at the end of the data by rule `no-cars`, \"Win a cär\" <12@win.test> from <";
    assert!(story.out.contains(words), "{}", story.out);
    assert!(deliver(&mut client, &["bob@example.test"], b"Subject: win a house\r\n\r\n").starts_with("250 "));
    collect(appliance.pop3, "bob+quarantine", 1);
    collect(appliance.pop3, "archive", 1);
}

#[test]
fn a_mail_is_followed_from_its_250_to_its_deletion() {
    let mut appliance = Appliance::start();
    let mut client = smtp(appliance.smtp);
    let queued = deliver(&mut client, &["bob@example.test"], b"Subject: secret plans\r\n\r\nthe body\r\n");
    assert!(queued.starts_with("250 "), "{queued}");
    assert!(deliver(&mut client, &["alice@example.test"], b"Subject: other\r\n\r\n").starts_with("250 "));
    let uid = collect(appliance.pop3, "bob", 1)[0].uid.clone();
    let mut session = pop3(appliance.pop3, "bob");
    assert!(session.command("DELE 1").starts_with("+OK"));
    session.quit();

    let whole = [["judged", "accepted", "delivered", "fetched", "deleted"]];
    assert_eq!(events(&appliance, &uid, 5), whole);
    assert_eq!(events(&appliance, "bob@example.test", 5), whole);

    // The same from the files alone, also after a kill.
    appliance.kill();
    assert_eq!(events(&appliance, "BOB@EXAMPLE.TEST", 5), whole);
    let story = trace(&appliance, &["bob@example.test"]);
    for words in [
        "looked at: subject secret plans",
        "accepted from <",
        "to <bob@example.test>",
        "delivered to bob as r",
        "fetched from bob by bob at 127.0.0.1",
        "deleted from bob by bob",
    ] {
        assert!(story.out.contains(words), "{words}: {}", story.out);
    }
    assert_eq!(story.out.lines().count(), 6, "{}", story.out);
    assert_eq!(events(&appliance, "secret plans", 5), whole, "by its subject");
    let table = trace(&appliance, &["example.test"]);
    assert_eq!(table.out.lines().count(), 3, "{}", table.out);
    assert!(table.out.contains("in alice") && table.out.contains("gone"), "{}", table.out);

    let none = trace(&appliance, &["nobody-of-that-name"]);
    assert_eq!((none.status.code(), none.out.as_str()), (Some(1), ""), "{none:?}");
    for file in files(&appliance) {
        let text = fs::read_to_string(file).expect("text");
        assert!(!text.contains("the body") && !text.contains(restante_tests::PASSWORD), "{text}");
    }
}

#[test]
fn a_refusal_has_its_journey_too() {
    let appliance = Appliance::start();
    let mut client = smtp(appliance.smtp);
    client.ask("MAIL FROM:<stranger@elsewhere.test>");
    let refused = client.ask("RCPT TO:<someone@elsewhere.example>");
    assert!(refused.starts_with("550 5.7.1"), "{refused}");
    assert_eq!(events(&appliance, "stranger@elsewhere.test", 1), [["refused"]]);
    let story = trace(&appliance, &["someone@elsewhere.example"]);
    assert!(story.out.contains("refused at RCPT") && story.out.contains("550 5.7.1"), "{}", story.out);
    assert!(story.out.contains("by 127.0.0.1"), "{}", story.out);
}

#[test]
fn a_trace_that_cannot_be_written_costs_no_mail() {
    let mut appliance = Appliance::prepare(Setup::of(&["alice"]));
    fs::DirBuilder::new().mode(0o700).recursive(true).create(appliance.state_dir()).expect("a folder");
    fs::write(appliance.state_dir().join("trace"), "in the way").expect("written");
    appliance.restart();
    let mut client = smtp(appliance.smtp);
    assert!(deliver(&mut client, &["alice@example.test"], b"Subject: kept\r\n\r\n").starts_with("250 "));
    collect(appliance.pop3, "alice", 1);
    appliance.logged(&["ERROR", "the trace cannot be written"]);
    let ended = trace(&appliance, &["alice"]);
    assert_eq!(ended.status.code(), Some(74), "{ended:?}");
}
