//! The control socket from outside: how the appliance is, and a configuration read again, with a daemon and
//! without one.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use mail::{MailboxName, ViewName};
use queue::{Expunge, Store, Unwanted};
use queue_sled::{Params, SledStore};
use restante_tests::{Appliance, Ended, Setup, collect, deliver, pop3, run, smtp};
use rustix::process::Uid;
use rustix::thread::set_thread_res_uid;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);
/// `nobody`.
const STRANGER: u32 = 65_534;

fn verb(appliance: &Appliance, words: &[&str]) -> Ended {
    let ended = run(&mut appliance.verb(words), SOON);
    assert!(!ended.err.contains("panicked"), "{ended:?}");
    ended
}

fn code(ended: &Ended) -> Option<i32> {
    ended.status.code()
}

/// `status --json`, with its exit code.
fn status(appliance: &Appliance) -> (Option<i32>, Value) {
    let ended = verb(appliance, &["status", "--json"]);
    assert_eq!(ended.out.lines().count(), 1, "{ended:?}");
    (code(&ended), serde_json::from_str(&ended.out).expect("one document"))
}

/// The exit code and the word. That the disk of a busy machine is nearly full is not what is tested here.
fn word(found: &(Option<i32>, Value)) -> (Option<i32>, &str) {
    let health = &found.1["health"];
    let reasons = health["reasons"].as_array().expect("a list");
    let is_disk =
        |it: &Value| it["text"].as_str().is_some_and(|text| text.starts_with("the disk is nearly full"));
    match (health["state"].as_str().expect("a word"), found.0) {
        ("degraded", Some(1)) if !reasons.is_empty() && reasons.iter().all(is_disk) => (Some(0), "ok"),
        (word, code) => (code, word),
    }
}

#[test]
fn who_says_who_is_there_and_that_nobody_is() {
    let mut appliance = Appliance::start();
    let mut client = smtp(appliance.smtp);
    assert!(deliver(&mut client, &["bob@example.test"], b"Subject: kept\r\n\r\n").starts_with("250 "));
    collect(appliance.pop3, "bob", 1);
    let mut reader = pop3(appliance.pop3, "bob");
    for command in ["STAT", "LIST"] {
        assert!(reader.command(command).starts_with("+OK"), "{command}");
    }
    assert!(reader.line().is_some_and(|line| line.starts_with("1 ")));
    let ended = verb(&appliance, &["who"]);
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!((code(&ended), lines.len()), (Some(0), 2), "{ended:?}");
    assert!(lines[1].starts_with("bob    bob   127.0.0.1"), "{ended:?}");
    let document = |appliance: &Appliance| -> Value {
        let ended = verb(appliance, &["who", "--json"]);
        serde_json::from_str(&ended.out).expect("one document")
    };
    let found = document(&appliance);
    let session = &found["sessions"][0];
    assert_eq!((session["login"].as_str(), session["messages"].as_u64()), (Some("bob"), Some(1)), "{found}");
    assert_eq!((session["tls"].as_str(), session["views"][0].as_str()), (None, Some("bob")), "{found}");
    drop(reader);
    appliance.stop();
    let ended = verb(&appliance, &["who"]);
    assert_eq!((code(&ended), ended.out.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.err.contains("no daemon runs: nobody is connected"), "{ended:?}");
    assert_eq!(document(&appliance)["sessions"].as_array().map(Vec::len), Some(0));
}

/// Of mail that a team has let go and still holds, which no view lists.
#[test]
fn what_only_waits_to_go_is_told_with_its_subject() {
    let mut setup = Setup::of(&["alice", "bob"]);
    setup.mailboxes.push_str(
        "\n[[mailbox]]\nname = \"sales\"\nmembers = [\"alice\", \"bob\"]\nrelease = { when = \"all-done\" }\n",
    );
    let mut appliance = Appliance::with(setup);
    let mut client = smtp(appliance.smtp);
    assert!(deliver(&mut client, &["sales@example.test"], b"Subject: an order\r\n\r\n").starts_with("250 "));
    let uid = collect(appliance.pop3, "alice/sales", 1)[0].uid.clone();
    for login in ["alice/sales", "bob/sales"] {
        let mut member = pop3(appliance.pop3, login);
        assert!(member.command("DELE 1").starts_with("+OK"));
        member.quit();
    }
    appliance.stop();
    // As the keeper does when it looks next.
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let path = appliance.state_dir().join("store");
        let (store, _) = SledStore::open(&path, Params::default()).expect("opened");
        let (mailbox, view) = (MailboxName::parse("sales").expect("a name"), ViewName::releaser());
        let uids = vec![uid.parse().expect("a uid")];
        store.delete(vec![Expunge { mailbox, view, uids, unwanted: Unwanted::Stays }]).await.expect("done");
        store.close().await.expect("closed");
    });
    let dry = verb(&appliance, &["undo", "--login", "alice/sales", "--last", "1h", "--dry-run"]);
    assert_eq!(code(&dry), Some(0), "{dry:?}");
    assert!(dry.out.contains(&uid) && dry.out.contains("an order"), "{dry:?}");
}

