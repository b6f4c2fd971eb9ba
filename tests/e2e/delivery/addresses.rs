use restante_tests::{Client, below, collect, deliver, smtp};

use crate::APPLIANCE;

/// Where each address leads, and the address that the copy names.
#[test]
fn addresses_lead_where_the_directory_says() {
    let appliance = APPLIANCE.get();
    let mut client = smtp(appliance.smtp);
    let mut sent = Vec::new();
    for (address, mailbox) in [
        ("CAROL@Example.Test", "carol"),
        ("\"carol\"@example.test", "carol"),
        ("carol+shop@example.test", "carol"),
        ("carol+a+b@example.test", "carol"),
        ("f.olded@example.test", "folded"),
        ("F.Olded+x@example.test", "folded"),
        ("folded@example.test", "folded"),
        ("postmaster@other.example", "carol"),
        ("abuse@other.example.net", "carol"),
        ("PostMaster@OTHER.example", "carol"),
        ("anybody@other.example", "office"),
        ("anybody@other.example.net", "office"),
        ("anybody+shop@other.example", "office"),
        ("alice@other.example", "alice@other.example"),
        ("alice@other.example.net", "alice@other.example"),
    ] {
        let message = format!("Subject: {address}\r\n\r\n");
        let answer = deliver(&mut client, &[address], message.as_bytes());
        assert!(answer.starts_with("250 "), "{address}: {answer}");
        sent.push((mailbox, address, message));
    }
    for mailbox in ["carol", "folded", "office", "alice@other.example"] {
        let led: Vec<_> = sent.iter().filter(|sent| sent.0 == mailbox).collect();
        let collected = collect(appliance.pop3, mailbox, led.len());
        for ((_, address, message), copy) in led.iter().zip(collected) {
            let (prelude, rest) = below(&copy.octets);
            assert_eq!(String::from_utf8_lossy(rest), *message);
            assert_eq!(prelude.original_to.len(), 1, "{address}");
            let named = prelude.original_to[0].to_lowercase().replace('"', "");
            assert_eq!(named, address.to_lowercase().replace('"', ""));
        }
    }
}

/// The address of us that has no domain, and a route that is stripped (RFC 5321 §4.1.1.3, §3.6.1).
#[test]
fn postmaster_and_source_routes_are_taken() {
    let appliance = APPLIANCE.get();
    let mut client = smtp(appliance.smtp);
    assert!(client.ask("MAIL FROM:<>").starts_with("250 "));
    for path in [
        "<postmaster>",
        "<Postmaster>",
        "<postmaster@mx.example.test>",
        "<postmaster@[127.0.0.1]>",
        "<abuse@example.test>",
        "<@relay.example,@two.example:alice@example.test>",
        "<press-release@example.test>",
        "<team@example.test>",
    ] {
        let answer = client.ask(&format!("RCPT TO:{path}"));
        assert!(answer.starts_with("250 2.1.5 "), "{path}: {answer}");
    }
    assert!(client.ask("RSET").starts_with("250 "));
}

fn refusal(path: &str) -> String {
    let mut client = smtp(APPLIANCE.get().smtp);
    assert!(client.ask("MAIL FROM:<sender@client.example>").starts_with("250 "));
    let answer = client.ask(&format!("RCPT TO:{path}"));
    // Whatever was refused leaves nobody to send to.
    assert!(client.ask("DATA").starts_with("554 "), "{path}: {answer}");
    answer
}

#[test]
fn unknown_and_closed_addresses_are_refused_at_rcpt() {
    let _running = APPLIANCE.get();
    for (path, answer) in [
        ("<nobody@example.test>", "550 5.1.1 no such recipient here"),
        ("<nobody+alice@example.test>", "550 5.1.1 no such recipient here"),
        ("<login-only@example.test>", "550 5.1.1 no such recipient here"),
        ("<closed@example.test>", "550 5.1.1 this address is closed"),
        ("<closed+x@example.test>", "550 5.1.1 this address is closed"),
        ("<burned@other.example>", "550 5.1.1 burned in 2019"),
        ("<burned@other.example.net>", "550 5.1.1 burned in 2019"),
    ] {
        assert_eq!(refusal(path), answer, "{path}");
    }
}

#[test]
fn nothing_is_relayed() {
    let _running = APPLIANCE.get();
    for path in [
        "<a@client.example>",
        "<alice%client.example@example.test>",
        "<\"alice@client.example\"@example.test>",
        "<client.example!alice@example.test>",
        "<alice@example.test.client.example>",
        "<alice@test>",
        "<alice@sub.example.test>",
        "<@example.test:a@client.example>",
        "<@example.test,@mx.example.test:a@client.example>",
        "<alice%example.test@client.example>",
        "<\"alice@example.test\"@client.example>",
        "<alice@[192.0.2.1]>",
        "<alice@[127.0.0.2]>",
        "<postmaster@client.example>",
        "<alice@[IPv6:2001:db8::1]>",
        "<alice@localhost>",
    ] {
        let answer = refusal(path);
        assert!(answer.starts_with("550 5.7.1 "), "{path}: {answer}");
    }
    for path in [
        "<alice>",
        "alice",
        "<alice@example.test",
        "<alice@@example.test>",
        "<alice@example.test@client.example>",
        "<@example.test>",
        "<>",
        "<alice@example.test>a@client.example",
        "<alice@[127.0.0.1>",
        "<;id;@example.test>",
        "<alice @example.test>",
        "<alice@example..test>",
    ] {
        let answer = refusal(path);
        assert!(answer.starts_with("501 "), "{path}: {answer}");
    }
}

#[test]
fn a_search_for_addresses_is_slowed_and_ended() {
    let appliance = APPLIANCE.get();
    let mut client: Client = smtp(appliance.smtp);
    assert!(client.ask("MAIL FROM:<>").starts_with("250 "));
    let started = std::time::Instant::now();
    for number in 1..10 {
        let answer = client.ask(&format!("RCPT TO:<guess{number}@example.test>"));
        assert_eq!(answer, "550 5.1.1 no such recipient here", "{number}");
    }
    assert!(started.elapsed().as_secs() >= 5, "{:?}", started.elapsed());
    let answer = client.ask("RCPT TO:<guess10@example.test>");
    assert!(answer.starts_with("421 4.7.0 "), "{answer}");
    assert_eq!(client.line(), None);
}
