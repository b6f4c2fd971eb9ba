//! Block lists, asked of the client's address.

use restante_tests::dns::Dns;
use restante_tests::{Appliance, Client, Setup, collect, deliver, stuffed};

use super::server;

const MESSAGE: &[u8] = b"From: a@client.example\r\nSubject: Hello\r\n\r\nbody\r\n";

/// A session from one of the addresses of this machine.
fn from(appliance: &Appliance, address: [u8; 4]) -> Client {
    let mut client = Client::connect_from(address.into(), appliance.smtp);
    assert!(client.reply().starts_with("220 "));
    assert!(client.ask("EHLO client.example").starts_with("250-"));
    client
}

const LISTED: &str = r#"
[[rule]]
name = "named"
when = { recipient = "alice@*", listed = "good.test" }
then = { refuse = "550 5.7.1", text = "a list names you" }

[[rule]]
name = "named-by-any"
when = { recipient = "carol@*", listed = true }
then = { tag = "[listed]" }
"#;

/// Answers of the two lists: listed, not listed, what Spamhaus tells resolvers that it does not serve, and others that
/// are none.
const LISTS: &str = "2.0.0.127.good.test A 127.0.0.2
2.0.0.127.good.test TXT for a test
3.0.0.127.good.test A 127.255.255.254
4.0.0.127.good.test A 127.255.255.255
5.0.0.127.good.test A 127.255.255.252
6.0.0.127.good.test A 127.0.0.1
7.0.0.127.good.test A 192.0.2.1
8.0.0.127.good.test SERVFAIL
9.0.0.127.good.test SERVFAIL
9.0.0.127.other.test A 127.0.0.4
";

fn with_lists(when_down: &str) -> (Dns, Setup) {
    let dns = server(LISTS);
    let mut setup = Setup::of(&["postmaster", "alice", "bob", "carol"]);
    setup.rules = LISTED.into();
    setup.tables = format!(
        "[authenticity]\nloopback = true\nresolvers = [\"{}\"]\nquestion-timeout = \"1 s\"\n",
        dns.address()
    );
    let lists = format!("[dnsbl]\nlists = [\"good.test\", \"other.test\"]\nwhen-down = \"{when_down}\"\n");
    setup.tables.push_str(&lists);
    (dns, setup)
}

/// An error that a list answers with is no listing, and a list that is down lists nobody unless it was said otherwise.
#[test]
fn who_is_listed_is_refused_and_no_error_of_a_list_is_a_listing() {
    let (dns, setup) = with_lists("accept");
    let mut appliance = Appliance::with(setup);
    let (listed, free) = ("550 5.7.1 a list names you", "250 2.0.0 ");
    for (last, answer) in
        [(2, listed), (1, free), (3, free), (4, free), (5, free), (6, free), (7, free), (8, free), (9, free)]
    {
        let mut client = from(&appliance, [127, 0, 0, last]);
        assert!(client.ask("MAIL FROM:<a@b.example>").starts_with("250 "));
        let mut said = client.ask("RCPT TO:<alice@example.test>");
        if said.starts_with("250 ") {
            assert!(client.ask("DATA").starts_with("354 "));
            client.send(&stuffed(MESSAGE));
            said = client.reply();
        }
        assert!(said.starts_with(answer), "127.0.0.{last}: {said}");
    }
    collect(appliance.pop3, "alice", 8);
    let asked = |dns: &Dns, name: &str| dns.asked().iter().filter(|(asked, _)| asked == name).count();
    assert!(
        asked(&dns, "1.0.0.127.good.test") > 0 && asked(&dns, "1.0.0.127.other.test") > 0,
        "{:?}",
        dns.asked()
    );
    // An admin hears of it that the list does not serve her resolver.
    appliance.logged(&["WARN", "a block list gives no answer", "good.test", "127.255.255.254 is no listing"]);
    // Named by the other one.
    assert!(
        deliver(&mut from(&appliance, [127, 0, 0, 9]), &["carol@example.test"], MESSAGE).starts_with(free)
    );
    let carol = String::from_utf8(collect(appliance.pop3, "carol", 1)[0].octets.clone()).expect("text");
    assert!(carol.contains("Subject: [listed] Hello"), "{carol}");

    // What cannot be told is put off when that was asked for: for whom it matters.
    appliance.configure(|setup| {
        *setup = Setup { tables: setup.tables.replace("\"accept\"", "\"defer\""), ..setup.clone() }
    });
    appliance.hangup();
    appliance.logged(&["the configuration is in force"]);
    for (last, to, answer) in [
        (3, "alice", "451 4.7.1 "),
        (8, "alice", "451 4.7.1 "),
        (9, "carol", "451 4.7.1 "),
        (8, "bob", free),
        (1, "alice", free),
    ] {
        let said =
            deliver(&mut from(&appliance, [127, 0, 0, last]), &[&format!("{to}@example.test")], MESSAGE);
        assert!(said.starts_with(answer), "127.0.0.{last} to {to}: {said}");
    }
    let mut client = from(&appliance, [127, 0, 0, 2]);
    assert!(client.ask("MAIL FROM:<a@b.example>").starts_with("250 "));
    assert_eq!(client.ask("RCPT TO:<alice@example.test>"), listed);
}

/// Of a relay of ours, of a trusted network and of LMTP no list is asked, and of nobody where no rule asks.
#[test]
fn of_our_own_machines_no_list_is_asked() {
    let (dns, mut setup) = with_lists("defer");
    setup.machine = "trusted = [\"127.0.0.3/32\"]\n".into();
    setup.tables.push_str("[[relay]]\nnetworks = [\"127.0.0.2/32\"]\n");
    let mut appliance = Appliance::with(setup);
    for last in [2, 3] {
        let said = deliver(&mut from(&appliance, [127, 0, 0, last]), &["alice@example.test"], MESSAGE);
        assert!(said.starts_with("250 2.0.0 "), "127.0.0.{last}: {said}");
    }
    let mut client = Client::connect_unix(&appliance.lmtp());
    assert!(client.reply().starts_with("220 "));
    client.ask("LHLO upstream.example");
    assert!(deliver(&mut client, &["alice@example.test"], MESSAGE).starts_with("250 2.0.0 "));
    appliance.configure(|setup| setup.rules.clear());
    appliance.hangup();
    appliance.logged(&["the configuration is in force"]);
    assert!(
        deliver(&mut from(&appliance, [127, 0, 0, 8]), &["alice@example.test"], MESSAGE)
            .starts_with("250 2.0.0 ")
    );
    collect(appliance.pop3, "alice", 4);
    let of_lists: Vec<_> = dns.asked().into_iter().filter(|(name, _)| name.ends_with(".test")).collect();
    assert_eq!(of_lists, []);
}
