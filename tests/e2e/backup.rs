//! A backup while mail comes in, the plug pulled, and a server made from it elsewhere.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use restante_tests::{
    Appliance, Client, Collected, Ended, assert_same, below, collect, deliver, finish, pop3, run, smtp,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn message(mark: &str, octets: usize) -> Vec<u8> {
    let mut message = format!("Subject: {mark}\r\n\r\n").into_bytes();
    while message.len() < octets {
        message.extend_from_slice(format!("{mark} {}\r\n", message.len()).as_bytes());
    }
    message
}

fn send(client: &mut Client, user: &str, message: &[u8]) {
    let answer = deliver(client, &[&format!("{user}@example.test")], message);
    assert!(answer.starts_with("250 "), "{answer}");
}

fn backup(appliance: &Appliance, dir: &Path) -> Ended {
    finish(appliance.verb(&["backup"]).arg(dir), PATIENCE)
}

/// What a mailbox has, as far as it is delivered by now.
fn subjects(appliance: &Appliance, user: &str) -> BTreeSet<String> {
    let mut client = pop3(appliance.pop3, user);
    let count = client.listing("LIST").len();
    let subjects = (1..=count).map(|number| {
        let octets = String::from_utf8(client.multiline(&format!("TOP {number} 0"))).expect("text");
        octets.lines().find_map(|line| line.strip_prefix("Subject: ")).expect("a subject").to_owned()
    });
    let subjects = subjects.collect();
    client.quit();
    subjects
}

fn same(found: &[Collected], wanted: &[Collected]) {
    let uids = |all: &[Collected]| all.iter().map(|one| one.uid.clone()).collect::<Vec<_>>();
    assert_eq!(uids(found), uids(wanted));
    for (found, wanted) in found.iter().zip(wanted) {
        assert_same(&found.octets, &wanted.octets, &wanted.uid);
    }
}

#[test]
fn what_was_acknowledged_before_a_backup_comes_back_from_it_and_keeps_its_uidl() {
    let mut first = Appliance::start();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let dir = elsewhere.path().join("backup");
    let mut client = smtp(first.smtp);
    for n in 0..20 {
        send(&mut client, "alice", &message(&format!("kept {n}"), 100 + n * 1500));
    }
    send(&mut client, "alice", &message("kept and long", 5 << 20));
    let alice = collect(first.pop3, "alice", 21);
    // A log of several files.
    first.restart();
    client = smtp(first.smtp);
    let ended = backup(&first, &dir);
    assert!(ended.err.contains("talking to the running daemon"), "{}", ended.err);
    assert!(ended.out.contains("0 there from before"), "{}", ended.out);

    let (acknowledged, done) = (Mutex::new(BTreeSet::new()), AtomicBool::new(false));
    let before = thread::scope(|scope| {
        for worker in 0..3 {
            let (first, acknowledged, done) = (&first, &acknowledged, &done);
            scope.spawn(move || {
                let mut client = smtp(first.smtp);
                for n in (0..).take_while(|_| !done.load(Ordering::SeqCst)) {
                    let mark = format!("load {worker} {n}");
                    send(&mut client, "bob", &message(&mark, 200 + n % 7 * 3000));
                    acknowledged.lock().expect("no panic").insert(mark);
                }
            });
        }
        while acknowledged.lock().expect("no panic").len() < 150 {
            thread::sleep(Duration::from_millis(5));
        }
        let before = acknowledged.lock().expect("no panic").clone();
        let again = backup(&first, &dir);
        assert!(!again.out.contains("0 there from before"), "{}", again.out);
        done.store(true, Ordering::SeqCst);
        before
    });
    let sent = acknowledged.into_inner().expect("no panic");
    for n in 0..5 {
        send(&mut client, "alice", &message(&format!("after {n}"), 500));
    }
    let all = collect(first.pop3, "alice", 26);
    let bobs = collect(first.pop3, "bob", sent.len());
    first.kill();

    let mut second = Appliance::prepare(restante_tests::Setup::default());
    let restored = finish(second.verb(&["restore"]).arg(&dir), PATIENCE);
    assert!(restored.out.contains("restored into "), "{}", restored.out);
    // The last file of its log is shorter than those before it, and nothing is missing behind.
    let salvaged =
        run(second.verb(&["fsck"]).arg("--salvage").arg(elsewhere.path().join("salvaged")), PATIENCE);
    assert_eq!(salvaged.status.code(), Some(0), "{salvaged:?}");
    second.restart();
    same(&collect(second.pop3, "alice", 21), &alice);
    // What was queued at that moment is delivered now.
    let found = loop {
        let found = subjects(&second, "bob");
        if found.is_superset(&before) {
            break found;
        }
        thread::sleep(Duration::from_millis(50));
    };
    assert!(found.is_subset(&sent), "mail that nobody sent");
    let mine = collect(second.pop3, "bob", found.len());
    for one in &mine {
        let there = bobs.iter().find(|other| below(&other.octets).1 == below(&one.octets).1);
        let there = there.expect("sent to the first");
        assert!(one.uid == there.uid || all.iter().chain(&bobs).all(|other| other.uid != one.uid));
    }
    let kept = mine.iter().filter(|one| bobs.iter().any(|other| other.uid == one.uid)).count();
    assert!(kept > 50, "{kept} of {} kept their uids", mine.len());

    let mut client = smtp(second.smtp);
    for n in 0..5 {
        send(&mut client, "alice", &message(&format!("new {n}"), 500));
    }
    let now = collect(second.pop3, "alice", 26);
    same(&now[..21], &alice);
    for one in &now[21..] {
        assert!(
            all.iter().chain(&bobs).all(|other| other.uid != one.uid),
            "{} was handed out before",
            one.uid
        );
    }
}

