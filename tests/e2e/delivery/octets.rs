use restante_tests::{assert_same, below, collect, deliver, deliver_chunks, smtp, stuffed};

use crate::APPLIANCE;

/// Every octet that mail may have.
fn every_octet() -> Vec<u8> {
    let mut message = b"Subject: octets\r\n\r\n".to_vec();
    message.extend((1..=255_u8).filter(|octet| !matches!(octet, b'\r' | b'\n')));
    message.extend_from_slice(b"\r\n");
    message
}

fn line_of(octets: usize) -> Vec<u8> {
    [b"Subject: long\r\n\r\n".to_vec(), vec![b'x'; octets], b"\r\nshort\r\n".to_vec()].concat()
}

/// Mail that ends its last line, as DATA must.
fn terminated() -> Vec<(&'static str, Vec<u8>)> {
    let fixed: [(&str, &[u8]); 16] = [
        ("plain", b"Subject: a\r\n\r\nbody\r\n"),
        ("leading dots", b"Subject: a\r\n\r\n.one\r\n..two\r\n...three\r\n. \r\n.\t\r\n"),
        ("lone dots", b"Subject: a\r\n\r\n.\r\n..\r\n.\r\n\r\n.\r\n"),
        ("a dot before anything", b".\r\n.a: b\r\n\r\n"),
        ("dots in the header", b".Subject: a\r\n.\r\n\r\nbody\r\n"),
        ("empty body", b"Subject: a\r\n\r\n"),
        ("header only", b"Subject: a\r\nX: b\r\n"),
        ("nothing but an empty line", b"\r\n"),
        ("nothing but empty lines", b"\r\n\r\n\r\n\r\n"),
        ("body only", b"no field here\r\nnor here\r\n"),
        ("a folded line first", b" folded: under what?\r\nSubject: a\r\n\r\nbody\r\n"),
        ("empty lines at the end", b"Subject: a\r\n\r\nbody\r\n\r\n\r\n"),
        ("latin-1", b"Subject: caf\xe9\r\n\r\n\xe9\xe8\xff\xfe\r\n"),
        ("utf-8", "Subject: grüße\r\n\r\nжук 🐞\r\n".as_bytes()),
        ("commands in the body", b"STARTTLS\r\n\r\nSTARTTLS\r\nQUIT\r\nDATA\r\nRSET\r\n"),
        ("a reply in the body", b"Subject: a\r\n\r\n+OK\r\n-ERR\r\n.\r\nQUIT\r\n"),
    ];
    let mut all: Vec<(&str, Vec<u8>)> = fixed.map(|(name, octets)| (name, octets.to_vec())).into();
    all.push(("every octet", every_octet()));
    all
}

/// Mail that only BDAT can carry as it is.
fn unterminated() -> Vec<(&'static str, Vec<u8>)> {
    let fixed: [(&str, &[u8]); 7] = [
        ("no final newline", b"Subject: a\r\n\r\nbody"),
        ("header without an end", b"Subject: a"),
        ("a dot at the end", b"Subject: a\r\n\r\nbody\r\n."),
        ("one dot", b"."),
        ("an end of data inside", b"Subject: a\r\n\r\n\r\n.\r\nMAIL FROM:<smuggled@x.example>\r\n"),
        ("unstuffed dots", b"Subject: a\r\n\r\n.a\r\n..b\r\n.\r\n"),
        ("nothing", b""),
    ];
    fixed.map(|(name, octets)| (name, octets.to_vec())).into()
}

#[test]
fn data_comes_out_as_it_went_in() {
    let appliance = APPLIANCE.get();
    let mut client = smtp(appliance.smtp);
    let messages = terminated();
    for (name, message) in &messages {
        let answer = deliver(&mut client, &["dots@example.test"], message);
        assert!(answer.starts_with("250 2.0.0 queued as "), "{name}: {answer}");
    }
    let collected = collect(appliance.pop3, "dots", messages.len());
    for ((name, message), collected) in messages.iter().zip(collected) {
        let (prelude, rest) = below(&collected.octets);
        assert_eq!(rest.escape_ascii().to_string(), message.escape_ascii().to_string(), "{name}");
        assert_eq!(prelude.delivered_to, "dots@example.test");
    }
}

#[test]
fn chunks_come_out_as_they_went_in() {
    let appliance = APPLIANCE.get();
    let mut client = smtp(appliance.smtp);
    let messages = [terminated(), unterminated()].concat();
    // Whole, and cut where it hurts: inside of CRLF, before and behind dots.
    let mut expected = Vec::new();
    for (name, message) in &messages {
        for pieces in [message.len().max(1), 1, 3] {
            let mut chunks: Vec<&[u8]> = message.chunks(pieces).collect();
            chunks.push(b"");
            let answer = deliver_chunks(&mut client, &["chunks@example.test"], &chunks);
            assert!(answer.starts_with("250 2.0.0 "), "{name} by {pieces}: {answer}");
            expected.push((name, message));
        }
    }
    let collected = collect(appliance.pop3, "chunks", expected.len());
    for ((name, message), collected) in expected.into_iter().zip(collected) {
        // RFC 1939 §3: every line that is served ends in CRLF.
        let ended = message.is_empty() || message.ends_with(b"\r\n");
        let served = if ended { message.clone() } else { [message, &b"\r\n"[..]].concat() };
        let rest = below(&collected.octets).1;
        assert_eq!(rest.escape_ascii().to_string(), served.escape_ascii().to_string(), "{name}");
    }
}

