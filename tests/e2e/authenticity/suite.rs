//! The public test suite of SPF through real SMTP: a case's client comes from the same address in 127.0.0.0/8, and
//! its scenario is told so throughout.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use restante_tests::dns::{Data, Dns, Zone};
use restante_tests::spf_suite::{Case, read};
use restante_tests::{Client, collect, skipped, stuffed};

use super::{appliance, results};

/// Cases that go by the names of the client's address: those of 127.0.0.0/8 are asked of nobody (RFC 6761 §6.1).
const BY_NAME: &[&str] = &["ptr-match-target", "ptr-match-implicit", "p-macro-multiple"];

fn suite() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    let path = std::env::var_os("RESTANTE_CORPORA").map_or_else(beside, PathBuf::from);
    let path = path.join("spf/test/rfc7208-tests.yml");
    if !path.exists() {
        skipped("the suite of SPF is not here");
        return None;
    }
    Some(path)
}

fn moved(ip: Ipv4Addr) -> Ipv4Addr {
    let [_, b, c, d] = ip.octets();
    Ipv4Addr::new(127, b, c, d)
}

/// A text in which the network of the case's client is another.
fn rewritten(text: &str, ip: Ipv4Addr) -> String {
    let [a, b, c, _] = ip.octets();
    let text = text.replace(&format!("{a}.{b}.{c}."), &format!("127.{b}.{c}."));
    text.replace(&format!(".{c}.{b}.{a}."), &format!(".{c}.{b}.127."))
}

fn zone_for(zone: &Zone, ip: Ipv4Addr) -> Zone {
    let octets = |text: &[u8]| {
        // Octets that are no ASCII stay what they are.
        let plain: String = text.iter().map(|octet| char::from(*octet)).collect();
        rewritten(&plain, ip)
            .chars()
            .map(|c| u8::try_from(u32::from(c)).expect("an octet"))
            .collect::<Vec<u8>>()
    };
    zone.mapped(
        |name| rewritten(name, ip),
        |data| match data {
            Data::A(address) if address.octets()[..3] == ip.octets()[..3] => Data::A(moved(*address)),
            Data::Txt(strings) => Data::Txt(strings.iter().map(|text| octets(text)).collect()),
            other => other.clone(),
        },
    )
}

/// Delivers a message as the case says; nothing where SMTP does not let such a client or sender pass.
fn tried(address: std::net::SocketAddr, case: &Case, ip: Ipv4Addr, number: usize) -> bool {
    let mut client = Client::connect_from(IpAddr::V4(moved(ip)), address);
    assert!(client.reply().starts_with("220 "));
    let passed = client.ask(&format!("EHLO {}", case.helo)).starts_with("250")
        && client.ask(&format!("MAIL FROM:<{}>", case.mail_from)).starts_with("250 ");
    if !passed {
        return false;
    }
    assert!(client.ask("RCPT TO:<alice@example.test>").starts_with("250 "));
    assert!(client.ask("DATA").starts_with("354 "));
    client.send(&stuffed(format!("Subject: {number}\r\nFrom: a@no.example\r\n\r\n").as_bytes()));
    let answer = client.reply();
    assert!(answer.starts_with("250 "), "{}: {answer}", case.name);
    true
}

/// RFC 7208, as far as it can be told through the door.
#[test]
fn what_smtp_lets_in_is_judged_as_the_suite_says() {
    let Some(path) = suite() else { return };
    let dns = Dns::start(Zone::default());
    let appliance = appliance(&dns);
    let mut expected = Vec::new();
    for scenario in read(&path) {
        for case in &scenario.cases {
            if BY_NAME.contains(&case.name.as_str()) {
                continue;
            }
            // Of IPv6 there is one address on the loopback.
            let Ok(ip) = case.host.parse::<Ipv4Addr>() else { continue };
            dns.set(zone_for(&scenario.zone, ip).without_ttl());
            if tried(appliance.smtp, case, ip, expected.len()) {
                expected.push((format!("{}: {}", scenario.name, case.name), case.results.clone()));
            }
        }
    }
    assert!(expected.len() > 160, "{} cases came in", expected.len());
    let mut wrong = Vec::new();
    for copy in collect(appliance.pop3, "alice", expected.len()) {
        let text = String::from_utf8_lossy(&copy.octets).into_owned();
        let number = text.lines().find_map(|line| line.strip_prefix("Subject: ")).expect("a subject");
        let (name, right) = &expected[number.parse::<usize>().expect("a number")];
        let found = results(&copy.octets);
        let word = found.strip_prefix("spf=").and_then(|rest| rest.split([' ', ';']).next()).expect("SPF");
        if !right.iter().any(|right| right == word) {
            wrong.push(format!("{name}: {word}, not {right:?}: {found}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), expected.len(), wrong.join("\n"));
}
