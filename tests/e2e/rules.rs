//! Rules with the real binary: what they decide before the 250 is what happens, to whom it was decided for, and
//! whatever is reloaded or killed in between.

mod stored;

use std::fs;
use std::time::Duration;

use mail::MailboxName;
use restante_tests::dns::{Dns, Zone};
use restante_tests::{Appliance, Client, Setup, collect, deliver, run, smtp, stuffed};

use stored::stored;

const SOON: Duration = Duration::from_secs(60);
const MESSAGE: &[u8] = b"X-Old: 1\r\nSubject: Hello\r\n there\r\nX-Old: 2\r\n\r\nbody\r\n";

fn setup(rules: &str) -> Setup {
    let mut setup = Setup::of(&["postmaster", "alice", "bob", "carol", "dave"]);
    setup.rules = rules.into();
    setup
}

/// The header below our Received, and the body.
fn behind_received(octets: &[u8]) -> String {
    let text = String::from_utf8(octets.to_vec()).expect("text");
    let (_, behind) = text.split_once("+0000\r\n").expect("our Received");
    behind.to_owned()
}

fn name(text: &str) -> MailboxName {
    MailboxName::parse(text).expect("a name")
}

const RULES: &str = r#"
[[rule]]
name = "closed-list"
when = { recipient = "carol@*", sender = "*@client.example" }
then = { refuse = "550 5.7.1", text = "not for you" }

[[rule]]
name = "to-dave"
when = { recipient = "alice+elsewhere@*" }
then = { deliver = ["dave"], add-header = "X-Dept: Büro", remove-header = "X-Old", tag = "[moved]" }

[[rule]]
name = "nobody"
when = { recipient = "alice+nobody@*" }
then = { discard = true }

[[rule]]
name = "held"
when = { recipient = ["alice+held@*", "postmaster@*"] }
then = { quarantine = "looks odd" }

[[rule]]
name = "keep-a-copy"
when = { recipient = "alice+copied@*" }
then = { copy = ["dave"] }
continue = true
"#;

#[test]
fn each_action_does_what_it_says_to_the_copies_it_is_for() {
    let mut appliance = Appliance::with(setup(RULES));
    let mut client = smtp(appliance.smtp);
    let mut send = |to: &[&str]| {
        let answer = deliver(&mut client, to, MESSAGE);
        assert!(answer.starts_with("250 2.0.0 "), "{to:?}: {answer}");
    };
    // One message, three fates.
    send(&["alice+elsewhere@example.test", "bob@example.test", "alice+held@example.test"]);
    let dave = collect(appliance.pop3, "dave", 1);
    let text = String::from_utf8_lossy(&dave[0].octets).into_owned();
    assert!(text.contains("\r\nX-Restante-Rule: to-dave\r\n"), "{text}");
    let moved = "X-Dept: =?utf-8?q?B=C3=BCro?=\r\nSubject: [moved] Hello there\r\n\r\nbody\r\n";
    assert_eq!(behind_received(&dave[0].octets), moved);
    let bob = collect(appliance.pop3, "bob", 1);
    assert_eq!(behind_received(&bob[0].octets).as_bytes(), MESSAGE);
    assert!(!String::from_utf8_lossy(&bob[0].octets).contains("X-Restante-"));
    collect(appliance.pop3, "alice", 0);

    send(&["alice+nobody@example.test"]);
    appliance.logged(&["status=\"discarded\"", "rule=nobody"]);
    send(&["alice+copied@example.test"]);
    assert_eq!(behind_received(&collect(appliance.pop3, "alice", 1)[0].octets).as_bytes(), MESSAGE);
    collect(appliance.pop3, "dave", 2);
    // Postmaster's mail is never held back, and whoever is delivered to by one recipient is not held back by another.
    send(&["postmaster@example.test"]);
    collect(appliance.pop3, "postmaster", 1);
    send(&["alice+held@example.test", "alice@example.test"]);
    collect(appliance.pop3, "alice", 2);

    let status = run(&mut appliance.verb(&["status", "--json"]), SOON);
    assert!(!status.out.contains("+quarantine"), "no orphan: {}", status.out);
    assert!(appliance.stop().success());
    let held = stored(&appliance, &name("alice").quarantine());
    assert_eq!(held.len(), 1, "{held:?}");
    assert!(
        held[0].contains("\r\nX-Restante-Quarantine: looks odd\r\nX-Restante-Rule: held\r\n"),
        "{}",
        held[0]
    );
    assert!(held[0].contains("\r\nX-Original-To: alice+held@example.test\r\n"), "{}", held[0]);
    assert_eq!(behind_received(held[0].as_bytes()).as_bytes(), MESSAGE);
}

