use restante_tests::{Appliance, collect, deliver, smtp};

use super::{OldServer, exported, imported, message, stopped, text, wire};

/// In by the command line alone, out by POP3 as it was, in the old order; new mail comes behind it.
#[test]
fn a_maildir_moves_in_without_a_daemon_and_is_served_as_it_was() {
    let mut appliance = stopped();
    let old = OldServer::with(30);
    old.put("cur/1000000100.M1.old.example:2,S", b"Subject: no end\r\n\r\nlast line");
    old.put("cur/1000000101.M1.old.example:2,S", b"Delivered-To: me\nSubject: \x00odd\r\rx\n\xff\n");
    let ended = imported(&appliance, &["--maildir", text(old.path())]);
    assert_eq!(ended.out, "32 messages brought into alice\n", "{}", ended.err);
    assert!(ended.err.contains("working on the store directly"), "{}", ended.err);
    appliance.restart();
    let there = collect(appliance.pop3, "alice", 32);
    for (number, found) in there.iter().take(30).enumerate() {
        assert_eq!(
            String::from_utf8_lossy(&found.octets),
            String::from_utf8_lossy(&wire(message(number).as_bytes()))
        );
        assert_eq!(found.uid, format!("{}.M7P1.old.example", 1_000_000_000 + number));
    }
    assert_eq!(there[30].octets, b"Subject: no end\r\n\r\nlast line\r\n");
    assert_eq!(there[31].octets, b"Delivered-To: me\r\nSubject: odd\r\n\r\nx\r\n\xff\r\n");
    let answer = deliver(&mut smtp(appliance.smtp), &["alice@example.test"], b"Subject: new\r\n\r\n");
    assert!(answer.starts_with("250 "), "{answer}");
    let now = collect(appliance.pop3, "alice", 33);
    assert!(now[32].uid.starts_with('r') && now[32].octets.ends_with(b"Subject: new\r\n\r\n"));
    let again = imported(&appliance, &["--maildir", text(old.path())]);
    assert_eq!(again.out, "0 messages brought into alice, 32 there already\n");
    collect(appliance.pop3, "alice", 33);
}

/// What went out comes in again elsewhere: octets, order, times.
#[test]
fn what_is_exported_is_what_was_imported() {
    let appliance = Appliance::start();
    let old = OldServer::with(20);
    imported(&appliance, &["--maildir", text(old.path())]);
    let folder = tempfile::tempdir().expect("a folder");
    let [maildir, mbox, list] = ["Maildir", "out.mbox", "uidls"].map(|name| folder.path().join(name));
    let ended = exported(&appliance, &["--maildir", text(&maildir), "--uidl-to", text(&list)]);
    assert_eq!(ended.out, format!("20 messages written to {}\n", maildir.display()));
    let again = exported(&appliance, &["--maildir", text(&maildir)]);
    assert_eq!(again.out, format!("0 messages written to {}, 20 there already\n", maildir.display()));
    exported(&appliance, &["--mbox", text(&mbox)]);
    let mut elsewhere = stopped();
    imported(&elsewhere, &["--maildir", text(&maildir), "--uidl-from", text(&list)]);
    elsewhere.restart();
    let before = collect(appliance.pop3, "alice", 20);
    let after = collect(elsewhere.pop3, "alice", 20);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&before.uid, &before.octets), (&after.uid, &after.octets));
    }
    let third = Appliance::start();
    let ended = imported(&third, &["--mbox", text(&mbox)]);
    assert_eq!(ended.out, "20 messages brought into alice\n");
    let ended = imported(&third, &["--mbox", text(&mbox)]);
    assert_eq!(ended.out, "0 messages brought into alice, 20 there already\n", "known by their content");
    for (before, after) in before.iter().zip(&collect(third.pop3, "alice", 20)) {
        assert_eq!(before.octets, after.octets);
    }
    let text = std::fs::read_to_string(&mbox).expect("text");
    assert!(text.starts_with("From s0@client.example Sun Sep  9 01:46:40 2001\n"), "{text}");
}

/// Longer than what the log holds, and than any buffer on the way.
#[test]
fn a_long_message_moves_in_and_out_whole() {
    let appliance = Appliance::start();
    let old = OldServer::new();
    let long = [b"Subject: long\n\n".to_vec(), b"0123456789abcdef\n".repeat(700_000)].concat();
    old.put("cur/1.long:2,", &long);
    imported(&appliance, &["--maildir", text(old.path())]);
    let there = collect(appliance.pop3, "alice", 1);
    assert!(there[0].octets == wire(&long));
    let folder = tempfile::tempdir().expect("a folder");
    exported(&appliance, &["--maildir", text(folder.path())]);
    let file =
        std::fs::read_dir(folder.path().join("new")).expect("listed").next().expect("one").expect("one");
    assert!(std::fs::read(file.path()).expect("read") == long);
}
