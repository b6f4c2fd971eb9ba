//! The store looked at from outside, and its mail taken out of it in any state.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use restante_tests::{Appliance, Ended, collect, deliver, run, smtp};

const PATIENCE: Duration = Duration::from_secs(60);

fn ask(command: &mut Command, code: i32, words: &[&str]) -> Ended {
    let ended = run(command, PATIENCE);
    assert_eq!(ended.status.code(), Some(code), "{command:?}: {}\n{}", ended.out, ended.err);
    for word in words {
        assert!(ended.out.contains(word), "{command:?}: {word} in:\n{}", ended.out);
    }
    ended
}

/// The segment that has these octets, and where in it.
fn find(log: &Path, octets: &[u8]) -> (PathBuf, usize) {
    let entries = fs::read_dir(log).expect("readable").map(|entry| entry.expect("readable").path());
    let segments = entries.filter(|path| path.extension().is_some_and(|end| end == "seg"));
    let found = segments.filter_map(|path| {
        let all = fs::read(&path).expect("read");
        all.windows(octets.len()).position(|window| window == octets).map(|at| (path, at))
    });
    found.last().expect("it is in the log")
}

fn flip(path: &Path, at: usize) {
    let mut octets = fs::read(path).expect("read");
    octets[at] ^= 1;
    fs::write(path, octets).expect("written");
}

#[test]
fn damage_is_found_and_named_and_the_rest_is_taken_out() {
    let mut appliance = Appliance::start();
    let mut client = smtp(appliance.smtp);
    for n in 0..12 {
        let message = format!("Subject: letter {n}\r\n\r\nonly in letter {n} .\r\n");
        let answer = deliver(&mut client, &["alice@example.test"], message.as_bytes());
        assert!(answer.starts_with("250 "), "{answer}");
    }
    let mails = collect(appliance.pop3, "alice", 12);
    ask(&mut appliance.verb(&["fsck", "--deep"]), 0, &["all is well", "12 messages in mailboxes"]);
    appliance.kill();
    ask(&mut appliance.verb(&["fsck"]), 0, &["all is well"]);
    appliance.restart();
    appliance.stop();
    let ended = ask(&mut appliance.verb(&["fsck", "--deep", "--json"]), 0, &["{\"faults\":[],"]);
    assert!(ended.err.contains("the daemon is not running"), "{}", ended.err);

    let (segment, at) = find(&appliance.state_dir().join("store/log"), b"only in letter 5 .");
    flip(&segment, at);
    let words = ["NOT all is well", "mail ", "alice, ", "\"letter 5\""];
    let ended = ask(&mut appliance.verb(&["fsck", "--deep"]), 1, &words);
    assert!(!ended.out.contains("letter 4"), "{}", ended.out);
    // What stands around it is whole: only a deep look tells.
    ask(&mut appliance.verb(&["fsck"]), 0, &["all is well"]);
    let out = tempfile::tempdir().expect("a folder");
    let dir = out.path().join("mail");
    let to = dir.to_str().expect("text");
    let salvage = |code: i32, words: &[&str]| {
        ask(&mut appliance.verb(&["fsck", "--salvage", to]), code, words);
        let found: Vec<_> = mails
            .iter()
            .filter(|mail| {
                let path = dir.join("mailboxes/alice").join(format!("{}.eml", mail.uid));
                fs::read(path).is_ok_and(|octets| octets == mail.octets)
            })
            .map(|mail| mail.uid.clone())
            .collect();
        let card = fs::read_to_string(dir.join("mailboxes/alice").join(format!("{}.json", found[0])));
        assert!(card.expect("a card").contains("\"reverse_path\""));
        let ended = run(&mut appliance.verb(&["fsck", "--salvage", to]), PATIENCE);
        assert_eq!(ended.status.code(), Some(73), "it is not empty any more: {}", ended.err);
        fs::remove_dir_all(&dir).expect("removed");
        found
    };
    let found = salvage(1, &["11 messages of mailboxes", "\"letter 5\""]);
    assert_eq!(found.len(), 11);

    flip(&segment, at);
    flip(&segment, 20);
    ask(&mut appliance.verb(&["fsck"]), 3, &["FATAL", "the first page is damaged"]);
    assert!(!run(&mut appliance.serve(), PATIENCE).status.success());
    assert_eq!(salvage(1, &["12 messages of mailboxes"]).len(), 12, "records prove themselves");
    flip(&segment, 20);
    appliance.restart();
    assert_eq!(collect(appliance.pop3, "alice", 12).len(), 12);
    let refused = run(&mut appliance.verb(&["fsck", "--salvage", to]), PATIENCE);
    assert_eq!(refused.status.code(), Some(69), "{}", refused.err);
}

#[test]
fn damage_stays_known_and_a_store_that_was_moved_aside_can_be_salvaged() {
    let mut appliance = Appliance::start();
    let mut client = smtp(appliance.smtp);
    for n in 0..6 {
        let message = format!("Subject: letter {n}\r\n\r\nonly in letter {n} .\r\n");
        let answer = deliver(&mut client, &["alice@example.test"], message.as_bytes());
        assert!(answer.starts_with("250 "), "{answer}");
    }
    collect(appliance.pop3, "alice", 6);
    appliance.stop();
    let store = appliance.state_dir().join("store");
    let (segment, at) = find(&store.join("log"), b"only in letter 2 .");
    flip(&segment, at);
    for _ in 0..2 {
        appliance.restart();
        ask(&mut appliance.verb(&["status"]), 1, &["part of the log is damaged"]);
        ask(&mut appliance.verb(&["fsck"]), 1, &["NOT all is well", "mail ", "found damaged"]);
        appliance.stop();
        ask(&mut appliance.verb(&["fsck"]), 1, &["found damaged"]);
    }
    let ended = ask(&mut appliance.verb(&["fsck", "--deep"]), 1, &["\"letter 2\""]);
    assert_eq!(ended.out.matches("letter 2").count(), 1, "{}", ended.out);

    let aside = appliance.state_dir().join("store.aside");
    fs::rename(&store, &aside).expect("moved");
    let there = aside.to_str().expect("text");
    appliance.restart();
    ask(&mut appliance.verb(&["fsck"]), 0, &["all is well"]);
    ask(&mut appliance.verb(&["fsck", "--store", there]), 1, &["found damaged"]);
    let out = tempfile::tempdir().expect("a folder");
    let dir = out.path().join("mail");
    let salvage = ["fsck", "--store", there, "--salvage", dir.to_str().expect("text")];
    ask(&mut appliance.verb(&salvage), 1, &["5 messages of mailboxes"]);
    let own = run(&mut appliance.verb(&["fsck", "--store", store.to_str().expect("text")]), PATIENCE);
    assert_eq!(own.status.code(), Some(69), "the daemon has it: {}", own.err);
    let none = run(&mut appliance.verb(&["fsck", "--store", "/nowhere"]), PATIENCE);
    assert!(!none.status.success() && none.err.contains("there is no store in /nowhere"), "{}", none.err);
}