/// With the daemon, and then without it.
#[test]
fn what_was_deleted_comes_back_under_another_name() {
    let mut appliance = Appliance::start();
    let mut client = smtp(appliance.smtp);
    for number in 1..=3 {
        let mail = format!("From: boss@example.net\r\nSubject: number {number}\r\n\r\nbody\r\n");
        assert!(deliver(&mut client, &["bob@example.test"], mail.as_bytes()).starts_with("250 "));
    }
    let before = collect(appliance.pop3, "bob", 3);
    let nothing = verb(&appliance, &["undo", "--login", "bob", "--last", "1h"]);
    assert_eq!((code(&nothing), nothing.out.as_str()), (Some(1), ""), "{nothing:?}");
    assert!(nothing.err.contains("nothing to bring back: what is in no trash any more"), "{nothing:?}");
    let mut reader = pop3(appliance.pop3, "bob");
    for command in ["DELE 1", "DELE 2"] {
        assert!(reader.command(command).starts_with("+OK"));
    }
    reader.quit();
    collect(appliance.pop3, "bob", 1);
    let mut trash = pop3(appliance.pop3, "bob+trash");
    assert_eq!(trash.listing("UIDL").len(), 2, "they can be looked at");
    trash.quit();
    let document = |appliance: &Appliance, words: &[&str]| -> Value {
        let ended = verb(appliance, &[&["undo", "--json", "--login", "bob"], words].concat());
        assert_eq!(code(&ended), Some(0), "{ended:?}");
        serde_json::from_str(&ended.out).expect("one document")
    };
    let dry = document(&appliance, &["--last", "1h", "--dry-run"]);
    let subjects = |found: &Value| -> Vec<String> {
        let undone = found["undone"].as_array().expect("a list");
        undone.iter().map(|item| item["subject"].as_str().expect("a text").to_owned()).collect()
    };
    assert_eq!(subjects(&dry), ["number 1", "number 2"], "{dry}");
    assert_eq!(dry["undone"][0]["now"], Value::Null, "{dry}");
    collect(appliance.pop3, "bob", 1);
    let first = before[0].uid.clone();
    let wrong = verb(&appliance, &["undo", "--login", "bob", "--id", "r00000000000000ff"]);
    assert_eq!((code(&wrong), wrong.err.contains("nothing that was deleted from bob")), (Some(66), true));
    let table = verb(&appliance, &["undo", "--login", "bob@example.test", "--id", &first]);
    assert_eq!(code(&table), Some(0), "{table:?}");
    assert!(table.out.contains(&first) && table.out.contains("boss@example.net"), "{table:?}");
    assert!(table.out.ends_with("1 message brought back into bob\n"), "{table:?}");
    let after = collect(appliance.pop3, "bob", 2);
    let back = &after[1];
    assert!(before.iter().all(|mail| mail.uid != back.uid), "its clients fetch it again");
    assert!(before[0].octets == back.octets, "as it was");
    appliance.logged(&["undone: deleted mail is back", "login=\"bob@example.test\"", "messages=1"]);
    // The trace is written behind the answers.
    let until = Instant::now() + SOON;
    let mut journey = verb(&appliance, &["trace", &back.uid]);
    while journey.out.is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
        journey = verb(&appliance, &["trace", &back.uid]);
    }
    assert!(journey.out.contains(&format!("as {first}")), "{journey:?}");
    assert!(
        journey.out.contains(&format!("brought back into bob for its owner as {}", back.uid)),
        "{journey:?}"
    );
    appliance.stop();
    let offline = document(&appliance, &["--last", "1h"]);
    assert_eq!(subjects(&offline), ["number 2"], "{offline}");
    appliance.restart();
    assert_eq!(
        collect(appliance.pop3, "bob", 3)[2].uid,
        offline["undone"][0]["now"].as_str().expect("a name")
    );
    let ended = verb(&appliance, &["undo", "--login", "nobody", "--last", "1h"]);
    assert_eq!(
        (code(&ended), ended.err.contains("nobody logs in as `nobody`")),
        (Some(66), true),
        "{ended:?}"
    );
}

