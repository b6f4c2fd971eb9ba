//! Mail that is held back: found, looked at, released and let go; and explained before it comes.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use restante_tests::{Appliance, Ended, Setup, collect, deliver, pop3, run, smtp};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);
const MESSAGE: &[u8] =
    b"From: Shop <shop@vendor.test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nspam body\r\n";
const RULES: &str = r#"
[[rule]]
name = "closed"
when = { recipient = "bob@*", sender = "*@bad.test" }
then = { refuse = "550 5.7.1", text = "not for you" }

[[rule]]
name = "suspects"
when = { subject = "Grüße" }
then = { quarantine = "looks like spam" }
"#;

fn appliance() -> Appliance {
    let mut setup = Setup::of(&["postmaster", "alice", "bob"]);
    setup.rules = RULES.into();
    Appliance::with(setup)
}

fn verb(appliance: &Appliance, words: &[&str]) -> Ended {
    let ended = run(&mut appliance.verb(words), SOON);
    assert!(!ended.err.contains("panicked"), "{ended:?}");
    ended
}

/// What is held back, once there is so much.
fn held(appliance: &Appliance, count: usize) -> Vec<Value> {
    let until = Instant::now() + SOON;
    loop {
        let ended = verb(appliance, &["quarantine", "list", "--json"]);
        let document: Value = serde_json::from_str(&ended.out).expect("one document");
        let messages = document["messages"].as_array().expect("a list").clone();
        if messages.len() == count {
            assert_eq!(ended.status.code(), Some(if count > 0 { 0 } else { 1 }));
            return messages;
        }
        assert!(Instant::now() < until, "{ended:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn uid(item: &Value) -> &str {
    item["uid"].as_str().expect("a name")
}

#[test]
fn held_mail_is_listed_shown_released_and_deleted() {
    let mut appliance = appliance();
    let mut client = smtp(appliance.smtp);
    for _ in 0..3 {
        assert!(deliver(&mut client, &["alice@example.test"], MESSAGE).starts_with("250 "));
    }
    let messages = held(&appliance, 3);
    let first = &messages[0];
    let told = ["mailbox", "subject", "from", "reason"].map(|key| first[key].as_str().expect("a text"));
    assert_eq!(told, ["alice", "Grüße", "Shop <shop@vendor.test>", "looks like spam"]);
    let list = verb(&appliance, &["quarantine", "list", "--mailbox", "alice"]);
    assert!(list.out.contains("held back: looks like spam"), "{}", list.out);
    assert_eq!(verb(&appliance, &["quarantine", "list", "--mailbox", "bob"]).status.code(), Some(1));
    for what in ["list", "release", "delete"] {
        let nobody = verb(&appliance, &["quarantine", what, "--mailbox", "bobb"]);
        assert_eq!(nobody.status.code(), Some(66), "{nobody:?}");
        assert!(nobody.err.contains("did you mean `bob`?"), "{nobody:?}");
    }
    let shown = verb(&appliance, &["quarantine", "show", uid(first)]);
    assert!(shown.out.contains("X-Restante-Quarantine: looks like spam\r\n"), "{}", shown.out);
    assert!(shown.out.ends_with("\r\n\r\nspam body\r\n"), "{}", shown.out);

    // Released once, however often it is asked for; with a daemon and without.
    let released = verb(&appliance, &["quarantine", "release", uid(first)]);
    assert_eq!(
        (released.status.code(), released.out.as_str()),
        (Some(0), "1 message released\n"),
        "{released:?}"
    );
    let again = verb(&appliance, &["quarantine", "release", uid(first)]);
    assert_eq!(again.status.code(), Some(66), "{again:?}");
    let mine = collect(appliance.pop3, "alice", 1);
    let text = String::from_utf8_lossy(&mine[0].octets).into_owned();
    assert!(text.starts_with("Return-Path: <") && text.ends_with("\r\n\r\nspam body\r\n"), "{text}");
    assert!(!text.contains("X-Restante-Quarantine") && text.contains("X-Restante-Rule: suspects"), "{text}");
    held(&appliance, 2);
    appliance.stop();
    assert_eq!(verb(&appliance, &["quarantine", "release", uid(&messages[1])]).status.code(), Some(0));
    let deleted = verb(&appliance, &["quarantine", "delete", "--mailbox", "alice", "--json"]);
    assert_eq!(deleted.out.trim_end(), r#"{"messages":1}"#, "{deleted:?}");
    appliance.restart();
    held(&appliance, 0);
    let uids: Vec<_> = collect(appliance.pop3, "alice", 2).into_iter().map(|mail| mail.uid).collect();
    assert_eq!(uids[0], mine[0].uid, "a uid stays");

    // One journey from before to after, by whichever of its names; also of what was done without the daemon.
    let me = run(std::process::Command::new("id").arg("-un"), SOON).out.trim().to_owned();
    appliance.logged(&["let out of quarantine", uid(first), &format!("by=\"{me}\"")]);
    for word in [&uids[0], uid(first), &uids[1], uid(&messages[1])] {
        let trace = verb(&appliance, &["trace", word]);
        for part in [
            "accepted from <sender@client.example>",
            "delivered to alice+quarantine as r",
            "delivered to alice as r",
            &format!("let out of the quarantine of alice by {me}: goes on as message "),
            &format!("removed from alice+quarantine: released to alice by {me}"),
        ] {
            assert!(trace.out.contains(part), "{word}: {part:?} is missing in\n{}", trace.out);
        }
        assert_eq!(trace.out.matches("\nmessage ").count() + 1, 1, "{}", trace.out);
    }
}

/// One message a day that names what is held back, whatever restarts; and a stranger's words stay in their lines.
#[test]
fn a_mailbox_is_told_once_a_day_of_what_is_held_back_from_it() {
    let mut setup = Setup::of(&["postmaster", "alice", "bob"]);
    setup.rules = RULES.replace("subject = \"Grüße\"", "subject = \"*Grüße*\"");
    setup.tables = "[quarantine]\ndigest = \"never\"\n".into();
    let mut appliance = Appliance::with(setup);
    let hostile = "From: =?utf-8?q?Caf=C3=A9?= <shop@vendor.test>\r\nSubject: \
                   =?utf-8?q?Gr=C3=BC=C3=9Fe=0D=0ABcc=3A_all=40example.test?=\r\n\r\nsecret body\r\n";
    for message in [MESSAGE, hostile.as_bytes()] {
        assert!(deliver(&mut smtp(appliance.smtp), &["alice@example.test"], message).starts_with("250 "));
    }
    held(&appliance, 2);
    assert!(appliance.stop().success());
    // As if it had run the day before; what comes at midnight is due at any time.
    fs::write(appliance.state_dir().join("digests"), "done 2026-01-01\n").expect("written");
    appliance.configure(|setup| setup.tables = "[quarantine]\ndigest = \"00:00\"\n".into());
    for _ in 0..2 {
        appliance.restart();
        let mail = collect(appliance.pop3, "alice", 1);
        let text = String::from_utf8_lossy(&mail[0].octets).into_owned();
        for part in [
            "Return-Path: <>\r\n",
            "\r\nSubject: 2 messages are held back from you\r\n",
            "\r\nAuto-Submitted: auto-generated\r\n",
            "\r\nFrom:    Shop <shop@vendor.test>\r\nSubject: Grüße\r\n",
            "\r\nReason:  looks like spam\r\n",
            "\r\nFrom:    Café <shop@vendor.test>\r\nSubject: Grüße",
            "restante quarantine release r",
            "as alice+quarantine,",
        ] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
        assert!(!text.contains("\r\nBcc:") && !text.contains("secret body"), "{text}");
        // Its line comes behind the mail: of the first run, for there is no second one.
        appliance.logged(&["a mailbox is told of what is held back from it", "alice"]);
    }
    held(&appliance, 2);
}

#[test]
fn what_is_not_there_is_said_in_one_line() {
    let appliance = appliance();
    for (words, code) in
        [(&["quarantine", "show", "r0000000000000001"][..], 66), (&["quarantine", "delete", "nonsense"], 65)]
    {
        let ended = verb(&appliance, words);
        let told = ended.err.lines().filter(|line| !line.contains("talking to the running daemon")).count();
        assert_eq!((ended.status.code(), told), (Some(code), 1), "{ended:?}");
    }
    assert_eq!(verb(&appliance, &["quarantine", "release"]).status.code(), Some(2));
    assert_eq!(collect(appliance.pop3, "alice", 0).len(), 0);
    drop(pop3(appliance.pop3, "alice"));
}

#[test]
fn a_mail_is_explained_before_it_comes_as_it_is_when_it_does() {
    let appliance = appliance();
    let file = appliance.config_dir().join("mail.eml");
    fs::write(&file, String::from_utf8_lossy(MESSAGE).replace("\r\n", "\n")).expect("written");
    let path = file.to_str().expect("text");
    let held = verb(&appliance, &["explain", path, "--to", "alice", "--from", "x@y.test"]);
    assert_eq!(held.status.code(), Some(0), "{held:?}");
    for words in
        ["rule `suspects`: yes", "subject = \"Grüße\": yes, it is \"Grüße\"", "kept in alice+quarantine:"]
    {
        assert!(held.out.contains(words), "{words}: {}", held.out);
    }
    let words = ["explain", "-", "--to", "bob@example.test", "--from", "x@bad.test", "--json"];
    let mut command = appliance.verb(&words);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
    child.stdin.take().expect("piped").write_all(b"Subject: x\n\n").expect("taken");
    let ended = child.wait_with_output().expect("ended");
    let document: Value = serde_json::from_slice(&ended.stdout).expect("one document");
    assert_eq!(ended.status.code(), Some(1), "{document}");
    assert_eq!(document["reply"], "550 5.7.1 not for you (rule `closed`)");
    assert_eq!(document["recipients"][0]["explanation"]["trials"][0]["answer"], "yes", "{document}");

    // The sender is told just that.
    let mut client = smtp(appliance.smtp);
    client.ask("MAIL FROM:<x@bad.test>");
    assert_eq!(client.ask("RCPT TO:<bob@example.test>"), "550 5.7.1 not for you");
    let unknown = verb(&appliance, &["explain", path, "--to", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
    assert!(unknown.out.contains("refused at RCPT: 550 5.1.1"), "{}", unknown.out);
}

#[test]
fn rules_are_tried_on_the_mail_of_before_and_counted() {
    let mut setup = Setup::of(&["postmaster", "alice", "bob"]);
    setup.rules = format!(
        "{RULES}\n[[rule]]\nname = \"unused\"\nwhen = {{ subject = \"never\" }}\nthen = {{ discard = true }}\n"
    );
    let appliance = Appliance::with(setup);
    let mut client = smtp(appliance.smtp);
    for _ in 0..2 {
        assert!(deliver(&mut client, &["alice@example.test"], MESSAGE).starts_with("250 "));
    }
    assert!(deliver(&mut client, &["bob@example.test"], b"Subject: plain\r\n\r\n").starts_with("250 "));
    held(&appliance, 2);
    let stats = || -> Value {
        let ended = verb(&appliance, &["rules", "stats", "--json"]);
        serde_json::from_str(&ended.out).expect("one document")
    };
    let until = Instant::now() + SOON;
    while stats()["recipients"] != 3 {
        assert!(Instant::now() < until, "{}", stats());
        std::thread::sleep(Duration::from_millis(50));
    }
    let found = stats();
    let row = |name: &str| {
        let rows = found["rules"].as_array().expect("a list");
        rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name}")).clone()
    };
    assert_eq!((&row("suspects")["matched"], &row("unused")["matched"]), (&2.into(), &0.into()));
    assert!(row("suspects")["last"].is_string() && row("unused")["last"].is_null(), "{found}");

    // Nothing moves between a set and itself; with another, what moves is counted.
    let config = appliance.config_dir();
    let same = config.join("rules.toml");
    let ended = verb(&appliance, &["rules", "diff", same.to_str().expect("text")]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.out.starts_with("0 of 3 recipients"), "{}", ended.out);
    let other = config.join("other.toml");
    fs::write(
        &other,
        "[[rule]]\nname = \"to-bob\"\nwhen = { subject = \"grüße\" }\nthen = { deliver = [\"bob\"] }\n",
    )
    .expect("written");
    let other = other.to_str().expect("text");
    let ended = verb(&appliance, &["rules", "diff", other, "--json"]);
    let document: Value = serde_json::from_str(&ended.out).expect("one document");
    assert_eq!(
        (ended.status.code(), document["moves"].as_array().map(Vec::len)),
        (Some(1), Some(1)),
        "{document}"
    );
    let moved = &document["moves"][0];
    assert_eq!((&moved["recipients"], &moved["new"]), (&2.into(), &"delivered to bob".into()), "{document}");
    assert_eq!(moved["old"], "held in quarantine: looks like spam");
    // What was refused is in no store: that much is told. A test that fails does not hide the rest.
    assert_eq!(document["refusals"], 0, "{document}");
    client.ask("MAIL FROM:<x@bad.test>");
    assert_eq!(client.ask("RCPT TO:<bob@example.test>"), "550 5.7.1 not for you");
    let until = Instant::now() + SOON;
    while stats()["recipients"] != 4 {
        assert!(Instant::now() < until, "{}", stats());
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut text = fs::read_to_string(other).expect("read");
    text.push_str(
        "\n[[test]]\nname = \"to alice\"\nmail = { to = \"alice@example.test\" }\n\
                   expect = { deliver = [\"bob\"] }\n",
    );
    let failing = config.join("failing.toml");
    fs::write(&failing, text).expect("written");
    let ended = verb(&appliance, &["rules", "diff", failing.to_str().expect("text")]);
    assert_eq!(ended.status.code(), Some(78), "{ended:?}");
    assert!(ended.out.contains("2 of 3 recipients") && ended.out.starts_with("old: what the rules of today"));
    assert!(ended.out.contains("1 refusal by rules; refused mail is not kept"), "{}", ended.out);
    assert!(ended.err.contains("to alice") && ended.err.contains("failing.toml:"), "{}", ended.err);
    let of_alice = verb(&appliance, &["rules", "diff", other, "--box", "alice", "--since", "1 h"]);
    assert!(of_alice.out.contains("2 of 2 recipients"), "{}", of_alice.out);
    let tests = verb(&appliance, &["rules", "test"]);
    assert_eq!((tests.status.code(), tests.out.contains("no tests")), (Some(0), true), "{tests:?}");
}

/// Stored mail is asked about by its octets, mail that is gone by what the trace kept, and none twice.
#[test]
fn other_rules_are_tried_on_stored_mail_with_its_body_and_on_what_the_trace_knows() {
    let mut setup = Setup::of(&["postmaster", "alice", "bob"]);
    // What is deleted is gone.
    setup.tables = "[limits]\ntrash = \"none\"\n".into();
    let mut appliance = Appliance::with(setup);
    let mut client = smtp(appliance.smtp);
    let both = ["alice@example.test", "bob@example.test"];
    let wanted = b"Subject: one\r\n\r\nplease pay the invoice now\r\n";
    assert!(deliver(&mut client, &both, wanted).starts_with("250 "));
    assert!(
        deliver(&mut client, &["alice@example.test"], b"Subject: two\r\n\r\nhello\r\n").starts_with("250 ")
    );
    assert!(deliver(&mut client, &["bob@example.test"], wanted).starts_with("250 "));
    collect(appliance.pop3, "alice", 2);
    collect(appliance.pop3, "bob", 2);
    let other = appliance.config_dir().join("other.toml");
    fs::write(
        &other,
        "[[rule]]\nname = \"pay\"\nwhen = { body = \"*invoice*\" }\nthen = { deliver = [\"postmaster\"] }\n",
    )
    .expect("written");
    let diff = |appliance: &Appliance| -> (Option<i32>, Value) {
        let ended = verb(appliance, &["rules", "diff", other.to_str().expect("text"), "--json"]);
        (ended.status.code(), serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}")))
    };
    let figures = |document: &Value| {
        ["stored", "gone", "recipients", "cannot_tell"].map(|key| document[key].as_u64().expect("a number"))
    };
    let until = Instant::now() + SOON;
    while !verb(&appliance, &["trace", "bob", "--full"]).out.contains("fetched from bob") {
        assert!(Instant::now() < until);
    }
    let (code, document) = diff(&appliance);
    assert_eq!((code, figures(&document)), (Some(1), [3, 0, 4, 0]), "{document}");
    assert_eq!(document["moves"][0]["recipients"], 3, "{document}");
    let table = verb(&appliance, &["rules", "diff", other.to_str().expect("text")]).out;
    assert!(table.contains("\nrecipients  old ") && table.contains("delivered to postmaster"), "{table}");

    // One is gone from one of its mailboxes, and one for good.
    for (user, message) in [("alice", 1), ("bob", 2)] {
        let mut session = pop3(appliance.pop3, user);
        assert!(session.command(&format!("DELE {message}")).starts_with("+OK"));
        session.quit();
    }
    let (code, document) = diff(&appliance);
    assert_eq!((code, figures(&document)), (Some(1), [2, 1, 4, 1]), "{document}");
    assert_eq!(document["moves"][0]["recipients"], 2, "{document}");
    // Without the daemon, and without the trace.
    assert!(appliance.stop().success());
    assert_eq!(figures(&diff(&appliance).1), [2, 1, 4, 1]);
    // What is judged after it has begun is not at hand among what is stored, and is not gone.
    let trace = fs::read_dir(appliance.state_dir().join("trace")).expect("read");
    let files = trace.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
    let (path, mut lines) = files
        .filter_map(|path| Some((path.clone(), fs::read_to_string(&path).ok()?)))
        .find(|(_, text)| text.contains("\"judged\":"))
        .expect("a day");
    let judged = lines.lines().find(|line| line.contains("\"judged\":")).expect("a line");
    let (_, rest) = judged.split_once("\",\"judged\":\"").expect("a time");
    let later = format!("{{\"at\":\"2999-01-01T00:00:00Z\",\"judged\":\"f{}\n", &rest[1..]);
    lines.push_str(&later);
    fs::write(&path, lines).expect("written");
    assert_eq!(figures(&diff(&appliance).1), [2, 1, 4, 1]);
    // Nor is what the trace has not told yet to be delivered.
    let text = fs::read_to_string(&path).expect("read");
    let delivered = |line: &&str| !line.contains("\"event\":\"delivered\"");
    let undelivered: String = text.lines().filter(delivered).map(|line| format!("{line}\n")).collect();
    assert!(undelivered.len() < text.len());
    fs::write(&path, undelivered).expect("written");
    assert_eq!(figures(&diff(&appliance).1), [2, 1, 4, 1]);
    fs::remove_dir_all(appliance.state_dir().join("trace")).expect("removed");
    let (code, document) = diff(&appliance);
    assert_eq!((code, figures(&document)), (Some(1), [2, 0, 3, 0]), "{document}");
    let long_ago =
        verb(&appliance, &["rules", "diff", other.to_str().expect("text"), "--since", "2038-01-01"]);
    assert!(long_ago.status.success() && long_ago.out.starts_with("0 of 0 recipients"), "{long_ago:?}");
}

/// Mail is of the time at which it was taken, wherever it is now and by whatever name.
#[test]
fn mail_of_a_time_is_counted_once_whatever_has_happened_at_its_ends_and_since() {
    let mut appliance = Appliance::with(Setup::of(&["postmaster", "alice"]));
    let mut client = smtp(appliance.smtp);
    for number in 0..3 {
        let message = format!("Subject: number {number}\r\n\r\nhello\r\n");
        assert!(deliver(&mut client, &["alice@example.test"], message.as_bytes()).starts_with("250 "));
    }
    collect(appliance.pop3, "alice", 3);
    let mut session = pop3(appliance.pop3, "alice");
    assert!(session.command("DELE 1").starts_with("+OK"));
    session.quit();
    let pause = || std::thread::sleep(Duration::from_millis(20));
    pause();
    let taken = SystemTime::now();
    pause();
    // It comes back under another name.
    let undone = verb(&appliance, &["undo", "--login", "alice", "--last", "1 h"]);
    assert!(undone.status.success() && undone.out.contains("1 message brought back"), "{undone:?}");
    assert!(appliance.stop().success());
    let same = appliance.config_dir().join("same.toml");
    fs::write(&same, "").expect("written");
    let figures = |since: &str| {
        let words = ["rules", "diff", same.to_str().expect("text"), "--json", "--since", since];
        let ended = verb(&appliance, &words);
        let document: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
        ["stored", "gone"].map(|key| document[key].as_u64().expect("a number"))
    };
    assert_eq!(figures("1 day"), [3, 0], "what came back is no other mail");
    let trace = fs::read_dir(appliance.state_dir().join("trace")).expect("read");
    let mut files = trace.map(|entry| entry.expect("an entry").path());
    let path = files.find(|path| fs::read_to_string(path).is_ok_and(|text| text.contains("\"judged\":")));
    let path = path.expect("a day");
    let time = |at: SystemTime| {
        let since = at.duration_since(UNIX_EPOCH).expect("after 1970");
        let (seconds, millis) = (since.as_secs() % 86_400, since.subsec_millis());
        let day = path.file_stem().expect("a name").display();
        format!("{day}T{:02}:{:02}:{:02}.{millis:03}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
    };
    assert_eq!(figures(&time(taken)), [0, 0], "nor is it of the day on which it came back");
    // Of the last the trace told a moment after it was delivered.
    let text = fs::read_to_string(&path).expect("read");
    let last = text.lines().rfind(|line| line.contains("\"judged\":")).expect("a line");
    let (_, behind) = last.split_once("\",\"judged\"").expect("a time");
    let later = format!("{{\"at\":\"{}\",\"judged\"{behind}", time(SystemTime::now()));
    fs::write(&path, text.replace(last, &later)).expect("written");
    assert_eq!(figures(&time(taken)), [1, 0]);
}
