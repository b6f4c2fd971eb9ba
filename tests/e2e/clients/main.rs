//! Mail programs that people have, against the real binary: each sends or collects as its users do, and what
//! it has is what was sent, octet for octet where the program allows that.

mod collectors;
mod curl;
mod overlong;
mod senders;
mod team;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use restante_tests::{Appliance, Setup, Shared, assert_same, deliver, smtp};

/// What any of them may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A mailbox for each test.
static APPLIANCE: Shared = Shared::new(|| {
    Setup::of(&[
        "curl",
        "swaks",
        "python",
        "poplib",
        "fetchmail",
        "fetchmail-keep",
        "getmail",
        "getmail-keep",
        "mpop",
    ])
});

/// What mail programs get wrong, if they get something wrong.
fn messages() -> Vec<Vec<u8>> {
    let header = "From: Sender <sender@client.example>\r\nTo: somebody@example.test\r\n\
                  Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-ID: <";
    let bodies: [&[u8]; 6] = [
        b"plain text\r\n",
        b".leading dot\r\n..two\r\n.\r\n...\r\nend\r\n",
        b"From the start of a line\r\n>From quoted\r\nFrom again\r\n",
        "8 bit: gr\u{fc}\u{df}e \u{436}\r\n".as_bytes(),
        b"trailing space \r\n\ttab\r\n\r\n\r\nempty lines before\r\n\r\n",
        b"",
    ];
    let message = |(number, body): (usize, &[u8])| {
        let header = format!("{header}{number}@client.example>\r\nSubject: number {number}\r\n\r\n");
        [header.as_bytes(), body].concat()
    };
    let mut all: Vec<Vec<u8>> = bodies.into_iter().enumerate().map(message).collect();
    // Of lines that every program takes (RFC 5322 §2.1.1), and more than any one buffer holds.
    all.push(message((bodies.len(), "0123456789abcdef\r\n".repeat(60_000).as_bytes())));
    all
}

/// Puts all of them into a mailbox.
fn fill(appliance: &Appliance, user: &str) -> Vec<Vec<u8>> {
    let messages = messages();
    let mut client = smtp(appliance.smtp);
    for message in &messages {
        let answer = deliver(&mut client, &[&format!("{user}@example.test")], message);
        assert!(answer.starts_with("250 "), "{answer}");
    }
    messages
}

/// With the line ends of a Unix file.
fn unix(octets: &[u8]) -> Vec<u8> {
    let mut out = octets.to_vec();
    out.retain(|octet| *octet != b'\r');
    out
}

/// Fails unless the files hold these messages in any order, each below whatever fields were put on top of it.
fn assert_held(files: &[PathBuf], messages: &[Vec<u8>]) {
    let mut held: Vec<Vec<u8>> = files.iter().map(|path| unix(&fs::read(path).expect("readable"))).collect();
    assert_eq!(held.len(), messages.len());
    for message in messages {
        let message = unix(message);
        let subject = String::from_utf8_lossy(&message)
            .lines()
            .find(|line| line.starts_with("Subject: "))
            .expect("one")
            .to_owned();
        let named = |text: &Vec<u8>| String::from_utf8_lossy(text).lines().any(|line| line == subject);
        let at = held.iter().position(named).unwrap_or_else(|| panic!("{subject} is not there"));
        let text = held.swap_remove(at);
        let top = text.len().saturating_sub(message.len());
        assert_same(&text[top..], &message, &subject);
        assert!(
            text.starts_with(b"Return-Path: <sender@client.example>\n") || text.starts_with(b"Received: ")
        );
        let top = String::from_utf8_lossy(&text[..top]).into_owned();
        assert!(top.contains("\nDelivered-To: ") && top.contains("\nX-Original-To: "), "{top}");
    }
}

/// The files of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.expect("an entry").path()).collect(),
        Err(_) => Vec::new(),
    };
    paths.sort();
    paths
}