#[test]
fn status_says_how_it_is_in_one_word_and_in_figures() {
    let mut appliance = Appliance::start();
    let mut client = smtp(appliance.smtp);
    assert!(deliver(&mut client, &["bob@example.test"], b"Subject: kept\r\n\r\n").starts_with("250 "));
    collect(appliance.pop3, "bob", 1);
    let _reader = pop3(appliance.pop3, "alice");
    let found = status(&appliance);
    assert_eq!(word(&found), (Some(0), "ok"), "{}", found.1);
    let report = &found.1;
    assert_eq!(report["pid"], appliance.pid());
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    let listeners = report["listeners"].as_array().expect("a list");
    let address = appliance.smtp.to_string();
    assert!(listeners.iter().any(|it| it["service"] == "smtp" && it["address"] == address), "{report}");
    let sessions = report["sessions"].as_array().expect("a list");
    let open =
        |service: &str| sessions.iter().find(|it| it["service"] == service).map(|it| it["open"].clone());
    assert_eq!((open("smtp"), open("pop3")), (Some(1.into()), Some(1.into())), "{report}");
    assert_eq!(report["queue"]["messages"], 0);
    let mailboxes = &report["mailboxes"];
    assert_eq!((&mailboxes["configured"], &mailboxes["messages"]), (&2.into(), &1.into()));
    assert_eq!(mailboxes["fullest"][0]["name"], "bob", "{report}");
    assert_eq!(report["store"]["segments"], 1);
    assert!(report["disk"]["free"].as_u64().is_some_and(|free| free > 0), "{report}");
    assert!(report["certificate"]["days"].as_i64().is_some_and(|days| days > 0), "{report}");

    let text = verb(&appliance, &["status"]).out;
    assert!(text.starts_with("health        ") && text.contains("2 configured, 1 message, "), "{text}");

    // A note and no fault: in its first day nothing goes for its time, and the log says so too.
    let suspended = &report["suspended"];
    let seconds = suspended["seconds"].as_u64().expect("a number");
    assert!((86_000..=86_400).contains(&seconds) && suspended["doubted"] == false, "{report}");
    let until =
        suspended["until"].as_str().is_some_and(|until| until.starts_with("20") && until.ends_with('Z'));
    assert!(
        until && text.contains("\nold mail      nothing goes for its time before 20"),
        "{suspended} {text}"
    );
    appliance.logged(&["INFO", "no mail goes for its age before so many hours of running", "hours=24"]);

    // Its mail stays when a mailbox leaves the file, and is named.
    appliance.configure(|setup| *setup = Setup::of(&["alice"]));
    assert_eq!(code(&verb(&appliance, &["reload"])), Some(0));
    let (_, report) = status(&appliance);
    assert_eq!(report["mailboxes"]["unconfigured"][0]["name"], "bob", "{report}");
    assert_eq!(report["mailboxes"]["unconfigured_count"], 1);
}

