use std::fs;

use restante_tests::{Appliance, collect};

use super::{OldServer, exported, file, import, imported, stopped, text};

fn uidls(appliance: &Appliance, count: usize) -> Vec<String> {
    collect(appliance.pop3, "alice", count).into_iter().map(|message| message.uid).collect()
}

/// Clients find what Dovecot has told them, in Dovecot's order.
#[test]
fn the_unique_ids_of_dovecot_are_taken_over() {
    let appliance = Appliance::start();
    let old = OldServer::with(6);
    let mut list = "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n".to_owned();
    for (uid, number) in [(7, 5), (8, 3), (9, 1), (10, 0)] {
        list.push_str(&format!("{uid} W99 :{}\n", file(number)));
    }
    list.push_str(&format!("11 Pfrom-an-older-server :{}\n99 :gone.old.example:2,S\n", file(2)));
    let list = old.list(&list);
    let ended = imported(&appliance, &["--maildir", text(old.path()), "--uidl-from", text(&list)]);
    assert!(ended.err.contains("1 of its lines name no message"), "{}", ended.err);
    let wanted = [
        "000000074c0907b0",
        "000000084c0907b0",
        "000000094c0907b0",
        "0000000a4c0907b0",
        "from-an-older-server",
        "1000000004.M7P1.old.example",
    ];
    assert_eq!(uidls(&appliance, 6), wanted);
    let other = Appliance::start();
    let format = ["--maildir", text(old.path()), "--uidl-from", text(&list), "--uidl-format", "%v.%u"];
    imported(&other, &format);
    assert_eq!(uidls(&other, 6)[..2], ["1275660208.7", "1275660208.8"]);
}

#[test]
fn a_plain_list_names_what_an_mbox_has() {
    let appliance = Appliance::start();
    let folder = tempfile::tempdir().expect("a folder");
    let [mbox, list] = ["mbox", "list"].map(|name| folder.path().join(name));
    let from = "From a@b.example Thu Jan  1 00:00:10 1970\n";
    fs::write(&mbox, format!("{from}A: 1\n\n{from}A: 2\n\n>From x\n\n{from}A: 2\n\n>From x\n"))
        .expect("written");
    fs::write(&list, "one 1\ntwo 2\n").expect("written");
    let arguments = ["--mbox", text(&mbox), "--uidl-from", text(&list)];
    let dry = imported(&appliance, &[&arguments[..], &["--dry-run", "--json"]].concat());
    assert_eq!(dry.out, "{\"messages\":3,\"already\":0,\"failed\":[]}\n");
    imported(&appliance, &arguments);
    let names = uidls(&appliance, 3);
    assert_eq!(names[..2], ["one", "two"], "nothing came of the dry run");
    assert!(names[2].starts_with('x') && names[2].len() == 33, "{names:?}");
    let found = collect(appliance.pop3, "alice", 3);
    assert_eq!(found[1].octets, b"A: 2\r\n\r\nFrom x\r\n");
}

/// What is not sound is told before anything is brought in, with its place and an exit code.
#[test]
fn what_does_not_fit_is_refused_before_anything_happens() {
    let mut appliance = stopped();
    let old = OldServer::with(3);
    let maildir = text(old.path()).to_owned();
    for (list, told) in [
        (format!("same {}\nsame {}\n", file(0), file(1)), "list:2: `same` is the unique id of line 1 too"),
        (format!("r0123456789abcdef {}\n", file(0)), "list:1: `r0123456789abcdef`: `r` and 16 hex digits"),
        (format!("1000000001.M7P1.old.example {}\n", file(0)), "is the unique id of both"),
        ("3 V1 N1\n1 x\n".to_owned(), "list:2: expected `<uid>"),
    ] {
        let list = old.list(&list);
        let ended = import(&appliance, &["--maildir", &maildir, "--uidl-from", text(&list)]);
        assert_eq!(ended.status.code(), Some(65), "{}", ended.err);
        assert!(ended.err.contains(told), "{}", ended.err);
        fs::remove_file(list).expect("removed");
    }
    for (arguments, code, told) in [
        (&["--maildir", "/nonexistent"][..], 66, "not there"),
        (&["--mbox", "/nonexistent"], 66, "/nonexistent: not there"),
        (&["--mbox", text(&old.path().join("cur").join(file(1)))], 65, "no `From ` line"),
        (&["--maildir", &maildir, "--uidl-format", "%m"], 2, "plain list"),
        (&["--maildir", &maildir, "--mbox", "x"], 2, "cannot be used with"),
        (&[], 2, "required"),
    ] {
        let ended = import(&appliance, arguments);
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(told), "{arguments:?}: {}", ended.err);
    }
    appliance.restart();
    collect(appliance.pop3, "alice", 0);
    let nobody = ["import", "--mailbox", "nobody", "--maildir", &maildir];
    let ended = restante_tests::run(&mut appliance.verb(&nobody), super::PATIENCE);
    assert_eq!(ended.status.code(), Some(66), "{}", ended.err);
    assert!(ended.err.contains("there is no mailbox `nobody`"), "{}", ended.err);
    let here = tempfile::tempdir().expect("a folder");
    let taken = here.path().join("taken");
    fs::write(&taken, "precious").expect("written");
    let arguments = ["export", "--mailbox", "alice", "--mbox", text(&taken)];
    let ended = restante_tests::run(&mut appliance.verb(&arguments), super::PATIENCE);
    assert_eq!(
        (ended.status.code(), fs::read_to_string(&taken).ok().as_deref()),
        (Some(73), Some("precious"))
    );
    exported(&appliance, &["--mbox", text(&here.path().join("empty"))]);
}

/// One message that cannot be read stops none of the others, and is named.
#[test]
fn a_message_that_cannot_be_read_is_named_and_the_others_come() {
    let appliance = Appliance::start();
    let old = OldServer::with(5);
    let list = old.list(&format!("taken {}\n", file(0)));
    imported(&appliance, &["--maildir", text(old.path()), "--uidl-from", text(&list)]);
    let other = OldServer::new();
    other.put("cur/1.another.example:2,", b"Subject: another\n\n");
    other.put("cur/2.another.example:2,", b"Subject: fine\n\n");
    let list = other.list("taken 1\n");
    let ended = import(&appliance, &["--maildir", text(other.path()), "--uidl-from", text(&list)]);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.err);
    assert_eq!(ended.out, "1 message brought into alice, 1 not: see above\n");
    assert!(ended.err.contains("cur/1.another.example:2,: another message of "), "{}", ended.err);
    collect(appliance.pop3, "alice", 6);
}