#[test]
fn a_refusal_is_told_when_it_can_be_and_no_later_than_the_250() {
    let appliance = Appliance::with(setup(RULES));
    let mut client = smtp(appliance.smtp);
    assert!(client.ask("MAIL FROM:<a@client.example>").starts_with("250 "));
    assert_eq!(client.ask("RCPT TO:<carol@example.test>"), "550 5.7.1 not for you");
    assert!(client.ask("RCPT TO:<bob@example.test>").starts_with("250 "));
    assert!(client.ask("RSET").starts_with("250 "));
    // A sender that nobody refuses: the transaction before is forgotten.
    assert!(client.ask("MAIL FROM:<a@other.example>").starts_with("250 "));
    assert!(client.ask("RCPT TO:<carol@example.test>").starts_with("250 "));
    appliance.logged(&["INFO", "recipient", "rule=\"closed-list\"", "550 5.7.1 not for you"]);
}

const BY_CONTENT: &str = r#"
[[rule]]
name = "no-offers"
when = { recipient = ["alice@*", "carol@*"], subject = "*offer*" }
then = { refuse = "550 5.7.1", text = "no offers" }
"#;

const OFFER: &[u8] = b"Subject: =?utf-8?q?an_=4Fffer?=\r\n\r\nbody\r\n";

/// By SMTP there is one answer for all recipients.
#[test]
fn what_only_some_refuse_by_content_is_held_back_for_them() {
    let mut appliance = Appliance::with(setup(BY_CONTENT));
    let mut client = smtp(appliance.smtp);
    let all = deliver(&mut client, &["alice@example.test", "carol@example.test"], OFFER);
    assert_eq!(all, "550 5.7.1 no offers");
    let some = deliver(&mut client, &["alice@example.test", "bob@example.test"], OFFER);
    assert!(some.starts_with("250 2.0.0 "), "{some}");
    collect(appliance.pop3, "bob", 1);
    collect(appliance.pop3, "alice", 0);
    appliance.configure(|setup| setup.smtp.push_str("\none-refuses-all = true"));
    appliance.hangup();
    appliance.logged(&["the configuration is in force"]);
    let mut client = smtp(appliance.smtp);
    let one = deliver(&mut client, &["bob@example.test", "alice@example.test"], OFFER);
    assert_eq!(one, "550 5.7.1 no offers");
    assert!(appliance.stop().success());
    let held = stored(&appliance, &name("alice").quarantine());
    assert_eq!(held.len(), 1);
    assert!(
        held[0].contains("\r\nX-Restante-Quarantine: refused by no-offers: no offers\r\n"),
        "{}",
        held[0]
    );
}

/// RFC 2033 §4.2.
#[test]
fn by_lmtp_each_recipient_has_its_own_answer() {
    let appliance = Appliance::with(setup(BY_CONTENT));
    let mut client = Client::connect_unix(&appliance.lmtp());
    assert!(client.reply().starts_with("220 "));
    client.ask("LHLO upstream.example");
    assert!(client.ask("MAIL FROM:<a@client.example>").starts_with("250 "));
    for to in ["alice", "bob"] {
        assert!(client.ask(&format!("RCPT TO:<{to}@example.test>")).starts_with("250 "));
    }
    assert!(client.ask("DATA").starts_with("354 "));
    client.send(&stuffed(OFFER));
    assert_eq!(client.reply(), "550 5.7.1 no offers");
    assert!(client.reply().starts_with("250 2.0.0 "));
    collect(appliance.pop3, "bob", 1);
    collect(appliance.pop3, "alice", 0);
}

