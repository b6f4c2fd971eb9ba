//! What `restante explain` says of a mail is what becomes of it: the same mails by SMTP and by the command line, over a
//! table of rules.

mod stored;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use mail::MailboxName;
use restante_tests::dns::{Dns, Zone};
use restante_tests::{Appliance, Setup, run, smtp, stuffed};
use serde_json::Value;
use stored::stored;

const SOON: Duration = Duration::from_secs(60);
const MAILBOXES: [&str; 5] = ["postmaster", "alice", "bob", "carol", "dave"];

/// Who may send, whose mail is to be held back, and what nobody can tell.
const ZONE: &str = "good.example TXT v=spf1 +all
_dmarc.good.example TXT v=DMARC1; p=reject
bad.example TXT v=spf1 -all
_dmarc.bad.example TXT v=DMARC1; p=reject
broken.example SERVFAIL
_dmarc.broken.example SERVFAIL
1.0.0.127.list.test A 127.0.0.2
";

const NONE: &str = "";

const ACTIONS: &str = r#"
[[rule]]
name = "closed"
when = { recipient = "carol@*", sender = "*@bad.example" }
then = { refuse = "550 5.7.1", text = "not from there" }

[[rule]]
name = "programs"
when = { attachment = ["*.exe", "*.js"], recipient = ["bob@*", "carol@*"] }
then = { refuse = "554 5.7.1", text = "no programs" }

[[rule]]
name = "legal"
when = { subject = "*invoice*" }
then = { copy = ["dave"], add-header = "X-Copied: yes" }
continue = true

[[rule]]
name = "greetings"
when = { recipient = "alice@*", subject = "grüße*" }
then = { tag = "[hello]", remove-header = "X-Old", add-header = ["X-One: 1", "X-Two: ü"] }
continue = true

[[rule]]
name = "elsewhere"
when = { recipient = "alice+shop@*" }
then = { deliver = ["bob", "dave"] }

[[rule]]
name = "suspects"
when = { body = "*lottery*" }
then = { quarantine = "a lottery" }

[[rule]]
name = "away"
when = { recipient = "dave@*", size = "> 2 kB" }
then = { discard = true }
"#;

const FACTS: &str = r#"
[[rule]]
name = "forged"
when = { recipient = "bob@*", dmarc = "fail" }
then = { refuse = "550 5.7.1", text = "forged" }

[[rule]]
name = "shadowed"
when = { from = "*" }
then = { discard = true }
mode = "shadow"

[[rule]]
name = "listed"
when = { recipient = "carol@*", listed = "list.test", spf = ["fail", "none"] }
then = { quarantine = true }

[[rule]]
name = "unknown-matches"
when = { recipient = "dave@*", spf = "pass" }
then = { tag = "[passed]" }
if-unknown = "match"

[[rule]]
name = "busy"
when = { recipient = "alice@*", helo = "client.*", sender = "*@broken.example" }
then = { refuse = "451 4.7.1", text = "later" }
"#;

/// Each ends with the mark that its copies are found by.
fn mails() -> Vec<(&'static str, String)> {
    let with = |from: &str, head: &str, body: &str| format!("From: A <a@{from}>\r\n{head}\r\n{body}");
    let attachment = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n";
    let part = |name: &str| {
        format!("--b\r\n\r\nwords\r\n--b\r\nContent-Type: x/y; name=\"{name}\"\r\n\r\nMZ\r\n--b--\r\n")
    };
    let encoded = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n an alle\r\nX-Old: 1\r\nX-Old: 2\r\n";
    vec![
        ("good.example", with("good.example", encoded, "words\r\n")),
        ("bad.example", with("bad.example", "Subject: Your INVOICE 12\r\n", "words\r\n")),
        ("broken.example", with("broken.example", "Subject: x\r\n", "words\r\n")),
        ("other.example", with("other.example", attachment, &part("=?utf-8?q?a=2Eexe?="))),
        ("good.example", with("good.example", attachment, &part("a.pdf"))),
        (
            "bad.example",
            with("good.example, B <b@bad.example>", "Subject: two authors\r\n", "the Lottery\r\n"),
        ),
        (
            "other.example",
            with("other.example", "Subject: long invoice\r\n", &"words and words\r\n".repeat(300)),
        ),
        (
            "good.example",
            with("good.example", &format!("X-Long: {}\r\n", "x\r\n ".repeat(20_000)), "words\r\n"),
        ),
        ("other.example", with("other.example", attachment, &"--b\r\n\r\n".repeat(3_000))),
        (
            "",
            "Subject: a bounce\r\nAuthentication-Results: mx.example.test; dmarc=pass\r\n\r\nwords\r\n"
                .into(),
        ),
    ]
}

