//! The gate over a store in memory, with rules and without name servers.

use std::time::Duration;

use authenticity::{DnsSettings, Resolver, VerifierLimits};
use directory::{DomainSpec, MailboxSpec, Spec, Table, VerifierParams};
use jiff::tz::TimeZone;
use mail::{Address, ForwardPath, MailboxName, Protocol, Recipient, Ruling};
use net::Networks;
use queue::contract::envelope;
use queue::{Incoming, MemoryStore, Store};
use routing::rules::Surroundings;
use smtp_receive::{Decision, Inspection, SessionPolicy, Verdict};
use tempfile::TempDir;

use super::*;

fn table() -> Table {
    let mailbox = |name: &&str| MailboxSpec {
        name: (*name).into(),
        addresses: Vec::new(),
        passwords: Vec::new(),
        receives: true,
        allowance: Default::default(),
        ..MailboxSpec::default()
    };
    let domain =
        DomainSpec { name: "example.test".into(), postmaster: Some("alice".into()), ..DomainSpec::default() };
    let spec = Spec {
        domains: vec![domain],
        mailboxes: ["alice", "bob", "carol"].iter().map(mailbox).collect(),
        detail_separator: Some('+'),
        hostname: "mx.example.test".into(),
        ..Spec::default()
    };
    Table::build(&spec).0.expect("sound")
}

struct World {
    _folder: TempDir,
    gate: Gatekeeper,
}

fn world(rules: &str) -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let table = table();
    let around = Surroundings {
        directory: Some(&table),
        spam_filter: false,
        virus_scanner: false,
        block_lists: &[],
        time_zone: TimeZone::UTC,
        read_list: &|_| Err("none".into()),
    };
    let (set, said) = RuleSet::compile(rules, &around);
    let set = set.unwrap_or_else(|| panic!("{said:?}"));
    let relay = Relay {
        networks: Networks::new(vec!["198.51.100.0/24".parse().expect("a network")]),
        authserv_id: Some("filter.example".into()),
    };
    let gate = Gatekeeper::new(Checkpoint {
        limits: HeaderLimits::default(),
        authserv_id: "mx.example.test".into(),
        directory: Directory::new(table, VerifierParams::default()),
        reads: set.reads(),
        rules: Arc::new(set),
        verifier: None,
        authenticity: Authenticity::default(),
        scanning: Scanning::default(),
        relays: vec![relay],
        parsing: Arc::new(Parsing::open(folder.path(), 1 << 20).expect("opened")),
        one_refuses_all: false,
        lmtp: false,
        trace: None,
    });
    World { _folder: folder, gate }
}

fn recipient(address: &str) -> Recipient {
    let path = ForwardPath::Address(Address::parse(address).expect("an address"));
    let mailboxes = vec![MailboxName::parse("alice").expect("a name")];
    Recipient { path, mailboxes, duplicate: false, ruling: None }
}

/// The answers at RCPT, and the verdict; what was ruled for each.
async fn sent(
    world: &World,
    peer: [u8; 4],
    to: &[&str],
    message: &str,
) -> (Vec<Decision>, Verdict, Vec<Option<Ruling>>) {
    let peer = Peer { address: Some((peer, 25).into()), local: None, trusted: false };
    let mut visit = world.gate.session(&peer);
    let mut mail = envelope(&[]);
    mail.trace.protocol = Protocol::Esmtp;
    visit.connected().await.expect("greeted");
    visit.sender(&mail).await.expect("taken");
    let mut answers = Vec::new();
    for address in to {
        let recipient = recipient(address);
        answers.push(visit.recipient(&mail, &recipient).await);
        mail.recipients.push(recipient);
    }
    let mut inspection = visit.begin(&mail);
    let mut incoming = MemoryStore::new().incoming(None).expect("admitted");
    incoming.write(message.as_bytes()).await.expect("taken");
    inspection.content(message.as_bytes());
    let verdict = inspection.finish(&mut mail, message.len() as u64, &mut incoming).await;
    (answers, verdict, mail.recipients.into_iter().map(|to| to.ruling).collect())
}

const STRANGER: [u8; 4] = [192, 0, 2, 1];
const RELAY: [u8; 4] = [198, 51, 100, 7];

#[tokio::test]
async fn without_rules_nothing_is_ruled_and_nothing_written() {
    let world = world("");
    let (answers, verdict, rulings) =
        sent(&world, STRANGER, &["alice@example.test", "bob@example.test"], "Subject: x\r\n\r\n").await;
    assert_eq!((answers, verdict), (vec![Ok(()), Ok(())], Verdict::Accept));
    assert_eq!(rulings, [None, None]);
}

