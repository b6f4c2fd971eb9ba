use std::fs;
use std::path::{Path, PathBuf};

use restante_tests::{
    Appliance, Setup, assert_same, below, collect, deliver, deliver_chunks, hidden, smtp, with_crlf,
};

use crate::corpora;

/// What is not taken, and why: everything else must come out as it went in.
const REFUSED: [(&str, &str); 2] = [
    ("mail-parser/resources/eml/legacy/049.eml", BARE),
    ("mail-parser/resources/eml/thirdparty/005.eml", BARE),
];
const BARE: &str = "550 5.6.11 lines must end with CRLF: the message has a bare CR, a bare LF or a NUL";

/// Whether a file of the corpora is a mail; the others say what is expected of one.
fn is_mail(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let signed = path.to_string_lossy().contains("mail-auth/resources/dkim/");
    matches!(extension, "eml" | "msg") || (signed && extension == "txt") || name.ends_with(".out")
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            find(&path, found);
        } else if is_mail(&path) {
            found.push(path);
        }
    }
}

pub(crate) fn mails(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut paths = Vec::new();
    for set in ["mail-parser", "mime4j", "mail-auth"] {
        find(&root.join(set), &mut paths);
    }
    paths.sort();
    let name = |path: &Path| path.strip_prefix(root).expect("below").to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), with_crlf(&fs::read(path).expect("readable")))).collect()
}

/// As a client must send it by DATA: its last line ended.
fn ended(mail: &[u8]) -> Vec<u8> {
    if mail.is_empty() || mail.ends_with(b"\r\n") { mail.into() } else { [mail, &b"\r\n"[..]].concat() }
}

#[test]
fn every_mail_comes_out_as_it_went_in_or_is_refused_with_its_reply() {
    let Some(root) = corpora("") else { return };
    let appliance = Appliance::start();
    let mails = mails(&root);
    assert!(mails.len() > 190, "only {} mails in the corpora", mails.len());
    for (user, chunked) in [("alice", false), ("bob", true)] {
        let mut client = smtp(appliance.smtp);
        let to = format!("{user}@example.test");
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        for (name, mail) in &mails {
            let answer = if chunked {
                // Cut at odd places, octet for octet.
                let chunks: Vec<&[u8]> = mail.chunks(997).collect();
                deliver_chunks(&mut client, &[&to], &chunks)
            } else {
                deliver(&mut client, &[&to], mail)
            };
            match answer.starts_with("250 2.0.0 queued as ") {
                true => taken.push((name, mail)),
                false => refused.push((name.as_str(), answer)),
            }
        }
        let expected: Vec<_> = REFUSED.iter().map(|(name, reply)| (*name, (*reply).to_owned())).collect();
        assert_eq!(refused, expected);
        let collected = collect(appliance.pop3, user, taken.len());
        for ((name, mail), collected) in taken.into_iter().zip(collected) {
            let rest = below(&collected.octets).1;
            assert_same(rest, &ended(&hidden(mail)), name);
        }
    }
}

/// What strangers may not send, a network that is trusted may: it is repaired before it counts as received.
#[test]
fn what_is_refused_from_strangers_is_repaired_for_the_trusted() {
    let Some(root) = corpora("") else { return };
    let machine = "trusted = [\"127.0.0.0/8\"]".into();
    let appliance = Appliance::with(Setup { machine, ..Setup::default() });
    let mut client = smtp(appliance.smtp);
    for (number, (name, _)) in (1..).zip(REFUSED) {
        let mail = with_crlf(&fs::read(root.join(name)).expect("readable"));
        let answer = deliver(&mut client, &["alice@example.test"], &mail);
        assert!(answer.starts_with("250 2.0.0 queued as "), "{name}: {answer}");
        let collected = collect(appliance.pop3, "alice", number);
        let rest = below(&collected[number - 1].octets).1;
        assert_same(rest, &hidden(&repaired(&ended(&mail))), name);
    }
}

fn repaired(mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, octet) in mail.iter().enumerate() {
        match octet {
            b'\0' => {}
            b'\r' if mail.get(at + 1) != Some(&b'\n') => out.extend_from_slice(b"\r\n"),
            octet => out.push(*octet),
        }
    }
    out
}