const RECIPIENTS: [&[&str]; 6] = [
    &["alice"],
    &["bob", "dave"],
    &["carol"],
    &["postmaster", "alice+shop"],
    &["carol", "nobody", "dave", "alice"],
    &["nobody"],
];

/// What came of one mail: the answer to each RCPT that was no 250, the last answer, and the copies.
#[derive(Debug, PartialEq, Default)]
struct Outcome {
    refused: BTreeMap<String, String>,
    reply: Option<String>,
    copies: Vec<(String, String)>,
}

fn by_smtp(appliance: &Appliance, from: &str, to: &[&str], message: &[u8]) -> Outcome {
    let mut client = smtp(appliance.smtp);
    let sender = if from.is_empty() { String::new() } else { format!("s@{from}") };
    assert!(client.ask(&format!("MAIL FROM:<{sender}>")).starts_with("250 "));
    let mut outcome = Outcome::default();
    for to in to {
        let answer = client.ask(&format!("RCPT TO:<{to}@example.test>"));
        if !answer.starts_with("250 ") {
            outcome.refused.insert(format!("{to}@example.test"), answer.clone());
            outcome.reply.get_or_insert(answer);
        }
    }
    if outcome.refused.len() == to.len() {
        return outcome;
    }
    assert!(client.ask("DATA").starts_with("354 "));
    client.send(&stuffed(message));
    outcome.reply = Some(client.reply()).filter(|answer| !answer.starts_with("250 "));
    outcome
}

/// What is said of it, in the words of SMTP.
fn by_explain(appliance: &Appliance, from: &str, to: &[&str], message: &[u8]) -> Outcome {
    let file = appliance.config_dir().join("mail.eml");
    fs::write(&file, message).expect("written");
    let sender = if from.is_empty() { "<>".into() } else { format!("s@{from}") };
    let mut words = vec!["explain".to_owned(), file.display().to_string(), "--json".into()];
    words.extend(["--from", &sender, "--ip", "127.0.0.1", "--helo", "client.example"].map(str::to_owned));
    words.extend(to.iter().flat_map(|to| ["--to".to_owned(), format!("{to}@example.test")]));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = run(&mut appliance.verb(&words), SOON);
    let document: Value =
        serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let refused = document["recipients"].as_array().expect("recipients").iter();
    let refused = refused.filter_map(|to| {
        let address = text(&to["address"]).expect("an address");
        Some((address.trim_matches(['<', '>']).to_owned(), text(&to["refused"])?))
    });
    let copies = document["copies"].as_array().expect("copies").iter();
    let copies = copies.map(|copy| {
        (text(&copy["mailbox"]).expect("a mailbox"), without_moment(&text(&copy["fields"]).expect("fields")))
    });
    let outcome =
        Outcome { refused: refused.collect(), reply: text(&document["reply"]), copies: copies.collect() };
    assert_eq!(ended.status.code(), Some(i32::from(outcome.reply.is_some())), "{ended:?}");
    outcome
}