#[test]
fn a_reload_with_a_fault_changes_nothing_and_says_where_it_is() {
    let mut appliance = Appliance::start();
    appliance.configure(|setup| {
        setup.mailboxes = setup.mailboxes.replace("postmaster = \"alice\"", "postmaster = \"alcie\"");
    });
    let refused = verb(&appliance, &["reload"]);
    assert_eq!(code(&refused), Some(78), "{refused:?}");
    assert!(refused.err.contains("mailboxes.toml:3:14") && refused.err.contains("did you mean `alice`?"));
    let last = refused.err.trim_end().lines().last().expect("a line");
    assert_eq!(last, "restante: 1 fault in the configuration: the one before stays in force");
    let json = verb(&appliance, &["reload", "--json"]);
    let document: Value = serde_json::from_str(&json.out).expect("one document");
    assert_eq!(
        (&document["in_force"], &document["faults"][0]["line"]),
        (&false.into(), &3.into()),
        "{document}"
    );
    let error = &document["error"];
    assert_eq!((&error["code"], &error["exit"]), (&"config".into(), &78.into()), "{document}");
    assert_eq!(error["faults"], document["faults"], "as every verb says it");
    let mut client = smtp(appliance.smtp);
    assert!(deliver(&mut client, &["bob@example.test"], b"Subject: as before\r\n\r\n").starts_with("250 "));
    let found = status(&appliance);
    assert_eq!(word(&found), (Some(1), "degraded"));
    // The disk of a busy machine may be another.
    let reasons = found.1["health"]["reasons"].as_array().expect("a list");
    let says = |reason: &Value| reason["text"].as_str().is_some_and(|text| text.contains("reload"));
    assert!(reasons.iter().any(says), "{}", found.1);

    appliance.configure(|setup| {
        *setup = Setup::of(&["alice", "carol"]);
        setup.smtp_limits = "connections = 7\nrecipients = 99".into();
    });
    let taken = verb(&appliance, &["reload"]);
    assert_eq!(code(&taken), Some(0), "{taken:?}");
    for line in [
        "setting smtp.limits: changed",
        "mailbox carol: new",
        "mailbox bob: gone",
        "the configuration is in force",
        "at a restart only: the connections of smtp.limits",
    ] {
        assert!(taken.out.lines().any(|it| it == line), "{line} is not in\n{}", taken.out);
    }
    let mut client = smtp(appliance.smtp);
    assert!(deliver(&mut client, &["carol@example.test"], b"Subject: new\r\n\r\n").starts_with("250 "));
    // What waits still waits when the same is read once more.
    assert!(verb(&appliance, &["reload"]).out.contains("at a restart only"));
    let found = status(&appliance);
    assert_eq!(word(&found), (Some(0), "ok"), "{}", found.1);
    assert_eq!(found.1["waiting_for_restart"][0], "the connections of smtp.limits");
    appliance.configure(|setup| setup.mailboxes.push_str("devices = [\"phone\"]\ntrash = \"9 days\"\n"));
    let told = verb(&appliance, &["reload"]).out;
    assert!(told.starts_with("mailbox carol: changed (trash, devices)\n"), "{told}");
    appliance.restart();
    let sessions = &status(&appliance).1["sessions"];
    assert_eq!(sessions[0]["limit"], 7, "{sessions}");
}

