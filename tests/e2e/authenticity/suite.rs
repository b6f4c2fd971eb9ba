//! The public test suite of SPF through real SMTP. It runs in a network of its own, whose loopback has the address of
//! every client of the suite: nothing of a case is changed.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use restante_tests::dns::{Dns, Zone};
use restante_tests::spf_suite::{Case, Scenario, read};
use restante_tests::{Client, Setup, collect, skipped, stuffed};

use super::{judging, results};

/// What SMTP refuses before anybody judges it: no sender or host is called so (RFC 5321 §4.1.2). The judge's own tests
/// have these.
const REFUSED: [&str; 5] =
    ["toolonglabel", "emptylabel", "nolocalpart", "dorky-sentinel", "invalid-hello-macro"];

/// Says that this is the process inside.
const INSIDE: &str = "RESTANTE_OWN_NETWORK";
const PORT: u16 = 2525;

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

/// Runs this very test again where it may give the loopback addresses.
fn inside(test: &str) {
    let own_network = || {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "--"]);
        command
    };
    let allowed = own_network().args(["ip", "link", "set", "lo", "up"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        return skipped("no network of its own is to be had (unshare, ip)");
    }
    let this = std::env::current_exe().expect("the test's binary");
    let mut again = own_network();
    let ran =
        again.arg(this).args(["--exact", test, "--nocapture"]).env(INSIDE, "1").status().expect("started");
    assert!(ran.success(), "see above");
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("started");
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The address of a case's client; one of IPv4 in the clothes of IPv6 is one of IPv4.
fn client(case: &Case) -> IpAddr {
    case.host.parse::<IpAddr>().expect("an address").to_canonical()
}

fn network(scenarios: &[Scenario]) {
    ip(&["link", "set", "lo", "up"]);
    let clients: BTreeSet<_> =
        scenarios.iter().flat_map(|scenario| scenario.cases.iter().map(client)).collect();
    for address in clients {
        let (family, bits) = if address.is_ipv4() { ("-4", 32) } else { ("-6", 128) };
        ip(&[family, "addr", "add", &format!("{address}/{bits}"), "dev", "lo", "nodad"]);
    }
}

/// Delivers a message as the case says; false where SMTP does not let such a client or sender pass.
fn tried(case: &Case, number: usize) -> bool {
    let from = client(case);
    let to: IpAddr = if from.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    let mut client = Client::connect_from(from, SocketAddr::new(to, PORT));
    assert!(client.reply().starts_with("220 "));
    for command in [format!("EHLO {}", case.helo), format!("MAIL FROM:<{}>", case.mail_from)] {
        if !client.ask(&command).starts_with("250") {
            return false;
        }
    }
    assert!(client.ask("RCPT TO:<alice@example.test>").starts_with("250 "));
    assert!(client.ask("DATA").starts_with("354 "));
    client.send(&stuffed(format!("Subject: {number}\r\nFrom: a@no.example\r\n\r\n").as_bytes()));
    let answer = client.reply();
    assert!(answer.starts_with("250 "), "{}: {answer}", case.name);
    true
}

/// RFC 7208: every case that passes the door of SMTP.
#[test]
fn what_smtp_lets_in_is_judged_as_the_suite_says() {
    let Some(path) = suite() else { return };
    if std::env::var_os(INSIDE).is_none() {
        return inside("suite::what_smtp_lets_in_is_judged_as_the_suite_says");
    }
    let scenarios = read(&path);
    network(&scenarios);
    let dns = Dns::start(Zone::default());
    let smtp = format!("listen = [\"127.0.0.1:{PORT}\", \"[::1]:{PORT}\"]");
    let appliance = judging(&dns, Setup { smtp, ..Setup::default() });
    let (mut expected, mut refused) = (Vec::new(), Vec::new());
    for scenario in &scenarios {
        for case in &scenario.cases {
            dns.set(scenario.zone.clone().without_ttl());
            if tried(case, expected.len()) {
                expected.push((format!("{}: {}", scenario.name, case.name), case.results.clone()));
            } else {
                refused.push(case.name.clone());
            }
        }
    }
    assert_eq!((expected.len(), refused.as_slice()), (198, &REFUSED.map(str::to_owned)[..]));
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