/// The fields on top, each on one line, without what tells one moment from another: the id and the time.
fn without_moment(fields: &str) -> String {
    let unfolded = fields.replace("\r\n\t", " ");
    let line = |line: &str| {
        if !line.starts_with("Received: ") {
            return line.to_owned();
        }
        let (before, behind) = line.split_once(" id ").expect("an id");
        let (_, behind) = behind.split_at(16);
        format!("{before} id{}", behind.split(';').next().expect("what stands before the time"))
    };
    unfolded.split("\r\n").map(line).collect::<Vec<_>>().join("\n")
}

/// `550 5.7.1 no (rule …)` is `550 5.7.1 no`, and what `explain` says of who is not there is about the same.
fn same(explained: &str, answered: &str) -> bool {
    let said = explained.rsplit_once(" (rule ").map_or(explained, |(said, _)| said);
    said == answered || (said.starts_with("550 5.1.1") && answered.starts_with("550 5.1.1"))
}

fn check(name: &str, rules: &str) {
    let dns = Dns::start(Zone::parse(ZONE));
    let mut setup = Setup::of(&MAILBOXES);
    setup.rules = rules.into();
    setup.tables = format!(
        "[authenticity]\nloopback = true\nresolvers = [\"{}\"]\nquestion-timeout = \"1 s\"\n[dnsbl]\nlists = [\"list.test\"]\n",
        dns.address()
    );
    let mut appliance = Appliance::with(setup);
    let mut told = Vec::new();
    for (from, mail) in mails() {
        for to in RECIPIENTS {
            let mark = format!("X-Mark: {name}-{}\r\n", told.len());
            let message = format!("{mark}{mail}");
            let came = by_smtp(&appliance, from, to, message.as_bytes());
            let said = by_explain(&appliance, from, to, message.as_bytes());
            told.push((
                mark,
                format!("{name}, from {from} to {to:?}: {}", &mail[..mail.len().min(60)]),
                came,
                said,
            ));
        }
    }
    assert!(appliance.stop().success());
    let mut stored_copies: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mailboxes = MAILBOXES.iter().map(|name| MailboxName::parse(name).expect("a name"));
    for mailbox in mailboxes.flat_map(|name| [name.quarantine(), name]) {
        for octets in stored(&appliance, &mailbox) {
            let (fields, behind) = octets.split_once("X-Mark: ").expect("a mark");
            let mark = format!("X-Mark: {}\r\n", behind.split("\r\n").next().expect("a line"));
            let copy = (mailbox.to_string(), without_moment(fields));
            stored_copies.entry(mark).or_default().push(copy);
        }
    }
    let mut kinds = BTreeMap::new();
    for (mark, what, mut came, mut said) in told {
        came.copies = stored_copies.remove(&mark).unwrap_or_default();
        came.copies.sort();
        said.copies.sort();
        let addresses = |outcome: &Outcome| outcome.refused.keys().cloned().collect::<Vec<_>>();
        assert_eq!(addresses(&said), addresses(&came), "{what}: {said:?} and {came:?}");
        let pairs = said.refused.values().zip(came.refused.values());
        let pairs = pairs.chain(said.reply.iter().zip(&came.reply));
        for (said, came) in pairs {
            assert!(same(said, came), "{what}: {said} and {came}");
        }
        assert_eq!(said.reply.is_some(), came.reply.is_some(), "{what}: {said:?} and {came:?}");
        assert_eq!(said.copies, came.copies, "{what}");
        let kind = came.reply.map_or("250".to_owned(), |reply| reply[..3].to_owned());
        *kinds.entry(kind).or_insert(0) += 1;
    }
    assert!(stored_copies.is_empty(), "{:?}", stored_copies.keys());
    assert!(kinds.contains_key("250") && kinds.contains_key("550"), "{kinds:?}");
}

#[test]
fn without_rules_a_mail_is_explained_as_it_comes() {
    check("none", NONE);
}

#[test]
fn what_rules_do_is_explained_as_it_is_done() {
    check("actions", ACTIONS);
}

#[test]
fn what_rules_go_by_is_explained_as_it_is_found() {
    check("facts", FACTS);
}