#[test]
fn without_a_daemon_status_says_so_and_opens_nothing() {
    let mut appliance = Appliance::start();
    appliance.kill();
    let socket = appliance.state_dir().join("control.sock");
    assert!(socket.exists(), "a kill leaves it");
    let found = status(&appliance);
    assert_eq!(word(&found), (Some(1), "failed"));
    assert!(found.1["health"]["reasons"][0]["text"].as_str().expect("words").contains("not running"));
    assert!(found.1["disk"]["free"].as_u64().is_some() && found.1["pid"].is_null(), "{}", found.1);
    let reload = verb(&appliance, &["reload", "--json"]);
    assert_eq!(code(&reload), Some(69), "{reload:?}");
    let document: Value = serde_json::from_str(&reload.out).expect("one document");
    assert_eq!((&document["error"]["code"], &document["error"]["exit"]), (&"unavailable".into(), &69.into()));
    assert_eq!(reload.err, "restante: the daemon is not running; systemctl start restante\n");

    // The next daemon takes the place of the dead one, and takes its file away when it ends.
    appliance.restart();
    assert_eq!(word(&status(&appliance)), (Some(0), "ok"));
    assert_eq!(fs::metadata(&socket).expect("there").permissions().mode() & 0o777, 0o600);
    assert!(appliance.stop().success());
    assert!(!socket.exists());
    appliance.configure(|setup| setup.machine = "hostnam = 1".into());
    let (_, report) = status(&appliance);
    let reasons = report["health"]["reasons"].as_array().expect("a list");
    assert!(
        reasons.iter().any(|it| it["text"].as_str().is_some_and(|text| text.contains("1 fault"))),
        "{report}"
    );
}

#[test]
fn a_second_daemon_leaves_the_socket_to_the_first() {
    let appliance = Appliance::start();
    assert!(!run(&mut appliance.serve(), SOON).status.success());
    let found = status(&appliance);
    assert_eq!(word(&found), (Some(0), "ok"));
    assert_eq!(found.1["pid"], appliance.pid());
}

#[test]
fn a_daemon_that_hangs_is_not_healthy() {
    let appliance = Appliance::start();
    appliance.signal(rustix::process::Signal::STOP);
    let found = status(&appliance);
    appliance.signal(rustix::process::Signal::CONT);
    assert_eq!(word(&found), (Some(1), "failed"));
    let text = found.1["health"]["reasons"][0]["text"].as_str().expect("words");
    assert_eq!(text, "the daemon does not answer");
    assert_eq!(word(&status(&appliance)), (Some(0), "ok"));
}

#[test]
fn a_stranger_is_refused_whatever_the_modes_say() {
    if !rustix::process::geteuid().is_root() {
        restante_tests::skipped("not root");
        return;
    }
    let appliance = Appliance::start();
    let open = |path: &std::path::Path, mode| fs::set_permissions(path, Permissions::from_mode(mode));
    let socket = appliance.state_dir().join("control.sock");
    open(appliance.config_dir(), 0o711).expect("opened");
    // The build folder may be out of a stranger's reach.
    let program = appliance.config_dir().join("restante");
    fs::copy(appliance.verb(&[]).get_program(), &program).expect("copied");
    let mut as_stranger = Command::new(program);
    as_stranger.args(["status", "--config"]).arg(appliance.config_dir()).uid(STRANGER).gid(STRANGER);
    for (file, mode) in [("restante.toml", 0o600), ("restante.toml", 0o644)] {
        // The file that says where the socket is, then the folder that the socket is in.
        open(&appliance.config_dir().join(file), mode).expect("opened");
        let denied = run(&mut as_stranger, SOON);
        assert_eq!(code(&denied), Some(77), "{denied:?}");
        assert!(denied.err.contains("run this as root or as the user restante"), "{denied:?}");
    }
    open(&appliance.state_dir(), 0o711).expect("opened");
    open(&socket, 0o666).expect("opened");
    let denied = run(&mut as_stranger, SOON);
    assert_eq!(code(&denied), Some(77), "{denied:?}");
    let heard = std::thread::spawn(move || {
        let stranger = Uid::from_raw(STRANGER);
        set_thread_res_uid(stranger, stranger, stranger).expect("somebody else");
        let mut stream = UnixStream::connect(socket).expect("connected");
        // It may be gone already.
        let _ = stream.write_all(b"{\"v\":1,\"verb\":\"status\"}\n");
        let mut heard = String::new();
        let _ = stream.take(4096).read_to_string(&mut heard);
        heard
    });
    let heard = heard.join().expect("no panic");
    assert!(heard.contains("\"code\":\"permission\"") && heard.lines().count() == 1, "{heard}");
    appliance.logged(&["WARN", "refused a stranger on the control socket", "uid=65534"]);
    assert_eq!(word(&status(&appliance)), (Some(0), "ok"));
}