#[test]
fn backup_and_restore_say_what_is_wrong_and_touch_nothing() {
    let mut appliance = Appliance::start();
    let mut client = smtp(appliance.smtp);
    send(&mut client, "alice", &message("one", 100));
    let alice = collect(appliance.pop3, "alice", 1);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let dir = elsewhere.path().join("backup");
    let refused = |appliance: &Appliance, words: &[&str], code: i32, why: &str| {
        let ended = run(&mut appliance.verb(words), PATIENCE);
        assert_eq!(ended.status.code(), Some(code), "{words:?}: {}", ended.err);
        assert!(ended.err.contains(why), "{words:?}: {}", ended.err);
    };
    let path = dir.to_str().expect("text");
    refused(&appliance, &["restore", path], 69, "the daemon is running");
    appliance.stop();
    refused(&appliance, &["restore", path], 66, "no finished backup");
    let inside = appliance.state_dir().join("store/backup");
    refused(&appliance, &["backup", inside.to_str().expect("text")], 73, "must not lie inside each other");
    std::fs::write(elsewhere.path().join("letter"), b"dear").expect("written");
    let full = elsewhere.path().to_str().expect("text");
    refused(&appliance, &["backup", full], 73, "not empty");
    let ended = backup(&appliance, &dir);
    assert!(ended.err.contains("the daemon is not running"), "{}", ended.err);
    assert!(!dir.join("tls.key").exists());
    refused(&appliance, &["restore", path], 73, "--force");
    let json = finish(&mut appliance.verb(&["restore", path, "--force", "--json"]), PATIENCE);
    assert!(json.out.starts_with("{\"made\":\""), "{}", json.out);
    appliance.restart();
    same(&collect(appliance.pop3, "alice", 1), &alice);
}

/// What it takes is all there is, and that this is not all there was is known.
#[test]
fn a_backup_of_a_store_that_is_known_to_be_damaged_says_so() {
    let mut appliance = Appliance::start();
    let mut client = smtp(appliance.smtp);
    for number in 0..5 {
        send(&mut client, "alice", &message(&format!("letter {number}"), 6000));
    }
    drop(client);
    collect(appliance.pop3, "alice", 5);
    assert!(appliance.stop().success());
    let store = appliance.state_dir().join("store");
    let segments = std::fs::read_dir(store.join("log")).expect("a log");
    let mut damaged = 0;
    for path in segments.map(|entry| entry.expect("a segment").path()) {
        let mut octets = std::fs::read(&path).expect("read");
        let Some(at) = octets.windows(17).position(|part| part == b"Subject: letter 2") else { continue };
        octets[at - 400..at + 500].fill(0xee);
        std::fs::write(&path, octets).expect("written");
        damaged += 1;
    }
    assert_eq!(damaged, 1);
    // Only who reads the log from its beginning comes by.
    std::fs::remove_file(store.join("CKPT")).expect("removed");
    std::fs::remove_dir_all(store.join("idx")).expect("removed");
    appliance.restart();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let ended = backup(&appliance, &elsewhere.path().join("backup"));
    assert!(ended.status.success(), "{}", ended.err);
    assert!(ended.err.contains("part of the log is damaged and was set aside"), "{}", ended.err);
}