/// What was promised is kept: neither a kill nor other rules nor another directory change where mail goes.
#[test]
fn a_ruling_outlives_a_kill_and_a_reload() {
    let rules = "[[rule]]\nname = \"to-dave\"\nwhen = { recipient = \"alice@*\" }\n\
                 then = { deliver = [\"dave\"], tag = \"[moved]\" }\n";
    let mut appliance = Appliance::with(setup(rules));
    let mut client = smtp(appliance.smtp);
    // Dave goes, and the rules with him; a session that is open has theirs until it ends.
    let without = || Setup::of(&["postmaster", "alice", "bob", "carol"]);
    appliance.configure(|setup| *setup = without());
    appliance.hangup();
    appliance.logged(&["the configuration is in force"]);
    assert!(deliver(&mut client, &["alice@example.test"], MESSAGE).starts_with("250 2.0.0 "));
    appliance.kill();
    appliance.configure(|setup| *setup = Setup::of(&["postmaster", "alice", "bob", "carol", "dave"]));
    appliance.restart();
    let dave = collect(appliance.pop3, "dave", 1);
    assert!(behind_received(&dave[0].octets).starts_with("Subject: [moved] Hello there\r\n"));
    collect(appliance.pop3, "alice", 0);
}

#[test]
fn rules_with_faults_or_failing_tests_change_nothing_and_a_start_goes_on_with_the_last_good_ones() {
    let good =
        "[[rule]]\nname = \"to-dave\"\nwhen = { recipient = \"alice@*\" }\nthen = { deliver = [\"dave\"] }\n";
    let again = good.replace("to-dave", "again");
    let failing = format!(
        "{good}\n{again}\n[[test]]\nname = \"alice gets it\"\nmail = {{ to = \"alice@example.test\" }}\n\
         expect = {{ deliver = [\"alice\"] }}\n"
    );
    let mut appliance = Appliance::with(setup(good));
    let mut got = 0;
    let mut goes_to_dave = |appliance: &Appliance| {
        got += 1;
        assert!(
            deliver(&mut smtp(appliance.smtp), &["alice@example.test"], MESSAGE).starts_with("250 2.0.0 ")
        );
        collect(appliance.pop3, "dave", got);
    };
    for (rules, said) in [(failing.as_str(), "alice gets it"), ("[[rule]]\nname = 7\n", "rules.toml:2:8")] {
        appliance.configure(|setup| setup.rules = rules.into());
        appliance.hangup();
        appliance.logged(&["ERROR", said]);
        goes_to_dave(&appliance);
        let check = run(&mut appliance.verb(&["check"]), SOON);
        assert_eq!(check.status.code(), Some(78), "{check:?}");
        assert!(check.err.contains(said), "{}", check.err);
        appliance.restart();
        appliance.logged(&["ERROR", said]);
        appliance.logged(&["ERROR", "rules.toml cannot be used: the last good rules are in force"]);
        goes_to_dave(&appliance);
    }
    appliance.logged(&["WARN", "`again` is never reached"]);
    let loud = |line: &str| line.contains("ERROR") && line.contains("`again` is never reached");
    assert!(!appliance.log().lines().any(loud), "a warning is no error");
    let status = run(&mut appliance.verb(&["status"]), SOON);
    assert!(status.out.contains("rules         the last good ones"), "{}", status.out);
    // Somebody has removed it.
    appliance.configure(|setup| setup.rules = good.into());
    appliance.hangup();
    appliance.logged(&["the configuration is in force"]);
    let status = run(&mut appliance.verb(&["status"]), SOON);
    assert!(status.out.contains("rules         those of rules.toml"), "{}", status.out);
    fs::remove_file(appliance.config_dir().join("rules.toml")).expect("there");
    let reload = run(&mut appliance.verb(&["reload"]), SOON);
    assert!(
        reload.status.code() == Some(78) && reload.err.contains("rules.toml is not there, and there were"),
        "{reload:?}"
    );
    let check = run(&mut appliance.verb(&["check"]), SOON);
    assert!(check.status.code() == Some(78) && check.err.contains("rules.last-good.toml"), "{check:?}");
    goes_to_dave(&appliance);
    appliance.restart();
    appliance.logged(&["ERROR", "rules.toml is not there, and there were"]);
    appliance.logged(&["ERROR", "rules.toml cannot be used: the last good rules are in force"]);
    goes_to_dave(&appliance);
    // Without any that were good there is no start with bad ones.
    appliance.configure(|setup| setup.rules = "[[rule]]\nname = 7\n".into());
    appliance.kill();
    fs::remove_file(appliance.state_dir().join("rules.last-good.toml")).expect("kept");
    let ended = run(&mut appliance.serve(), SOON);
    assert_eq!(ended.status.code(), Some(78), "{ended:?}");
}