#[tokio::test]
async fn what_the_envelope_decides_is_refused_at_rcpt_and_the_rest_at_the_end() {
    let world = world(
        "[[rule]]\nname = \"early\"\nwhen = { recipient = \"bob@*\" }\nthen = { refuse = \"550 5.7.1\" }\n\
         [[rule]]\nname = \"moved\"\nwhen = { recipient = \"carol@*\" }\nthen = { deliver = [\"bob\"] }\n",
    );
    let (answers, verdict, rulings) =
        sent(&world, STRANGER, &["bob@example.test", "carol@example.test"], "Subject: x\r\n\r\n").await;
    assert_eq!(answers[0].as_ref().map_err(|refusal| &*refusal.rule), Err("early"));
    assert_eq!((&answers[1], verdict), (&Ok(()), Verdict::Accept));
    // Whoever takes no notice of the refusal is not given a way in by it.
    let held = rulings[0].as_ref().and_then(|ruling| ruling.quarantine.as_deref());
    assert!(held.is_some_and(|reason| reason.starts_with("refused by early")), "{rulings:?}");
    let moved = rulings[1].as_ref().and_then(|ruling| ruling.deliver.as_deref());
    assert_eq!(moved.map(|list| list[0].as_str()), Some("bob"));
}

const FORGED: &str = "Authentication-Results: filter.example; spf=fail smtp.mailfrom=a.example;\r\n\
     \tdmarc=fail (p=reject) header.from=a.example\r\nReceived: by filter.example\r\nFrom: x@a.example\r\n\r\n";

/// RFC 8601 §5: who is no relay of ours can write what it likes.
#[tokio::test]
async fn a_relay_is_believed_what_it_found_and_a_stranger_is_not() {
    let world =
        world("[[rule]]\nname = \"forged\"\nwhen = { dmarc = \"fail\" }\nthen = { tag = \"[forged]\" }\n");
    for (peer, tagged) in [(RELAY, true), (STRANGER, false)] {
        let (_, verdict, rulings) = sent(&world, peer, &["alice@example.test"], FORGED).await;
        assert_eq!(verdict, Verdict::Accept);
        assert_eq!(rulings[0].is_some(), tagged, "{peer:?}");
    }
}

/// RFC 8601 §4.2: what a site will not have is refused while its sender is there to hear of it.
#[tokio::test]
async fn what_fails_and_may_not_is_refused_and_never_bounced() {
    let world = world(
        "[[rule]]\nname = \"forged\"\nwhen = { dmarc = \"fail\" }\nthen = { refuse = \"550 5.7.26\" }\n",
    );
    let (answers, verdict, rulings) = sent(&world, RELAY, &["alice@example.test"], FORGED).await;
    assert_eq!((answers, rulings), (vec![Ok(())], vec![None]));
    assert!(
        matches!(&verdict, Verdict::Refuse(refusal) if refusal.code == 550 && &*refusal.rule == "forged"),
        "{verdict:?}"
    );
}

/// That nobody can tell who signed a message is not the same as that nobody did: what depends on it waits, and the rule
/// that is always there lets it pass.
#[tokio::test]
async fn a_message_that_cannot_be_read_whole_may_be_anybodys() {
    let long = format!("From: a@b.example\r\n\r\n{}", "x\r\n".repeat(700_000));
    for condition in
        ["dmarc = \"fail\"", "dkim = \"pass\"", "arc = \"pass\"", "verified-domain = \"b.example\""]
    {
        let rules = format!(
            "[[rule]]\nname = \"asks\"\nwhen = {{ recipient = \"alice@*\", {condition} }}\n\
             then = {{ refuse = \"550 5.7.1\" }}\n"
        );
        let mut world = world(&rules);
        let nowhere = DnsSettings {
            servers: vec![([127, 0, 0, 1], 1).into()],
            timeout: Duration::from_millis(200),
            attempts: 1,
            ..DnsSettings::default()
        };
        let verifier = Verifier::new(Resolver::new(&nowhere).expect("a resolver"), VerifierLimits::default());
        Arc::get_mut(&mut world.gate.0).expect("not shared").verifier = Some(verifier);
        let (_, verdict, _) = sent(&world, STRANGER, &["alice@example.test"], &long).await;
        assert!(
            matches!(&verdict, Verdict::Refuse(refusal) if refusal.code == 451),
            "{condition}: {verdict:?}"
        );
        let (_, verdict, rulings) = sent(&world, STRANGER, &["bob@example.test"], &long).await;
        assert_eq!((verdict, rulings), (Verdict::Accept, vec![None]), "{condition}");
    }
}

/// A long text of lines that begin with two hyphens has one part, whatever the pre-scan counts.
#[tokio::test]
async fn what_was_taken_apart_is_as_complex_as_that_showed() {
    let hyphens = |head: &str, line: &str| format!("{head}\r\n{}", line.repeat(2_500));
    let plain = hyphens("Content-Type: text/plain\r\n", "-- a comment\r\n");
    let parts = hyphens("Content-Type: multipart/mixed; boundary=b\r\n", "--b\r\n\r\n");
    let world =
        world("[[rule]]\nname = \"odd\"\nwhen = { too-complex = true }\nthen = { tag = \"[odd]\" }\n");
    for (message, tagged) in [(plain, false), (parts, true)] {
        let (_, verdict, rulings) = sent(&world, STRANGER, &["alice@example.test"], &message).await;
        assert_eq!((verdict, rulings[0].is_some()), (Verdict::Accept, tagged));
    }
}

#[tokio::test]
async fn a_header_that_no_parser_should_hold_is_refused_for_all() {
    let message = format!("X: {}\r\n\r\n", "x".repeat(70_000));
    let (_, verdict, _) = sent(&world(""), STRANGER, &["alice@example.test"], &message).await;
    assert!(matches!(verdict, Verdict::Refuse(refusal) if refusal.code == 552));
}
