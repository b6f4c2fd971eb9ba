use std::net::SocketAddr;

use crate::Client;

/// An SMTP session that has said EHLO.
pub fn smtp(address: SocketAddr) -> Client {
    let mut client = Client::connect(address);
    let greeting = client.reply();
    assert!(greeting.starts_with("220 "), "{greeting}");
    let answer = client.ask("EHLO client.example");
    assert!(answer.starts_with("250-"), "{answer}");
    client
}

/// MAIL and RCPT, all of which must be taken.
pub fn envelope(client: &mut Client, from: &str, to: &[&str]) {
    let answer = client.ask(&format!("MAIL FROM:{from}"));
    assert!(answer.starts_with("250 "), "{from}: {answer}");
    for recipient in to {
        let answer = client.ask(&format!("RCPT TO:<{recipient}>"));
        assert!(answer.starts_with("250 "), "{recipient}: {answer}");
    }
}

/// Delivers one message by DATA, given with CRLF line ends and not stuffed; the final reply.
pub fn deliver(client: &mut Client, to: &[&str], message: &[u8]) -> String {
    envelope(client, "<sender@client.example>", to);
    let data = client.ask("DATA");
    assert!(data.starts_with("354 "), "{data}");
    client.send(&stuffed(message));
    client.reply()
}

/// Delivers one message by BDAT in these chunks, octet for octet; the final reply.
pub fn deliver_chunks(client: &mut Client, to: &[&str], chunks: &[&[u8]]) -> String {
    envelope(client, "<sender@client.example>", to);
    let (last, others) = chunks.split_last().expect("one at least");
    for chunk in others {
        client.send(format!("BDAT {}\r\n", chunk.len()).as_bytes());
        client.send(chunk);
        let answer = client.reply();
        assert!(answer.starts_with("250 "), "{answer}");
    }
    client.send(format!("BDAT {} LAST\r\n", last.len()).as_bytes());
    client.send(last);
    client.reply()
}

/// What goes over the wire after DATA, the final dot included (RFC 5321 §4.5.2).
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(message.len() + message.len() / 64 + 16);
    let mut at_start = true;
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        if at_start && line.starts_with(b".") {
            octets.push(b'.');
        }
        octets.extend_from_slice(line);
        // A lone LF ends no line (RFC 5321 §2.3.8).
        at_start = octets.ends_with(b"\r\n");
    }
    octets.extend_from_slice(if at_start { b".\r\n" } else { b"\r\n.\r\n" });
    octets
}

/// The same mail with CRLF for each lone LF.
pub fn with_crlf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 32);
    for (at, octet) in octets.iter().enumerate() {
        if *octet == b'\n' && (at == 0 || octets[at - 1] != b'\r') {
            out.push(b'\r');
        }
        out.push(*octet);
    }
    out
}

/// The fields that we put on top of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prelude {
    /// With its angle brackets.
    pub return_path: String,
    /// The mailbox.
    pub delivered_to: String,
    /// One for each recipient that led there.
    pub original_to: Vec<String>,
    /// The value of our Received, unfolded.
    pub received: String,
}

/// Takes our fields off the top of a copy: they, and the octets below.
pub fn below(served: &[u8]) -> (Prelude, &[u8]) {
    let mut rest = served;
    let shown = String::from_utf8_lossy(&served[..served.len().min(600)]).into_owned();
    let mut line = || {
        let end = rest.iter().position(|octet| *octet == b'\n').map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(end);
        rest = after;
        String::from_utf8(line.to_vec()).expect("text").trim_end_matches("\r\n").to_owned()
    };
    let value = |line: &str, name: &str| {
        let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(": "));
        value.unwrap_or_else(|| panic!("{name} expected at {line:?} in:\n{shown}")).to_owned()
    };
    let return_path = value(&line(), "Return-Path");
    let delivered_to = value(&line(), "Delivered-To");
    let mut original_to = Vec::new();
    let mut next = line();
    while next.starts_with("X-Original-To: ") {
        original_to.push(value(&next, "X-Original-To"));
        next = line();
    }
    // Results, where anybody was asked, have lines of their own.
    if next.starts_with("Authentication-Results: ") {
        next = line();
        while next.starts_with('\t') {
            next = line();
        }
    }
    let mut received = value(&next, "Received");
    // Its date ends it: what follows may be a message that begins with a folded line.
    while !received.ends_with(" +0000") {
        received = format!("{received} {}", line().trim_start());
    }
    (Prelude { return_path, delivered_to, original_to, received }, rest)
}

/// A message without the fields of its header that only we may write.
pub fn hidden(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    let (mut in_header, mut hiding) = (true, false);
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        in_header &= line != b"\r\n";
        if !matches!(line[0], b' ' | b'\t') {
            hiding = in_header && is_ours(line);
        }
        if !(in_header && hiding) {
            out.extend_from_slice(line);
        }
    }
    out
}

fn is_ours(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line).to_ascii_lowercase();
    let Some((name, value)) = line.split_once(':') else { return false };
    let name = name.trim_end();
    let results = name == "authentication-results" && value.trim_start().starts_with("mx.example.test");
    matches!(name, "return-path" | "delivered-to" | "x-original-to")
        || name.starts_with("x-restante-")
        || results
}

/// Fails at the first octet that differs, and shows it: mails are too long to be shown whole.
pub fn assert_same(found: &[u8], expected: &[u8], what: &str) {
    if found == expected {
        return;
    }
    let at = found.iter().zip(expected).take_while(|(one, other)| one == other).count();
    let near =
        |octets: &[u8]| octets[at.saturating_sub(40)..octets.len().min(at + 40)].escape_ascii().to_string();
    let (here, there) = (near(found), near(expected));
    let lengths = format!("{} octets instead of {}", found.len(), expected.len());
    panic!("{what} came out otherwise at octet {at}, {lengths}:\n{here}\ninstead of\n{there}");
}