#[test]
fn a_folder_that_never_had_rules_is_served_and_says_so() {
    let mut appliance = Appliance::with(Setup::default());
    // An empty file is rules too: none.
    let status = run(&mut appliance.verb(&["status"]), SOON);
    assert!(status.out.contains("rules         those of rules.toml"), "{}", status.out);
    fs::remove_file(appliance.config_dir().join("rules.toml")).expect("there");
    let said = "rules.toml is not there: no rules of yours are searched, the default alone holds";
    for _ in 0..2 {
        appliance.restart();
        appliance.logged(&["WARN", said]);
    }
    let status = run(&mut appliance.verb(&["status"]), SOON);
    assert!(status.out.contains("rules         none of yours"), "{}", status.out);
    let reload = run(&mut appliance.verb(&["reload"]), SOON);
    assert!(reload.status.success() && reload.err.contains(said), "{reload:?}");
    let check = run(&mut appliance.verb(&["check"]), SOON);
    assert!(check.status.success() && check.err.contains(said), "{check:?}");
    assert!(deliver(&mut smtp(appliance.smtp), &["alice@example.test"], MESSAGE).starts_with("250 2.0.0 "));
}

/// Mail from this machine judged like a stranger's, by a name server that knows these names.
fn judged(zone: &str, rules: &str) -> (Dns, Setup) {
    let dns = Dns::start(Zone::parse(zone));
    let mut setup = setup(rules);
    setup.tables = format!("[authenticity]\nloopback = true\nresolvers = [\"{}\"]\n", dns.address());
    (dns, setup)
}

const FORGED: &[u8] = b"From: Boss <boss@client.example>\r\nSubject: pay this\r\n\r\nnow\r\n";

#[test]
fn forged_mail_is_held_back_without_any_rule_and_postmasters_never() {
    let zone = "client.example TXT v=spf1 -all\n_dmarc.client.example TXT v=DMARC1; p=reject\n\
                careless.example TXT v=spf1 -all\n_dmarc.careless.example TXT v=DMARC1; p=none\n";
    let (_dns, setup) = judged(zone, "");
    let mut appliance = Appliance::with(setup);
    let mut client = smtp(appliance.smtp);
    assert!(deliver(&mut client, &["alice@example.test"], FORGED).starts_with("250 2.0.0 "));
    assert!(deliver(&mut client, &["postmaster@example.test"], FORGED).starts_with("250 2.0.0 "));
    let careless = String::from_utf8_lossy(FORGED).replace("client.example", "careless.example");
    assert!(deliver(&mut client, &["bob@example.test"], careless.as_bytes()).starts_with("250 2.0.0 "));
    for user in ["postmaster", "bob"] {
        let text = String::from_utf8(collect(appliance.pop3, user, 1)[0].octets.clone()).expect("text");
        let (_, results) = text.split_once("\r\nAuthentication-Results: mx.example.test;").expect("results");
        assert!(results.contains("spf=fail") && results.contains("dmarc=fail"), "{text}");
    }
    collect(appliance.pop3, "alice", 0);
    assert!(appliance.stop().success());
    let held = stored(&appliance, &name("alice").quarantine());
    assert_eq!(held.len(), 1);
    assert!(held[0].contains("\r\nX-Restante-Rule: default:dmarc\r\n"), "{}", held[0]);
}

