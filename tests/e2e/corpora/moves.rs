use std::fs;
use std::time::Duration;

use restante_tests::{Appliance, assert_same, collect, finish};

use crate::corpora;
use crate::mails::mails;

const PATIENCE: Duration = Duration::from_secs(120);

/// What another server has is taken as it is, however odd: bare CRs and LFs become line ends, NULs go, and
/// nothing else changes on the way in, out as an mbox, and in again.
#[test]
fn every_mail_moves_in_and_out_and_in_again() {
    let Some(root) = corpora("") else { return };
    let mails = mails(&root);
    let (appliance, other) = (Appliance::start(), Appliance::start());
    let folder = tempfile::tempdir().expect("a folder");
    for part in ["cur", "new", "tmp"] {
        fs::create_dir(folder.path().join(part)).expect("made");
    }
    for (number, (_, mail)) in mails.iter().enumerate() {
        fs::write(folder.path().join(format!("new/{}.x.h", 1000 + number)), mail).expect("written");
    }
    let mbox = folder.path().join("mbox");
    let [maildir, mbox] = [folder.path(), &mbox].map(|path| path.to_str().expect("a path of our own"));
    let verbs = [
        (&appliance, ["import", "--mailbox", "alice", "--maildir", maildir]),
        (&appliance, ["export", "--mailbox", "alice", "--mbox", mbox]),
        (&other, ["import", "--mailbox", "alice", "--mbox", mbox]),
    ];
    for (appliance, verb) in verbs {
        finish(&mut appliance.verb(&verb), PATIENCE);
    }
    let first = collect(appliance.pop3, "alice", mails.len());
    let second = collect(other.pop3, "alice", mails.len());
    for ((name, mail), (first, second)) in mails.iter().zip(first.iter().zip(&second)) {
        assert_same(&first.octets, &stored(mail), name);
        assert_same(&second.octets, &stored(mail), name);
    }
}

fn stored(mail: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(mail.len() + 2);
    let mut before = 0;
    for &octet in mail {
        match octet {
            b'\0' => {}
            b'\n' if before == b'\r' => {}
            b'\r' | b'\n' => out.extend_from_slice(b"\r\n"),
            octet => out.push(octet),
        }
        before = octet;
    }
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}
