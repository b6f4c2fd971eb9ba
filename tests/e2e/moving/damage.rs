use std::fs;

use restante_tests::{Appliance, Setup, finish, run};

use super::{OldServer, PATIENCE, imported, stopped, text};

/// One sector of the disk is bad: the message in it is named, all others go out.
#[test]
fn an_export_names_what_it_cannot_read_and_writes_all_else() {
    let appliance = stopped();
    let old = OldServer::with(9);
    imported(&appliance, &["--maildir", text(old.path())]);
    let mut hit = 0;
    for entry in fs::read_dir(appliance.state_dir().join("store/log")).expect("a log") {
        let path = entry.expect("one").path();
        let mut octets = fs::read(&path).expect("read");
        if let Some(at) = octets.windows(9).position(|run| run == b"body of 4") {
            octets[at] = b'B';
            fs::write(&path, octets).expect("written");
            hit += 1;
        }
    }
    assert_eq!(hit, 1, "the message stands in the log once");
    let folder = tempfile::tempdir().expect("a folder");
    let [maildir, mbox] = ["Maildir", "mbox"].map(|name| folder.path().join(name));
    for to in [["--maildir", text(&maildir)], ["--mbox", text(&mbox)]] {
        let mut verb = appliance.verb(&[&["export", "--mailbox", "alice", "--json"], &to[..]].concat());
        let ended = run(&mut verb, PATIENCE);
        assert_eq!(ended.status.code(), Some(1), "{}", ended.err);
        assert!(ended.err.contains("restante: 1000000004.M7P1.old.example: damaged"), "{}", ended.err);
        assert!(ended.out.starts_with("{\"messages\":8,\"already\":0,\"failed\":[{"), "{}", ended.out);
    }
    assert_eq!(fs::read_dir(maildir.join("new")).expect("listed").count(), 8);
    assert_eq!(fs::read_dir(maildir.join("tmp")).expect("listed").count(), 0);
    let text = fs::read_to_string(&mbox).expect("read");
    assert_eq!(text.matches("Subject: ").count(), 8);
    assert!(!text.contains("number 4"));
}

/// A move does not end in the middle because a mailbox is small; it says what follows from that.
#[test]
fn a_quota_is_passed_and_told() {
    let mut setup = Setup::default();
    setup.mailboxes.push_str("quota = \"1 MiB\"\n");
    let appliance = Appliance::with(setup);
    let old = OldServer::with(1);
    old.put("cur/2000000000.long.old.example:2,", &b"0123456789abcde\n".repeat(100_000));
    let import = ["import", "--mailbox", "bob", "--maildir", text(old.path())];
    let ended = finish(&mut appliance.verb(&import), PATIENCE);
    assert_eq!(ended.out, "2 messages brought into bob\n");
    let told = "restante: bob holds 1.6 MiB now, of 1.0 MiB that it may: new mail for it is put off\n";
    assert!(ended.err.ends_with(told), "{}", ended.err);
}

/// What the old server has packed is no mail to anybody else.
#[test]
fn packed_mail_is_named_and_not_brought_in() {
    let appliance = Appliance::start();
    let old = OldServer::with(2);
    old.put("cur/2000000000.x.old.example:2,SZ", b"\x1f\x8b\x08\0\0\0\0\0\0\x03packed");
    let mut verb = appliance.verb(&["import", "--mailbox", "alice", "--maildir", text(old.path())]);
    let ended = run(&mut verb, PATIENCE);
    assert_eq!(
        (ended.status.code(), ended.out.as_str()),
        (Some(1), "2 messages brought into alice, 1 not: see above\n")
    );
    assert!(ended.err.contains("cur/2000000000.x.old.example:2,SZ: it is packed"), "{}", ended.err);
}