/// What cannot be told now puts off only what hangs on it.
#[test]
fn a_name_server_or_a_scanner_that_is_down_puts_off_what_depends_on_it() {
    let rules = "[[rule]]\nname = \"by-spf\"\nwhen = { recipient = \"alice@*\", spf = \"fail\" }\n\
                 then = { refuse = \"550 5.7.1\" }\n\n\
                 [[rule]]\nname = \"by-score\"\nwhen = { recipient = \"carol@*\", spam-score = \">= 10\" }\n\
                 then = { tag = \"[spam]\" }\n";
    let (_dns, mut setup) = judged("client.example SERVFAIL\n_dmarc.client.example SERVFAIL\n", rules);
    setup.tables.push_str("[rspamd]\naddress = \"127.0.0.1:1\"\n");
    let mut appliance = Appliance::with(setup);
    let mut client = smtp(appliance.smtp);
    for (to, answer) in [("alice", "451 4.7.1 "), ("carol", "451 4.7.1 "), ("bob", "250 2.0.0 ")] {
        let said = deliver(&mut client, &[&format!("{to}@example.test")], FORGED);
        assert!(said.starts_with(answer), "{to}: {said}");
    }
    collect(appliance.pop3, "bob", 1);
    appliance.configure(|setup| setup.tables.push_str("when-down = \"accept\"\n"));
    appliance.hangup();
    appliance.logged(&["the configuration is in force"]);
    let said = deliver(&mut smtp(appliance.smtp), &["carol@example.test"], FORGED);
    assert!(said.starts_with("250 2.0.0 "), "{said}");
    collect(appliance.pop3, "carol", 1);
}

#[test]
fn whoever_is_new_comes_again_unless_it_may_send_or_is_known() {
    let (_dns, mut setup) = judged("passes.example TXT v=spf1 +all\nfails.example TXT v=spf1 -all\n", "");
    setup.tables.push_str("[greylist]\nenabled = true\nwait = \"1 s\"\n");
    let mut appliance = Appliance::with(setup);
    let ask = |appliance: &Appliance, from: &str, to: &str| {
        let mut client = smtp(appliance.smtp);
        assert!(client.ask(&format!("MAIL FROM:<a@{from}>")).starts_with("250 "));
        client.ask(&format!("RCPT TO:<{to}@example.test>"))
    };
    assert_eq!(ask(&appliance, "fails.example", "alice"), "451 4.7.1 greylisted, try again in 1 s");
    assert!(ask(&appliance, "fails.example", "postmaster").starts_with("250 "));
    assert!(ask(&appliance, "passes.example", "alice").starts_with("250 "));
    std::thread::sleep(Duration::from_millis(1100));
    assert!(ask(&appliance, "fails.example", "alice").starts_with("250 "));
    // Who has come again is known after a restart, and after other settings; who is new then is new.
    assert!(appliance.stop().success());
    appliance.restart();
    assert!(ask(&appliance, "fails.example", "alice").starts_with("250 "));
    assert!(ask(&appliance, "fails.example", "bob").starts_with("451 "));
    appliance.configure(|setup| setup.tables = setup.tables.replace("wait = \"1 s\"", "wait = \"1 h\""));
    appliance.hangup();
    appliance.logged(&["the configuration is in force"]);
    assert!(ask(&appliance, "fails.example", "alice").starts_with("250 "));
    assert_eq!(ask(&appliance, "fails.example", "carol"), "451 4.7.1 greylisted, try again in 3600 s");
    assert!(std::fs::metadata(appliance.state_dir().join("greylist")).expect("kept").len() < 200);
}