#[test]
fn long_lines_are_kept_to_their_limit_and_refused_past_it() {
    let appliance = APPLIANCE.get();
    let mut client = smtp(appliance.smtp);
    let lengths = [998, 999, 2_048, 65_535, 65_536];
    for length in lengths {
        let answer = deliver(&mut client, &["long@example.test"], &line_of(length));
        assert!(answer.starts_with("250 "), "{length}: {answer}");
    }
    let answer = deliver(&mut client, &["long@example.test"], &line_of(65_537));
    assert_eq!(answer, "554 5.6.0 the message has a line that is too long");
    let message = line_of(65_537);
    let answer = deliver_chunks(&mut client, &["long@example.test"], &[&message]);
    assert_eq!(answer, "554 5.6.0 the message has a line that is too long");
    let collected = collect(appliance.pop3, "long", lengths.len());
    for (length, collected) in lengths.into_iter().zip(collected) {
        assert_same(below(&collected.octets).1, &line_of(length), "a long line");
    }
}

/// As an attachment in base64 that is just as big as a message may be.
fn big(octets: usize) -> Vec<u8> {
    let mut message = b"Subject: big\r\n\r\n".to_vec();
    let mut number = 0_u64;
    while message.len() < octets {
        message.extend_from_slice(format!(".{number:075}\r\n").as_bytes());
        number += 1;
    }
    message.truncate(octets - 2);
    // A CR that the cut left would stand alone.
    if message.ends_with(b"\r") {
        message.pop();
        message.push(b'x');
    }
    message.extend_from_slice(b"\r\n");
    message
}

#[test]
fn thirty_five_mebibytes_pass_and_one_octet_more_does_not() {
    const LIMIT: usize = 35 << 20;
    let appliance = APPLIANCE.get();
    let mut client = smtp(appliance.smtp);
    assert!(client.ask("EHLO client.example").contains(&format!("SIZE {LIMIT}")));
    let message = big(LIMIT);
    assert_eq!(message.len(), LIMIT);
    let answer = deliver(&mut client, &["big@example.test"], &message);
    assert!(answer.starts_with("250 2.0.0 queued as "), "{answer}");
    let answer =
        deliver_chunks(&mut client, &["big@example.test"], &message.chunks(1 << 20).collect::<Vec<_>>());
    assert!(answer.starts_with("250 2.0.0 queued as "), "{answer}");
    let answer = deliver(&mut client, &["big@example.test"], &big(LIMIT + 1));
    assert!(answer.starts_with("552 5.3.4 "), "{answer}");
    let answer = client.ask(&format!("MAIL FROM:<> SIZE={}", LIMIT + 1));
    assert!(answer.starts_with("552 5.3.4 "), "{answer}");
    assert!(client.ask(&format!("MAIL FROM:<> SIZE={LIMIT}")).starts_with("250 "));
    // Bigger than what is streamed at once, smaller than what is logged in one piece, and right at the edges.
    let edges = [(4 << 20) - 1, 4 << 20, (4 << 20) + 1, 1 << 20, 5_000_000];
    assert!(client.ask("RSET").starts_with("250 "));
    for octets in edges {
        let answer = deliver(&mut client, &["big@example.test"], &big(octets));
        assert!(answer.starts_with("250 "), "{octets}: {answer}");
    }
    let collected = collect(appliance.pop3, "big", 2 + edges.len());
    let expected = [LIMIT, LIMIT].into_iter().chain(edges);
    for (octets, collected) in expected.zip(collected) {
        assert_same(below(&collected.octets).1, &big(octets), "a big message");
    }
}

#[test]
fn an_overrun_of_what_was_declared_is_refused_and_the_session_goes_on() {
    let appliance = APPLIANCE.get();
    let mut client = smtp(appliance.smtp);
    assert!(client.ask("MAIL FROM:<a@client.example> SIZE=10").starts_with("250 "));
    assert!(client.ask("RCPT TO:<alice+lies@example.test>").starts_with("250 "));
    assert!(client.ask("DATA").starts_with("354 "));
    client.send(&stuffed(&big((35 << 20) + 4_096)));
    assert!(client.reply().starts_with("552 5.3.4 "));
    assert!(client.ask("NOOP").starts_with("250 "));
}

#[test]
fn internationalised_mail_passes_when_it_says_so() {
    let appliance = APPLIANCE.get();
    let mut client = smtp(appliance.smtp);
    let message = "Subject: grüße\r\nFrom: <жук@пример.рф>\r\n\r\nПривет\r\n".as_bytes();
    let answer = client.ask("MAIL FROM:<жук@пример.рф>");
    assert!(answer.starts_with("550 5.6.7 "), "{answer}");
    let sender = client.ask("MAIL FROM:<жук@пример.рф> SMTPUTF8 BODY=8BITMIME");
    assert!(sender.starts_with("250 "), "{sender}");
    assert!(client.ask("RCPT TO:<utf8+größe@example.test>").starts_with("250 "));
    assert!(client.ask("DATA").starts_with("354 "));
    client.send(&stuffed(message));
    assert!(client.reply().starts_with("250 "));
    let collected = collect(appliance.pop3, "utf8", 1);
    let (prelude, rest) = below(&collected[0].octets);
    assert_eq!(rest, message);
    assert_eq!(prelude.return_path, "<жук@пример.рф>");
    assert_eq!(prelude.original_to, ["utf8+größe@example.test"]);
    assert!(prelude.received.contains(" with UTF8SMTP "), "{}", prelude.received);
}
